import type { RedisScript } from '../../redis/script.ts';
import { LUA_ADD_NOTICE } from './notice-scripts.ts';
import { LUA_KEEP } from './verification-scripts.ts';

/**
 * The lists of calls are elsewhere than a call itself: a call is entered there before it is accepted, so that none is
 * missing in them. What was entered for one that was never accepted is skipped, and deleted by whoever reads it once
 * the call cannot come any more: it is accepted so long after this at most …
 */
export const ACCEPT_WITHIN_MS = 30_000;
/** … and for so long its entry is left alone. Servers of a cluster may differ in their time, by less than that. */
export const FRESH_MS = 600_000;

export const ENTER_CALL: RedisScript = {
  name: 'votpEnterCall',
  keys: 3,
  lua: `
-- Enters a call in the lists of calls, before it is accepted.
-- KEYS: 1 all calls, 2 calls of a client (any of the others where there is none), 3 fresh calls
-- ARGV: 1 id, 2 its beginning, 3 retention in ms, 4 client? 0 or 1, 5 how long a call is fresh, in ms
-- Answers Redis's time in ms.
${LUA_KEEP}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number) return string.format('%.0f', number) end
-- Whoever comes with a time that is far ahead pushes nothing out.
local before = text(math.min(now, tonumber(ARGV[2])) - ARGV[3])
local function enter(key)
  redis.call('ZADD', key, ARGV[2], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. before)
  keep(key, ARGV[3])
end
enter(KEYS[1])
if ARGV[4] == '1' then enter(KEYS[2]) end
redis.call('ZADD', KEYS[3], text(now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', text(now - ARGV[5]))
redis.call('PEXPIRE', KEYS[3], ARGV[5])
return text(now)`,
};

export const ACCEPT: RedisScript = {
  name: 'votpAccept',
  keys: 12,
  lua: `
-- Stores a call, with its verification, the idempotent request that asked for them, what the verification is found
-- under and who is told of it; or none of them.
-- KEYS: 1 call, 2 unfinished calls, 3 verification, 4 pending and 5 final verifications, 6 calls of what it proves,
--       7 request, 8 requests, 9 alias, 10 notice, 11 open and 12 due notices; of one family
-- ARGV: 1 a word of this acceptance alone: who sends it twice gets the same answer
--       2 when the call was entered, by Redis's time, 3 within which time after that it may be accepted, in ms
--       4 id of the call, 5 its text, 6 state, 7 node, 8 is its last attempt open, 9 its beginning, 10 retention in ms
--       11 id of what it proves; empty: nothing
--       12 request: its member in the list; empty: none, 13 fingerprint, 14 reply, 15 its end, 16 how long it lives
--       17 id of the verification that comes with it; empty: none, 18 its status, 19 when its time is over, or was,
--       20 how long it lives, in ms, 21 is there an alias of it, 0 or 1
--       22 id of the notice; empty: none, 23 when it is due, 24 how long it lives, in ms,
--       25 how many fields and values it has; 26 ... these, in turn; behind them those of the verification
-- Answers {'accepted'}, {'late'}, {'replayed', reply, is the call there}, {'key_reused', '', is it there},
--   {'taken', '', is it there}.
${LUA_KEEP}
${LUA_ADD_NOTICE}
local call, unfinished, verification, request = KEYS[1], KEYS[2], KEYS[3], KEYS[7]
local known = redis.call('HGET', call, 'accepted')
if known == ARGV[1] then return { 'accepted' } end
local there = known and '1' or '0'
local time = redis.call('TIME')
if time[1] * 1000 + time[2] / 1000 > ARGV[2] + ARGV[3] then return { 'late' } end
if ARGV[12] ~= '' then
  local earlier = redis.call('HMGET', request, 'fingerprint', 'reply', 'expiresAt')
  if earlier[1] and tonumber(earlier[3]) > tonumber(ARGV[9]) then
    if earlier[1] == ARGV[13] then return { 'replayed', earlier[2], there } end
    return { 'key_reused', '', there }
  end
end
local is_taken = (ARGV[17] ~= '' and redis.call('EXISTS', verification) == 1)
  or (ARGV[22] ~= '' and redis.call('EXISTS', KEYS[10]) == 1)
if known or is_taken then return { 'taken', '', there } end

redis.call('HSET', call, 'accepted', ARGV[1], 'record', ARGV[5], 'state', ARGV[6], 'node', ARGV[7], 'open', ARGV[8])
redis.call('PEXPIRE', call, ARGV[10])
if ARGV[6] ~= 'ended' then
  redis.call('ZADD', unfinished, ARGV[9], ARGV[4])
  keep(unfinished, ARGV[10])
end
if ARGV[11] ~= '' then
  redis.call('ZADD', KEYS[6], ARGV[9], ARGV[4])
  keep(KEYS[6], ARGV[10])
end
if ARGV[17] ~= '' then
  local list = ARGV[18] == 'pending' and KEYS[4] or KEYS[5]
  redis.call('HSET', verification, unpack(ARGV, 26 + ARGV[25]))
  redis.call('PEXPIRE', verification, ARGV[20])
  redis.call('ZADD', list, ARGV[19], ARGV[17])
  keep(list, ARGV[20])
  if ARGV[21] == '1' then redis.call('SET', KEYS[9], ARGV[17], 'PX', ARGV[20]) end
end
if ARGV[22] ~= '' then
  local keys = { row = KEYS[10], open = KEYS[11], due = KEYS[12] }
  add_notice(keys, ARGV[22], ARGV[23], ARGV[9], ARGV[24], { unpack(ARGV, 26, 25 + ARGV[25]) })
end
if ARGV[12] ~= '' then
  redis.call('HSET', request, 'fingerprint', ARGV[13], 'reply', ARGV[14], 'expiresAt', ARGV[15])
  redis.call('PEXPIRE', request, ARGV[16])
  redis.call('ZADD', KEYS[8], ARGV[15], ARGV[12])
  keep(KEYS[8], ARGV[16])
end
return { 'accepted' }`,
};

export const UNENTER_CALL: RedisScript = {
  name: 'votpUnenterCall',
  keys: 3,
  lua: `
-- Takes a call that is not there, and cannot come, out of the lists of calls.
-- KEYS: 1 all calls, 2 calls of a client (any of the others where it is not known), 3 fresh calls
-- ARGV: 1 id
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1`,
};
