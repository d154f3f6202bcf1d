import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CallEvent, FlashTerms } from '../../src/engine/engine.ts';
import type { LabCall, LabCarrier } from '../../src/lab/carrier.ts';
import { eventually } from '../support/eventually.ts';
import { LAB_CREDENTIALS, startCarrier } from '../support/lab.ts';
import { courseOf, endOf, eventsOf, gistOf, type LegOverrides, legTo, tone } from '../support/legs.ts';
import { toneIn } from '../support/tone-in.ts';
import { WireRecord } from '../support/wire-record.ts';
import type { EngineUnderTest } from './engine-contract.ts';

/** What the issue allows for a CANCEL that is due. */
const SLACK_MS = 50;
/** From a 200 to our BYE. */
const BYE_MS = 200;
const PROMPT_HZ = 1500;
const PROMPT_MS = 600;

interface Course {
  readonly number: string;
  readonly events: readonly CallEvent[];
}

interface Wishes extends Partial<FlashTerms> {
  readonly leg?: LegOverrides;
  readonly signal?: AbortSignal;
  readonly on?: (event: CallEvent) => void;
}

/** What every engine makes of a flash call; each adapter has one visible file that runs this. */
export function flashContract(start: () => Promise<EngineUnderTest>): void {
  let under: EngineUnderTest;
  let carrier: LabCarrier;
  let faults: unknown[];
  let wire: WireRecord;
  let serial = 1000;

  /** Carries a flash call to a number that nobody else calls. */
  const flash = async (suffix: string, { leg, signal, on, ...terms }: Wishes = {}): Promise<Course> => {
    const number = `+44207${serial++}${suffix}`;
    const onAnswer = terms.onAnswer ?? 'hangup';
    const flashLeg = legTo(carrier.port, number, {
      credentials: LAB_CREDENTIALS,
      prompt: onAnswer === 'speak' ? tone(PROMPT_MS, PROMPT_HZ) : null,
      flash: { ringHoldMs: 700, maxRingMs: 2500, ...terms, onAnswer },
      ...leg,
    });
    const events = await eventsOf(under.engine, flashLeg, {
      ...(signal === undefined ? {} : { signal }),
      ...(on === undefined ? {} : { on }),
    });
    return { number, events };
  };
  const callOf = ({ number }: Course): LabCall => {
    const call = carrier.calls.find((one) => one.number === number);
    if (call === undefined) throw new Error('the carrier has no such call');
    return call;
  };
  const expectBetween = async (
    { number }: Course,
    [first, then]: readonly [string, string],
    ms: number,
  ): Promise<void> => {
    const measured = await wire.between(number, first, then);
    expect(Math.abs(measured - ms), `${first} to ${then}: ${measured} ms`).toBeLessThanOrEqual(SLACK_MS);
  };
  const expectCanceled = async (course: Course): Promise<void> => {
    const { phone } = callOf(course);
    await phone.over;
    expect(phone.record).toMatchObject({ end: 'canceled', answeredAt: null, packets: 0, earlyPackets: 0 });
  };
  /** ACK, then BYE, soon after the 200; nothing was heard. */
  const expectHungUpAtOnce = async (course: Course): Promise<void> => {
    const { number, events } = course;
    expect(events.find(({ type }) => type === 'answered')).toMatchObject({ codec: null });
    expect(endOf(events).media?.promptSentMs ?? 0).toBe(0);
    expect(await wire.between(number, 'out 200 INVITE', 'in BYE')).toBeLessThanOrEqual(BYE_MS);
    // The ACK comes first: a BYE before it ends a dialog that the far end does not yet have.
    const names = wire.of(number).map(({ name }) => name);
    expect(names.indexOf('in ACK'), names.join(', ')).toBeGreaterThanOrEqual(0);
    expect(names.lastIndexOf('in ACK'), names.join(', ')).toBeLessThan(names.indexOf('in BYE'));
    const { phone } = callOf(course);
    await phone.over;
    expect(phone.record).toMatchObject({ end: 'they_hung_up', packets: 0, earlyPackets: 0 });
  };

  beforeAll(async () => {
    wire = new WireRecord();
    under = await start();
    ({ carrier, faults } = await startCarrier({ t1Ms: 100, onWire: wire.take }));
  });
  afterAll(async () => {
    await under.close();
    await carrier.close();
  });
  afterEach(async () => {
    wire.watch(() => {});
    // An INVITE that nobody answered is waited for 64 × T1, in case somebody does.
    await eventually(() => expect(under.held()).toBe(0), { timeoutMs: 10_000 });
    expect(faults).toEqual([]);
  });

  describe.each([
    ['udp', 'hangup'],
    ['tcp', 'hangup'],
    ['udp', 'speak'],
    ['tcp', 'speak'],
  ] as const)('over %s, with an answer that is to get: %s', (transport, onAnswer) => {
    it('cancels a phone that rings at its ring hold', async () => {
      const course = await flash('180', { onAnswer, leg: { transport } });
      expect(courseOf(course.events)).toBe('trying ringing ended');
      expect(gistOf(course.events)).toBe('rang');
      expect(endOf(course.events).media).toBeUndefined();
      await expectBetween(course, ['out 180 INVITE', 'in CANCEL'], 700);
      await expectCanceled(course);
    });

    it('hangs up an answer that crosses its CANCEL', async () => {
      const course = await flash('487', { onAnswer, leg: { transport } });
      expect(courseOf(course.events)).toBe('trying ringing answered ended');
      expect(gistOf(course.events)).toBe('hung_up by us: crossed_cancel');
      await expectBetween(course, ['out 180 INVITE', 'in CANCEL'], 700);
      await expectHungUpAtOnce(course);
    });
  });

  it('offers audio like any other call where none is wanted', async () => {
    const course = await flash('180', { ringHoldMs: 100 });
    const { invite } = callOf(course);
    expect(new Map(invite.headers).get('Content-Type')).toBe('application/sdp');
    expect(invite.body).toMatch(/^m=audio [1-9]\d* RTP\/AVP 0 8 \d+\r$/m);
    expect(invite.body).not.toMatch(/^a=(?:inactive|sendonly|recvonly)/m);
  });

  describe('how long it rings', () => {
    it.each(['hangup', 'speak'] as const)(
      'takes a 183 for no ringing, and gives up without a 180: %s',
      async (onAnswer) => {
        const course = await flash('184', { onAnswer, ringHoldMs: 300, maxRingMs: 1000 });
        expect(courseOf(course.events)).toBe('trying early_media ended');
        expect(gistOf(course.events)).toBe('no_ring');
        await expectBetween(course, ['in INVITE', 'in CANCEL'], 1000);
        await expectCanceled(course);
      },
    );

    it('counts from the 180 that follows a 183', async () => {
      const course = await flash('185');
      expect(courseOf(course.events)).toBe('trying early_media ringing ended');
      expect(gistOf(course.events)).toBe('rang');
      await expectBetween(course, ['out 180 INVITE', 'in CANCEL'], 700);
      await expectCanceled(course);
    });

    it('is not prolonged by a 180 that comes again', async () => {
      const course = await flash('186');
      expect(courseOf(course.events)).toBe('trying ringing ended');
      expect(gistOf(course.events)).toBe('rang');
      expect(wire.of(course.number).filter(({ name }) => name === 'out 180 INVITE').length).toBeGreaterThan(
        2,
      );
      await expectBetween(course, ['out 180 INVITE', 'in CANCEL'], 700);
    });

    it('ends at the limit of the whole attempt where the 180 came late, and has rung all the same', async () => {
      const course = await flash('185', { ringHoldMs: 800, maxRingMs: 1000 });
      expect(courseOf(course.events)).toBe('trying early_media ringing ended');
      expect(gistOf(course.events)).toBe('rang');
      await expectBetween(course, ['in INVITE', 'in CANCEL'], 1000);
      await expectCanceled(course);
    });

    it('has no other limit: that of a ringing call is not its', async () => {
      const course = await flash('180', { leg: { timeouts: { ringMs: 100 } } });
      expect(gistOf(course.events)).toBe('rang');
      await expectBetween(course, ['out 180 INVITE', 'in CANCEL'], 700);
    });
  });

  it.each([
    ['181', 'trying progress ended'],
    ['189', 'trying progress ended'],
    ['188', 'trying ringing progress ended'],
  ])('cancels at once when it is forwarded: %s', async (suffix, types) => {
    const course = await flash(suffix, { ringHoldMs: 1500 });
    expect(courseOf(course.events)).toBe(types);
    expect(course.events.find(({ type }) => type === 'progress')).toMatchObject({ status: 181 });
    expect(gistOf(course.events)).toBe('diverted');
    expect(await wire.between(course.number, 'out 181 INVITE', 'in CANCEL')).toBeLessThanOrEqual(BYE_MS);
    await expectCanceled(course);
  });

  it.each([
    ['000', 'setup_timeout', { leg: { timeouts: { setupMs: 300 } } }],
    ['100', 'setup_timeout', { leg: { timeouts: { setupMs: 300 } } }],
    ['000', 'no_ring', { ringHoldMs: 100, maxRingMs: 400 }],
    ['100', 'no_ring', { ringHoldMs: 100, maxRingMs: 400 }],
  ] as const)('gives up a call to %s: %s', async (suffix, end, wishes) => {
    const { events } = await flash(suffix, wishes);
    expect(courseOf(events)).toBe('trying ended');
    expect(gistOf(events)).toBe(end);
  });

  it.each([
    ['302', 'trying ended', 'rejected 302'],
    ['404', 'trying ended', 'rejected 404'],
    ['480', 'trying ended', 'rejected 480'],
    ['486', 'trying ended', 'rejected 486'],
    ['503', 'trying ended', 'rejected 503'],
    ['603', 'trying ringing ended', 'rejected 603'],
    ['693', 'trying ended', 'rejected 603'],
  ])('ends with the refusal of %s', async (suffix, types, end) => {
    const course = await flash(suffix);
    expect(courseOf(course.events)).toBe(types);
    expect(gistOf(course.events)).toBe(end);
    expect(wire.of(course.number).map(({ name }) => name)).not.toContain('in CANCEL');
  });

  describe('that is answered', () => {
    it.each([
      ['200', 'udp', 'trying ringing answered ended'],
      ['200', 'tcp', 'trying ringing answered ended'],
      ['210', 'udp', 'trying answered ended'],
      ['210', 'tcp', 'trying answered ended'],
      ['183', 'udp', 'trying early_media ringing answered ended'],
      ['199', 'udp', 'trying ringing answered ended'],
      ['401', 'udp', 'trying ringing answered ended'],
      ['407', 'tcp', 'trying ringing answered ended'],
    ] as const)('gets ACK and BYE at once: %s over %s', async (suffix, transport, types) => {
      const course = await flash(suffix, { ringHoldMs: 2000, leg: { transport } });
      expect(courseOf(course.events)).toBe(types);
      expect(gistOf(course.events)).toBe('hung_up by us: flash_answered');
      await expectHungUpAtOnce(course);
    });

    it.each([
      ['200', 'udp', 'trying ringing answered prompt_finished ended'],
      ['200', 'tcp', 'trying ringing answered prompt_finished ended'],
      ['210', 'udp', 'trying answered prompt_finished ended'],
      ['183', 'udp', 'trying early_media ringing answered prompt_finished ended'],
    ] as const)('hears the prompt where it is to: %s over %s', async (suffix, transport, types) => {
      const course = await flash(suffix, { onAnswer: 'speak', ringHoldMs: 2000, leg: { transport } });
      expect(courseOf(course.events)).toBe(types);
      expect(gistOf(course.events)).toBe('hung_up by us: prompt_finished');
      expect(endOf(course.events).media).toMatchObject({ promptSentMs: PROMPT_MS });
      const { phone } = callOf(course);
      await phone.over;
      expect(phone.record).toMatchObject({ end: 'they_hung_up', earlyPackets: 0 });
      expect(Math.abs(toneIn(phone.heard, PROMPT_HZ).ms - PROMPT_MS)).toBeLessThan(100);
    });

    it('hears it to its end, whatever the ring hold and the limit of the attempt were', async () => {
      const terms = { onAnswer: 'speak', ringHoldMs: 600, maxRingMs: 700 } as const;
      const { events } = await flash('200', { ...terms, leg: { prompt: tone(1500, PROMPT_HZ) } });
      expect(gistOf(events)).toBe('hung_up by us: prompt_finished');
      expect(endOf(events).media).toMatchObject({ promptSentMs: 1500 });
    });
  });

  it.each(['udp', 'tcp'] as const)('acknowledges a reliable 180, over %s', async (transport) => {
    const course = await flash('198', { leg: { transport } });
    expect(courseOf(course.events)).toBe('trying ringing ended');
    expect(gistOf(course.events)).toBe('rang');
    expect(wire.of(course.number).map(({ name }) => name)).toContain('out 200 PRACK');
    await expectBetween(course, ['out 180 INVITE', 'in CANCEL'], 700);
    await expectCanceled(course);
  });

  it.each([
    ['141', '401'],
    ['147', '407'],
  ])('rings behind a carrier that wants credentials: %s, which sends %s', async (suffix, status) => {
    const course = await flash(suffix);
    expect(courseOf(course.events)).toBe('trying ringing ended');
    expect(gistOf(course.events)).toBe('rang');
    expect(wire.of(course.number).map(({ name }) => name)).toContain(`out ${status} INVITE`);
    await expectBetween(course, ['out 180 INVITE', 'in CANCEL'], 700);
    await expectCanceled(course);
  });

  describe('that is aborted', () => {
    it('is not dialled where that was before', async () => {
      const { number, events } = await flash('180', { signal: AbortSignal.abort() });
      expect(courseOf(events)).toBe('trying ended');
      expect(gistOf(events)).toBe('canceled');
      expect(wire.of(number)).toEqual([]);
    });

    it('ends before any response', async () => {
      const abort = new AbortController();
      wire.watch(({ name }) => (name === 'in INVITE' ? abort.abort() : undefined));
      const { events } = await flash('000', { signal: abort.signal });
      expect(courseOf(events)).toBe('trying ended');
      expect(gistOf(events)).toBe('canceled');
    });

    it.each([
      ['184', 'early_media', 'hangup'],
      ['180', 'ringing', 'hangup'],
      ['180', 'ringing', 'speak'],
    ] as const)('is canceled: %s after `%s`, answer: %s', async (suffix, type, onAnswer) => {
      const abort = new AbortController();
      const on = (event: CallEvent): void => (event.type === type ? abort.abort() : undefined);
      const course = await flash(suffix, { onAnswer, ringHoldMs: 2000, signal: abort.signal, on });
      expect(courseOf(course.events)).toBe(`trying ${type} ended`);
      expect(gistOf(course.events)).toBe('canceled');
      await expectCanceled(course);
    });

    it.each([
      ['180', 'in CANCEL', 'rang'],
      ['189', 'in CANCEL', 'diverted'],
      ['487', 'in CANCEL', 'hung_up by us: crossed_cancel'],
      ['200', 'out 200 INVITE', 'hung_up by us: flash_answered'],
      ['200', 'in BYE', 'hung_up by us: flash_answered'],
    ])('ends as it would have, where it was to end anyway: %s after %s', async (suffix, name, end) => {
      const abort = new AbortController();
      // The 200 is on its way: whoever aborts now may still get there before it.
      wire.watch((entry) => (entry.name === name ? setTimeout(() => abort.abort(), 5) : undefined));
      const { events } = await flash(suffix, { signal: abort.signal });
      expect([end, ...(name === 'out 200 INVITE' ? ['hung_up by us: crossed_cancel'] : [])]).toContain(
        gistOf(events),
      );
    });

    it('ends with BYE while the prompt is said', async () => {
      const abort = new AbortController();
      const on = ({ type }: CallEvent): void => (type === 'answered' ? abort.abort() : undefined);
      const prompt = tone(5000);
      const course = await flash('200', { onAnswer: 'speak', signal: abort.signal, on, leg: { prompt } });
      expect(gistOf(course.events)).toBe('hung_up by us: aborted');
      await callOf(course).phone.over;
      expect(callOf(course).phone.record.end).toBe('they_hung_up');
    });

    it('is canceled when the reader leaves while it rings', async () => {
      const number = `+44207${serial++}180`;
      const terms = { ringHoldMs: 2000, maxRingMs: 3000, onAnswer: 'hangup' } as const;
      const leg = legTo(carrier.port, number, { prompt: null, flash: terms });
      for await (const { type } of under.engine.originate(leg, new AbortController().signal))
        if (type === 'ringing') break;
      await expectCanceled({ number, events: [] });
    });
  });

  it('carries many at once, each with its own end', async () => {
    const ends = {
      '180': 'rang',
      '184': 'no_ring',
      '188': 'diverted',
      '200': 'hung_up by us: flash_answered',
      '486': 'rejected 486',
      '487': 'hung_up by us: crossed_cancel',
    };
    const wanted = Array.from({ length: 5 }, () => Object.entries(ends)).flat();
    const came = await Promise.all(
      wanted.map(async ([suffix]) => gistOf((await flash(suffix, { maxRingMs: 1200 })).events)),
    );
    expect(came).toEqual(wanted.map(([, end]) => end));
  });
}
