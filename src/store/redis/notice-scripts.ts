import type { RedisScript } from '../../redis/script.ts';
import { LUA_KEEP } from './verification-scripts.ts';

/**
 * A notice is a hash: what nothing changes is in `constant`, and `by` is the word of the claim, empty where there is none.
 * Three sorted sets of its family say what there is: `open` by the beginning, `dead` so too (of a client in a set of its
 * own besides), and `due` by when the next one may claim it: its time, and while somebody works on it the end of that
 * claim. Needs `keep`.
 */
export const LUA_ADD_NOTICE = `
local function add_notice(keys, id, due, began, ttl, fields)
  redis.call('HSET', keys.row, 'by', '', 'again', '0', unpack(fields))
  redis.call('PEXPIRE', keys.row, ttl)
  redis.call('ZADD', keys.open, began, id)
  keep(keys.open, ttl)
  redis.call('ZADD', keys.due, due, id)
  keep(keys.due, ttl)
end`;

export const CLAIM_NOTICE: RedisScript = {
  name: 'votpClaimNotice',
  keys: 3,
  lua: `
-- Claims an open notice whose time has come.
-- KEYS: 1 notice, 2 due and 3 open notices of its family
-- ARGV: 1 id, 2 word of the claim, 3 now, 4 until when
-- Answers {field, value, ...}; nil where it is not to be had.
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'open' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
  return false
end
local look = redis.call('ZSCORE', KEYS[2], ARGV[1])
if look and tonumber(look) > tonumber(ARGV[3]) then return false end
redis.call('HSET', KEYS[1], 'by', ARGV[2], 'again', '0')
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
return redis.call('HGETALL', KEYS[1])`,
};

export const WRITE_NOTICE: RedisScript = {
  name: 'votpWriteNotice',
  keys: 5,
  lua: `
-- Stores how far a claimed notice has come, and keeps its claim, or gives it back.
-- KEYS: 1 notice, 2 due, 3 open and 4 dead notices of its family, 5 dead ones of its client (the same as 4 where there is
--       none)
-- ARGV: 1 id, 2 word of the claim, 3 what is to become of the claim: keep or back, 4 until when it holds, or when the
--       notice is due, 5 state, 6 its beginning, 7 how long it lives, in ms, 8 tries, 9 ... fields and values in turn
-- Answers kept, again or lost.
${LUA_KEEP}
if redis.call('HGET', KEYS[1], 'by') ~= ARGV[2] then return 'lost' end
redis.call('HDEL', KEYS[1], 'triedSince', 'lastError')
redis.call('HSET', KEYS[1], 'state', ARGV[5], 'tries', ARGV[8], unpack(ARGV, 9))
if ARGV[3] == 'keep' then
  redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
  return 'kept'
end
if ARGV[5] == 'dead' then
  redis.call('HSET', KEYS[1], 'by', '', 'again', '0', 'dueAt', ARGV[4])
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('ZADD', KEYS[4], ARGV[6], ARGV[1])
  keep(KEYS[4], ARGV[7])
  redis.call('ZADD', KEYS[5], ARGV[6], ARGV[1])
  keep(KEYS[5], ARGV[7])
  return 'kept'
end
if ARGV[8] == '0' and redis.call('HGET', KEYS[1], 'again') == '1' then
  redis.call('HSET', KEYS[1], 'again', '0')
  return 'again'
end
redis.call('HSET', KEYS[1], 'by', '', 'again', '0', 'dueAt', ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
return 'kept'`,
};

export const FINISH_NOTICE: RedisScript = {
  name: 'votpFinishNotice',
  keys: 3,
  lua: `
-- Deletes a claimed notice of which all is told.
-- KEYS: 1 notice, 2 due and 3 open notices of its family
-- ARGV: 1 id, 2 word of the claim
-- Answers kept, again or lost.
local known = redis.call('HMGET', KEYS[1], 'by', 'again')
if known[1] ~= ARGV[2] then return 'lost' end
if known[2] == '1' then
  redis.call('HSET', KEYS[1], 'again', '0')
  return 'again'
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return 'kept'`,
};

export const WAKE_NOTICE: RedisScript = {
  name: 'votpWakeNotice',
  keys: 2,
  lua: `
-- Something happened: makes an open notice due, or tells whoever works on it.
-- KEYS: 1 notice, 2 due notices of its family
-- ARGV: 1 id, 2 now
-- Answers 1 where it is due and nobody works on it; 0 else.
local known = redis.call('HMGET', KEYS[1], 'state', 'by', 'tries')
if known[1] ~= 'open' then return 0 end
local look = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or ARGV[2])
if look <= tonumber(ARGV[2]) then return 1 end
if known[2] ~= '' then
  redis.call('HSET', KEYS[1], 'again', '1')
  return 0
end
if known[3] ~= '0' then return 0 end
redis.call('HSET', KEYS[1], 'dueAt', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
return 1`,
};

export const REVIVE_NOTICE: RedisScript = {
  name: 'votpReviveNotice',
  keys: 5,
  lua: `
-- Opens a dead notice again.
-- KEYS: 1 notice, 2 due, 3 open and 4 dead notices of its family, 5 dead ones of its client (the same as 4 where there is
--       none)
-- ARGV: 1 id, 2 now, 3 its beginning, 4 how long it lives, in ms
-- Answers 1; 0 where there is no such dead one.
${LUA_KEEP}
${LUA_ADD_NOTICE}
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[1])
if redis.call('HGET', KEYS[1], 'state') ~= 'dead' then return 0 end
redis.call('HDEL', KEYS[1], 'triedSince')
local keys = { row = KEYS[1], due = KEYS[2], open = KEYS[3] }
add_notice(keys, ARGV[1], ARGV[2], ARGV[3], ARGV[4], { 'state', 'open', 'tries', '0', 'dueAt', ARGV[2] })
return 1`,
};

export const DROP_NOTICE: RedisScript = {
  name: 'votpDropNotice',
  keys: 5,
  lua: `
-- Deletes a notice in whatever state, and its entries.
-- KEYS: 1 notice, 2 due, 3 open and 4 dead notices of its family, 5 dead ones of its client (the same as 4 where there is
--       none)
-- ARGV: 1 id
-- Answers how many rows went.
for index = 2, 5 do redis.call('ZREM', KEYS[index], ARGV[1]) end
return redis.call('DEL', KEYS[1])`,
};
