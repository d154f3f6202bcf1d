import type { RedisScript } from '../redis/script.ts';

/** Milliseconds of Redis's clock. */
const LUA_NOW = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end`;

/** What all of these answer besides: who beats, and who is no more. */
const LUA_SURVEY = `
local function survey(standing, expiry)
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, expiry) end
  return { standing, redis.call('GET', KEYS[3]) or '', redis.call('HGETALL', KEYS[1]), redis.call('ZRANGE', KEYS[2], 0, -1) }
end`;

export const REGISTER_NODE: RedisScript = {
  name: 'nodesRegister',
  keys: 3,
  lua: `
-- Makes a token known, in place of another one that is no more from now on.
-- KEYS: 1 beats by token, 2 tokens that are no more, by the ms of Redis's clock at which they went, 3 era
-- ARGV: 1 token, 2 token that it replaces; empty: none, 3 name of the era, should none have begun,
--       4 how long the keys live without a beat, in ms
-- Answers { 'beating', era, token, beats ..., tokens that are no more }
${LUA_NOW}
${LUA_SURVEY}
redis.call('SET', KEYS[3], ARGV[3], 'NX')
redis.call('HSET', KEYS[1], ARGV[1], '0')
if ARGV[2] ~= '' then
  redis.call('HDEL', KEYS[1], ARGV[2])
  redis.call('ZADD', KEYS[2], 'NX', now(), ARGV[2])
end
return survey('beating', ARGV[4])`,
};

export const BEAT_NODE: RedisScript = {
  name: 'nodesBeat',
  keys: 3,
  lua: `
-- One more beat of a token. Tokens that have been no more for long are forgotten.
-- KEYS: 1 beats by token, 2 tokens that are no more, by the ms of Redis's clock at which they went, 3 era
-- ARGV: 1 token, 2 era in which it was registered, 3 how long a token that is no more is kept, in ms,
--       4 how long the keys live without a beat, in ms
-- Answers { standing, era, { token, beats ... }, { tokens that are no more } }; standing: 'beating'; 'gone': it was given up;
--         'forgotten': nothing is known of it; 'new_era': nothing is, since Redis has lost what it held
${LUA_NOW}
${LUA_SURVEY}
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now() - ARGV[3])
if redis.call('ZSCORE', KEYS[2], ARGV[1]) then return survey('gone', ARGV[4]) end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return survey(redis.call('GET', KEYS[3]) == ARGV[2] and 'forgotten' or 'new_era', ARGV[4])
end
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
return survey('beating', ARGV[4])`,
};

export const BURY_NODE: RedisScript = {
  name: 'nodesBury',
  keys: 2,
  lua: `
-- Gives a token up for dead, where it has not beaten since.
-- KEYS: 1 beats by token, 2 tokens that are no more, by the ms of Redis's clock at which they went
-- ARGV: 1 token, 2 its beats, as they were seen; empty: nothing is known of it,
--       3 how long the keys live without a beat, in ms
-- Answers 1 where it is no more, also where somebody else said so before; 0 where it has beaten.
${LUA_NOW}
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('ZADD', KEYS[2], now(), ARGV[1])
end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1`,
};

export const LEAVE_NODE: RedisScript = {
  name: 'nodesLeave',
  keys: 2,
  lua: `
-- Says that a token is no more: its process ends.
-- KEYS: 1 beats by token, 2 tokens that are no more, by the ms of Redis's clock at which they went
-- ARGV: 1 token, 2 how long the keys live without a beat, in ms
-- Answers 1.
${LUA_NOW}
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], 'NX', now(), ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1`,
};
