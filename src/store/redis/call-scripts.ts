import type { RedisScript } from '../../redis/script.ts';
import { LUA_END_VERIFICATION, LUA_KEEP } from './verification-scripts.ts';

export const SAVE_CALL: RedisScript = {
  name: 'votpSaveCall',
  keys: 1,
  lua: `
-- Replaces a call that has not ended and that the same node carries.
-- KEYS: 1 call
-- ARGV: 1 its text, 2 state, 3 node, 4 is its last attempt open
-- Answers 1; 0 where nothing was written.
local known = redis.call('HMGET', KEYS[1], 'state', 'node')
if not known[1] or known[1] == 'ended' or known[2] ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], 'record', ARGV[1], 'state', ARGV[2], 'open', ARGV[4])
return 1`,
};

export const MOVE_CALL: RedisScript = {
  name: 'votpMoveCall',
  keys: 1,
  lua: `
-- Gives a call that has not ended from one node to another.
-- KEYS: 1 call
-- ARGV: 1 from, 2 to, 3 also in the middle of an attempt, 0 or 1, 4 a word of this move alone: who sends it twice gets
--       the same answer
-- Answers the text of the call; nil where nothing was written.
local known = redis.call('HMGET', KEYS[1], 'state', 'node', 'open', 'record', 'moved')
if not known[1] or known[1] == 'ended' then return false end
if known[5] == ARGV[4] and known[2] == ARGV[2] then return known[4] end
if known[2] ~= ARGV[1] or (known[3] == '1' and ARGV[3] == '0') then return false end
redis.call('HSET', KEYS[1], 'node', ARGV[2], 'moved', ARGV[4])
return known[4]`,
};

export const FINISH_CALL: RedisScript = {
  name: 'votpFinishCall',
  keys: 6,
  lua: `
-- Stores the end of a call, with its call detail records, and what comes of that for its verification.
-- KEYS: 1 call, 2 unfinished calls, 3 verification, 4 pending and 5 final verifications, 6 outbox; of one family
-- ARGV: 1 id, 2 its text, 3 node, 4 id of its verification; empty: none, 5 fail that, 0 or 1, 6 now,
--       7 retention of verifications in ms, 8 how long the outbox lives, in ms, 9 ... records
-- Answers 1; 2 where the same node had ended it in the same way; 0 where nothing was written.
${LUA_KEEP}
${LUA_END_VERIFICATION}
local known = redis.call('HMGET', KEYS[1], 'state', 'node', 'record')
if not known[1] or known[2] ~= ARGV[3] then return 0 end
if known[1] == 'ended' then return known[3] == ARGV[2] and 2 or 0 end
redis.call('HSET', KEYS[1], 'record', ARGV[2], 'state', 'ended', 'open', '0')
redis.call('ZREM', KEYS[2], ARGV[1])
for index = 9, #ARGV do redis.call('RPUSH', KEYS[6], ARGV[index]) end
if #ARGV >= 9 then keep(KEYS[6], ARGV[8]) end
if ARGV[4] ~= '' and redis.call('EXISTS', KEYS[3]) == 1 then
  local keys = { row = KEYS[3], pending = KEYS[4], final = KEYS[5] }
  if ARGV[5] == '1' and expire_verification(keys, ARGV[4], ARGV[6], ARGV[7]) then
    finish_verification(keys, ARGV[4], 'failed', ARGV[6], ARGV[7])
  end
  redis.call('HDEL', KEYS[3], 'sealedCode', 'sealedCli')
end
return 1`,
};
