import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { FaultRig, START_MS, timed } from '../../support/fault-rig.ts';
import { freePorts } from '../../support/free-ports.ts';
import { channelsOf } from '../../support/freeswitch-servers.ts';
import { allNotes, melody, notesIn } from '../../support/melody.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { TcpRelay } from '../../support/tcp-relay.ts';

const HUNG_UP = { kind: 'hung_up', by: 'us', why: 'prompt_finished' } as const;
const FAILED = { kind: 'failed', detail: expect.any(String) as string } as const;
/** Another loopback address, so that the relay has the port that the engine listens on. */
const ADVERTISED = '127.0.0.2';

describeWithPeer(['drachtio', 'freeswitch'], 'the engine when the event socket fails', () => {
  let rig: FaultRig;
  /** Of the connection to FreeSWITCH. */
  let inbound: TcpRelay;
  /** Of its connections to us, one a channel. */
  let outbound: TcpRelay;

  beforeAll(async () => {
    const port = await freePorts(1);
    outbound = await TcpRelay.start({ host: '127.0.0.1', port }, { host: ADVERTISED, port });
    rig = await FaultRig.start({}, async ({ freeswitch: [freeswitch] }) => {
      if (freeswitch === undefined) throw new Error('no FreeSWITCH');
      inbound = await TcpRelay.start(freeswitch);
      return {
        freeswitch: [{ host: '127.0.0.1', port: inbound.port, secret: freeswitch.secret }],
        options: { callback: { host: '127.0.0.1', port, advertisedAddress: ADVERTISED } },
      };
    });
  }, START_MS);
  afterAll(async () => {
    await rig.close();
    await Promise.all([inbound.close(), outbound.close()]);
  });
  afterEach(async () => {
    outbound.admit();
    await rig.expectNothingHeld();
    expect(rig.faults).toEqual([]);
  });

  it('is connected again on the same callback port, while calls that are up go on', async () => {
    const call = rig.call('200', { prompt: melody(12) });
    const phone = await call.speaking();
    inbound.cut();
    await eventually(() => expect(rig.engine.missing()).toEqual(['freeswitch']));
    await rig.expectCallWorks();
    expect(await call.over).toEqual(HUNG_UP);
    expect(notesIn(phone.heard)).toBe(allNotes(12));
    expect(phone.record.end).toBe('they_hung_up');
  });

  it('takes a call whose channel cannot be steered any more for lost', async () => {
    const call = rig.call('200', { prompt: melody(40) });
    const phone = await call.speaking();
    outbound.refuse();
    const [end, ms] = await timed(call.over);
    expect(end).toEqual(FAILED);
    expect(ms).toBeLessThan(4000);
    expect(phone.record.end).toBe('they_hung_up');
    await eventually(async () => expect(await channelsOf(rig.freeswitch())).toBe(0), { timeoutMs: 3000 });
    outbound.admit();
    await rig.expectCallWorks();
  });

  it('moves such a call to a new channel', async () => {
    const call = rig.call('200', { prompt: melody(12) });
    const phone = await call.speaking(30);
    outbound.cut();
    expect(await call.over).toEqual(HUNG_UP);
    expect(notesIn(phone.heard)).toMatch(new RegExp(`^.+${allNotes(12)}$`));
    expect(phone.record.end).toBe('they_hung_up');
  });

  it('fails a call whose channels cannot connect to us, and ends them', async () => {
    outbound.refuse();
    const [end, ms] = await timed(rig.call('200').over);
    expect(end).toEqual(FAILED);
    expect(ms).toBeLessThan(3000);
    await rig.expectNothingHeld();
    outbound.admit();
    await rig.expectCallWorks();
  });

  it('ends a channel by the other way where both of its connections are cut', async () => {
    const call = rig.call('200', { prompt: melody(40) });
    await call.speaking();
    outbound.refuse();
    inbound.cut();
    const [end, ms] = await timed(call.over);
    expect(end).toEqual(FAILED);
    expect(ms).toBeLessThan(4000);
    await eventually(async () => expect(await channelsOf(rig.freeswitch())).toBe(0), { timeoutMs: 3000 });
    outbound.admit();
    await rig.expectCallWorks();
  });
});
