import type { RedisScript } from '../../redis/script.ts';
import { LUA_KEEP } from './verification-scripts.ts';

export const TAKE_CLI: RedisScript = {
  name: 'votpTakeCli',
  keys: 4,
  lua: `
-- Takes a calling number for a callee: of those that it was not shown lately, one of the third that was used least
-- (leastUsed of cli-pool.ts).
-- KEYS: 1 uses of this list of numbers, 2 what the callee was shown, 3 all lists, 4 all callees
-- ARGV: 1 callee, 2 digest of the list, 3 now, 4 what was shown at this time or before counts no more, 5 fewest,
--       6 random, 7 how long what was shown lives, in ms, 8 how long the uses live, in ms, 9 ... the numbers
-- Answers {number or an empty text, choices, candidates}.
${LUA_KEEP}
local pool, shown, now = KEYS[1], KEYS[2], ARGV[3]
local lately = {}
for _, cli in ipairs(redis.call('ZRANGEBYSCORE', shown, '(' .. ARGV[4], '+inf')) do lately[cli] = true end
-- Uses are kept as so many, a colon, and the time of the last; under the number's place in the list.
local count, at = {}, {}
local known = redis.call('HGETALL', pool)
for index = 1, #known, 2 do
  local place, text = tonumber(known[index]), known[index + 1]
  local colon = string.find(text, ':', 1, true)
  count[place], at[place] = tonumber(string.sub(text, 1, colon - 1)), tonumber(string.sub(text, colon + 1))
end

local eligible = {}
for place = 0, #ARGV - 9 do
  if not lately[ARGV[place + 9]] then
    eligible[#eligible + 1] = place
    if not count[place] then count[place], at[place] = 0, 0 end
  end
end
local choices = #eligible
if choices == 0 or choices < tonumber(ARGV[5]) then return { '', choices, 0 } end

table.sort(eligible, function(a, b)
  if count[a] ~= count[b] then return count[a] < count[b] end
  if at[a] ~= at[b] then return at[a] < at[b] end
  return a < b
end)
local candidates = math.ceil(choices / 3)
local last = eligible[candidates]
local function is_like_last(place) return count[place] == count[last] and at[place] == at[last] end
while candidates < choices and is_like_last(eligible[candidates + 1]) do candidates = candidates + 1 end

local taken = eligible[math.floor(ARGV[6] * candidates) + 1]
local cli = ARGV[taken + 9]
redis.call('HSET', pool, string.format('%d', taken), string.format('%d', count[taken] + 1) .. ':' .. now)
keep(pool, ARGV[8])
redis.call('ZADD', KEYS[3], 'GT', now, ARGV[2])
keep(KEYS[3], ARGV[8])
redis.call('ZADD', shown, now, cli)
keep(shown, ARGV[7])
redis.call('ZADD', KEYS[4], redis.call('ZRANGE', shown, 0, 0, 'WITHSCORES')[2], ARGV[1])
keep(KEYS[4], ARGV[7])
return { cli, choices, candidates }`,
};

export const FORGET_SHOWN: RedisScript = {
  name: 'votpForgetShown',
  keys: 2,
  lua: `
-- Forgets what a callee was shown too long ago.
-- KEYS: 1 all callees, 2 what the callee was shown
-- ARGV: 1 callee, 2 up to which time
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[2])
local oldest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
if oldest then redis.call('ZADD', KEYS[1], oldest, ARGV[1]) else redis.call('ZREM', KEYS[1], ARGV[1]) end
return 1`,
};
