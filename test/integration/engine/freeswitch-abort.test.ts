import { getEventListeners } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { CallEvent, Leg } from '../../../src/engine/engine.ts';
import { eventually } from '../../support/eventually.ts';
import { FaultRig, type RunningLeg, START_MS, timed } from '../../support/fault-rig.ts';
import { endChannels } from '../../support/freeswitch-servers.ts';
import { endOf, eventsOf } from '../../support/legs.ts';
import { melody } from '../../support/melody.ts';
import { describeWithPeer } from '../../support/peers.ts';

const SEED = 20_260;
const CANCELED = { kind: 'canceled' } as const;
const ABORTED = { kind: 'hung_up', by: 'us', why: 'aborted' } as const;

/** The same numbers from 0 to below 1 every time (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describeWithPeer(['drachtio', 'freeswitch'], 'the engine when a call is aborted', () => {
  let rig: FaultRig;
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);

  beforeAll(async () => {
    process.on('warning', onWarning);
    rig = await FaultRig.start();
  }, START_MS);
  afterAll(async () => {
    await rig.close();
    process.off('warning', onWarning);
  });
  afterEach(async () => {
    await rig.expectNothingHeld();
    expect(rig.faults).toEqual([]);
    expect(warnings.filter(({ name }) => name === 'MaxListenersExceededWarning')).toEqual([]);
  });

  /** `trying` first, one `ended`, last. */
  function expectWhole({ events }: { readonly events: readonly CallEvent[] }): void {
    const types = events.map(({ type }) => type);
    expect([types[0], types.indexOf('ended')]).toEqual(['trying', types.length - 1]);
    expect(events.map(({ at }) => at)).toEqual(events.map(({ at }) => at).toSorted((a, b) => a - b));
  }

  async function expectEnd(call: RunningLeg, end: unknown): Promise<void> {
    expect(await call.over).toEqual(end);
    expectWhole(call);
  }

  it('while its endpoint is being made: no INVITE leaves', async () => {
    const before = rig.carrier.calls.length;
    const call = rig.call('200');
    call.abort.abort();
    await expectEnd(call, CANCELED);
    expect(rig.carrier.calls.length).toBe(before);
  });

  it('right after `trying`, when the INVITE is on its way', async () => {
    const call = rig.call('200');
    await call.reached('trying');
    call.abort.abort();
    await expectEnd(call, CANCELED);
  });

  it('while it rings', async () => {
    const call = rig.call('180');
    await call.reached('ringing');
    call.abort.abort();
    await expectEnd(call, CANCELED);
    const phone = await call.phone();
    await phone.over;
    expect(phone.record.end).toBe('canceled');
  });

  it.each([0, 1, 2, 5, 10, 20, 50])('%i ms after the answer, while FreeSWITCH is told of it', async (ms) => {
    const call = rig.call('200', { prompt: melody(12) });
    await call.reached('answered');
    if (ms > 0) await sleep(ms);
    call.abort.abort();
    await expectEnd(call, ABORTED);
    expect((await call.phone()).record.end).toBe('they_hung_up');
  });

  it.each([0, 2, 5, 10, 20, 40, 80])('%i ms after its channel was lost, during a move', async (ms) => {
    const call = rig.call('200', { prompt: melody(12) });
    const phone = await call.speaking();
    await endChannels(rig.freeswitch());
    if (ms > 0) await sleep(ms);
    call.abort.abort();
    await expectEnd(call, ABORTED);
    expect(phone.record.end).toBe('they_hung_up');
  });

  it('at 50 random moments', async () => {
    const random = randomFrom(SEED);
    const suffixes = ['180', '183', '199', '200', '407', '486', '487', '000'];
    const calls = Array.from({ length: 50 }, async () => {
      const suffix = suffixes[Math.floor(random() * suffixes.length)] ?? '200';
      const [startMs, abortMs] = [random() * 4000, random() * 1800];
      await sleep(startMs);
      const call = rig.call(suffix, { prompt: melody(4) });
      const timer = setTimeout(() => call.abort.abort(), abortMs);
      await call.over;
      clearTimeout(timer);
      expectWhole(call);
    });
    await Promise.all(calls);
    // No phone rings on, or waits for a BYE.
    await eventually(() => {
      for (const { phone, number } of rig.carrier.calls) expect(phone.record.end, number).not.toBeNull();
    });
  });

  it('by the end of the engine, while FreeSWITCH hangs and the endpoint comes late', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-closing-'));
    const engine = await rig.site.engine({ promptFolder: folder });
    rig.freeswitch().process.signal('SIGSTOP');
    const before = rig.carrier.calls.length;
    const call = rig.call('200', {}, { engine });
    await eventually(() => expect(engine.held()).toMatchObject({ legs: 1, files: 1 }));
    const [, ms] = await timed(engine.close(AbortSignal.timeout(500)));
    expect(ms).toBeLessThan(1000);
    await expectEnd(call, expect.objectContaining({ kind: expect.stringMatching(/canceled|failed/) }));
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true });
    expect(engine.held()).toEqual({ legs: 0, endpoints: 0, dialogs: 0, files: 0 });
    rig.freeswitch().process.signal('SIGCONT');
    await rig.expectCallWorks();
    expect(rig.carrier.calls.length).toBe(before + 1);
  });

  it('never: nothing of a call stays, neither at a signal that many share nor at the connections', async () => {
    const { signal } = new AbortController();
    const legs: WeakRef<Leg>[] = [];
    const some = async (suffix: string): Promise<void> => {
      for (let i = 0; i < 6; i++) {
        const leg = rig.leg(suffix, { prompt: melody(1) });
        legs.push(new WeakRef(leg));
        expect(endOf(await eventsOf(rig.engine, leg, { signal })).end.kind).toMatch(/rejected|hung_up/);
      }
    };
    await Promise.all(['486', '486', '486', '200', '200', '200'].map(some));
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    await rig.expectNothingHeld();
    const collectGarbage = garbageCollector();
    // Answers and timers of the last calls may still be on their way.
    await eventually(
      () => {
        collectGarbage();
        expect(legs.filter((leg) => leg.deref() !== undefined).length).toBeLessThan(5);
      },
      { timeoutMs: 10_000, intervalMs: 200 },
    );
  });
});

function garbageCollector(): () => void {
  setFlagsFromString('--expose_gc');
  return runInNewContext('gc') as () => void;
}
