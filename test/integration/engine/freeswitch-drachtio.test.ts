import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { FaultRig, START_MS, timed } from '../../support/fault-rig.ts';
import { allNotes, melody, notesIn } from '../../support/melody.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { TcpRelay } from '../../support/tcp-relay.ts';

const HUNG_UP = { kind: 'hung_up', by: 'us', why: 'prompt_finished' } as const;
const FAILED = { kind: 'failed', detail: expect.any(String) as string } as const;

describeWithPeer(['drachtio', 'freeswitch'], 'the engine when drachtio fails', () => {
  let rig: FaultRig;
  let relay: TcpRelay;

  beforeAll(async () => {
    rig = await FaultRig.start({}, async ({ drachtio: [drachtio] }) => {
      if (drachtio === undefined) throw new Error('no drachtio');
      relay = await TcpRelay.start(drachtio);
      return { drachtio: [{ host: '127.0.0.1', port: relay.port, secret: drachtio.secret }] };
    });
  }, START_MS);
  afterAll(async () => {
    await rig.close();
    await relay.close();
  });
  afterEach(async () => {
    await rig.expectNothingHeld();
    expect(rig.faults).toEqual([]);
  });

  it('says that it is gone, fails calls at once, and works again when it is back', async () => {
    await rig.drachtio().process.kill();
    await eventually(() => expect(rig.engine.missing()).toEqual(['drachtio']));
    const call = rig.call('200');
    const [end, ms] = await timed(call.over);
    expect(end).toEqual(FAILED);
    expect(call.events.map(({ type }) => type)).toEqual(['trying', 'ended']);
    expect(ms).toBeLessThan(500);
    await rig.drachtio().restart();
    await rig.expectCallWorks();
  });

  it('fails a call that rings when it is killed', async () => {
    const call = rig.call('180', { timeouts: { ringMs: 20_000 } });
    await call.reached('ringing');
    await rig.drachtio().process.kill();
    const [end, ms] = await timed(
      Promise.all([call.over, rig.drachtio().restart()]).then(([given]) => given),
    );
    expect(end).toEqual(FAILED);
    expect(ms).toBeLessThan(8000);
    await rig.expectCallWorks();
  });

  it('sends no INVITE when the connection is cut just before', async () => {
    const before = rig.carrier.calls.length;
    const call = rig.call('200', {}, { on: ({ type }) => type === 'trying' && relay.cut() });
    const [end, ms] = await timed(call.over);
    expect(end).toEqual(FAILED);
    expect(ms).toBeLessThan(2000);
    await rig.expectCallWorks();
    expect(rig.carrier.calls.length).toBe(before + 1);
  });

  it('takes the blame when it does not take an INVITE, and cancels it when it does at last', async () => {
    const stop = (): void => rig.drachtio().process.signal('SIGSTOP');
    const call = rig.call(
      '201',
      { timeouts: { setupMs: 1000 } },
      { on: ({ type }) => type === 'trying' && stop() },
    );
    expect(await call.over).toEqual(FAILED);
    rig.drachtio().process.signal('SIGCONT');
    const phone = await call.phone();
    await phone.over;
    expect(phone.record.end).toBe('canceled');
    await rig.expectCallWorks();
  });

  it.each(['while the prompt plays', 'after it'])(
    'plays on when it is killed, and hangs up by a new one that was started %s',
    async (when) => {
      const prompt = melody(12);
      const call = rig.call('200', { prompt });
      const phone = await call.speaking();
      await rig.drachtio().process.kill();
      if (when === 'after it') await call.reached('prompt_finished');
      await rig.drachtio().restart();
      expect(await call.over).toEqual(HUNG_UP);
      expect(notesIn(phone.heard)).toBe(allNotes(12));
      expect(phone.record.end).toBe('they_hung_up');
    },
  );

  it('ends a call in bounded time when it is killed, and hangs up whenever it comes back', async () => {
    const call = rig.call('200', { prompt: melody(4) });
    const phone = await call.speaking();
    await rig.drachtio().process.kill();
    const [end, ms] = await timed(call.over);
    expect(end).toEqual(HUNG_UP);
    expect(ms).toBeLessThan(15_000);
    expect(notesIn(phone.heard)).toBe(allNotes(4));
    // Nobody could tell it so far.
    expect(phone.record.end).toBeNull();
    await rig.expectNothingHeld();
    await rig.drachtio().restart();
    await phone.over;
    expect(phone.record.end).toBe('they_hung_up');
    await rig.expectCallWorks();
  });

  it('cancels a call that rings by a new connection when the old one is cut', async () => {
    const call = rig.call('180', { timeouts: { ringMs: 20_000 } });
    await call.reached('ringing');
    relay.cut();
    const [end, ms] = await timed(call.over);
    expect(end).toEqual(FAILED);
    expect(ms).toBeLessThan(4000);
    const phone = await call.phone();
    await phone.over;
    expect(phone.record.end).toBe('canceled');
    await rig.expectCallWorks();
  });

  it('plays on when the connection is cut, and hangs up by a new one', async () => {
    const call = rig.call('200', { prompt: melody(12) });
    const phone = await call.speaking();
    relay.cut();
    expect(await call.over).toEqual(HUNG_UP);
    expect(notesIn(phone.heard)).toBe(allNotes(12));
    expect(phone.record.end).toBe('they_hung_up');
    await rig.expectCallWorks();
  });

  it('sees afterwards that the callee hung up while the connection was cut', async () => {
    const call = rig.call('220', { prompt: melody(16) });
    const phone = await call.speaking();
    relay.refuse();
    await phone.over;
    expect(phone.record.end).toBe('we_hung_up');
    relay.admit();
    expect(await call.over).toMatchObject({ kind: 'hung_up', by: 'callee', why: 'peer' });
    await rig.expectCallWorks();
  });

  it('notices that it hangs, ends calls in bounded time, and recovers', async () => {
    const talking = rig.call('200', { prompt: melody(12) });
    const phone = await talking.speaking();
    rig.drachtio().process.signal('SIGSTOP');
    const starting = rig.call('200');
    expect(await starting.over).toEqual(FAILED);
    await eventually(() => expect(rig.engine.missing()).toEqual(['drachtio']), { timeoutMs: 10_000 });
    rig.drachtio().process.signal('SIGCONT');
    const [end, ms] = await timed(talking.over);
    expect(end).toEqual(HUNG_UP);
    expect(ms).toBeLessThan(20_000);
    expect(notesIn(phone.heard)).toBe(allNotes(12));
    expect(phone.record.end).toBe('they_hung_up');
    await rig.expectCallWorks();
  });
});
