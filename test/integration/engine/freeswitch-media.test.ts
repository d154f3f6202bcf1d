import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { FaultRig, type RunningLeg, START_MS, timed } from '../../support/fault-rig.ts';
import type { TestServer } from '../../support/freeswitch-servers.ts';
import { endOf } from '../../support/legs.ts';
import { allNotes, melody, notesIn } from '../../support/melody.ts';
import { describeWithPeer } from '../../support/peers.ts';

const HUNG_UP = { kind: 'hung_up', by: 'us', why: 'prompt_finished' } as const;
const FAILED = { kind: 'failed', detail: expect.any(String) as string } as const;
const NOTES = 10;

describeWithPeer(['drachtio', 'freeswitch'], 'the engine when FreeSWITCH fails', () => {
  let rig: FaultRig;

  beforeAll(async () => {
    rig = await FaultRig.start({ freeswitch: 2 });
  }, START_MS);
  afterAll(async () => {
    await rig.close();
  });
  afterEach(() => {
    expect(rig.faults).toEqual([]);
  });

  /** The one that carries this leg, and the other one. */
  function serversOf({ events }: RunningLeg): readonly [used: TestServer, other: TestServer] {
    const [trying] = events;
    const leftover = trying?.type === 'trying' ? trying.leftover : {};
    const { server } = leftover['channel'] as { server: string };
    const [a, b] = [rig.freeswitch(0), rig.freeswitch(1)];
    return server.endsWith(`:${a.port}`) ? [a, b] : [b, a];
  }

  const bothConnected = () => rig.allConnected();

  describe('killed', () => {
    beforeAll(bothConnected);

    it('moves a call that rings to another one, and is heard whole after the answer', async () => {
      const call = rig.call('202', { prompt: melody(NOTES) });
      await call.reached('ringing');
      const [used, other] = serversOf(call);
      await used.process.kill();
      expect(await call.over).toEqual(HUNG_UP);
      const phone = await call.phone();
      expect(notesIn(phone.heard)).toBe(allNotes(NOTES));
      expect(phone.record.end).toBe('they_hung_up');
      expect(endOf(call.events).media?.packetsReceived).toBeGreaterThan(50);
      expect(endOf(call.events).media?.promptSentMs).toBe(NOTES * 250);
      await rig.expectNothingHeld([other]);
    });

    it('cancels a call that rings where there is no other one', async () => {
      const call = rig.call('180', { timeouts: { ringMs: 20_000 } });
      await call.reached('ringing');
      const [used] = serversOf(call);
      await used.process.kill();
      const [end, ms] = await timed(call.over);
      expect(end).toEqual(FAILED);
      expect(ms).toBeLessThan(3000);
      const phone = await call.phone();
      expect(phone.record.end).toBe('canceled');
      await rig.expectNothingHeld([]);
      expect(rig.engine.missing()).toEqual(['freeswitch']);
      const next = rig.call('200');
      const [nextEnd, nextMs] = await timed(next.over);
      expect(nextEnd).toEqual(FAILED);
      expect(nextMs).toBeLessThan(500);
      await Promise.all(rig.site.freeswitch.map((server) => server.restart()));
      await rig.expectCallWorks();
    });

    it('moves a call in mid-prompt, and says all of it again', async () => {
      await bothConnected();
      const call = rig.call('200', { prompt: melody(NOTES) });
      const phone = await call.speaking(30);
      const [used, other] = serversOf(call);
      await used.process.kill();
      expect(await call.over).toEqual(HUNG_UP);
      expect(notesIn(phone.heard)).toMatch(new RegExp(`^.+${allNotes(NOTES)}$`));
      expect(phone.record.end).toBe('they_hung_up');
      expect(endOf(call.events).media?.packetsReceived).toBeGreaterThan(50);
      await rig.expectNothingHeld([other]);
    });

    it('hangs up a call in mid-prompt where there is no other one', async () => {
      const call = rig.call('200', { prompt: melody(NOTES) });
      const phone = await call.speaking();
      const [used] = serversOf(call);
      await used.process.kill();
      const [end, ms] = await timed(call.over);
      expect(end).toEqual(FAILED);
      expect(ms).toBeLessThan(3000);
      expect(phone.record.end).toBe('they_hung_up');
      await rig.expectNothingHeld([]);
      await Promise.all(rig.site.freeswitch.map((server) => server.restart()));
      await bothConnected();
      await rig.expectCallWorks();
    });
  });

  describe('stopped', () => {
    const signal = (servers: readonly TestServer[], name: NodeJS.Signals): void => {
      for (const server of servers) server.process.signal(name);
    };

    it('passes over it for new calls, and gives back the endpoint that comes late', async () => {
      await bothConnected();
      const [hung, able] = [rig.freeswitch(0), rig.freeswitch(1)];
      signal([hung], 'SIGSTOP');
      const calls = Array.from({ length: 6 }, () => rig.call('200'));
      const [ends, ms] = await timed(Promise.all(calls.map(({ over }) => over)));
      expect(ends).toEqual(calls.map(() => HUNG_UP));
      expect(ms).toBeLessThan(8000);
      await rig.expectNothingHeld([able]);
      signal([hung], 'SIGCONT');
      await bothConnected();
      await rig.expectNothingHeld();
      await rig.expectCallWorks();
    });

    it('fails a call in bounded time where all of them hang', async () => {
      signal(rig.site.freeswitch, 'SIGSTOP');
      const call = rig.call('200');
      const [end, ms] = await timed(call.over);
      expect(end).toEqual(FAILED);
      expect(call.events.map(({ type }) => type)).toEqual(['trying', 'ended']);
      expect(ms).toBeLessThan(6000);
      await eventually(() => expect(rig.engine.missing()).toEqual(['freeswitch']), { timeoutMs: 10_000 });
      signal(rig.site.freeswitch, 'SIGCONT');
      await rig.expectCallWorks();
      await bothConnected();
      await rig.expectNothingHeld();
    });

    it('moves a call in mid-prompt', async () => {
      const call = rig.call('200', { prompt: melody(NOTES), timeouts: { maxCallMs: 30_000 } });
      const phone = await call.speaking(30);
      const [used] = serversOf(call);
      signal([used], 'SIGSTOP');
      const [end, ms] = await timed(call.over);
      expect(end).toEqual(HUNG_UP);
      expect(ms).toBeLessThan(15_000);
      expect(notesIn(phone.heard)).toMatch(new RegExp(`^.+${allNotes(NOTES)}$`));
      expect(phone.record.end).toBe('they_hung_up');
      signal([used], 'SIGCONT');
      await bothConnected();
      await rig.expectNothingHeld();
      await rig.expectCallWorks();
    });
  });
});
