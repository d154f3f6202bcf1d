import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isHeard } from '../../../src/prompt/audibility.ts';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import type { PlaylistItem } from '../../../src/prompt/playlist.ts';
import type { Prompter } from '../../../src/prompt/prompter.ts';
import { MadeUpTts } from '../../support/made-up-tts.ts';
import { NOBODY, OUR_SOUNDS, PrompterRig } from './prompter-rig.ts';

function tone(samples: number, peak = 1000): Int16Array {
  return Int16Array.from({ length: samples }, (_, i) => Math.round(peak * Math.sin(i / 3)));
}

describe('isHeard', () => {
  it.each<[string, readonly (Int16Array | number)[], boolean]>([
    ['a tone', [tone(8000)], true],
    ['a tone after silence', [8000, new Int16Array(8000), tone(400)], true],
    ['a tone that ends a long silence', [Int16Array.from([...new Int16Array(80_000), ...tone(400)])], true],
    ['nothing', [], false],
    ['a pause', [8000], false],
    ['zeros', [new Int16Array(80_000)], false],
    ['a constant', [new Int16Array(8000).fill(20_000)], false],
    ['noise of a converter', [tone(8000, 90)], false],
    ['one sample', [Int16Array.of(32_000)], false],
    ['a click', [Int16Array.from([...new Int16Array(800), 32_000, ...new Int16Array(800)])], false],
  ])('%s: %s', (_, parts, heard) => {
    expect(isHeard(parts)).toBe(heard);
  });
});

describe('a playlist in which nothing can be heard', () => {
  let rig: PrompterRig;
  let prompter: Prompter;
  const clips: Readonly<Record<string, Int16Array>> = {
    'https://a.test/zeros.wav': new Int16Array(8000),
    'https://a.test/sample.wav': Int16Array.of(12_000),
    'https://a.test/tone.wav': tone(8000),
  };
  const ZEROS = { url: 'https://a.test/zeros.wav' };
  const preview = (...items: PlaylistItem[]) =>
    prompter.preview({ items, repeat: 1, repeatPauseMs: 1000 }, NOBODY);

  beforeAll(async () => {
    rig = await PrompterRig.open(await PromptLibrary.load(OUR_SOUNDS));
    const urls = { clip: async (url: string) => clips[url] ?? new Int16Array() };
    prompter = await rig.prompter([new MadeUpTts()], { prompter: { urls } });
  });
  afterAll(() => rig.close());

  it.each<readonly PlaylistItem[]>([
    [ZEROS],
    [{ url: 'https://a.test/sample.wav' }],
    [{ pauseMs: 100 }, ZEROS, ZEROS],
  ])('is refused: %j %j', async (...items) => {
    await expect(preview(...items)).rejects.toMatchObject({
      code: 'prompt_failed',
      message: 'Nothing in the playlist can be heard.',
    });
  });

  it.each<readonly PlaylistItem[]>([
    [ZEROS, { digits: '4829' }],
    [ZEROS, { tts: 'Hello' }],
    [ZEROS, { url: 'https://a.test/tone.wav' }],
    // Whoever asks for silence gets it.
    [{ pauseMs: 100 }],
  ])('is not one with something else in it: %j %j', async (...items) => {
    expect((await preview(...items)).report.durationMs).toBeGreaterThan(100);
  });
});
