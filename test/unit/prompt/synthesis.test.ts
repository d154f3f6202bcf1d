import { mkdtemp, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Pcm } from '../../../src/media/pcm.ts';
import { resample } from '../../../src/media/resample.ts';
import { PromptError } from '../../../src/prompt/prompt-error.ts';
import type { Synthesis, SynthesisOptions, VoiceChoice } from '../../../src/prompt/synthesis.ts';
import type { TtsProvider } from '../../../src/prompt/tts.ts';
import { eventually } from '../../support/eventually.ts';
import { MadeUpTts } from '../../support/made-up-tts.ts';
import { CHOICE, DAY_MS, DIGITS, leaver, SynthesisRig, work } from '../../support/synthesis-rig.ts';

const WORDS = Object.values(DIGITS);

let rig: SynthesisRig;

beforeEach(async () => {
  rig = await SynthesisRig.open();
});

afterEach(async () => {
  await rig.remove();
});

function countOf(synthesis: Synthesis): object {
  return synthesis.stats()[0] ?? {};
}

describe('a phrase', () => {
  it('is made once, and then the same object', async () => {
    const tts = new MadeUpTts();
    const synthesis = await rig.synthesis([tts]);
    const first = work();
    const samples = await synthesis.phrase(CHOICE, 'hello', first);
    expect(samples).toEqual(tts.tone('hello').samples);
    const second = work();
    expect(await synthesis.phrase({ ...CHOICE }, 'hello', second)).toBe(samples);
    expect([tts.texts, first.synthesised, second.synthesised]).toEqual([['hello'], 1, 0]);
    expect(tts.asked[0]).toEqual({ text: 'hello', locale: 'en-US', speed: 1 });
    expect(countOf(synthesis)).toEqual({
      id: 'made-up',
      memoryHits: 1,
      diskHits: 0,
      synthesised: 1,
      failed: 0,
      refused: 0,
    });
  });

  it('comes from disk after a restart', async () => {
    const before = new MadeUpTts();
    const synthesis = await rig.synthesis([before]);
    await synthesis.phrase(CHOICE, 'hello', work());
    await synthesis.characters(CHOICE, DIGITS, work());
    await rig.closeAll();
    const after = new MadeUpTts();
    const next = await rig.synthesis([after]);
    const waiting = work();
    expect(await next.phrase(CHOICE, 'hello', waiting)).toEqual(before.tone('hello').samples);
    const digits = await next.characters(CHOICE, DIGITS, waiting);
    expect(digits.get('7')).toEqual(before.tone('seven').samples);
    expect([after.texts, waiting.synthesised]).toEqual([[], 0]);
    expect(countOf(next)).toMatchObject({ memoryHits: 0, diskHits: 11, synthesised: 0 });
  });

  it('is another one for each wish and each provider', async () => {
    const first = new MadeUpTts({ locales: ['en-US', 'de-DE'] });
    const second = new MadeUpTts({ id: 'other' });
    const synthesis = await rig.synthesis([first, second]);
    const wishes: VoiceChoice[] = [
      CHOICE,
      { ...CHOICE, locale: 'de-DE' },
      { ...CHOICE, voice: 'anna' },
      { ...CHOICE, gender: 'female' },
      { ...CHOICE, gender: 'male' },
      { ...CHOICE, speed: 0.8 },
      { ...CHOICE, provider: 'other' },
    ];
    for (const wish of [...wishes, ...wishes]) await synthesis.phrase(wish, 'hello', work());
    expect([first.asked.length, second.asked.length]).toEqual([6, 1]);
    expect(first.asked.map(({ locale, voice, gender, speed }) => [locale, voice, gender, speed])).toEqual(
      wishes.slice(0, 6).map(({ locale, voice, gender, speed }) => [locale, voice, gender, speed]),
    );
  });

  it('has 8000 samples a second, and is finished before it is kept', async () => {
    const tts = new MadeUpTts({ sampleRate: 22_050, ms: 1000 });
    const rates: number[] = [];
    const finish: SynthesisOptions['finish'] = ({ sampleRate, samples }) => {
      rates.push(sampleRate);
      return { sampleRate, samples: samples.subarray(100, 7000) };
    };
    const cache = await rig.cache();
    const synthesis = await rig.synthesis([tts], { cache, finish });
    const samples = await synthesis.phrase(CHOICE, 'hello', work());
    expect([samples.length, samples.buffer.byteLength, rates]).toEqual([6900, 13_800, [8000]]);
    const next = await rig.synthesis([tts], { cache, finish });
    await eventually(async () => expect(await rig.clipFiles()).toHaveLength(1));
    expect(await next.phrase(CHOICE, 'hello', work())).toEqual(samples);
    expect(rates).toHaveLength(1);
  });

  it('of which nothing is left is not audio', async () => {
    const synthesis = await rig.synthesis([new MadeUpTts()], {
      finish: ({ sampleRate }) => ({ sampleRate, samples: new Int16Array() }),
    });
    await expect(synthesis.phrase(CHOICE, 'hello', work())).rejects.toMatchObject({ fault: 'not_audio' });
    expect(await rig.clipFiles()).toEqual([]);
  });

  it('of no characters or too many is a fault of the program, as is an unknown provider', async () => {
    const tts = new MadeUpTts();
    const synthesis = await rig.synthesis([tts]);
    await expect(synthesis.phrase(CHOICE, '', work())).rejects.toThrow(RangeError);
    await expect(synthesis.phrase(CHOICE, 'x'.repeat(1001), work())).rejects.toThrow(RangeError);
    await expect(synthesis.phrase({ ...CHOICE, provider: 'none' }, 'x', work())).rejects.toThrow(/no such/);
    expect(tts.asked).toEqual([]);
  });

  it.each([
    // Whatever it is asked for: the text is not to blame.
    ['silent', 'tts_failed'],
    ['empty', 'tts_failed'],
    ['endless', 'too_long'],
    ['breaks', 'tts_failed'],
    [{ fault: 'tts_timeout' }, 'tts_timeout'],
  ] as const)(
    'that is %j fails as such, without its text, and nothing of it is kept',
    async (mood, fault) => {
      const tts = new MadeUpTts();
      tts.mood = mood;
      const synthesis = await rig.synthesis([tts]);
      const failure: unknown = await synthesis.phrase(CHOICE, 'secret words', work()).catch((error) => error);
      expect(failure).toBeInstanceOf(PromptError);
      expect(failure).toMatchObject({ fault });
      expect([String(failure), (failure as Error).cause]).toEqual([
        expect.not.stringContaining('secret'),
        undefined,
      ]);
      expect((failure as Error).stack).not.toContain('secret words');
      tts.mood = 'speaks';
      expect(await synthesis.phrase(CHOICE, 'secret words', work())).toEqual(
        tts.tone('secret words').samples,
      );
      expect(countOf(synthesis)).toMatchObject({ synthesised: 1, failed: 1 });
    },
  );
});

describe('characters', () => {
  it('are all made, in one order, whatever order they are asked in', async () => {
    const shuffled = fc.shuffledSubarray(Object.keys(DIGITS), { minLength: 10 });
    await fc.assert(
      fc.asyncProperty(shuffled, async (order) => {
        const tts = new MadeUpTts();
        const run = await mkdtemp(join(rig.folder, 'run-'));
        const cache = await rig.cache(run);
        const synthesis = await rig.synthesis([tts], { cache });
        const words = Object.fromEntries(order.map((digit) => [`d${digit}`, DIGITS[digit] ?? '']));
        const clips = await synthesis.characters(CHOICE, words, work());
        expect(tts.texts).toEqual(WORDS);
        expect([...clips.keys()]).toEqual(Object.keys(DIGITS).map((digit) => `d${digit}`));
        for (const [digit, word] of Object.entries(DIGITS))
          expect(clips.get(`d${digit}`)).toEqual(tts.tone(word).samples);
        expect(await synthesis.characters(CHOICE, words, work())).toBe(clips);
      }),
      { numRuns: 15 },
    );
  });

  it('are all made anew where one is missing on disk', async () => {
    const cache = await rig.cache();
    await (await rig.synthesis([new MadeUpTts()], { cache })).characters(CHOICE, DIGITS, work());
    await eventually(async () => expect(await rig.clipFiles()).toHaveLength(10));
    const [lost = ''] = await rig.clipFiles();
    await unlink(join(rig.folder, lost));
    const tts = new MadeUpTts();
    const next = await rig.synthesis([tts], { cache });
    const waiting = work();
    await next.characters(CHOICE, DIGITS, waiting);
    expect([tts.texts, waiting.synthesised]).toEqual([WORDS, 10]);
    expect(countOf(next)).toMatchObject({ diskHits: 0, synthesised: 10 });
  });

  it('are begun in order, several at a time, the first one alone', async () => {
    const tts = new MadeUpTts();
    tts.mood = 'waits';
    const synthesis = await rig.synthesis([tts], { maxConcurrent: 3 });
    const digits = synthesis.characters(CHOICE, DIGITS, work());
    for (const begun of [1, 4, 7, 10]) {
      await eventually(() => expect(tts.texts).toEqual(WORDS.slice(0, begun)));
      tts.release();
    }
    expect((await digits).size).toBe(10);
    expect(tts.mostRunning).toBe(3);
  });

  it('are none where one of them fails', async () => {
    const tts = new MadeUpTts();
    tts.moods.set('six', { fault: 'tts_failed' });
    const synthesis = await rig.synthesis([tts]);
    await expect(synthesis.characters(CHOICE, DIGITS, work())).rejects.toMatchObject({ fault: 'tts_failed' });
    await eventually(() => expect(tts.running).toBe(0));
    expect(await rig.clipFiles()).toEqual([]);
    tts.moods.clear();
    tts.asked.length = 0;
    expect((await synthesis.characters(CHOICE, DIGITS, work())).size).toBe(10);
    expect(tts.texts).toEqual(WORDS);
  });

  it('leave files of one day, and all of them are noted when one code of the next days is said', async () => {
    const cache = await rig.cache();
    const first = await rig.synthesis([new MadeUpTts()], { cache });
    const clips = await first.characters(CHOICE, DIGITS, work());
    await eventually(async () => expect(await rig.clipFiles()).toHaveLength(10));
    const days = async () => {
      const found = await Promise.all((await rig.clipFiles()).map((name) => stat(join(rig.folder, name))));
      return found.map(({ mtimeMs, atimeMs }) => [mtimeMs / DAY_MS, atimeMs / DAY_MS]);
    };
    expect(await days()).toEqual(Array.from({ length: 10 }, () => [20_270, 20_270]));
    rig.nowMs += 3 * DAY_MS;
    // From memory, so the disk would not know.
    expect(await first.characters(CHOICE, DIGITS, work())).toBe(clips);
    expect(await days()).toEqual(Array.from({ length: 10 }, () => [20_270, 20_270]));
    rig.nowMs += DAY_MS;
    await first.characters(CHOICE, DIGITS, work());
    await eventually(async () =>
      expect(await days()).toEqual(Array.from({ length: 10 }, () => [20_273, 20_273])),
    );
  });
});

describe('one flight', () => {
  it('serves all who want the same, and each is told that it was made now', async () => {
    const tts = new MadeUpTts();
    tts.mood = 'waits';
    const synthesis = await rig.synthesis([tts]);
    const works = Array.from({ length: 20 }, () => work());
    const all = works.map((one) => synthesis.phrase(CHOICE, 'hello', one));
    const digits = Array.from({ length: 20 }, () => synthesis.characters(CHOICE, DIGITS, work()));
    await eventually(() => expect(tts.texts.toSorted()).toEqual(['hello', 'zero']));
    tts.mood = 'speaks';
    tts.release();
    expect(new Set(await Promise.all(all)).size).toBe(1);
    expect(new Set(await Promise.all(digits)).size).toBe(1);
    expect(tts.texts.filter((text) => text !== 'hello')).toEqual(WORDS);
    expect(tts.texts).toHaveLength(11);
    expect(works.every(({ synthesised }) => synthesised === 1)).toBe(true);
  });

  it('goes on when one leaves, and ends when all have left', async () => {
    const tts = new MadeUpTts();
    tts.mood = 'waits';
    const synthesis = await rig.synthesis([tts]);
    const [a, b, c] = [leaver(), leaver(), leaver()];
    const [first, second] = [a, b].map((one) => synthesis.phrase(CHOICE, 'hello', one.work));
    await eventually(() => expect(tts.running).toBe(1));
    a.leave();
    await expect(first).rejects.toThrow('left');
    expect(tts.aborted).toBe(0);
    const third = synthesis.phrase(CHOICE, 'hello', c.work);
    b.leave();
    await expect(second).rejects.toThrow('left');
    expect(tts.aborted).toBe(0);
    tts.release();
    expect(await third).toEqual(tts.tone('hello').samples);
    expect(tts.texts).toEqual(['hello']);

    const [d, e] = [leaver(), leaver()];
    tts.mood = 'stalls';
    const both = [d, e].map((one) => synthesis.phrase(CHOICE, 'bye', one.work));
    await eventually(() => expect(tts.running).toBe(1));
    d.leave();
    e.leave();
    tts.mood = 'speaks';
    const next = synthesis.phrase(CHOICE, 'bye', work());
    const outcomes = await Promise.allSettled(both);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await eventually(() => expect([tts.aborted, tts.running]).toEqual([1, 0]));
    // It was not the provider's fault, and who comes later begins anew.
    expect(await next).toEqual(tts.tone('bye').samples);
    expect(countOf(synthesis)).toMatchObject({ synthesised: 2, failed: 0 });
    expect(synthesis.health()[0]).toMatchObject({ healthy: true });
  });

  it('does not begin for somebody who has left already', async () => {
    const tts = new MadeUpTts();
    const synthesis = await rig.synthesis([tts]);
    await expect(
      synthesis.phrase(CHOICE, 'hello', work(AbortSignal.abort(new Error('gone')))),
    ).rejects.toThrow('gone');
    expect(tts.asked).toEqual([]);
  });
});

describe('a long speech', () => {
  it('is made with turns for others, from what was in the buffer when it was given', async () => {
    const tts = new MadeUpTts({ sampleRate: 48_000, ms: 20_000 });
    const given = tts.tone('long');
    const wanted = resample(tts.tone('long'), 8000).samples;
    const sameBuffer: TtsProvider = {
      id: tts.id,
      fingerprint: tts.fingerprint,
      start: () => tts.start(),
      locales: () => tts.locales(),
      close: () => tts.close(),
      synthesize: () => {
        turns = 0;
        return Promise.resolve(given);
      },
    };
    const synthesis = await rig.synthesis([sameBuffer]);
    // Counted from where it is given: the disk is asked before that, and takes as long as it takes.
    let turns = Number.NEGATIVE_INFINITY;
    const speech = synthesis.phrase(CHOICE, 'long', work());
    while ((await Promise.race([speech, nextTurn('a turn')])) === 'a turn') {
      turns++;
      // The provider makes something else with it.
      if (turns === 5) given.samples.fill(0);
    }
    expect(await speech).toEqual(wanted);
    expect(turns).toBeGreaterThanOrEqual(20);
  });

  it('is given up between two pieces when nobody wants it any more', async () => {
    const tts = new MadeUpTts({ sampleRate: 48_000, ms: 20_000 });
    let finishes = 0;
    const finish = (pcm: Pcm): Pcm => {
      finishes++;
      return pcm;
    };
    const synthesis = await rig.synthesis([tts], { finish });
    const one = leaver();
    const speech = synthesis.phrase(CHOICE, 'long', one.work);
    while (synthesis.stats()[0]?.synthesised !== 1) await nextTurn();
    one.leave();
    await expect(speech).rejects.toThrow('left');
    expect(await synthesis.phrase(CHOICE, 'long', work())).toHaveLength(160_000);
    expect(finishes).toBe(1);
  });
});

describe('memory', () => {
  it('is bounded, and each clip counts with its encodings', async () => {
    const tts = new MadeUpTts();
    const cache = await rig.cache();
    // 400 samples are 800 bytes, which count as 1600: four of them fit in.
    const synthesis = await rig.synthesis([tts], { cache, memoryBytes: 7000 });
    for (let i = 0; i < 12; i++) await synthesis.phrase(CHOICE, `text ${i}`, work());
    await cache.put('last', tts.tone('last'));
    for (const i of [11, 10, 9, 8]) await synthesis.phrase(CHOICE, `text ${i}`, work());
    expect(countOf(synthesis)).toMatchObject({ memoryHits: 4, diskHits: 0 });
    await synthesis.phrase(CHOICE, 'text 7', work());
    await synthesis.phrase(CHOICE, 'text 11', work());
    expect(countOf(synthesis)).toMatchObject({ memoryHits: 4, diskHits: 2, synthesised: 12 });
  });

  it('takes no clip that is larger than all of it', async () => {
    const tts = new MadeUpTts({ ms: 1000 });
    const synthesis = await rig.synthesis([tts], { memoryBytes: 10_000 });
    expect(await synthesis.phrase(CHOICE, 'hello', work())).toHaveLength(8000);
    expect(countOf(synthesis)).toMatchObject({ memoryHits: 0, synthesised: 1 });
  });
});
