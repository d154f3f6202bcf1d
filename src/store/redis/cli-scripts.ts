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
local uses = {}
local known = redis.call('HGETALL', pool)
for index = 1, #known, 2 do uses[known[index]] = known[index + 1] end

-- Uses are kept as so many, a colon, and the time of the last; under the number's place in the list.
local eligible = {}
for index = 9, #ARGV do
  if not lately[ARGV[index]] then
    local count, at = 0, 0
    local text = uses[tostring(index - 9)]
    if text then
      local colon = string.find(text, ':', 1, true)
      count, at = tonumber(string.sub(text, 1, colon - 1)), tonumber(string.sub(text, colon + 1))
    end
    eligible[#eligible + 1] = { place = index - 9, count = count, at = at }
  end
end
local choices = #eligible
if choices == 0 or choices < tonumber(ARGV[5]) then return { '', choices, 0 } end

table.sort(eligible, function(a, b)
  if a.count ~= b.count then return a.count < b.count end
  if a.at ~= b.at then return a.at < b.at end
  return a.place < b.place
end)
local candidates = math.ceil(choices / 3)
local last = eligible[candidates]
while candidates < choices and eligible[candidates + 1].count == last.count
  and eligible[candidates + 1].at == last.at do candidates = candidates + 1 end

local taken = eligible[math.floor(ARGV[6] * candidates) + 1]
local cli = ARGV[taken.place + 9]
redis.call('HSET', pool, tostring(taken.place), string.format('%d', taken.count + 1) .. ':' .. now)
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
