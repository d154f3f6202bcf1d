import type { RedisScript } from '../../redis/script.ts';

/** Makes a key live for so long at least. */
export const LUA_KEEP = `
local function keep(key, ttl)
  if redis.call('PTTL', key) < tonumber(ttl) then redis.call('PEXPIRE', key, ttl) end
end`;

/**
 * How a verification ends: what verification.ts says, as Redis does it. Needs `LUA_KEEP`; times are texts and stay so,
 * since Lua would write them with fewer digits.
 */
export const LUA_END_VERIFICATION = `
local function finish_verification(keys, id, status, at, retention)
  redis.call('HSET', keys.row, 'status', status, 'endedAt', at)
  redis.call('HDEL', keys.row, 'sealedCode', 'sealedCli')
  redis.call('PEXPIRE', keys.row, retention)
  redis.call('ZREM', keys.pending, id)
  redis.call('ZADD', keys.final, at, id)
  keep(keys.final, retention)
end
-- Answers whether it is still pending at that time.
local function expire_verification(keys, id, now, retention)
  local known = redis.call('HMGET', keys.row, 'status', 'expiresAt')
  if known[1] ~= 'pending' then return false end
  if tonumber(now) < tonumber(known[2]) then return true end
  finish_verification(keys, id, 'expired', known[2], retention)
  return false
end`;

/**
 * Two texts are compared as Lua does it, by the place where it keeps each text once: how long that takes depends on
 * neither. And it would tell nothing: what is kept is an HMAC, and whoever guesses cannot choose the digest that is
 * compared with it.
 */
export const CHECK: RedisScript = {
  name: 'votpCheck',
  keys: 3,
  lua: `
-- Compares a submitted proof and counts it: applyCheck of verification.ts.
-- KEYS: 1 verification, 2 pending and 3 final verifications of its family
-- ARGV: 1 id, 2 field of the digest, 3 submitted digest, 4 what it proves, 5 now, 6 retention in ms
-- Answers {verdict, {field, value, ...}} as it is afterwards; nil where there is none.
${LUA_KEEP}
${LUA_END_VERIFICATION}
local keys = { row = KEYS[1], pending = KEYS[2], final = KEYS[3] }
local id, digest, now, retention = ARGV[1], ARGV[3], ARGV[5], ARGV[6]
if redis.call('EXISTS', keys.row) == 0 then return false end
local verdict = 'not_pending'
if expire_verification(keys, id, now, retention) then
  local checks = redis.call('HINCRBY', keys.row, 'checks', 1)
  if redis.call('HGET', keys.row, ARGV[2]) == digest then
    verdict = 'approved'
    redis.call('HSET', keys.row, 'approvedBy', ARGV[4])
    finish_verification(keys, id, 'approved', now, retention)
  else
    verdict = 'wrong'
    if checks >= tonumber(redis.call('HGET', keys.row, 'maxChecks')) then
      finish_verification(keys, id, 'max_checks_reached', now, retention)
    end
  end
end
return { verdict, redis.call('HGETALL', keys.row) }`,
};

export const END_VERIFICATION: RedisScript = {
  name: 'votpEndVerification',
  keys: 3,
  lua: `
-- Ends a verification that is pending: endVerification(expire(...)) of verification.ts.
-- KEYS: 1 verification, 2 pending and 3 final verifications of its family
-- ARGV: 1 id, 2 status, 3 now, 4 retention in ms
-- Answers {field, value, ...} as it is afterwards; nil where there is none.
${LUA_KEEP}
${LUA_END_VERIFICATION}
local keys = { row = KEYS[1], pending = KEYS[2], final = KEYS[3] }
local id, status, now, retention = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if redis.call('EXISTS', keys.row) == 0 then
  redis.call('ZREM', keys.pending, id)
  redis.call('ZREM', keys.final, id)
  return false
end
if expire_verification(keys, id, now, retention) then
  finish_verification(keys, id, status, now, retention)
end
return redis.call('HGETALL', keys.row)`,
};
