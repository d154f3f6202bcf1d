import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisClient, RedisScript } from '../redis/script.ts';
import { runScript } from '../redis/script.ts';
import { guarded } from '../redis/unavailable.ts';

/** Within which no more than `cps` INVITEs leave. */
const SECOND_MS = 1000;
/** Keys of a trunk that nobody uses any more are gone after this. */
const KEYS_LIVE_MS = 3_600_000;
/** So many ask at once, at most. */
const BATCH = 200;
/** What Redis has not heard is told again. */
const TELL_AGAIN_MS = 300;
/** What is given back by another process is noticed by then. */
const LONGEST_SLEEP_MS = 200;

/**
 * The rules of `InvitePace` (src/trunk/invite-pace.ts), for all processes together and by the clock of Redis. A server
 * that was started anew, or that has taken over from another one, may have lost the last of what it was told: after that
 * a second is waited first.
 */
const TAKE: RedisScript = {
  name: 'votpInviteMomentTake',
  keys: 2,
  lua: `
-- May INVITEs leave now?
-- KEYS[1] sorted set: those that count; the score is until when, ms
-- KEYS[2] hash: due = when the next one is due, ms; server = the run of the server that wrote it
-- ARGV[1] INVITEs within any second  ARGV[2] how long one counts once it has left, ms
-- ARGV[3] how long one counts of which nothing is heard, ms  ARGV[4] how late one may be and be made up for, ms
-- ARGV[5] life of the keys, ms  ARGV[6...] ids of those that want to leave, in their order
-- Answer: {how many of them may, in how many ms the next one may be asked for}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local cps, second, lease, catch = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local course = redis.call('HMGET', KEYS[2], 'due', 'server')
local due = tonumber(course[1] or '0')
local info = redis.pcall('INFO', 'server')
local server, up = '', 0
if type(info) == 'string' then
  server = string.match(info, 'run_id:(%w+)') or ''
  up = tonumber(string.match(info, 'uptime_in_seconds:(%d+)') or '0')
end
if server ~= (course[2] or '') and (course[2] or up < 3) then due = math.max(due, now + second) end
local used = redis.call('ZCARD', KEYS[1])
local given, wanted = 0, #ARGV - 5
while given < wanted and used < cps and due <= now do
  redis.call('ZADD', KEYS[1], now + 1 + lease, ARGV[6 + given])
  if now - due > catch then due = now end
  due = due + second / cps
  given, used = given + 1, used + 1
end
redis.call('HSET', KEYS[2], 'due', string.format('%.3f', due), 'server', server)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
local wait = due - now
if used >= cps then
  local place = used - cps
  wait = math.max(wait, redis.call('ZRANGE', KEYS[1], place, place, 'WITHSCORES')[2] - now)
end
return {given, math.max(1, math.ceil(wait))}`,
};

const SENT: RedisScript = {
  name: 'votpInviteMomentSent',
  keys: 1,
  lua: `
-- An INVITE has left: it counts for a second from then on, also where it was forgotten meanwhile.
-- KEYS[1] sorted set: those that count; the score is until when, ms
-- ARGV[1] its id  ARGV[2] how long it counts from now on, ms: 0 or less where not at all  ARGV[3] life of the key, ms
-- Answer: 1
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(ARGV[2]) <= 0 then return redis.call('ZREM', KEYS[1], ARGV[1]) end
redis.call('ZADD', KEYS[1], now + 1 + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`,
};

const COUNT: RedisScript = {
  name: 'votpInviteMomentCount',
  keys: 1,
  lua: `
-- How many INVITEs count now?
-- KEYS[1] sorted set: those that count; the score is until when, ms
-- Answer: their number
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZCOUNT', KEYS[1], '(' .. string.format('%.0f', now), '+inf')`,
};

const HOLD: RedisScript = {
  name: 'votpInviteMomentHold',
  keys: 1,
  lua: `
-- No INVITE leaves for a while: what left before was not counted.
-- KEYS[1] hash: due = when the next one is due, ms
-- ARGV[1] for how long, ms  ARGV[2] life of the key, ms
-- Answer: 1
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = math.max(tonumber(redis.call('HGET', KEYS[1], 'due') or '0'), now + ARGV[1])
redis.call('HSET', KEYS[1], 'due', string.format('%.3f', due))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`,
};

export interface InviteMomentOptions {
  readonly client: RedisClient;
  readonly prefix: string;
  readonly trunkId: string;
  /** Milliseconds since some moment; never set. */
  readonly elapsed: () => number;
  /** See `PaceOptions`. */
  readonly guardMs: number;
  readonly catchUpMs: number;
  /** How long an INVITE counts of whose leaving nothing is heard: longer than any process stands still before it sends. */
  readonly leaseMs: number;
  /** Hears in how many ms there is a moment for whoever comes now, when there is none at once. */
  readonly onCrowd: (waitMs: number) => void;
}

interface Asking {
  readonly id: string;
  /** Undefined: it is not asked for any more. */
  readonly answer: (id: string | undefined) => void;
  readonly fail: (error: unknown) => void;
  waits: boolean;
}

/**
 * The moments of one trunk at which INVITEs may leave, whichever process sends them. Those who ask here are served in
 * the order in which they came, repeated INVITEs first; between processes, whoever asks at the right moment.
 */
export class InviteMoments {
  readonly #options: InviteMomentOptions;
  readonly #slots: string;
  readonly #course: string;
  #cps: number | undefined;
  readonly #repeats = new Set<Asking>();
  readonly #firsts = new Set<Asking>();
  #serving = false;
  #nap: AbortController | undefined;

  constructor(cps: number | undefined, options: InviteMomentOptions) {
    const { prefix, trunkId } = options;
    this.#options = options;
    this.#cps = cps;
    this.#slots = `${prefix}:{trunk-${trunkId}}:pace`;
    this.#course = `${prefix}:{trunk-${trunkId}}:pace-due`;
  }

  /** A trunk that gets its first `cps` waits for a second: what has just left was not counted. */
  limit(cps: number | undefined): void {
    const first = this.#cps === undefined && cps !== undefined;
    this.#cps = cps;
    if (first) void this.#tell(() => this.#run(HOLD, this.#course, [this.#secondMs, KEYS_LIVE_MS]));
    this.#nap?.abort();
  }

  /**
   * Waits until an INVITE may leave.
   *
   * @returns its id; undefined where the trunk has no pace, or the signal was aborted
   * @throws AppError store_unavailable
   */
  take(repeated: boolean, signal: AbortSignal): Promise<string | undefined> {
    if (this.#cps === undefined || signal.aborted) return Promise.resolve(undefined);
    const line = repeated ? this.#repeats : this.#firsts;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        asking.waits = false;
        line.delete(asking);
        signal.removeEventListener('abort', giveUp);
      };
      const asking: Asking = {
        id: randomBytes(9).toString('base64url'),
        waits: true,
        answer: (id) => {
          leave();
          resolve(id);
        },
        fail: (error) => {
          leave();
          reject(error);
        },
      };
      const giveUp = (): void => asking.answer(undefined);
      signal.addEventListener('abort', giveUp, { once: true });
      line.add(asking);
      void this.#serve();
    });
  }

  /** It has left by now. */
  sent(id: string): void {
    const sentAt = this.#options.elapsed();
    void this.#tell(() => {
      const left = Math.ceil(sentAt + this.#secondMs - this.#options.elapsed());
      return this.#run(SENT, this.#slots, [id, left, KEYS_LIVE_MS]);
    });
  }

  /** It will not leave. */
  giveBack(...ids: string[]): void {
    void this.#tell(() => this.#options.client.zrem(this.#slots, ...ids));
    this.#nap?.abort();
  }

  /**
   * How many count now.
   *
   * @throws AppError store_unavailable
   */
  async count(): Promise<number> {
    return Number(await guarded(() => runScript(this.#options.client, COUNT, [this.#slots], [])));
  }

  get #secondMs(): number {
    return SECOND_MS + this.#options.guardMs;
  }

  async #serve(): Promise<void> {
    if (this.#serving) return;
    this.#serving = true;
    for (let asking = this.#next(); asking.length > 0; asking = this.#next()) {
      const cps = this.#cps;
      if (cps === undefined) for (const one of asking) one.answer(undefined);
      else await this.#ask(asking, cps);
    }
    this.#serving = false;
  }

  #next(): readonly Asking[] {
    return [...this.#repeats, ...this.#firsts].slice(0, BATCH);
  }

  async #ask(asking: readonly Asking[], cps: number): Promise<void> {
    const { client, leaseMs, catchUpMs, onCrowd } = this.#options;
    const ids = asking.map(({ id }) => id);
    const args = [cps, this.#secondMs, leaseMs, catchUpMs, KEYS_LIVE_MS, ...ids];
    let answer: readonly [given: number, waitMs: number];
    try {
      const keys = [this.#slots, this.#course];
      answer = (await guarded(() => runScript(client, TAKE, keys, args))) as [number, number];
    } catch (error) {
      // Whether they were given is not known.
      this.giveBack(...ids);
      for (const one of asking) one.fail(error);
      return;
    }
    const [given, waitMs] = answer;
    for (const one of asking.slice(0, given)) {
      if (one.waits) one.answer(one.id);
      else this.giveBack(one.id);
    }
    const left = this.#repeats.size + this.#firsts.size;
    if (left === 0 || given === asking.length) return;
    onCrowd(Math.ceil(waitMs + ((left - 1) * this.#secondMs) / cps));
    this.#nap = new AbortController();
    const { signal } = this.#nap;
    await sleep(Math.min(waitMs, LONGEST_SLEEP_MS), undefined, { signal }).catch(() => undefined);
    this.#nap = undefined;
  }

  #run(script: RedisScript, key: string, args: readonly (string | number)[]): Promise<unknown> {
    return runScript(this.#options.client, script, [key], args);
  }

  /** As long as it matters: what gets lost makes an INVITE count for longer, never for less. */
  async #tell(work: () => Promise<unknown>): Promise<void> {
    const { elapsed, leaseMs } = this.#options;
    const end = elapsed() + leaseMs;
    do {
      try {
        await work();
        return;
      } catch {
        await sleep(TELL_AGAIN_MS, undefined, { ref: false });
      }
    } while (elapsed() < end);
  }
}
