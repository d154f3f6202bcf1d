import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { FaultRig, type RunningLeg, START_MS, timed } from '../../support/fault-rig.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { mayMount, mountSmall, unmountSmall } from '../../support/small-disk.ts';

const HUNG_UP = { kind: 'hung_up', by: 'us', why: 'prompt_finished' } as const;

describeWithPeer(['drachtio', 'freeswitch'], 'the engine with two servers of each', () => {
  let rig: FaultRig;

  beforeAll(async () => {
    rig = await FaultRig.start({ drachtio: 2, freeswitch: 2 }, async ({ drachtio, freeswitch }) => {
      const weighted = (servers: typeof drachtio, weights: readonly number[]) =>
        servers.map(({ host, port, secret }, i) => ({ host, port, secret, weight: weights[i] ?? 1 }));
      return {
        options: {
          drachtioServers: weighted(drachtio, [1, 2]),
          mediaServers: weighted(freeswitch, [3, 1]),
        },
      };
    });
  }, START_MS);
  afterAll(async () => {
    await rig.close();
  });
  afterEach(async () => {
    expect(rig.faults).toEqual([]);
  });

  /** How many of these legs each server carries, by its port. */
  function spread(calls: readonly RunningLeg[]): Record<number, number> {
    const counts: Record<number, number> = {};
    for (const { events } of calls) {
      const leftover = events[0]?.type === 'trying' ? events[0].leftover : {};
      const { server } = leftover['channel'] as { server: string };
      for (const name of [leftover['server'] as string, server]) {
        const port = Number(name.split(':').at(-1));
        counts[port] = (counts[port] ?? 0) + 1;
      }
    }
    return counts;
  }

  it('spreads calls by weight', async () => {
    const calls = Array.from({ length: 12 }, () => rig.call('180', { timeouts: { ringMs: 10_000 } }));
    await Promise.all(calls.map((call) => call.reached('ringing')));
    expect(spread(calls)).toEqual({
      [rig.drachtio(0).port]: 4,
      [rig.drachtio(1).port]: 8,
      [rig.freeswitch(0).port]: 9,
      [rig.freeswitch(1).port]: 3,
    });
    for (const { abort } of calls) abort.abort();
    await Promise.all(calls.map(({ over }) => over));
    await rig.expectNothingHeld();
  });

  it('does without the servers that were killed, and takes them again when they are back', async () => {
    const [drachtio, freeswitch] = [rig.drachtio(1), rig.freeswitch(0)];
    await Promise.all([drachtio.process.kill(), freeswitch.process.kill()]);
    await eventually(() => {
      for (const { port } of [drachtio, freeswitch])
        expect(rig.changes.findLast((text) => text.includes(`:${port}:`))).not.toMatch(/ connected$/);
    });
    expect(rig.engine.missing()).toEqual([]);
    const calls = Array.from({ length: 10 }, () => rig.call('200'));
    expect(await Promise.all(calls.map(({ over }) => over))).toEqual(calls.map(() => HUNG_UP));
    expect(spread(calls)).toEqual({ [rig.drachtio(0).port]: 10, [rig.freeswitch(1).port]: 10 });
    await rig.expectNothingHeld([rig.freeswitch(1)]);
    await Promise.all([drachtio.restart(), freeswitch.restart()]);
    await eventually(
      async () => {
        const call = rig.call('200');
        expect(await call.over).toEqual(HUNG_UP);
        expect(spread([call])).toEqual({ [drachtio.port]: 1, [freeswitch.port]: 1 });
      },
      { timeoutMs: 15_000, intervalMs: 200 },
    );
    await rig.expectNothingHeld();
  });

  describe('and no folder for prompts', () => {
    it('fails a call whose prompt was taken away while it rang, and makes the folder again', async () => {
      const call = rig.call('200');
      await call.reached('ringing');
      await rm(rig.site.folder, { recursive: true });
      expect(await call.over).toEqual({ kind: 'failed', detail: expect.stringMatching(/did not play/) });
      expect((await call.phone()).record.end).toBe('they_hung_up');
      await rig.expectCallWorks();
      await rig.expectNothingHeld();
    });

    it('fails calls while something else has its name', async () => {
      await rm(rig.site.folder, { recursive: true });
      await writeFile(rig.site.folder, '');
      const call = rig.call('200');
      const [end, ms] = await timed(call.over);
      expect(end).toEqual({ kind: 'failed', detail: expect.stringMatching(/a prompt cannot be written/) });
      expect(call.events.map(({ type }) => type)).toEqual(['trying', 'ended']);
      expect(ms).toBeLessThan(2000);
      await rm(rig.site.folder);
      await rig.expectCallWorks();
      await rig.expectNothingHeld();
    });

    it.skipIf(!mayMount())(
      'fails calls while its disk is full (root only: a small one is mounted)',
      async () => {
        const small = await mkdtemp(join(tmpdir(), 'voice-otp-small-'));
        mountSmall(small);
        try {
          const engine = await rig.site.engine({ promptFolder: small });
          await writeFile(join(small, 'ballast'), Buffer.alloc(64 * 1024)).catch(() => undefined);
          expect(await rig.call('200', {}, { engine }).over).toEqual({
            kind: 'failed',
            detail: expect.stringMatching(/the disk is full/),
          });
          await rm(join(small, 'ballast'));
          expect(await rig.call('200', {}, { engine }).over).toEqual(HUNG_UP);
          expect(await readdir(small)).toEqual([]);
          await engine.close(AbortSignal.timeout(1000));
        } finally {
          unmountSmall(small);
          await rm(small, { recursive: true });
        }
        await rig.expectNothingHeld();
      },
    );
  });
});
