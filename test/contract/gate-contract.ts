import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallEvent, GateTerms } from '../../src/engine/engine.ts';
import type { LabCall, LabCarrier } from '../../src/lab/carrier.ts';
import { Secret } from '../../src/secret.ts';
import { eventually } from '../support/eventually.ts';
import { LAB_CREDENTIALS, startCarrier } from '../support/lab.ts';
import {
  courseOf,
  endOf,
  eventsOf,
  gistOf,
  inTurn,
  type LegOverrides,
  legTo,
  tone,
} from '../support/legs.ts';
import { toneIn } from '../support/tone-in.ts';
import type { EngineUnderTest } from './engine-contract.ts';

/** Neither is a harmonic of the other. */
const ASK_HZ = 625;
const PROMPT_HZ = 1500;
/** How a prompt begins where it matters how often it does. */
const BEGIN_HZ = 2187.5;
const BEGIN_MS = 320;
const ASK_MS = 400;
const PROMPT_MS = 600;
/** What a tone's length is measured to, with a packet at each of its ends. */
const MEASURE_MS = 100;
/** The lab's share of a tone that is not there: noise of G.711 and the edges of the other tone. One packet has more than half. */
const NOTHING = 0.05;
const SILENT = { sampleRate: 8000, samples: new Int16Array(0) };

interface Course {
  readonly number: string;
  readonly events: readonly CallEvent[];
}

interface Wishes extends Partial<Omit<GateTerms, 'keys'>> {
  readonly keys?: string;
  readonly ungated?: boolean;
  readonly leg?: LegOverrides;
  readonly signal?: AbortSignal;
  readonly on?: (event: CallEvent) => void;
}

/** What every engine makes of a gate; each adapter has one visible file that runs this. */
export function gateContract(start: () => Promise<EngineUnderTest>): void {
  let under: EngineUnderTest;
  let carrier: LabCarrier;
  let faults: unknown[];
  let serial = 5000;

  /** Carries a call with a gate to a number that nobody else calls. */
  const call = async (suffix: string, wishes: Wishes = {}): Promise<Course> => {
    const { keys = '1', ungated = false, leg, signal, on, ...terms } = wishes;
    const number = `+44207${serial++}${suffix}`;
    const gate: GateTerms = {
      keys: new Secret(keys),
      ask: tone(ASK_MS, ASK_HZ),
      asks: 2,
      waitMs: 3000,
      ...terms,
    };
    const prompt = tone(PROMPT_MS, PROMPT_HZ);
    const placed = legTo(carrier.port, number, {
      credentials: LAB_CREDENTIALS,
      prompt,
      ...(ungated ? {} : { gate }),
      ...leg,
    });
    const events = await eventsOf(under.engine, placed, {
      ...(signal === undefined ? {} : { signal }),
      ...(on === undefined ? {} : { on }),
    });
    return { number, events };
  };
  const phoneAt = (number: string): LabCall['phone'] | undefined =>
    carrier.calls.find((one) => one.number === number)?.phone;
  const askedMs = (number: string): number => toneIn(phoneAt(number)?.heard ?? SILENT, ASK_HZ).ms;
  /** Resolves when the phone has heard so much of the question. */
  const askedFor = (number: string, ms: number): Promise<void> =>
    eventually(() => expect(askedMs(number)).toBeGreaterThan(ms), { timeoutMs: 20_000 });
  const phoneOf = async ({ number }: Course): Promise<LabCall['phone']> => {
    const phone = phoneAt(number) as LabCall['phone'];
    await phone.over;
    return phone;
  };
  const expectHeard = async (course: Course, hz: number, ms: number): Promise<void> => {
    const heard = toneIn((await phoneOf(course)).heard, hz);
    expect(Math.abs(heard.ms - ms), `${heard.ms} ms of ${hz} Hz, not ${ms}`).toBeLessThanOrEqual(MEASURE_MS);
  };
  /** The question was heard, and for so long at most. */
  const expectCut = async (course: Course, ms: number): Promise<void> => {
    const heard = toneIn((await phoneOf(course)).heard, ASK_HZ);
    expect(heard.loudest).toBeGreaterThan(0.5);
    expect(heard.ms).toBeLessThanOrEqual(ms + MEASURE_MS);
  };
  /** The prompt was begun so often, and said to its end the last time. */
  const expectBegun = async (course: Course, times: number, restMs: number): Promise<void> => {
    const { heard } = await phoneOf(course);
    const begunMs = toneIn(heard, BEGIN_HZ).ms;
    expect(Math.round(begunMs / BEGIN_MS), `${begunMs} ms of ${times} beginnings`).toBe(times);
    expect(toneIn(heard, PROMPT_HZ).ms).toBeGreaterThanOrEqual(restMs - MEASURE_MS);
  };
  /** The recording of the phone holds nothing of the prompt, and nothing of it was counted. */
  const expectShut = async (course: Course): Promise<void> => {
    expect(courseOf(course.events)).not.toMatch(/gate_opened|prompt_finished/);
    expect(endOf(course.events).media).toMatchObject({ promptSentMs: 0 });
    const { heard } = await phoneOf(course);
    // That something was heard, so that the recording is one.
    expect(toneIn(heard, ASK_HZ).loudest).toBeGreaterThan(0.5);
    expect(toneIn(heard, PROMPT_HZ).loudest).toBeLessThan(NOTHING);
  };
  const keysOf = ({ events }: Course): string =>
    events.flatMap((event) => (event.type === 'dtmf' ? [event.digit] : [])).join('');

  beforeAll(async () => {
    under = await start();
    ({ carrier, faults } = await startCarrier({ t1Ms: 100 }));
  });
  afterAll(async () => {
    await eventually(() => expect(under.held()).toBe(0), { timeoutMs: 10_000 });
    expect(faults).toEqual([]);
    await under.close();
    await carrier.close();
  });

  const OPENED = 'trying ringing answered dtmf gate_opened prompt_finished ended';

  describe.concurrent('keys that open it', { timeout: 30_000 }, () => {
    it.each([
      ['231', 'a telephone-event', 'udp'],
      ['231', 'a telephone-event', 'tcp'],
      ['250', 'SIP INFO with application/dtmf-relay', 'udp'],
      ['250', 'SIP INFO with application/dtmf-relay', 'tcp'],
      ['251', 'SIP INFO with application/dtmf', 'udp'],
      ['252', 'both, which counts once', 'udp'],
    ] as const)('may come to %s by %s, over %s', async (suffix, _way, transport) => {
      // Counted twice, the second one would say the prompt again.
      const course = await call(suffix, { leg: { transport, repeat: { key: '1', times: 1 } } });
      expect(courseOf(course.events)).toBe(OPENED);
      expect(gistOf(course.events)).toBe('hung_up by us: prompt_finished');
      expect(keysOf(course)).toBe('1');
      expect(endOf(course.events).media).toMatchObject({ promptSentMs: PROMPT_MS });
      await expectCut(course, ASK_MS);
      await expectHeard(course, PROMPT_HZ, PROMPT_MS);
    });

    it('are two presses where two are wanted, and not one that comes in two ways', async () => {
      const course = await call('252', { keys: '11', asks: 1, waitMs: 1500 });
      expect(keysOf(course)).toBe('1');
      expect(gistOf(course.events)).toBe('hung_up by us: no_key');
      await expectShut(course);
    });

    it('stop the question that is still being asked', async () => {
      const course = await call('231', { ask: tone(4000, ASK_HZ) });
      expect(courseOf(course.events)).toBe(OPENED);
      await expectCut(course, timeOf(course, 'dtmf') - timeOf(course, 'answered'));
      await expectHeard(course, PROMPT_HZ, PROMPT_MS);
    });

    it('are found behind others, in their order', async () => {
      const course = await call('253', { keys: '493817' });
      expect(keysOf(course)).toBe('4493817');
      const types = courseOf(course.events);
      expect(types).toBe(`trying ringing answered ${'dtmf '.repeat(7)}gate_opened prompt_finished ended`);
      await expectHeard(course, PROMPT_HZ, PROMPT_MS);
    });

    it('count when a question that is asked again comes between them', async () => {
      const number = `+44207${serial}200`;
      let told = 0;
      const placed = call('200', {
        keys: '493817',
        ask: tone(3000, ASK_HZ),
        waitMs: 1000,
        on: ({ type }) => {
          if (type === 'dtmf') told++;
        },
      });
      await askedFor(number, 200);
      phoneAt(number)?.press('449');
      await eventually(() => expect(told).toBe(3));
      await askedFor(number, askedMs(number) + 200);
      phoneAt(number)?.press('3817');
      const course = await placed;
      expect(keysOf(course)).toBe('4493817');
      expect(gistOf(course.events)).toBe('hung_up by us: prompt_finished');
      await expectHeard(course, PROMPT_HZ, PROMPT_MS);
      // Each time a key stopped it.
      expect(askedMs(number)).toBeLessThan(3000);
    });

    it('stop the question with the first of them, and are waited for from there on', async () => {
      const ask = tone(6000, ASK_HZ);
      const opened = await call('253', { keys: '493817', ask, waitMs: 2500 });
      expect(gistOf(opened.events)).toBe('hung_up by us: prompt_finished');
      await expectHeard(opened, PROMPT_HZ, PROMPT_MS);
      const shut = await call('253', { keys: '4938170', ask, asks: 1, waitMs: 2500 });
      expect(gistOf(shut.events)).toBe('hung_up by us: no_key');
      await expectShut(shut);
      for (const course of [opened, shut]) {
        const firstMs = timeOf(course, 'dtmf') - timeOf(course, 'answered');
        await expectCut(course, firstMs);
      }
      // From the first key on, and not from the last one, which came 1.4 s later.
      const waitedMs = timeOf(shut, 'ended') - timeOf(shut, 'dtmf');
      expect(waitedMs).toBeGreaterThanOrEqual(2500 - MEASURE_MS);
      expect(timeOf(shut, 'ended') - (pressesOf(shut).at(-1)?.at ?? 0)).toBeLessThan(2500 - MEASURE_MS);
    });

    it.each(['PCMU', 'PCMA'] as const)('open it in %s', async (codec) => {
      const course = await call('231', { leg: { codecs: [codec] } });
      expect(course.events.find(({ type }) => type === 'answered')).toMatchObject({ codec });
      await expectHeard(course, PROMPT_HZ, PROMPT_MS);
    });
  });

  describe.concurrent('keys that do not', { timeout: 30_000 }, () => {
    it('are others', async () => {
      const course = await call('232', { asks: 1, waitMs: 1500 });
      expect(courseOf(course.events)).toBe('trying ringing answered dtmf ended');
      expect(gistOf(course.events)).toBe('hung_up by us: no_key');
      await expectShut(course);
    });

    it('are the right ones in another order', async () => {
      const course = await call('253', { keys: '493871', asks: 1 });
      expect(keysOf(course)).toBe('4493817');
      expect(gistOf(course.events)).toBe('hung_up by us: no_key');
      await expectShut(course);
    });
  });

  it.each([1, 2, 3])('asks %i times where nothing is pressed, and hangs up', async (asks) => {
    const course = await call('200', { asks, waitMs: 500 });
    expect(courseOf(course.events)).toBe('trying ringing answered ended');
    expect(gistOf(course.events)).toBe('hung_up by us: no_key');
    await expectShut(course);
    await expectHeard(course, ASK_HZ, asks * ASK_MS);
    const answeredAt = course.events.find(({ type }) => type === 'answered')?.at ?? 0;
    const lasted = endOf(course.events).at - answeredAt;
    expect(lasted).toBeGreaterThanOrEqual(asks * (ASK_MS + 500) - 50);
    expect((await phoneOf(course)).record.end).toBe('they_hung_up');
  });

  describe.concurrent('the key that says the prompt again', { timeout: 30_000 }, () => {
    const long = inTurn(tone(BEGIN_MS, BEGIN_HZ), tone(3500, PROMPT_HZ));
    const repeat = { key: '0', times: 2 };
    /** Resolves when the phone is in the middle of the prompt for this time. */
    const saidFor = async (number: string, time: number): Promise<void> => {
      const heardMs = (hz: number): number => toneIn(phoneAt(number)?.heard ?? SILENT, hz).ms;
      const wanted = time * BEGIN_MS - MEASURE_MS;
      await eventually(() => expect(heardMs(BEGIN_HZ)).toBeGreaterThan(wanted), { timeoutMs: 20_000 });
      const before = heardMs(PROMPT_HZ);
      await eventually(() => expect(heardMs(PROMPT_HZ)).toBeGreaterThan(before + 200), { timeoutMs: 20_000 });
    };
    const pressAgain = async (number: string): Promise<void> => {
      for (const time of [1, 2, 3]) {
        await saidFor(number, time);
        phoneAt(number)?.press('0');
      }
    };

    it('does so while it is said, and only so often', async () => {
      const number = `+44207${serial}200`;
      const placed = call('200', { leg: { prompt: long, repeat } });
      await askedFor(number, 100);
      phoneAt(number)?.press('1');
      await pressAgain(number);
      const course = await placed;
      const types = courseOf(course.events);
      expect(types).toBe('trying ringing answered dtmf gate_opened dtmf dtmf dtmf prompt_finished ended');
      expect(endOf(course.events).media).toMatchObject({ promptSentMs: BEGIN_MS + 3500 });
      await expectBegun(course, 3, 3500);
    });

    it('does so without a gate too', async () => {
      const number = `+44207${serial}200`;
      const placed = call('200', { ungated: true, leg: { prompt: long, repeat } });
      await saidFor(number, 1);
      phoneAt(number)?.press('1');
      await pressAgain(number);
      const course = await placed;
      const types = courseOf(course.events);
      expect(types).toBe('trying ringing answered dtmf dtmf dtmf dtmf prompt_finished ended');
      expect(endOf(course.events).media).toMatchObject({ promptSentMs: BEGIN_MS + 3500 });
      await expectBegun(course, 3, 3500);
      await expectHeard(course, ASK_HZ, 0);
    });

    it.each([false, true])('does so in the silence after it, ungated: %s', async (ungated) => {
      const number = `+44207${serial}200`;
      let said = 0;
      const finished = (times: number): Promise<void> =>
        eventually(() => expect(said).toBe(times), { timeoutMs: 20_000 });
      const placed = call('200', {
        ungated,
        leg: { timeouts: { lingerMs: 3000 }, repeat },
        on: ({ type }) => {
          if (type === 'prompt_finished') said++;
        },
      });
      if (!ungated) {
        await askedFor(number, 100);
        phoneAt(number)?.press('1');
      }
      for (const times of [1, 2, 3]) {
        await finished(times);
        phoneAt(number)?.press('0');
      }
      const course = await placed;
      expect(gistOf(course.events)).toBe('hung_up by us: prompt_finished');
      expect(said).toBe(3);
      expect(keysOf(course)).toBe(ungated ? '000' : '1000');
      expect(endOf(course.events).media).toMatchObject({ promptSentMs: PROMPT_MS });
      await expectHeard(course, PROMPT_HZ, 3 * PROMPT_MS);
    });

    it('is none where none is named', async () => {
      const course = await call('254', { leg: { timeouts: { lingerMs: 1800 } } });
      expect(course.events.filter(({ type }) => type === 'prompt_finished')).toHaveLength(1);
      await expectHeard(course, PROMPT_HZ, PROMPT_MS);
    });

    it('says nothing as long as the gate is shut', async () => {
      const course = await call('230', { asks: 1, waitMs: 1500, leg: { repeat: { key: '0', times: 3 } } });
      expect(gistOf(course.events)).toBe('hung_up by us: no_key');
      await expectShut(course);
    });
  });

  describe.concurrent('what happens to a call meanwhile', { timeout: 30_000 }, () => {
    it.each([
      ['stands still on hold and goes on behind it', 3000, 1, 4000],
      ['comes due on hold and is asked behind it', 700, 2, 1800],
    ])('the question %s, and a key opens then', async (_, askMs, times, waitMs) => {
      // On hold from 2 to 4 s after the answer.
      const number = `+44207${serial}240`;
      const placed = call('240', { ask: tone(askMs, ASK_HZ), waitMs });
      const whole = times * askMs;
      await askedFor(number, whole - MEASURE_MS);
      phoneAt(number)?.press('1');
      const course = await placed;
      expect(courseOf(course.events)).toBe(OPENED);
      await expectHeard(course, ASK_HZ, whole);
      await expectHeard(course, PROMPT_HZ, PROMPT_MS);
      const heldMs = timeOf(course, 'dtmf') - timeOf(course, 'answered');
      expect(heldMs).toBeGreaterThan(4000);
    });

    it('the callee hangs up', async () => {
      const course = await call('220', { waitMs: 6000 });
      expect(courseOf(course.events)).toBe('trying ringing answered ended');
      expect(gistOf(course.events)).toBe('hung_up by callee: peer');
      await expectShut(course);
    });

    it('the longest time of a call is over', async () => {
      const course = await call('200', { waitMs: 6000, leg: { timeouts: { maxCallMs: 900 } } });
      expect(gistOf(course.events)).toBe('hung_up by us: max_duration');
      await expectShut(course);
    });

    it.each([
      ['the question is asked', 4000],
      ['a key is waited for', ASK_MS],
    ])('an abort comes while %s', async (_when, askMs) => {
      const abort = new AbortController();
      const on = ({ type }: CallEvent): void => (type === 'dtmf' ? abort.abort() : undefined);
      const ask = tone(askMs, ASK_HZ);
      const course = await call('232', { ask, waitMs: 6000, signal: abort.signal, on });
      expect(courseOf(course.events)).toBe('trying ringing answered dtmf ended');
      expect(gistOf(course.events)).toBe('hung_up by us: aborted');
      await expectShut(course);
    });
  });

  it('carries many at once, each with its own end', async () => {
    const ends = {
      '200': 'hung_up by us: no_key',
      '231': 'hung_up by us: prompt_finished',
      '232': 'hung_up by us: no_key',
      '250': 'hung_up by us: prompt_finished',
    };
    const wanted = Array.from({ length: 5 }, () => Object.entries(ends)).flat();
    const courses = await Promise.all(wanted.map(([suffix]) => call(suffix, { asks: 1, waitMs: 1500 })));
    expect(courses.map(({ events }) => gistOf(events))).toEqual(wanted.map(([, end]) => end));
    for (const course of courses) if (gistOf(course.events).includes('no_key')) await expectShut(course);
  });
}

function pressesOf({ events }: Course): readonly CallEvent[] {
  return events.filter(({ type }) => type === 'dtmf');
}

/** When it was told for the first time. */
function timeOf({ events }: Course, wanted: CallEvent['type']): number {
  return events.find(({ type }) => type === wanted)?.at ?? Number.NaN;
}
