import { readdir } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Leftover } from '../../../src/engine/engine.ts';
import type { LabCall } from '../../../src/lab/carrier.ts';
import { leaveBehind } from '../../support/dying-process.ts';
import { eventually } from '../../support/eventually.ts';
import { FaultRig, START_MS, timed } from '../../support/fault-rig.ts';
import { tellDying } from '../../support/freeswitch-dying.ts';
import { channelsOf } from '../../support/freeswitch-servers.ts';
import type { LegOverrides } from '../../support/legs.ts';
import { tone } from '../../support/legs.ts';
import { describeWithPeer } from '../../support/peers.ts';

const FLASH = { ringHoldMs: 600, maxRingMs: 2500, onAnswer: 'hangup' } as const;
const MUTE: LegOverrides = { prompt: null, flash: FLASH };
const SPOKEN: LegOverrides = { prompt: tone(400), flash: { ...FLASH, onAnswer: 'speak' } };

describeWithPeer(['drachtio', 'freeswitch'], 'flash calls by drachtio', () => {
  let rig: FaultRig;

  beforeAll(async () => {
    rig = await FaultRig.start();
    tellDying(rig.site);
  }, START_MS);
  afterAll(async () => {
    await rig.close();
  });
  afterEach(() => {
    expect(rig.faults).toEqual([]);
  });

  it('take neither a channel nor a file while nothing is to be said, and hold both where a text is', async () => {
    const mute = rig.call('180', MUTE);
    await mute.reached('ringing');
    expect(rig.engine.held()).toMatchObject({ legs: 1, endpoints: 0, files: 0 });
    expect(await channelsOf(rig.freeswitch())).toBe(0);
    expect(await readdir(rig.site.folder)).toEqual([]);
    const told = mute.events.flatMap((event) => ('leftover' in event ? [event.leftover] : []));
    expect(told.map(({ channel }) => channel)).toEqual(told.map(() => null));
    expect(await mute.over).toEqual({ kind: 'rang' });
    const spoken = rig.call('180', SPOKEN);
    await spoken.reached('ringing');
    expect(rig.engine.held()).toMatchObject({ legs: 1, endpoints: 1, files: 1 });
    expect(await spoken.over).toEqual({ kind: 'rang' });
    await rig.expectNothingHeld();
  });

  it('tell the network to ring no longer than the whole attempt may last', async () => {
    const call = rig.call('180', { ...MUTE, timeouts: { ringMs: 60_000 } });
    await call.over;
    // 2.5 s, and some for a response that is under way (RFC 3261 section 13.2.1).
    expect(new Map(rig.carrier.calls.at(-1)?.invite.headers).get('Expires')).toBe('8');
  });

  describe('that a killed process left up', () => {
    it.each([
      ['180', 'trying', 'canceled'],
      ['180', 'ringing', 'canceled'],
      ['487', 'ringing', 'they_hung_up'],
    ] as const)('are found and ended: %s after `%s`: %s', async (suffix, type, end) => {
      const before = rig.carrier.calls.length;
      const script = './freeswitch-dying-flash-process.ts';
      const { leftover, process } = await leaveBehind(script, rig.carrier.port, suffix, type);
      const { phone } = await eventually(() => {
        expect(rig.carrier.calls.length).toBe(before + 1);
        return rig.carrier.calls.at(-1) as LabCall;
      });
      await eventually(() => expect(leftover()).toMatchObject({ stage: 'inviting', channel: null }));
      await process.kill();
      expect(phone.record.end).toBeNull();
      // As it comes out of the store.
      const stored = JSON.parse(JSON.stringify(leftover())) as Leftover;
      const [ended, ms] = await timed(rig.engine.endLeftover(stored));
      expect(ended).toBe(true);
      expect(ms).toBeLessThan(3000);
      await phone.over;
      expect(phone.record).toMatchObject({ end, packets: 0 });
    });

    it('are ended where they were picked up before anybody knew what drachtio calls the INVITE', async () => {
      const script = './freeswitch-dying-process.ts';
      const { leftover, process } = await leaveBehind(script, rig.carrier.port, '200', 'ringing');
      const { phone } = rig.carrier.calls.at(-1) as LabCall;
      await process.kill();
      await eventually(() => expect(phone.record.answeredAt).not.toBeNull());
      await rig.engine.endLeftover({ ...leftover(), transactionId: '' });
      await phone.over;
      expect(phone.record.end).toBe('they_hung_up');
    });
  });

  describe('while no FreeSWITCH is there', () => {
    beforeAll(async () => {
      await rig.freeswitch().process.kill();
      await eventually(() => expect(rig.engine.missing()).toEqual(['freeswitch']));
    });
    afterAll(async () => {
      await rig.freeswitch().restart();
      await rig.expectCallWorks();
      await rig.expectNothingHeld();
    });

    it.each([
      ['180', { kind: 'rang' }],
      ['184', { kind: 'no_ring' }],
      ['181', { kind: 'diverted' }],
      ['200', { kind: 'hung_up', by: 'us', why: 'flash_answered' }],
      ['487', { kind: 'hung_up', by: 'us', why: 'crossed_cancel' }],
    ])('are carried where nothing is to be said: %s', async (suffix, end) => {
      const call = rig.call(suffix, MUTE);
      expect(await call.over).toEqual(end);
      await (await call.phone()).over;
      await rig.expectNothingHeld([]);
    });

    it('fail before their INVITE where a text is to be said', async () => {
      const before = rig.carrier.calls.length;
      const call = rig.call('180', SPOKEN);
      const [end, ms] = await timed(call.over);
      expect(end).toEqual({ kind: 'failed', detail: expect.any(String) as string });
      expect(ms).toBeLessThan(500);
      expect(rig.carrier.calls.length).toBe(before);
      await rig.expectNothingHeld([]);
    });
  });
});
