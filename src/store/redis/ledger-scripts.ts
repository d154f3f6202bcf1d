import type { RedisScript } from '../../redis/script.ts';

/**
 * The keys that each of these scripts begins with.
 *
 * `ends`: hash of `head`, `headHash`, `headAt` (when the last row was written), `anchor`, `anchorHash`, and `until`: the
 * moment at which rows and calls expire, empty without retention. `rows`: stream, the row with the number n under n-0.
 * `calls`: hash, under the id of a call `attempt:number` of each of its rows, with commas between them.
 */
const HEADER = `
-- KEYS: 1 ends, 2 rows, 3 calls of the ledger of call detail records`;

/** Rows that have expired are as if they had been dropped; whatever Redis has not yet removed of them is not there. */
const ENDS = `
local kept = redis.call('HMGET', KEYS[1], 'head', 'headHash', 'headAt', 'anchor', 'anchorHash', 'until')
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local head, headHash, headAt = tonumber(kept[1] or 0), kept[2] or string.rep('0', 64), tonumber(kept[3] or 0)
local anchor, anchorHash = tonumber(kept[4] or 0), kept[5] or string.rep('0', 64)
local lapsed = (kept[6] or '') ~= '' and now >= tonumber(kept[6])
if lapsed then anchor, anchorHash = head, headHash end
local function text(number) return string.format('%.0f', number) end
`;

export const LEDGER_ENDS: RedisScript = {
  name: 'votpLedgerEnds',
  keys: 3,
  lua: `-- Where the ledger begins and ends.${HEADER}
-- ARGV: none
-- Result: number and hash of the anchor, number and hash of the head
${ENDS}
return {text(anchor), anchorHash, text(head), headHash}`,
};

/** How far the time that a process reckoned may be from that of Redis, milliseconds. */
const TIME_OFF_MS = 1000;
/** How long others wait for whoever has come too late again and again, milliseconds. */
const TURN_MS = 100;
/** After that many times. */
const TURN_AFTER = 3;
/** The ends are kept that much longer than the rows: numbers are not given twice. */
const ENDS_LONGER_MS = 366 * 86_400_000;

export const LEDGER_APPEND: RedisScript = {
  name: 'votpLedgerAppend',
  keys: 4,
  lua: `-- Adds rows to the ledger, all or none: where they follow its head and none of them is there yet.${HEADER},
--   4 turn (text: who may append next, where others were always faster)
-- ARGV: 1 number and 2 hash of the row that they follow ('' where the caller does not know the head),
--   3 Redis's time as the caller reckoned it, ms ('' where nothing depends on it), 4 who asks, 5 how often it came
--   too late just now, 6 how long to keep all from now on, ms ('': for ever); then of each row 5 more: call id,
--   attempt, time of writing, record, hash
-- Result: 'added', time, ms
--   or 'turn', ms: another one's turn, for so long at most
--   or 'again', number, hash and time of writing of the head, time, ms; then of each row that was given 3 more:
--   number, record, hash of the row of this attempt that is there already, '' each where there is none
${ENDS}
local turn = redis.call('GET', KEYS[4])
if turn and turn ~= ARGV[4] then return {'turn', text(redis.call('PTTL', KEYS[4]))} end
if lapsed then redis.call('DEL', KEYS[2], KEYS[3]) end

local answer, there, given = {'again', text(head), headHash, text(headAt), text(now)}, 0, (#ARGV - 6) / 5
for i = 0, given - 1 do
  local seqs = redis.call('HGET', KEYS[3], ARGV[7 + i * 5]) or ''
  local seq = string.match(',' .. seqs, ',' .. ARGV[8 + i * 5] .. ':(%d+)')
  local row = seq and redis.call('XRANGE', KEYS[2], seq .. '-0', seq .. '-0')[1]
  if row then there = there + 1 end
  answer[6 + i * 3] = row and seq or ''
  answer[7 + i * 3] = row and row[2][6] or ''
  answer[8 + i * 3] = row and row[2][8] or ''
end
local follows = ARGV[1] == text(head) and ARGV[2] == headHash
local off = ARGV[3] ~= '' and math.abs(tonumber(ARGV[3]) - now) > ${TIME_OFF_MS}
if not follows or off or there > 0 then
  if there == given then
    redis.call('DEL', KEYS[4])
  elseif tonumber(ARGV[5]) >= ${TURN_AFTER} then
    redis.call('SET', KEYS[4], ARGV[4], 'PX', ${TURN_MS})
  end
  return answer
end

for i = 0, given - 1 do
  local call, attempt, at = ARGV[7 + i * 5], ARGV[8 + i * 5], ARGV[9 + i * 5]
  local seq = text(head + i + 1)
  redis.call('XADD', KEYS[2], seq .. '-0', 'at', at, 'call', call, 'record', ARGV[10 + i * 5], 'hash', ARGV[11 + i * 5])
  local seqs = redis.call('HGET', KEYS[3], call)
  redis.call('HSET', KEYS[3], call, (seqs and seqs .. ',' or '') .. attempt .. ':' .. seq)
  headHash, headAt = ARGV[11 + i * 5], at
end
local before = ARGV[6] ~= '' and text(now + tonumber(ARGV[6])) or ''
redis.call('HSET', KEYS[1], 'head', text(head + given), 'headHash', headHash, 'headAt', headAt,
  'anchor', text(anchor), 'anchorHash', anchorHash, 'until', before)
if before ~= '' then
  redis.call('PEXPIREAT', KEYS[1], text(now + tonumber(ARGV[6]) + ${ENDS_LONGER_MS}))
  redis.call('PEXPIREAT', KEYS[2], before)
  redis.call('PEXPIREAT', KEYS[3], before)
else
  for i = 1, 3 do redis.call('PERSIST', KEYS[i]) end
end
if turn then redis.call('DEL', KEYS[4]) end
return {'added', text(now)}`,
};

export const LEDGER_SPAN: RedisScript = {
  name: 'votpLedgerSpan',
  keys: 3,
  lua: `-- Which rows were written from one time to another: they lie in the order of their times, so that halving finds them.${HEADER}
-- ARGV: 1 from (inclusive), 2 to (exclusive), ms
-- Result: number of the row before the first, number of the last
${ENDS}
local function before(time)
  local low, high = anchor, head
  while low < high do
    local middle = math.ceil((low + high) / 2)
    local row = redis.call('XRANGE', KEYS[2], text(middle) .. '-0', '+', 'COUNT', 1)[1]
    if row and tonumber(row[2][2]) >= time then high = middle - 1 else low = middle end
  end
  return low
end
local after = before(tonumber(ARGV[1]))
return {text(after), text(math.max(after, before(tonumber(ARGV[2]))))}`,
};

export const LEDGER_CALL: RedisScript = {
  name: 'votpLedgerCall',
  keys: 3,
  lua: `-- The rows of one call.${HEADER}
-- ARGV: 1 call id
-- Result: rows as XRANGE gives them
local found = {}
for seq in string.gmatch(redis.call('HGET', KEYS[3], ARGV[1]) or '', ':(%d+)') do
  local row = redis.call('XRANGE', KEYS[2], seq .. '-0', seq .. '-0')[1]
  if row then found[#found + 1] = row end
end
return found`,
};

export const LEDGER_DROP: RedisScript = {
  name: 'votpLedgerDrop',
  keys: 3,
  lua: `-- Deletes the oldest rows, and notes the last of them as the anchor.${HEADER}
-- ARGV: 1 before which time of writing, ms, 2 how many rows at most
-- Result: how many went
${ENDS}
if lapsed then return 0 end
local gone, last = 0, nil
for _, row in ipairs(redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', ARGV[2])) do
  if tonumber(row[2][2]) >= tonumber(ARGV[1]) then break end
  gone, last = gone + 1, row
  local call, seq = row[2][4], string.match(row[1], '^%d+')
  local rest = {}
  for attempt, number in string.gmatch(redis.call('HGET', KEYS[3], call) or '', '(%d+):(%d+)') do
    if number ~= seq then rest[#rest + 1] = attempt .. ':' .. number end
  end
  if #rest > 0 then
    redis.call('HSET', KEYS[3], call, table.concat(rest, ','))
  else
    redis.call('HDEL', KEYS[3], call)
  end
end
if last then
  local seq = string.match(last[1], '^%d+')
  redis.call('HSET', KEYS[1], 'anchor', seq, 'anchorHash', last[2][8])
  redis.call('XTRIM', KEYS[2], 'MINID', '=', text(tonumber(seq) + 1))
end
return gone`,
};
