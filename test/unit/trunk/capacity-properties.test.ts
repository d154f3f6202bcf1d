import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CapacityAnswer, Permit } from '../../../src/trunk/capacity.ts';
import { LocalCapacity } from '../../../src/trunk/local-capacity.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** A call as a test makes it up: when it comes, what it wants, and how long each part of it takes. */
interface Wanted {
  readonly afterMs: number;
  readonly priority: number;
  readonly waitMs: number;
  /** From the permit to the INVITE being handed over; null where none is ever sent. */
  readonly lateMs: number | null;
  /** From there to its leaving, wherever it is held up. */
  readonly stuckMs: number;
  /** From there to our hearing of that; null: we never do. */
  readonly toldMs: number | null;
  readonly holdMs: number;
  /** How much longer than here the carrier has something of it. */
  readonly keptMs: number;
  /** From its coming to the moment when it is given up; null: never. */
  readonly abortMs: number | null;
}

interface Seen {
  readonly number: number;
  readonly wanted: Wanted;
  readonly cameAt: number;
  answeredAt: number;
  answer: CapacityAnswer | undefined;
  sentAt: number | undefined;
  overAt: number | undefined;
}

const RULES = { cps: fc.integer({ min: 1, max: 8 }), channels: fc.integer({ min: 1, max: 6 }) };

const SOME_CALL: fc.Arbitrary<Wanted> = fc.record({
  afterMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 400 })),
  priority: fc.integer({ min: 0, max: 9 }),
  waitMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 4000 })),
  lateMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1500 }), fc.constant(null)),
  stuckMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2500 })),
  toldMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 500 }), fc.constant(null)),
  holdMs: fc.integer({ min: 0, max: 3000 }),
  keptMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1500 })),
  abortMs: fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 2000 })),
});

/** Carries out what was made up, and tells what became of each call, and how many channels were ever in use. */
class Play {
  readonly clock = new FakeClock();
  readonly seen: Seen[] = [];
  /** In the order in which they were served. */
  readonly served: Seen[] = [];
  inUse = 0;
  mostInUse = 0;
  readonly capacity: LocalCapacity;

  constructor(limits: { readonly cps?: number; readonly channels?: number }) {
    const { elapsed, wake } = this.clock;
    this.capacity = new LocalCapacity([{ id: 'alpha', ...limits }], {
      elapsed,
      wake,
      recent: new Map(),
      guardMs: 0,
    });
  }

  async run(calls: readonly Wanted[]): Promise<void> {
    for (const [number, wanted] of calls.entries()) {
      await this.clock.pass(wanted.afterMs);
      void this.#carry(number, wanted);
    }
    await this.clock.passAll(600_000);
  }

  async #carry(number: number, wanted: Wanted): Promise<void> {
    const { clock } = this;
    const one: Seen = {
      number,
      wanted,
      cameAt: clock.elapsed(),
      answeredAt: Number.NaN,
      answer: undefined,
      sentAt: undefined,
      overAt: undefined,
    };
    this.seen.push(one);
    const hangUp = new AbortController();
    if (wanted.abortMs !== null) clock.wake(wanted.abortMs, () => hangUp.abort());
    const { priority, waitMs } = wanted;
    one.answer = await this.capacity.acquire(
      { trunkId: 'alpha', callId: 'call_a', priority, waitMs },
      hangUp.signal,
    );
    one.answeredAt = clock.elapsed();
    if (one.answer.kind === 'permit') await this.#talk(one, one.answer.permit);
  }

  async #talk(one: Seen, permit: Permit): Promise<void> {
    const { clock } = this;
    this.served.push(one);
    this.inUse += 1;
    this.mostInUse = Math.max(this.mostInUse, this.inUse);
    const { lateMs, holdMs, keptMs } = one.wanted;
    const over = permit.keep();
    if (lateMs !== null) {
      await clock.wait(lateMs);
      permit.leaving();
      void this.#travel(one, permit);
    }
    await clock.wait(holdMs);
    permit.release();
    permit.release();
    await clock.wait(lateMs === null ? keptMs : Math.max(keptMs, one.wanted.stuckMs - holdMs));
    this.inUse -= 1;
    one.overAt = clock.elapsed();
    over();
    over();
  }

  /** The INVITE is on its way, whatever becomes of the call here meanwhile. */
  async #travel(one: Seen, permit: Permit): Promise<void> {
    const { stuckMs, toldMs } = one.wanted;
    await this.clock.wait(stuckMs);
    one.sentAt = this.clock.elapsed();
    if (toldMs === null) return;
    await this.clock.wait(toldMs);
    permit.sent();
  }
}

function checkSeconds(play: Play, cps: number): void {
  const sent = play.seen.flatMap(({ sentAt }) => sentAt ?? []).toSorted((a, b) => a - b);
  for (const [i, at] of sent.entries()) {
    const earlier = sent[i - cps];
    if (earlier !== undefined) expect(at - earlier).toBeGreaterThanOrEqual(1000);
  }
}

/** Nobody was served while another waited who was before him in the line. */
function checkOrder(play: Play): void {
  for (const one of play.served) {
    const passedBy = play.seen.filter(
      (other) => isBefore(other, one) && wasThere(other, one) && other.answeredAt > one.answeredAt,
    );
    expect(passedBy.map(({ number }) => number)).toEqual([]);
  }
}

function isBefore({ number, wanted }: Seen, one: Seen): boolean {
  const { priority } = one.wanted;
  return wanted.priority < priority || (wanted.priority === priority && number < one.number);
}

/** Whether it had come when the other was served; in the same millisecond only the earlier one surely had. */
function wasThere({ number, cameAt }: Seen, { answeredAt, number: served }: Seen): boolean {
  return cameAt < answeredAt || (cameAt === answeredAt && number < served);
}

function checkAnswers(play: Play): void {
  for (const { answer, cameAt, answeredAt, wanted } of play.seen) {
    const waited = answeredAt - cameAt;
    expect(answer).toBeDefined();
    expect(waited).toBeLessThanOrEqual(wanted.waitMs);
    if (answer?.kind !== 'refused') continue;
    if (answer.why === 'deadline') expect(waited).toBe(wanted.waitMs);
    else expect([answer.why, waited]).toEqual(['aborted', wanted.abortMs]);
  }
}

describe('LocalCapacity, whatever comes', () => {
  it('keeps to its limits, its order and its deadlines, and holds nothing at the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        RULES.cps,
        RULES.channels,
        fc.array(SOME_CALL, { minLength: 1, maxLength: 40 }),
        async (cps, channels, calls) => {
          const play = new Play({ cps, channels });
          await play.run(calls);
          checkSeconds(play, cps);
          expect(play.mostInUse).toBeLessThanOrEqual(channels);
          checkOrder(play);
          checkAnswers(play);
          expect(await play.capacity.use()).toMatchObject([{ inUse: 0, waiting: 0 }]);
          expect(play.clock.pending).toBe(0);
          await play.clock.pass(1000);
          expect(await play.capacity.use()).toMatchObject([{ invites: 0 }]);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('leaves no channel unused while somebody waits for nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(
        RULES.channels,
        fc.array(SOME_CALL, { minLength: 1, maxLength: 40 }),
        async (channels, calls) => {
          const play = new Play({ channels });
          await play.run(calls.map((call) => ({ ...call, waitMs: 600_000, abortMs: null })));
          expect(play.served).toHaveLength(calls.length);
          const late = play.served.filter(({ cameAt, answeredAt }) => answeredAt > cameAt);
          for (const { answeredAt } of late) {
            expect(play.served.some(({ overAt }) => overAt === answeredAt)).toBe(true);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('holds its limit of a second across a restart, whatever the pause', async () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(
        RULES.cps,
        gaps,
        gaps,
        fc.nat(1200),
        fc.boolean(),
        async (cps, one, two, pause, told) => {
          const clock = new FakeClock();
          const { elapsed, wake } = clock;
          const sent: number[] = [];
          const use = async (capacity: LocalCapacity, between: readonly number[]): Promise<void> => {
            for (const ms of between) {
              await clock.pass(ms);
              void capacity
                .acquire(
                  { trunkId: 'alpha', callId: 'call_a', priority: 0, waitMs: 60_000 },
                  new AbortController().signal,
                )
                .then((answer) => {
                  if (answer.kind !== 'permit') return;
                  answer.permit.sent();
                  sent.push(elapsed());
                });
            }
          };
          const first = new LocalCapacity([{ id: 'alpha', cps }], { elapsed, wake, recent: new Map() });
          await use(first, one);
          await clock.pass(1);
          const ages = first.recent();
          await first.close();
          await clock.pass(pause);
          const recent = new Map([...ages].map(([id, list]) => [id, list.map((age) => age + pause)]));
          const second = new LocalCapacity([{ id: 'alpha', cps }], {
            elapsed,
            wake,
            ...(told ? { recent } : {}),
          });
          await use(second, two);
          await clock.passAll(120_000);
          const sorted = sent.toSorted((a, b) => a - b);
          for (const [i, at] of sorted.entries()) {
            const earlier = sorted[i - cps];
            if (earlier !== undefined) expect(at - earlier).toBeGreaterThanOrEqual(1000);
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});
