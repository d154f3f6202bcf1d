import { setMaxListeners } from 'node:events';
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Permit, TrunkLimits } from '../../../src/trunk/capacity.ts';
import { LocalCapacity } from '../../../src/trunk/local-capacity.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const NEVER = new AbortController().signal;
setMaxListeners(0, NEVER);
/** The guard of 20 ms makes a second of five INVITEs this long for each. */
const GAP_MS = 1020 / 5;

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});

function capacityOf(limits: Partial<TrunkLimits>): LocalCapacity {
  const { elapsed, wake } = clock;
  return new LocalCapacity([{ id: 'alpha', ...limits }], { elapsed, wake, recent: new Map() });
}

async function permitOf(capacity: LocalCapacity): Promise<Permit> {
  const answer = await capacity.acquire(
    { trunkId: 'alpha', callId: 'call_a', priority: 5, waitMs: 600_000 },
    NEVER,
  );
  if (answer.kind !== 'permit') throw new Error(`no permit: ${JSON.stringify(answer)}`);
  return answer.permit;
}

/** Notes when the INVITE of a call leaves once more. */
async function repeat(permit: Permit, sentAt: number[], signal = NEVER): Promise<void> {
  await permit.again(signal);
  permit.sent();
  sentAt.push(clock.elapsed());
}

describe('INVITEs of a call after its first', () => {
  it('wait for their moment, before calls that came earlier and have sent none', async () => {
    const capacity = capacityOf({ cps: 5 });
    const begin = clock.elapsed();
    const challenged = await permitOf(capacity);
    challenged.sent();
    const [first, again]: [number[], number[]] = [[], []];
    for (let i = 0; i < 4; i++) {
      void permitOf(capacity).then((permit) => {
        permit.sent();
        first.push(clock.elapsed() - begin);
      });
    }
    void repeat(challenged, again);
    await clock.passAll(10_000);
    expect(again.map((at) => at - begin)).toEqual([GAP_MS]);
    expect(first).toEqual([2, 3, 4, 5].map((gaps) => gaps * GAP_MS));
  });

  it('take no channel of their own', async () => {
    const capacity = capacityOf({ cps: 5, channels: 1 });
    const permit = await permitOf(capacity);
    permit.sent();
    const again: number[] = [];
    void repeat(permit, again);
    await clock.passAll(10_000);
    expect(again).toHaveLength(1);
    expect(await capacity.use()).toMatchObject([{ inUse: 1 }]);
  });

  it('leave at once where there is no pace, or none any more', async () => {
    const unlimited = await permitOf(capacityOf({}));
    await unlimited.again(NEVER);
    const capacity = capacityOf({ cps: 1 });
    const permit = await permitOf(capacity);
    permit.sent();
    const again: number[] = [];
    const repeated = repeat(permit, again);
    capacity.limit([{ id: 'alpha' }]);
    await repeated;
    expect(again).toEqual([clock.elapsed()]);
  });

  it('are not waited for any more when the call is given up, and count no more', async () => {
    const capacity = capacityOf({ cps: 1 });
    const permit = await permitOf(capacity);
    permit.sent();
    const hangUp = new AbortController();
    const waiting = permit.again(hangUp.signal);
    hangUp.abort();
    await waiting;
    await permit.again(AbortSignal.abort());
    permit.release();
    await permit.again(NEVER);
    expect(await capacity.use()).toMatchObject([{ inUse: 0, invites: 1 }]);
    await clock.pass(1020);
    expect(await capacity.use()).toMatchObject([{ invites: 0 }]);
  });

  it('are paced on a trunk that is not configured any more', async () => {
    const capacity = capacityOf({ cps: 1 });
    const begin = clock.elapsed();
    const permit = await permitOf(capacity);
    permit.sent();
    capacity.limit([]);
    const again: number[] = [];
    void repeat(permit, again);
    await clock.passAll(10_000);
    expect(again.map((at) => at - begin)).toEqual([1020]);
  });

  it('make no more INVITEs within a second than the trunk may get', async () => {
    const call = fc.record({
      afterMs: fc.integer({ min: 0, max: 400 }),
      lateMs: fc.integer({ min: 0, max: 300 }),
      challengedMs: fc.integer({ min: 0, max: 700 }),
      repeats: fc.integer({ min: 0, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.array(call, { maxLength: 30 }),
        async (cps, calls) => {
          clock = new FakeClock();
          const capacity = capacityOf({ cps });
          const sentAt: number[] = [];
          const after = (ms: number): Promise<void> => new Promise((resolve) => void clock.wake(ms, resolve));
          let over = 0;
          const carry = async ({ lateMs, challengedMs, repeats }: (typeof calls)[number]): Promise<void> => {
            const permit = await permitOf(capacity);
            for (let sent = 0; sent <= repeats; sent++) {
              if (sent > 0) await permit.again(NEVER);
              await after(lateMs);
              permit.sent();
              sentAt.push(clock.elapsed());
              await after(challengedMs);
            }
            permit.release();
            over += 1;
          };
          for (const one of calls) {
            await clock.pass(one.afterMs);
            void carry(one);
          }
          await clock.passAll(600_000);
          expect(over).toBe(calls.length);
          for (const from of sentAt)
            expect(sentAt.filter((at) => at >= from && at < from + 1000).length).toBeLessThanOrEqual(cps);
        },
      ),
      { numRuns: 40 },
    );
  });
});
