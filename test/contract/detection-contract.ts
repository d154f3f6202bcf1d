import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallEvent, DetectionTerms, GateTerms } from '../../src/engine/engine.ts';
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

/** Neither is a harmonic of the other, nor of the beep of the lab's voicemail. */
const ASK_HZ = 625;
const PROMPT_HZ = 1500;
/** How a prompt begins where it matters how often it does. */
const BEGIN_HZ = 2187.5;
const BEGIN_MS = 320;
const ASK_MS = 400;
const PROMPT_MS = 600;
/** What a tone's length is measured to, with a packet at each of its ends. */
const MEASURE_MS = 100;
/** A busy machine may stand still for so long: what was due meanwhile is said later, or cut short. */
const STALL_MS = 1000;
/** The lab's share of a tone that is not there: noise of G.711 and the edges of the other tone. */
const NOTHING = 0.05;
/** What a voice may be late by: less than what the far end takes for a pause. */
const LATE_MS = 80;
const SILENT = { sampleRate: 8000, samples: new Int16Array(0) };
const WINDOW = 256;
const SAMPLES_A_MS = 8;

interface Course {
  readonly number: string;
  readonly events: readonly CallEvent[];
}

interface Wishes extends Partial<Omit<DetectionTerms, 'onMachine'>> {
  readonly promptMs?: number;
  readonly gate?: Partial<GateTerms>;
  readonly leg?: LegOverrides;
  readonly signal?: AbortSignal;
  readonly on?: (event: CallEvent) => void;
}

/**
 * What every engine makes of who answered; each adapter has one visible file that runs this. Greetings take their
 * time, so that calls are carried side by side.
 */
export function detectionContract(start: () => Promise<EngineUnderTest>): void {
  let under: EngineUnderTest;
  let carrier: LabCarrier;
  let faults: unknown[];
  let serial = 3000;

  /** Carries a call with detection to a number that nobody else calls. */
  const call = async (
    suffix: string,
    onMachine: DetectionTerms['onMachine'],
    { promptMs = PROMPT_MS, gate, leg, signal, on, ...terms }: Wishes = {},
  ): Promise<Course> => {
    const number = `+44207${serial++}${suffix}`;
    const asking = { keys: new Secret('1'), ask: tone(ASK_MS, ASK_HZ), asks: 1, waitMs: 9000, ...gate };
    const detected = legTo(carrier.port, number, {
      credentials: LAB_CREDENTIALS,
      prompt: tone(promptMs, PROMPT_HZ),
      detection: { onMachine, decideMs: 9000, toneMs: 8000, ...terms },
      ...(gate === undefined ? {} : { gate: asking }),
      ...leg,
    });
    const events = await eventsOf(under.engine, detected, {
      ...(signal === undefined ? {} : { signal }),
      ...(on === undefined ? {} : { on }),
    });
    return { number, events };
  };
  const phoneAt = (number: string): LabCall['phone'] | undefined =>
    carrier.calls.find((one) => one.number === number)?.phone;
  const phoneOf = async ({ number }: Course): Promise<LabCall['phone']> => {
    const phone = phoneAt(number) as LabCall['phone'];
    await phone.over;
    return phone;
  };
  /**
   * Calls a voicemail that keeps its time. The phone is of this process: where that stood still, its beep was two
   * beeps with a gap between them, which is another voicemail than the one that was called.
   */
  const callOnTime = async (...wanted: Parameters<typeof call>): Promise<Course> => {
    for (let again = 2; ; again--) {
      const course = await call(...wanted);
      if (again === 0 || (await phoneOf(course)).record.latestMs < LATE_MS) return course;
    }
  };
  const expectHeard = async (course: Course, hz: number, ms: number): Promise<void> => {
    const heard = toneIn((await phoneOf(course)).heard, hz);
    expect(Math.abs(heard.ms - ms), `${heard.ms} ms of ${hz} Hz, not ${ms}`).toBeLessThanOrEqual(MEASURE_MS);
  };
  /** So much of the prompt was heard, in a call that was timed by its events. */
  const expectSaid = async (course: Course, ms: number): Promise<void> => {
    const heard = toneIn((await phoneOf(course)).heard, PROMPT_HZ);
    expect(heard.ms).toBeLessThanOrEqual(ms + MEASURE_MS);
    expect(heard.ms).toBeGreaterThan(ms - STALL_MS);
  };
  /** Where the prompt begins in the phone's recording, ms; the first time that it does from there on. */
  const onsetOf = async (course: Course, fromMs = 0): Promise<number> => {
    const { samples } = (await phoneOf(course)).heard;
    for (let at = fromMs * SAMPLES_A_MS; at + WINDOW <= samples.length; at += WINDOW / 2) {
      const piece = { sampleRate: 8000, samples: samples.subarray(at, at + WINDOW) };
      if (toneIn(piece, PROMPT_HZ).loudest > 0.5) return at / SAMPLES_A_MS;
    }
    return expect.fail('the recording has no prompt');
  };
  /** The recording of the phone holds nothing of the prompt, and nothing of it was counted; silence was sent all the time. */
  const expectUnsaid = async (course: Course): Promise<void> => {
    expect(courseOf(course.events)).not.toMatch(/prompt_finished/);
    const { media } = endOf(course.events);
    expect(media).toMatchObject({ promptSentMs: 0 });
    const { heard } = await phoneOf(course);
    const upMs = endOf(course.events).at - atOf(course, 'answered');
    expect(heard.samples.length / SAMPLES_A_MS).toBeGreaterThan(upMs - STALL_MS);
    expect(toneIn(heard, PROMPT_HZ).loudest).toBeLessThan(NOTHING);
  };

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

  describe.concurrent('a machine that is to hear the prompt like anybody', { timeout: 30_000 }, () => {
    it('hears it at once; that it is one is only told', async () => {
      const course = await call('266', 'speak', { promptMs: 7000 });
      expect(courseOf(course.events)).toBe(
        'trying ringing answered detected tone_heard prompt_finished ended',
      );
      expect(verdictsOf(course)).toEqual(['machine exchange_tone']);
      expect(gistOf(course.events)).toBe('hung_up by us: prompt_finished');
      expect(await onsetOf(course)).toBeLessThan(MEASURE_MS);
      await expectHeard(course, PROMPT_HZ, 7000);
    });

    it('is told of again where the verdict changes', async () => {
      const course = await call('265', 'speak', { promptMs: 7000 });
      expect(verdictsOf(course)).toEqual(['human short_greeting', 'machine beep']);
      await expectHeard(course, PROMPT_HZ, 7000);
    });

    it('is a person at times, who hears it at once too', async () => {
      const course = await call('260', 'speak', { promptMs: 4000 });
      expect(verdictsOf(course)).toEqual(['human short_greeting']);
      expect(await onsetOf(course)).toBeLessThan(MEASURE_MS);
      await expectHeard(course, PROMPT_HZ, 4000);
    });

    it('is told of as unknown when the time to decide is over', async () => {
      const course = await call('200', 'speak', { promptMs: 3000, decideMs: 1000 });
      expect(courseOf(course.events)).toBe('trying ringing answered detected prompt_finished ended');
      expect(verdictsOf(course)).toEqual(['unknown undecided']);
      await expectHeard(course, PROMPT_HZ, 3000);
    });
  });

  describe.concurrent.each(['hangup', 'wait_for_tone'] as const)('%s', { timeout: 30_000 }, (onMachine) => {
    it.each(['PCMU', 'PCMA'] as const)('a person hears the prompt at the verdict, in %s', async (codec) => {
      const course = await callOnTime('260', onMachine, { leg: { codecs: [codec] } });
      expect(courseOf(course.events)).toBe('trying ringing answered detected prompt_finished ended');
      expect(verdictsOf(course)).toEqual(['human short_greeting']);
      expect(gistOf(course.events)).toBe('hung_up by us: prompt_finished');
      await expectHeard(course, PROMPT_HZ, PROMPT_MS);
      expect(endOf(course.events).media).toMatchObject({ promptSentMs: PROMPT_MS });
      await expectOnsetAt(course, 'detected');
      // The word is over after 1.3 s, and is waited out for a second.
      expect(atOf(course, 'detected') - atOf(course, 'answered')).toBeGreaterThan(1700);
    });

    it.each([
      ['200', 'silence'],
      ['263', 'nothing at all'],
    ])('without a verdict in time the prompt is said: number %s sends %s', async (suffix) => {
      const course = await call(suffix, onMachine, { decideMs: 1500 });
      expect(courseOf(course.events)).toBe('trying ringing answered detected prompt_finished ended');
      expect(verdictsOf(course)).toEqual(['unknown undecided']);
      const decidedMs = atOf(course, 'detected') - atOf(course, 'answered');
      expect(decidedMs).toBeGreaterThan(1500 - MEASURE_MS);
      expect(decidedMs).toBeLessThan(1500 + STALL_MS);
      await expectHeard(course, PROMPT_HZ, PROMPT_MS);
      await expectOnsetAt(course, 'detected');
    });

    it('a key to repeat it, pressed while it waits, says it, and does not count', async () => {
      const repeat = { key: '0', times: 2 };
      const prompt = inTurn(tone(BEGIN_MS, BEGIN_HZ), tone(3500, PROMPT_HZ));
      const number = `+44207${serial}200`;
      let told = 0;
      const on = ({ type }: CallEvent): void => {
        if (type === 'dtmf') told++;
      };
      const placed = call('200', onMachine, { leg: { prompt, repeat }, on });
      const heardMs = (hz: number): number => toneIn(phoneAt(number)?.heard ?? SILENT, hz).ms;
      const patience = { timeoutMs: 20_000 };
      await eventually(() => expect(phoneAt(number)?.heard.samples.length).toBeGreaterThan(0), patience);
      phoneAt(number)?.press('1');
      await eventually(() => expect(told).toBe(1), patience);
      expect(heardMs(BEGIN_HZ)).toBe(0);
      for (const time of [1, 2, 3]) {
        phoneAt(number)?.press('0');
        const wanted = time * BEGIN_MS - MEASURE_MS;
        await eventually(() => expect(heardMs(BEGIN_HZ)).toBeGreaterThan(wanted), patience);
        const before = heardMs(PROMPT_HZ);
        await eventually(() => expect(heardMs(PROMPT_HZ)).toBeGreaterThan(before + 200), patience);
      }
      const course = await placed;
      expect(courseOf(course.events)).toBe(
        'trying ringing answered dtmf dtmf dtmf dtmf prompt_finished ended',
      );
      // It is begun with the second key, and again with the third and the fourth.
      expect(Math.round(heardMs(BEGIN_HZ) / BEGIN_MS)).toBe(3);
      expect(heardMs(PROMPT_HZ)).toBeGreaterThanOrEqual(3500 - MEASURE_MS);
    });

    it('what is due on hold is said behind it', async () => {
      const course = await call('240', onMachine, { decideMs: 2500 });
      expect(verdictsOf(course)).toEqual(['unknown undecided']);
      expect(atOf(course, 'prompt_finished') - atOf(course, 'answered')).toBeGreaterThan(4000);
      await expectHeard(course, PROMPT_HZ, PROMPT_MS);
    });

    it('the callee hangs up while it waits', async () => {
      const course = await call('220', onMachine);
      expect(courseOf(course.events)).toBe('trying ringing answered ended');
      expect(gistOf(course.events)).toBe('hung_up by callee: peer');
      await expectUnsaid(course);
    });

    it('the call is aborted while it waits', async () => {
      const abort = new AbortController();
      const on = ({ type }: CallEvent): void => (type === 'dtmf' ? abort.abort() : undefined);
      const course = await call('231', onMachine, { on, signal: abort.signal });
      expect(gistOf(course.events)).toBe('hung_up by us: aborted');
      await expectUnsaid(course);
    });

    it('the longest time of a call is over while it waits', async () => {
      const course = await call('200', onMachine, { leg: { timeouts: { maxCallMs: 900 } } });
      expect(gistOf(course.events)).toBe('hung_up by us: max_duration');
      await expectUnsaid(course);
    });
  });

  describe.concurrent('a machine that is hung up', { timeout: 30_000 }, () => {
    it.each(['PCMU', 'PCMA'] as const)('has recorded nothing of the prompt, in %s', async (codec) => {
      const course = await call('261', 'hangup', { leg: { codecs: [codec] } });
      expect(courseOf(course.events)).toBe('trying ringing answered detected ended');
      expect(verdictsOf(course)).toEqual(['machine long_greeting']);
      expect(gistOf(course.events)).toBe('hung_up by us: machine');
      expect((await phoneOf(course)).record.end).toBe('they_hung_up');
      await expectUnsaid(course);
    });

    it.each([
      ['266', 'unknown undecided', 'machine exchange_tone', { decideMs: 1000 }],
      ['265', 'human short_greeting', 'machine beep', {}],
    ])('is one later too, while the prompt is said: number %s, %s and then %s', async (...row) => {
      const [suffix, first, then, wishes] = row;
      const course = await call(suffix, 'hangup', { promptMs: 10_000, ...wishes });
      expect(courseOf(course.events)).toBe('trying ringing answered detected detected ended');
      expect(verdictsOf(course)).toEqual([first, then]);
      expect(gistOf(course.events)).toBe('hung_up by us: machine');
      const saidMs = endOf(course.events).at - atOf(course, 'detected');
      await expectSaid(course, saidMs);
      expect(saidMs).toBeLessThan(6000);
    });
  });

  describe.concurrent('a machine that is waited for', { timeout: 60_000 }, () => {
    /** After the end of the beep, and soon. */
    const expectAfterBeep = async (course: Course, fromMs = 0): Promise<void> => {
      const { toneEndedAt, firstAudioAt } = (await phoneOf(course)).record;
      const beepMs = (toneEndedAt ?? Number.NaN) - (firstAudioAt ?? Number.NaN);
      const onsetMs = await onsetOf(course, fromMs);
      expect(onsetMs).toBeGreaterThan(beepMs);
      expect(onsetMs).toBeLessThan(beepMs + 1000);
    };

    it.each(['PCMU', 'PCMA'] as const)('hears the prompt after its tone, in %s', async (codec) => {
      const course = await callOnTime('261', 'wait_for_tone', { leg: { codecs: [codec] } });
      expect(courseOf(course.events)).toBe(
        'trying ringing answered detected tone_heard prompt_finished ended',
      );
      expect(verdictsOf(course)).toEqual(['machine long_greeting']);
      expect(gistOf(course.events)).toBe('hung_up by us: prompt_finished');
      await expectAfterBeep(course);
      await expectHeard(course, PROMPT_HZ, PROMPT_MS);
    });

    it('hears nothing, and is hung up, where no tone comes', async () => {
      const course = await call('262', 'wait_for_tone', { toneMs: 4000 });
      expect(courseOf(course.events)).toBe('trying ringing answered detected ended');
      expect(gistOf(course.events)).toBe('hung_up by us: machine');
      const waitedMs = endOf(course.events).at - atOf(course, 'detected');
      expect(waitedMs).toBeGreaterThan(4000 - MEASURE_MS);
      expect(waitedMs).toBeLessThan(4000 + STALL_MS);
      await expectUnsaid(course);
    });

    it.each([
      ['266', 'unknown undecided', 'machine exchange_tone', { decideMs: 1000 }],
      ['265', 'human short_greeting', 'machine beep', {}],
    ])(
      'is one later too, and hears the prompt from its beginning: number %s, %s and then %s',
      async (...row) => {
        const [suffix, first, then, wishes] = row;
        const course = await callOnTime(suffix, 'wait_for_tone', { promptMs: 5000, ...wishes });
        expect(courseOf(course.events)).toBe(
          'trying ringing answered detected detected tone_heard prompt_finished ended',
        );
        expect(verdictsOf(course)).toEqual([first, then]);
        const [begun = 0, cut = 0] = course.events.flatMap(({ type, at }) =>
          type === 'detected' ? [at] : [],
        );
        const cutMs = cut - begun;
        expect(cutMs).toBeLessThan(4700);
        await expectSaid(course, cutMs + 5000);
        // Silence at once, and nothing until the tone.
        const onsetMs = await onsetOf(course);
        await expectAfterBeep(course, onsetMs + cutMs + MEASURE_MS);
        expect(endOf(course.events).media).toMatchObject({ promptSentMs: 5000 });
      },
    );
  });

  describe.concurrent('with a gate', { timeout: 30_000 }, () => {
    it('the question waits for nothing, and the key opens', async () => {
      const course = await call('264', 'hangup', { gate: {} });
      expect(courseOf(course.events)).toBe('trying ringing answered dtmf gate_opened prompt_finished ended');
      const { heard } = await phoneOf(course);
      const beginning = { ...heard, samples: heard.samples.subarray(0, (ASK_MS + 100) * SAMPLES_A_MS) };
      expect(Math.abs(toneIn(beginning, ASK_HZ).ms - ASK_MS)).toBeLessThanOrEqual(MEASURE_MS);
      await expectHeard(course, PROMPT_HZ, PROMPT_MS);
    });

    it('a machine is hung up as long as it is shut', async () => {
      const course = await callOnTime('261', 'hangup', { gate: {} });
      expect(courseOf(course.events)).toBe('trying ringing answered detected ended');
      expect(gistOf(course.events)).toBe('hung_up by us: machine');
      await expectHeard(course, ASK_HZ, ASK_MS);
      await expectUnsaid(course);
    });

    it.each(['speak', 'wait_for_tone'] as const)('a machine is only told of (%s)', async (onMachine) => {
      const course = await callOnTime('261', onMachine, { gate: {} });
      expect(courseOf(course.events)).toBe('trying ringing answered detected tone_heard ended');
      expect(gistOf(course.events)).toBe('hung_up by us: no_key');
      await expectHeard(course, ASK_HZ, ASK_MS);
      await expectUnsaid(course);
    });

    it('a key that has opened it outweighs the time to decide', async () => {
      const course = await call('231', 'hangup', { gate: {}, decideMs: 1500, promptMs: 2000 });
      expect(courseOf(course.events)).toBe(
        'trying ringing answered dtmf gate_opened detected prompt_finished ended',
      );
      expect(verdictsOf(course)).toEqual(['unknown undecided']);
      await expectHeard(course, PROMPT_HZ, 2000);
    });
  });

  /** In the recording the prompt begins when that was told. */
  async function expectOnsetAt(course: Course, type: CallEvent['type']): Promise<void> {
    const afterMs = atOf(course, type) - atOf(course, 'answered');
    const onsetMs = await onsetOf(course);
    expect(Math.abs(onsetMs - afterMs), `begins at ${onsetMs} ms, not ${afterMs}`).toBeLessThan(STALL_MS / 2);
  }
}

function verdictsOf({ events }: Course): string[] {
  return events.flatMap((event) => (event.type === 'detected' ? [`${event.verdict} ${event.reason}`] : []));
}

/** When it was told for the first time. */
function atOf({ events }: Course, wanted: CallEvent['type']): number {
  return events.find(({ type }) => type === wanted)?.at ?? Number.NaN;
}
