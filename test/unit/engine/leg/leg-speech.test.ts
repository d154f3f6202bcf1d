import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CallEvent, GateTerms, RepeatTerms } from '../../../../src/engine/engine.ts';
import { LegProgress } from '../../../../src/engine/leg/leg-progress.ts';
import { LegSpeech } from '../../../../src/engine/leg/leg-speech.ts';
import { Secret } from '../../../../src/secret.ts';

const ENDED = { kind: 'canceled' } as const;
const GATE: GateTerms = {
  keys: new Secret('12'),
  ask: { sampleRate: 8000, parts: [] },
  asks: 2,
  waitMs: 8000,
};
const REPEAT: RepeatTerms = { key: '0', times: 2 };

describe('LegSpeech', () => {
  let progress: LegProgress;
  let done: string[];

  beforeEach(() => {
    vi.useFakeTimers();
    done = [];
    progress = new LegProgress({
      timeouts: { setupMs: 1, ringMs: 1, maxCallMs: 1, lingerMs: 500 },
      flash: undefined,
      leftover: () => ({}),
      giveUp: () => expect.fail('nothing is to be given up'),
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** `done` has what it says and when it hangs up. */
  function speechWith(gate: GateTerms | undefined, repeat?: RepeatTerms): LegSpeech {
    const speech = new LegSpeech({
      gate,
      repeat,
      lingerMs: 500,
      progress,
      say: (what) => done.push(what),
      hangUp: (why) => {
        done.push(why);
        speech.close();
      },
    });
    return speech;
  }
  const press = (speech: LegSpeech, keys: string): void => {
    for (const key of keys) speech.key(key, 100, 'rtp');
  };
  /** The types of all events so far. */
  async function told(): Promise<string[]> {
    progress.ended({ type: 'ended', at: 0, end: ENDED });
    const types: CallEvent['type'][] = [];
    for (;;) {
      const { type } = await progress.next();
      if (type === 'ended') return types;
      types.push(type);
    }
  }

  it('says the prompt, waits, and hangs up', async () => {
    const speech = speechWith(undefined);
    expect(speech.begin()).toBe('prompt');
    speech.finished();
    vi.advanceTimersByTime(499);
    expect(done).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(done).toEqual(['prompt_finished']);
    expect(await told()).toEqual(['prompt_finished']);
  });

  it('asks first, and says the prompt for the keys', async () => {
    const speech = speechWith(GATE);
    expect(speech.begin()).toBe('ask');
    speech.finished();
    vi.advanceTimersByTime(7999);
    press(speech, '12');
    expect(done).toEqual(['prompt']);
    vi.advanceTimersByTime(60_000);
    speech.finished();
    vi.advanceTimersByTime(500);
    expect(done).toEqual(['prompt', 'prompt_finished']);
    expect(await told()).toEqual(['dtmf', 'dtmf', 'gate_opened', 'prompt_finished']);
  });

  it('says the prompt in the place of the question that is still being asked', async () => {
    const speech = speechWith(GATE);
    speech.begin();
    press(speech, '12');
    expect(done).toEqual(['nothing', 'prompt']);
    vi.advanceTimersByTime(60_000);
    expect(done).toEqual(['nothing', 'prompt']);
    expect(await told()).toEqual(['dtmf', 'dtmf', 'gate_opened']);
  });

  it('stops the question for the first right key, and waits from there on for the rest', () => {
    const speech = speechWith(GATE);
    speech.begin();
    press(speech, '3');
    expect(done).toEqual([]);
    press(speech, '1');
    expect(done).toEqual(['nothing']);
    // The end of what was stopped is none of what is said.
    speech.finished();
    vi.advanceTimersByTime(7000);
    // Another beginning does not prolong the wait.
    press(speech, '1');
    vi.advanceTimersByTime(999);
    expect(done).toEqual(['nothing']);
    vi.advanceTimersByTime(1);
    expect(done).toEqual(['nothing', 'ask']);
    // What was pressed before still counts.
    press(speech, '2');
    expect(done).toEqual(['nothing', 'ask', 'prompt']);
  });

  it('asks as often as it is to, waits each time, and hangs up without the prompt', async () => {
    const speech = speechWith(GATE);
    speech.begin();
    speech.finished();
    vi.advanceTimersByTime(7999);
    expect(done).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(done).toEqual(['ask']);
    // Nothing is waited for while it asks.
    vi.advanceTimersByTime(60_000);
    expect(done).toEqual(['ask']);
    speech.finished();
    vi.advanceTimersByTime(8000);
    expect(done).toEqual(['ask', 'no_key']);
    expect(await told()).toEqual([]);
  });

  it('says the prompt again while it is said and in the silence after it, so often at most', async () => {
    const speech = speechWith(GATE, REPEAT);
    speech.begin();
    press(speech, '12');
    press(speech, '0');
    speech.finished();
    vi.advanceTimersByTime(499);
    press(speech, '0');
    vi.advanceTimersByTime(60_000);
    expect(done).toEqual(['nothing', 'prompt', 'prompt', 'prompt']);
    speech.finished();
    vi.advanceTimersByTime(499);
    press(speech, '0');
    vi.advanceTimersByTime(1);
    expect(done).toEqual(['nothing', 'prompt', 'prompt', 'prompt', 'prompt_finished']);
    expect(await told()).toEqual([
      ...['dtmf', 'dtmf', 'gate_opened', 'dtmf', 'prompt_finished'],
      ...['dtmf', 'prompt_finished', 'dtmf'],
    ]);
  });

  it('says the prompt again without a gate too, so often at most', async () => {
    const speech = speechWith(undefined, REPEAT);
    speech.begin();
    press(speech, '70');
    expect(done).toEqual(['prompt']);
    speech.finished();
    vi.advanceTimersByTime(499);
    press(speech, '00');
    expect(done).toEqual(['prompt', 'prompt']);
    speech.finished();
    vi.advanceTimersByTime(500);
    expect(done).toEqual(['prompt', 'prompt', 'prompt_finished']);
    expect(await told()).toEqual([...['dtmf', 'dtmf', 'prompt_finished', 'dtmf', 'dtmf', 'prompt_finished']]);
  });

  it('says nothing for the key to repeat as long as the gate is shut', () => {
    const speech = speechWith(GATE, REPEAT);
    speech.begin();
    press(speech, '00');
    expect(done).toEqual([]);
    press(speech, '1200');
    expect(done).toEqual(['nothing', 'prompt', 'prompt', 'prompt']);
  });

  it('does nothing for a key that is none', () => {
    const speech = speechWith(undefined);
    speech.begin();
    press(speech, '0123456789*#');
    expect(done).toEqual([]);
  });

  it('counts a key once that comes in two ways', async () => {
    const speech = speechWith({ ...GATE, keys: new Secret('1') }, { key: '1', times: 1 });
    speech.begin();
    speech.key('1', 100, 'rtp');
    vi.advanceTimersByTime(400);
    speech.key('1', 0, 'info');
    expect(done).toEqual(['prompt']);
    vi.advanceTimersByTime(600);
    speech.key('1', 0, 'info');
    expect(done).toEqual(['prompt', 'prompt']);
    expect(await told()).toEqual(['dtmf', 'gate_opened', 'dtmf']);
  });

  it('tells keys, and does nothing for them, before the answer and when the leg ends', async () => {
    const speech = speechWith(GATE);
    press(speech, '12');
    speech.begin();
    speech.close();
    speech.finished();
    press(speech, '12');
    vi.advanceTimersByTime(60_000);
    expect(done).toEqual([]);
    expect(await told()).toEqual(['dtmf', 'dtmf', 'dtmf', 'dtmf']);
  });
});
