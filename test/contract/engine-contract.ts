import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CallEvent, Engine } from '../../src/engine/engine.ts';
import type { LabCall, LabCarrier } from '../../src/lab/carrier.ts';
import { leaveBehind } from '../support/dying-process.ts';
import { eventually } from '../support/eventually.ts';
import { LAB_CREDENTIALS, startCarrier } from '../support/lab.ts';
import { courseOf, endOf, eventsOf, gistOf, legTo, tone } from '../support/legs.ts';

export interface EngineUnderTest {
  readonly engine: Engine;
  /** What the engine still holds of calls: zero when everything was given back. */
  held(): number;
  close(): Promise<void>;
}

const NUMBER = '+442079460';

/**
 * What every engine does, whatever carries it; each adapter has one visible file that runs this.
 *
 * @param dyingProcess a script of test/support that carries one leg and is killed in the middle of it
 */
export function engineContract(start: () => Promise<EngineUnderTest>, dyingProcess: string): void {
  let under: EngineUnderTest;
  let carrier: LabCarrier;
  let faults: unknown[];
  const lastCall = (): LabCall => carrier.calls.at(-1) as LabCall;
  const leg = (suffix: string, overrides: Parameters<typeof legTo>[2] = {}) =>
    legTo(carrier.port, `${NUMBER}${suffix}`, { credentials: LAB_CREDENTIALS, ...overrides });

  beforeAll(async () => {
    under = await start();
    ({ carrier, faults } = await startCarrier({ t1Ms: 100 }));
  });
  afterAll(async () => {
    await under.close();
    await carrier.close();
  });
  afterEach(async () => {
    // An INVITE that nobody answered is waited for 64 × T1, in case somebody does.
    await eventually(() => expect(under.held()).toBe(0), { timeoutMs: 10_000 });
    expect(faults).toEqual([]);
  });

  describe.each([
    ['200', 'trying ringing answered prompt_finished ended', 'hung_up by us: prompt_finished'],
    ['183', 'trying early_media ringing answered prompt_finished ended', 'hung_up by us: prompt_finished'],
    ['199', 'trying ringing answered prompt_finished ended', 'hung_up by us: prompt_finished'],
    ['401', 'trying ringing answered prompt_finished ended', 'hung_up by us: prompt_finished'],
    ['407', 'trying ringing answered prompt_finished ended', 'hung_up by us: prompt_finished'],
    ['302', 'trying ended', 'rejected 302'],
    ['404', 'trying ended', 'rejected 404'],
    ['480', 'trying ended', 'rejected 480'],
    ['486', 'trying ended', 'rejected 486'],
    ['503', 'trying ended', 'rejected 503'],
    ['603', 'trying ringing ended', 'rejected 603'],
    ['693', 'trying ended', 'rejected 603'],
    ['000', 'trying ended', 'setup_timeout'],
    ['100', 'trying ended', 'setup_timeout'],
    ['180', 'trying ringing ended', 'ring_timeout'],
    ['181', 'trying progress ringing ended', 'ring_timeout'],
  ])('a call to a phone that does %s', (suffix, types, end) => {
    it(`over UDP and over TCP: ${end}`, async () => {
      const timeouts = { setupMs: 500, ringMs: 1000 };
      const both = (['udp', 'tcp'] as const).map((transport) =>
        eventsOf(under.engine, leg(suffix, { transport, timeouts })),
      );
      for (const events of await Promise.all(both)) {
        expect(courseOf(events)).toBe(types);
        expect(gistOf(events)).toBe(end);
        expect(events.map(({ at }) => at)).toEqual(events.map(({ at }) => at).toSorted((a, b) => a - b));
      }
    });
  });

  it('keeps what the response says beside its status', async () => {
    const blocked = endOf(await eventsOf(under.engine, leg('693'))).end;
    expect(blocked).toMatchObject({
      sip: {
        status: 603,
        reason: 'Network Blocked',
        q850: 21,
        reasonText: expect.stringContaining('redress.example'),
      },
    });
    const failing = endOf(await eventsOf(under.engine, leg('503'))).end;
    expect(failing).toMatchObject({ sip: { status: 503, retryAfterSeconds: 5 } });
  });

  it('lets the INVITE leave only after `trying` was taken', async () => {
    const before = carrier.calls.length;
    const events = under.engine.originate(leg('200'), new AbortController().signal);
    const first = await events.next();
    expect(first.value).toMatchObject({ type: 'trying' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(carrier.calls.length).toBe(before);
    await events.return();
    expect(carrier.calls.length).toBe(before);
  });

  it('sends no audio before the answer, and all of the prompt after it', async () => {
    const events = await eventsOf(under.engine, leg('183', { prompt: tone(600) }));
    const { earlyPackets, packets } = lastCall().phone.record;
    expect(earlyPackets).toBe(0);
    expect(packets).toBeGreaterThanOrEqual(30);
    expect(endOf(events).media).toMatchObject({ promptSentMs: 600 });
    expect(endOf(events).media?.packetsReceived).toBeGreaterThan(0);
  });

  it.each([['PCMU'], ['PCMA']] as const)('speaks %s', async (codec) => {
    const events = await eventsOf(under.engine, leg('200', { codecs: [codec], prompt: tone(300) }));
    expect(events.find(({ type }) => type === 'answered')).toMatchObject({ codec });
    const { samples } = lastCall().phone.heard;
    const loudest = samples.reduce((max, sample) => Math.max(max, Math.abs(sample)), 0);
    expect(loudest).toBeGreaterThan(7500);
    expect(loudest).toBeLessThan(8500);
  });

  it('sends the headers and the identity of the leg', async () => {
    const headers = [
      ['P-Asserted-Identity', '<sip:+442079460999@127.0.0.1>'],
      ['Privacy', 'id'],
    ] as const;
    const from = { uri: 'sip:anonymous@anonymous.invalid', displayName: 'Anonymous' };
    await eventsOf(under.engine, leg('486', { headers, from }));
    const names = new Map(lastCall().invite.headers);
    expect(names.get('P-Asserted-Identity')).toBe('<sip:+442079460999@127.0.0.1>');
    expect(names.get('Privacy')).toBe('id');
    expect(names.get('From')).toMatch(/^"Anonymous" <sip:anonymous@anonymous\.invalid>;tag=/);
    expect(names.get('To')).toBe(`<sip:${NUMBER}486@127.0.0.1:${carrier.port}>`);
    expect(JSON.stringify(lastCall().invite)).not.toContain('call_');
  });

  it('ends a ringing call with CANCEL when it is aborted', async () => {
    const abort = new AbortController();
    const on = ({ type }: CallEvent) => (type === 'ringing' ? abort.abort() : undefined);
    const events = await eventsOf(under.engine, leg('180'), { signal: abort.signal, on });
    expect(gistOf(events)).toBe('canceled');
    await lastCall().phone.over;
    expect(lastCall().phone.record.end).toBe('canceled');
  });

  it('answers a 200 that crosses the CANCEL with ACK and BYE', async () => {
    const abort = new AbortController();
    const on = ({ type }: CallEvent) => (type === 'ringing' ? abort.abort() : undefined);
    const events = await eventsOf(under.engine, leg('487'), { signal: abort.signal, on });
    expect(courseOf(events)).toBe('trying ringing answered ended');
    expect(gistOf(events)).toBe('hung_up by us: crossed_cancel');
    await lastCall().phone.over;
    const { end, ackedAt, packets } = lastCall().phone.record;
    expect(end).toBe('they_hung_up');
    expect(ackedAt).not.toBeNull();
    expect(packets).toBe(0);
  });

  it('ends an answered call with BYE when it is aborted', async () => {
    const abort = new AbortController();
    const on = ({ type }: CallEvent) => (type === 'answered' ? abort.abort() : undefined);
    const events = await eventsOf(under.engine, leg('200', { prompt: tone(5000) }), {
      signal: abort.signal,
      on,
    });
    expect(gistOf(events)).toBe('hung_up by us: aborted');
    expect(lastCall().phone.record.end).toBe('they_hung_up');
  });

  it('dials nothing for a signal that is aborted already', async () => {
    const before = carrier.calls.length;
    const events = await eventsOf(under.engine, leg('200'), { signal: AbortSignal.abort() });
    expect(courseOf(events)).toBe('trying ended');
    expect(gistOf(events)).toBe('canceled');
    expect(carrier.calls.length).toBe(before);
  });

  it.each(['ringing', 'answered'] as const)(
    'ends the call when the reader leaves after `%s`',
    async (type) => {
      for await (const event of under.engine.originate(
        leg('201', { prompt: tone(5000) }),
        new AbortController().signal,
      )) {
        if (event.type === type) break;
      }
      await lastCall().phone.over;
      expect(lastCall().phone.record.end).toBe(type === 'ringing' ? 'canceled' : 'they_hung_up');
    },
  );

  it('tells that the callee hung up', async () => {
    const events = await eventsOf(under.engine, leg('220', { prompt: tone(6000) }));
    expect(courseOf(events)).toBe('trying ringing answered ended');
    expect(gistOf(events)).toBe('hung_up by callee: peer');
    expect(endOf(events).media?.promptSentMs).toBeGreaterThan(2000);
    expect(endOf(events).media?.promptSentMs).toBeLessThan(5000);
  });

  it('hangs up when the call has lasted long enough', async () => {
    const events = await eventsOf(
      under.engine,
      leg('200', { prompt: tone(8000), timeouts: { maxCallMs: 500 } }),
    );
    expect(gistOf(events)).toBe('hung_up by us: max_duration');
  });

  it('tells each key once', async () => {
    const events = await eventsOf(under.engine, leg('237', { prompt: tone(2500) }));
    expect(events.filter(({ type }) => type === 'dtmf')).toMatchObject([{ digit: '7' }]);
  });

  it('stops the audio on hold and goes on with it afterwards', async () => {
    const events = await eventsOf(under.engine, leg('240', { prompt: tone(3500) }));
    expect(gistOf(events)).toBe('hung_up by us: prompt_finished');
    const answered = events.find(({ type }) => type === 'answered')?.at ?? 0;
    const finished = events.find(({ type }) => type === 'prompt_finished')?.at ?? 0;
    expect(finished - answered).toBeGreaterThan(5000);
    expect(endOf(events).media).toMatchObject({ promptSentMs: 3500 });
    // About 175 packets of prompt; two seconds of hold are another hundred that must not have come.
    expect(lastCall().phone.record.packets).toBeLessThan(215);
  });

  it('says that nothing can be sent to a host without an address', async () => {
    const nextHop = { host: 'no-such-host.invalid', transport: 'udp' } as const;
    const unreachable = { ...leg('200'), nextHop };
    const events = await eventsOf(under.engine, unreachable);
    expect(courseOf(events)).toBe('trying ended');
    expect(gistOf(events)).toBe('unreachable');
  });

  it('says that nothing can be sent where a TCP connection is refused', async () => {
    const refused = { ...leg('200'), nextHop: { host: '127.0.0.1', port: 1, transport: 'tcp' } as const };
    expect(gistOf(await eventsOf(under.engine, refused))).toBe('unreachable');
  });

  it('carries many calls at once', async () => {
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, i) => eventsOf(under.engine, leg(i % 2 === 0 ? '200' : '486'))),
    );
    const gists = all.map((events) => gistOf(events));
    expect(gists.filter((one) => one === 'rejected 486')).toHaveLength(25);
    expect(gists.filter((one) => one === 'hung_up by us: prompt_finished')).toHaveLength(25);
  });

  describe('what a killed process left up', () => {
    it.each([
      ['180', 'trying', 'canceled'],
      ['180', 'ringing', 'canceled'],
      ['200', 'answered', 'they_hung_up'],
      ['407', 'answered', 'they_hung_up'],
      ['487', 'ringing', 'they_hung_up'],
    ] as const)('ends the call to %s that was %s: %s', async (suffix, type, end) => {
      const { leftover, process } = await leaveBehind(dyingProcess, carrier.port, suffix, type);
      const call = await eventually(() => {
        expect(lastCall().number).toBe(`${NUMBER}${suffix}`);
        return lastCall();
      });
      await process.kill();
      expect(call.phone.record.end).toBeNull();
      expect(await under.engine.endLeftover(leftover(), LAB_CREDENTIALS)).toBe(true);
      await call.phone.over;
      expect(call.phone.record.end).toBe(end);
    });

    it('says that a call which is long over is over', async () => {
      const { leftover, process } = await leaveBehind(dyingProcess, carrier.port, '200', 'answered');
      await process.kill();
      expect(await under.engine.endLeftover(leftover())).toBe(true);
      expect(await under.engine.endLeftover(leftover())).toBe(true);
    });

    it('knows nothing of what is no leftover, and says so without throwing', async () => {
      expect(await under.engine.endLeftover({ stage: 'nonsense' })).toBe(false);
      expect(await under.engine.endLeftover({})).toBe(false);
    });
  });
}
