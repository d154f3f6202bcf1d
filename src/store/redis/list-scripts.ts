import type { RedisScript } from '../../redis/script.ts';

export const PAGE_OF_CALLS: RedisScript = {
  name: 'votpPageOfCalls',
  keys: 2,
  lua: `
-- What follows an entry in a list of calls, the newest first; of the same time, the greatest id.
-- KEYS: 1 the list, 2 fresh calls
-- ARGV: 1 time and 2 id of the entry before; both empty: from the newest on, 3 how many, 4 how long a call is fresh
-- Answers {id, time, settled, ...}: 1 where the call has been accepted, or cannot be any more.
-- Bytes are compared, as sorted sets do it: Lua itself compares by the server's language.
local function is_before(a, b)
  for index = 1, math.min(#a, #b) do
    local difference = string.byte(a, index) - string.byte(b, index)
    if difference ~= 0 then return difference < 0 end
  end
  return #a < #b
end
local first = 0
if ARGV[1] ~= '' then
  first = redis.call('ZCOUNT', KEYS[1], '(' .. ARGV[1], '+inf')
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[1])) do
    if not is_before(id, ARGV[2]) then first = first + 1 end
  end
end
local found = redis.call('ZREVRANGE', KEYS[1], first, first + ARGV[3] - 1, 'WITHSCORES')
local time = redis.call('TIME')
local oldest = time[1] * 1000 - ARGV[4]
local answer = {}
for index = 1, #found, 2 do
  local entered = redis.call('ZSCORE', KEYS[2], found[index])
  answer[#answer + 1] = found[index]
  answer[#answer + 1] = found[index + 1]
  answer[#answer + 1] = (not entered or tonumber(entered) < oldest) and '1' or '0'
end
return answer`,
};

export const DROP_ROW: RedisScript = {
  name: 'votpDropRow',
  keys: 2,
  lua: `
-- Deletes what a list says is too old, and its entry.
-- KEYS: 1 the list, 2 the row
-- ARGV: 1 its member in the list, 2 up to which time; with ( in front: only what is before it
-- Answers how many rows went.
local at = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or nil)
local before = string.sub(ARGV[2], 1, 1) == '('
local bound = tonumber(before and string.sub(ARGV[2], 2) or ARGV[2])
if not at or at > bound or (before and at == bound) then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('DEL', KEYS[2])`,
};

export const DROP_CALL: RedisScript = {
  name: 'votpDropCall',
  keys: 2,
  lua: `
-- Deletes a call, whether it has ended or not.
-- KEYS: 1 call, 2 unfinished calls of its family
-- ARGV: 1 id
-- Answers its text; nil where there is none.
local record = redis.call('HGET', KEYS[1], 'record')
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return record`,
};
