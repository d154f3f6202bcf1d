import type { RedisScript } from '../../redis/script.ts';

/** What slots.ts says of sliding windows, as Redis does it. Numbers are written whole: Lua would shorten them. */
const LUA_SLOTS = `
local function slot_at(at, window) return math.floor(at * 12 / window) end

local function slots_at(text, slot)
  if not text then return slot, {} end
  local colon = string.find(text, ':', 1, true)
  local latest, amounts = tonumber(string.sub(text, 1, colon - 1)), {}
  for amount in string.gmatch(string.sub(text, colon + 1), '%d+') do amounts[#amounts + 1] = tonumber(amount) end
  local ahead = slot - latest
  if ahead > 12 then return slot, {} end
  if ahead > 0 then
    local moved = {}
    for age = 1, math.min(13, #amounts + ahead) do moved[age] = age <= ahead and 0 or amounts[age - ahead] end
    return slot, moved
  end
  if ahead < -12 then return slot, amounts end
  return latest, amounts
end

local function slots_text(latest, amounts)
  local last = #amounts
  while last > 0 and amounts[last] == 0 do last = last - 1 end
  local texts = {}
  for age = 1, last do texts[age] = string.format('%.0f', amounts[age]) end
  return string.format('%.0f', latest) .. ':' .. table.concat(texts, ',')
end

local function slot_end(slot, window) return math.ceil((slot + 13) * window / 12) end
local function whole(number) return string.format('%.0f', number) end`;

const TAKE = `
-- Counts all of it, or none: where of one thing there would be more than may be within its window, or where a pause is
-- not over, nothing changes.
-- KEYS: first what is counted (texts: number of the latest twelfth of the window, a colon, what was counted in it, in the
--       one before and so on, with commas), then pauses (texts: how often, a colon, when last)
-- ARGV: 1 now, 2 how many keys are counts, 3 how long a key lives at least, in ms; then for each count: window in ms, most,
--       amount; then for each pause: when it is forgotten, in ms, how many lengths follow, these, in ms
-- Answers {} where all was counted, else {which key it takes longest to wait for, ms to wait}.
${LUA_SLOTS}
local now, counts, least = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local place, longest, which, changes = 4, 0, 0, {}
local function refuse(key, wait) if wait > longest then longest, which = wait, key end end

for key = 1, counts do
  local window, most, amount = tonumber(ARGV[place]), tonumber(ARGV[place + 1]), tonumber(ARGV[place + 2])
  place = place + 3
  local latest, amounts = slots_at(redis.call('GET', KEYS[key]), slot_at(now, window))
  local excess = amount - most
  for _, one in ipairs(amounts) do excess = excess + one end
  if excess > 0 then
    local wait = window
    for age = #amounts, 1, -1 do
      excess = excess - amounts[age]
      if excess <= 0 then
        wait = math.max(1, slot_end(latest - age + 1, window) - now)
        break
      end
    end
    refuse(key, wait)
  else
    amounts[1] = (amounts[1] or 0) + amount
    changes[key] = { slots_text(latest, amounts), slot_end(latest, window) - now }
  end
end

for key = counts + 1, #KEYS do
  local forget, lengths = tonumber(ARGV[place]), tonumber(ARGV[place + 1])
  local times, text = 0, redis.call('GET', KEYS[key])
  if text then
    local colon = string.find(text, ':', 1, true)
    local last = tonumber(string.sub(text, colon + 1))
    if math.abs(now - last) < forget then
      times = tonumber(string.sub(text, 1, colon - 1))
      local pause = tonumber(ARGV[place + 1 + math.min(times, lengths)])
      -- Further ahead than the pause is long: the clock was set.
      if last - now <= pause then refuse(key, last + pause - now) end
    end
  end
  changes[key] = { whole(times + 1) .. ':' .. ARGV[1], forget }
  place = place + 2 + lengths
end

if longest > 0 then return { which, longest } end
for key, change in ipairs(changes) do
  redis.call('SET', KEYS[key], change[1], 'PX', whole(math.max(least, change[2])))
end
return {}`;

const GIVE_BACK = `
-- Gives back what was counted at a time, as far as it still counts. Where that was the last of a pause, the one before is
-- over, as it was then.
-- KEYS: first what is counted, then pauses, as above
-- ARGV: 1 when it was taken, 2 now, 3 how many keys are counts, then for each count: window in ms, amount; then for each
--       pause: how many lengths follow, these, in ms
-- Answers nothing.
${LUA_SLOTS}
local at, now, counts = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
for key = 1, counts do
  local window, amount = tonumber(ARGV[2 + 2 * key]), tonumber(ARGV[3 + 2 * key])
  local text = redis.call('GET', KEYS[key])
  if text then
    local latest, amounts = slots_at(text, slot_at(now, window))
    local age = latest - slot_at(at, window) + 1
    if amounts[age] then amounts[age] = math.max(0, amounts[age] - amount) end
    redis.call('SET', KEYS[key], slots_text(latest, amounts), 'KEEPTTL')
  end
end
local place = 4 + 2 * counts
for key = counts + 1, #KEYS do
  local lengths, text = tonumber(ARGV[place]), redis.call('GET', KEYS[key])
  if text then
    local colon = string.find(text, ':', 1, true)
    local times, last = tonumber(string.sub(text, 1, colon - 1)) - 1, tonumber(string.sub(text, colon + 1))
    if times < 1 then redis.call('DEL', KEYS[key])
    else
      if last == at then last = at - tonumber(ARGV[place + math.min(times, lengths)]) end
      redis.call('SET', KEYS[key], whole(times) .. ':' .. whole(last), 'KEEPTTL')
    end
  end
  place = place + 1 + lengths
end`;

/** The script for so many keys: a client has to know how many there are. */
export function takeLimits(keys: number): RedisScript {
  return { name: `votpTakeLimits${keys}`, keys, lua: TAKE };
}

/** The script for so many keys. */
export function giveLimitsBack(keys: number): RedisScript {
  return { name: `votpGiveLimitsBack${keys}`, keys, lua: GIVE_BACK };
}
