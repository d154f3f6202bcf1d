import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DetectionTerms, GateTerms } from '../../../../src/engine/engine.ts';
import { LegProgress } from '../../../../src/engine/leg/leg-progress.ts';
import { LegSpeech } from '../../../../src/engine/leg/leg-speech.ts';
import type { AnswerFinding } from '../../../../src/media/answer-detector.ts';
import { Secret } from '../../../../src/secret.ts';

const ENDED = { kind: 'canceled' } as const;
const GATE: GateTerms = {
  keys: new Secret('1'),
  ask: { sampleRate: 8000, parts: [] },
  asks: 1,
  waitMs: 8000,
};
const DECIDE_MS = 4000;
const TONE_MS = 20_000;
const LINGER_MS = 500;

const HUMAN = { type: 'verdict', verdict: 'human', reason: 'short_greeting', atMs: 0 } as const;
const MACHINE = { type: 'verdict', verdict: 'machine', reason: 'long_greeting', atMs: 0 } as const;
const UNCLEAR = { type: 'verdict', verdict: 'unknown', reason: 'unclear', atMs: 0 } as const;
const SILENCE = { type: 'verdict', verdict: 'unknown', reason: 'silence', atMs: 0 } as const;
const TONE = { type: 'tone_ended', atMs: 0 } as const;

describe('LegSpeech with detection', () => {
  let progress: LegProgress;
  let done: string[];

  beforeEach(() => {
    vi.useFakeTimers();
    done = [];
    progress = new LegProgress({
      timeouts: { setupMs: 1, ringMs: 1, maxCallMs: 1, lingerMs: LINGER_MS },
      flash: undefined,
      leftover: () => ({}),
      giveUp: () => expect.fail('nothing is to be given up'),
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** An answered leg: `done` has what it says, from the first on, and when it hangs up. */
  function begun(
    onMachine: DetectionTerms['onMachine'],
    { gate, repeats }: { gate?: GateTerms; repeats?: number } = {},
  ): LegSpeech {
    const speech = new LegSpeech({
      gate,
      repeat: repeats === undefined ? undefined : { key: '0', times: repeats },
      detection: { onMachine, decideMs: DECIDE_MS, toneMs: TONE_MS },
      lingerMs: LINGER_MS,
      progress,
      say: (what) => done.push(what),
      hangUp: (why) => {
        done.push(why);
        progress.timers.clear();
        speech.close();
      },
    });
    done.push(speech.begin());
    return speech;
  }
  const found = (speech: LegSpeech, ...findings: AnswerFinding[]): void => {
    for (const finding of findings) speech.finding(finding);
  };
  const later = (ms = 60_000): unknown => vi.advanceTimersByTime(ms);
  /** The events so far, verdicts with their reasons. */
  async function told(): Promise<string[]> {
    progress.ended({ type: 'ended', at: 0, end: ENDED });
    const types: string[] = [];
    for (;;) {
      const event = await progress.next();
      if (event.type === 'ended') return types;
      types.push(event.type === 'detected' ? `${event.verdict}: ${event.reason}` : event.type);
    }
  }

  describe('that speaks to anybody', () => {
    it('says the prompt at once, and only tells the verdicts and tones', async () => {
      const speech = begun('speak');
      found(speech, HUMAN, MACHINE, TONE);
      speech.finished();
      later();
      expect(done).toEqual(['prompt', 'prompt_finished']);
      expect(await told()).toEqual([
        ...['human: short_greeting', 'machine: long_greeting', 'tone_heard', 'prompt_finished'],
      ]);
    });

    it('tells that the time to decide is over, and a later verdict', async () => {
      const speech = begun('speak');
      later(DECIDE_MS - 1);
      expect(done).toEqual(['prompt']);
      later(1);
      found(speech, SILENCE, HUMAN);
      expect(done).toEqual(['prompt']);
      expect(await told()).toEqual(['unknown: undecided', 'human: short_greeting']);
    });
  });

  describe.each(['hangup', 'wait_for_tone'] as const)('for a machine: %s', (onMachine) => {
    it.each([
      ['human: short_greeting', HUMAN],
      ['unknown: unclear', UNCLEAR],
    ])('waits in silence, and says the prompt at the verdict %s', async (verdict, finding) => {
      const speech = begun(onMachine);
      // The silence is said to its end too, in a way.
      speech.finished();
      later(DECIDE_MS - 1);
      expect(done).toEqual(['nothing']);
      found(speech, finding);
      later();
      expect(done).toEqual(['nothing', 'prompt']);
      speech.finished();
      later(LINGER_MS);
      expect(done).toEqual(['nothing', 'prompt', 'prompt_finished']);
      expect(await told()).toEqual([verdict, 'prompt_finished']);
    });

    it('says the prompt when the time to decide is over, once', async () => {
      const speech = begun(onMachine);
      later(DECIDE_MS);
      expect(done).toEqual(['nothing', 'prompt']);
      found(speech, SILENCE, HUMAN);
      expect(done).toEqual(['nothing', 'prompt']);
      expect(await told()).toEqual(['unknown: undecided', 'human: short_greeting']);
    });

    it('says the prompt for the key to repeat it, which does not count, and does nothing about verdicts then', async () => {
      const speech = begun(onMachine, { repeats: 1 });
      speech.key('7', 100, 'rtp');
      expect(done).toEqual(['nothing']);
      for (const _ of [1, 2, 3]) speech.key('0', 100, 'rtp');
      expect(done).toEqual(['nothing', 'prompt', 'prompt']);
      found(speech, HUMAN, MACHINE, TONE);
      later();
      expect(done).toEqual(['nothing', 'prompt', 'prompt']);
      const [, ...rest] = await told();
      expect(rest).toEqual([
        ...['dtmf', 'dtmf', 'dtmf', 'human: short_greeting', 'machine: long_greeting', 'tone_heard'],
      ]);
    });

    it('does and tells nothing any more when the leg ends', async () => {
      const speech = begun(onMachine);
      speech.close();
      found(speech, HUMAN, MACHINE, TONE);
      expect(done).toEqual(['nothing']);
      expect(await told()).toEqual([]);
    });
  });

  describe('that hangs up', () => {
    it.each([[[]], [[HUMAN]], [[UNCLEAR]]])('says nothing more to a machine, after %j', async (before) => {
      const speech = begun('hangup');
      found(speech, ...before, MACHINE, TONE);
      later();
      expect(done).toEqual(['nothing', ...before.map(() => 'prompt'), 'machine']);
      expect((await told()).at(-1)).toBe('machine: long_greeting');
    });

    it('does so in the silence after the prompt too', () => {
      const speech = begun('hangup');
      found(speech, HUMAN);
      speech.finished();
      found(speech, MACHINE);
      later();
      expect(done).toEqual(['nothing', 'prompt', 'machine']);
    });

    it('does not for a tone alone', async () => {
      const speech = begun('hangup');
      found(speech, UNCLEAR, TONE);
      later();
      expect(done).toEqual(['nothing', 'prompt']);
      expect(await told()).toEqual(['unknown: unclear', 'tone_heard']);
    });
  });

  describe('that waits for the tone', () => {
    it('says the prompt after it', async () => {
      const speech = begun('wait_for_tone');
      found(speech, MACHINE);
      later(TONE_MS - 1);
      expect(done).toEqual(['nothing']);
      found(speech, TONE);
      later();
      expect(done).toEqual(['nothing', 'prompt']);
      expect(await told()).toEqual(['machine: long_greeting', 'tone_heard']);
    });

    it('hangs up when none comes', async () => {
      const speech = begun('wait_for_tone');
      later(DECIDE_MS - 1);
      found(speech, MACHINE);
      later(TONE_MS - 1);
      expect(done).toEqual(['nothing']);
      later(1);
      expect(done).toEqual(['nothing', 'machine']);
      found(speech, TONE);
      expect(await told()).toEqual(['machine: long_greeting']);
    });

    it.each([[[HUMAN]], [[UNCLEAR]]])(
      'stops the prompt for a later verdict, after %j, and begins it again',
      (before) => {
        const speech = begun('wait_for_tone');
        found(speech, ...before, MACHINE);
        expect(done).toEqual(['nothing', 'prompt', 'nothing']);
        speech.finished();
        later(TONE_MS - 1);
        found(speech, TONE);
        speech.finished();
        later();
        expect(done).toEqual(['nothing', 'prompt', 'nothing', 'prompt', 'prompt_finished']);
      },
    );

    it('does not hang up in the silence after the prompt when it turns out to be a machine then', () => {
      const speech = begun('wait_for_tone');
      found(speech, HUMAN);
      speech.finished();
      found(speech, MACHINE);
      later(TONE_MS - 1);
      expect(done).toEqual(['nothing', 'prompt']);
      found(speech, TONE);
      expect(done).toEqual(['nothing', 'prompt', 'prompt']);
    });

    it('begins again after a second tone, and a third, but for no more', async () => {
      const speech = begun('wait_for_tone');
      found(speech, MACHINE, TONE, TONE, TONE, TONE, TONE);
      expect(done).toEqual(['nothing', 'prompt', 'prompt', 'prompt']);
      expect((await told()).filter((type) => type === 'tone_heard')).toHaveLength(3);
    });

    it('takes a tone that comes late for that of a machine where nothing says who answered, and not of a person', () => {
      const speech = begun('wait_for_tone');
      found(speech, UNCLEAR, TONE);
      expect(done).toEqual(['nothing', 'prompt', 'prompt']);
      found(speech, HUMAN, TONE);
      expect(done).toEqual(['nothing', 'prompt', 'prompt']);
    });
  });

  describe('and a gate', () => {
    it.each(['speak', 'hangup', 'wait_for_tone'] as const)(
      'asks at once, and says nothing for a verdict (%s)',
      async (onMachine) => {
        const speech = begun(onMachine, { gate: GATE });
        found(speech, HUMAN);
        later(DECIDE_MS);
        expect(done).toEqual(['ask']);
        speech.key('1', 100, 'rtp');
        expect(done).toEqual(['ask', 'prompt']);
        expect(await told()).toEqual(['human: short_greeting', 'dtmf', 'gate_opened']);
      },
    );

    it('hangs up on a machine as long as it is shut', () => {
      found(begun('hangup', { gate: GATE }), HUMAN, MACHINE);
      expect(done).toEqual(['ask', 'machine']);
    });

    it('does not when it is open', () => {
      const speech = begun('hangup', { gate: GATE });
      speech.key('1', 100, 'rtp');
      found(speech, MACHINE);
      expect(done).toEqual(['ask', 'prompt']);
    });

    it.each(['speak', 'wait_for_tone'] as const)(
      'only tells of a machine otherwise (%s)',
      async (onMachine) => {
        const speech = begun(onMachine, { gate: GATE });
        found(speech, MACHINE, TONE);
        speech.finished();
        later(GATE.waitMs);
        expect(done).toEqual(['ask', 'no_key']);
        expect(await told()).toEqual(['machine: long_greeting', 'tone_heard']);
      },
    );
  });
});
