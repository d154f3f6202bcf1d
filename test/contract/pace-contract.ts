import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallEvent } from '../../src/engine/engine.ts';
import type { LabCarrier } from '../../src/lab/carrier.ts';
import type { WireMessage } from '../../src/sip/transport.ts';
import { eventually } from '../support/eventually.ts';
import { LAB_CREDENTIALS, startCarrier } from '../support/lab.ts';
import { courseOf, endOf, eventsOf, gistOf, type LegOverrides, legTo, tone } from '../support/legs.ts';
import type { EngineUnderTest } from './engine-contract.ts';

const SETUP_MS = 1500;
/** Longer than that, so that a call which says it outlasts the wait of another for its answer. */
const LONG_MS = 1800;

/** When INVITEs leave, and how long their answers are waited for; each adapter has one visible file that runs this. */
export function paceContract(start: () => Promise<EngineUnderTest>): void {
  let under: EngineUnderTest;
  let carrier: LabCarrier;
  let faults: unknown[];
  let received: WireMessage[];
  let serial = 1000;

  beforeAll(async () => {
    received = [];
    under = await start();
    ({ carrier, faults } = await startCarrier({
      t1Ms: 100,
      onWire: (message) => void (message.direction === 'in' && received.push(message)),
    }));
  });
  afterAll(async () => {
    await eventually(() => expect(under.held()).toBe(0), { timeoutMs: 10_000 });
    await under.close();
    await carrier.close();
    expect(faults).toEqual([]);
  });

  const numberOf = (suffix: string): string => `+44207${serial++}${suffix}`;
  const leg = (number: string, overrides: LegOverrides = {}) =>
    legTo(carrier.port, number, { credentials: LAB_CREDENTIALS, ...overrides });

  /** CSeq numbers of what the carrier got for a number, each once: what was sent again counts as one. */
  const seen = (method: string, number: string): readonly string[] => [
    ...new Set(
      received
        .filter(({ text }) => text.startsWith(`${method} sip:${number}@`))
        .map(({ text }) => /^CSeq:\s*(\d+)/im.exec(text)?.[1] ?? ''),
    ),
  ];

  describe.concurrent.each(['401', '407'])('a call that is challenged by %s', (suffix) => {
    it('sends its second INVITE when the reader asks on, however late, and loses no time by that', async () => {
      const number = numberOf(suffix);
      const events: CallEvent[] = [];
      const timeouts = { setupMs: SETUP_MS };
      for await (const event of under.engine.originate(
        leg(number, { timeouts }),
        new AbortController().signal,
      )) {
        events.push(event);
        if (event.type !== 'again') continue;
        const other = await eventsOf(under.engine, leg(numberOf('200'), { prompt: tone(LONG_MS) }));
        expect(gistOf(other)).toBe('hung_up by us: prompt_finished');
        expect(endOf(other).at - event.at).toBeGreaterThan(SETUP_MS);
        expect(seen('INVITE', number)).toHaveLength(1);
      }
      expect(events.filter(({ type }) => type === 'again')).toHaveLength(1);
      expect(courseOf(events)).toBe('trying ringing answered prompt_finished ended');
      expect(seen('INVITE', number)).toHaveLength(2);
    });

    it('sends nothing more where it is given up meanwhile', async () => {
      const number = numberOf(suffix);
      const abort = new AbortController();
      const events = await eventsOf(under.engine, leg(number), {
        signal: abort.signal,
        on: ({ type }) => type === 'again' && abort.abort(),
      });
      expect(gistOf(events)).toBe('canceled');
      const after = numberOf('486');
      await eventsOf(under.engine, leg(after));
      expect(seen('INVITE', after)).toHaveLength(1);
      expect([...seen('INVITE', number), ...seen('CANCEL', number)]).toHaveLength(1);
    });
  });

  it.concurrent.each([
    ['000', 'setup_timeout'],
    ['181', 'ring_timeout'],
    ['180', 'ring_timeout'],
  ])('ends the wait for the answer of %s in time, whatever comes before it', async (suffix, end) => {
    const events = await eventsOf(
      under.engine,
      leg(numberOf(suffix), { timeouts: { attemptMs: 700, setupMs: 20_000, ringMs: 20_000 } }),
    );
    expect(gistOf(events)).toBe(end);
    const lastedMs = endOf(events).at - (events[0]?.at ?? 0);
    expect(lastedMs).toBeGreaterThanOrEqual(690);
    expect(lastedMs).toBeLessThan(20_000);
  });
}
