import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Recogniser } from '../../../src/lab/recogniser.ts';
import { joined } from '../../../src/media/speech.ts';
import { saidOf } from '../../../src/prompt/delivered.ts';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import type { PlaylistItem } from '../../../src/prompt/playlist.ts';
import type { PreparedPrompt } from '../../../src/prompt/prepared-prompt.ts';
import { Secret } from '../../../src/secret.ts';
import { MadeUpTts } from '../../support/made-up-tts.ts';
import { NOBODY, OUR_SOUNDS, PrompterRig } from './prompter-rig.ts';

let library: PromptLibrary;
let rig: PrompterRig;

beforeAll(async () => {
  library = await PromptLibrary.load(OUR_SOUNDS);
});

beforeEach(async () => {
  rig = await PrompterRig.open(library);
});

afterEach(() => rig.close());

async function codePrompt(code: string, sayAs: 'digits' | 'pairs' | 'nato' = 'digits', repeat = 2) {
  const prompter = await rig.prompter([]);
  const prompt = { locale: 'en-US', sayAs, repeat, gender: null, template: null };
  return prompter.forCode(prompt, new Secret(code), NOBODY);
}

async function playlist(items: readonly PlaylistItem[], repeat = 1, tts = new MadeUpTts()) {
  const prompter = await rig.prompter([tts]);
  return prompter.forPlaylist({ items, repeat, repeatPauseMs: 700 }, NOBODY);
}

/** What the lab hears in the first so many milliseconds. */
function heardUntil({ speech }: PreparedPrompt, ms: number): readonly string[] {
  const { sampleRate, samples } = joined(speech);
  const sent = samples.subarray(0, Math.ceil((ms * sampleRate) / 1000));
  return new Recogniser(library.clips('en-US')).recognise({ sampleRate, samples: sent }).groups;
}

describe('the marks of a prompt for a code', () => {
  it('are where a listener has heard each digit, and no more', async () => {
    const prompt = await codePrompt('4938');
    const [first = [], second = []] = prompt.marks.codes;
    expect(prompt.marks.codes).toHaveLength(2);
    expect(first.map((ms) => heardUntil(prompt, ms))).toEqual([['4'], ['49'], ['493'], ['4938']]);
    expect(second.map((ms) => heardUntil(prompt, ms).at(-1))).toEqual(['4', '49', '493', '4938']);
    expect(saidOf(prompt.marks, prompt.report.durationMs)).toEqual({ characters: 4, codes: 2 });
  });

  it.each(['digits', 'pairs', 'nato'] as const)('say nothing of the code as %s', async (sayAs) => {
    const [a, b] = [await codePrompt('000000', sayAs, 3), await codePrompt('986241', sayAs, 3)];
    expect(a.marks).toEqual(b.marks);
    expect(a.marks.codes).toHaveLength(3);
  });

  it('are as many as its letters and digits', async () => {
    const { marks } = await codePrompt('K7QX', 'nato', 1);
    expect(marks.codes.map((ends) => ends.length)).toEqual([4]);
  });
});

describe('the marks of a playlist', () => {
  it('are of its digits each time, wherever they stand', async () => {
    const prompt = await playlist([{ file: 'en-US/slt/greeting' }, { digits: '493' }, { pauseMs: 500 }], 3);
    expect(prompt.marks.codes.map((ends) => ends.length)).toEqual([3, 3, 3]);
    for (const ends of prompt.marks.codes) {
      expect(ends.map((ms) => heardUntil(prompt, ms).at(-1))).toEqual(['4', '49', '493']);
    }
  });

  it('are of the codes in a text too, spoken or in recorded sounds', async () => {
    const item = { tts: 'Your code is 493 817, we say 493 817' };
    const spoken = await playlist([item, { digits: '12' }]);
    expect(spoken.marks.codes.map((ends) => ends.length)).toEqual([6, 6, 2]);
    expect(spoken.marks.codes.flat()).toEqual(spoken.marks.codes.flat().toSorted((a, b) => a - b));
    const failing = new MadeUpTts({ id: 'away' });
    failing.mood = { fault: 'tts_failed' };
    const recorded = await playlist([item], 1, failing);
    expect(recorded.report.fallback).toBe('code_only');
    expect(recorded.marks.codes.map((ends) => ends.length)).toEqual([6, 6]);
    expect(recorded.marks.codes[1]?.at(-1)).toBe(recorded.report.durationMs);
  });

  it('are none where no code is said', async () => {
    const prompt = await playlist([{ tts: 'Hello' }, { pauseMs: 100 }, { file: 'en-US/slt/goodbye' }], 2);
    expect(prompt.marks).toEqual({ codes: [] });
  });
});
