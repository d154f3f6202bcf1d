import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Recogniser } from '../../src/lab/recogniser.ts';
import { peakDbfs, speechDbfs } from '../../src/media/loudness.ts';
import { durationMs, type Pcm } from '../../src/media/pcm.ts';
import { joined as joinedSpeech } from '../../src/media/speech.ts';
import { parseWav } from '../../src/media/wav.ts';
import { codePromptParts } from '../../src/prompt/code-prompt.ts';
import { keyQuestionParts } from '../../src/prompt/key-prompt.ts';
import { keyTemplateFor } from '../../src/prompt/key-templates.ts';
import { PromptLibrary } from '../../src/prompt/library.ts';
import { RecordedVoice } from '../../src/prompt/recorded-voice.ts';
import { clipKind, DIGIT_CLIPS, isClipName, LETTER_CLIPS } from '../../src/prompt/sound-set.ts';
import { partsOf, templateFor } from '../../src/prompt/templates.ts';
import { Secret } from '../../src/secret.ts';
import { joined, noisy, seeded, silence, throughALaw, throughMuLaw } from '../support/telephone-line.ts';

const SOUNDS = join(import.meta.dirname, '../../sounds');
const LIMITS_MS = { digit: [400, 900], letter: [400, 1200], phrase: [500, 6000] } as const;
const SNR_DB = 15;

/** What a caller and the lab may rely on in every set that comes with the product. */
export function soundSetContract(locale: string, voice: string): void {
  describe(`${locale}/${voice}`, () => {
    let library: PromptLibrary;
    let clips: ReadonlyMap<string, Pcm>;
    let recogniser: Recogniser;
    beforeAll(async () => {
      library = await PromptLibrary.load(SOUNDS);
      clips = library.clips(locale, true);
      recogniser = new Recogniser(library.clips(locale));
    });

    const random = seeded(19_084);
    const heardIn = (samples: Int16Array): readonly string[] => {
      const line = throughMuLaw(noisy(samples, SNR_DB, random));
      return recogniser.recognise({ sampleRate: 8000, samples: line }).groups;
    };
    const said = async (code: string, repeat: number): Promise<Int16Array> => {
      const set = new RecordedVoice(library, locale, 'none');
      const characters = await set.characters(false);
      const parts = codePromptParts(
        { code: new Secret(code), sayAs: 'digits', characters },
        await set.words(),
        repeat,
      );
      return joinedSpeech({ sampleRate: 8000, parts }).samples;
    };

    it('is what its locale speaks, and can say letters and ask for keys', () => {
      expect(library.voice(locale)).toBe(voice);
      expect(library.has(locale, 'letters')).toBe(true);
      expect(library.has(locale, 'keys')).toBe(true);
    });

    it('has an end of a phrase exactly where its language says something after the code or the key', () => {
      const template = templateFor(locale);
      const keys = keyTemplateFor(locale);
      if (template === undefined || keys === undefined) throw new Error('there is no template');
      expect(clips.has('press-end')).toBe(partsOf(keys.press, '{key}').after !== '');
      for (const name of ['greeting', 'again'] as const) {
        expect(clips.has(`${name}-end`)).toBe(partsOf(template[name]).after !== '');
      }
    });

    it('holds files of 16 kHz that are alike in level, silent at the ends and of the right length', async () => {
      const folder = join(SOUNDS, locale, voice);
      const files = await readdir(folder);
      expect(files.length).toBe(clips.size);
      for (const file of files) {
        const name = file.replace(/\.wav$/, '');
        if (!isClipName(name)) throw new Error(`${file} is no clip`);
        const clip = parseWav(await readFile(join(folder, file)));
        const [shortest, longest] = LIMITS_MS[clipKind(name)];
        const ends = [...clip.samples.subarray(0, 160), ...clip.samples.subarray(-160)];
        // The name is in it for whoever reads a failure.
        expect({
          name,
          rate: clip.sampleRate,
          level: Math.abs(speechDbfs(clip) + 20) < 0.3,
          peak: peakDbfs(clip) < -2.99,
          ends: ends.every((sample) => Math.abs(sample) < 60),
          length: durationMs(clip) >= shortest && durationMs(clip) <= longest,
        }).toEqual({ name, rate: 16_000, level: true, peak: true, ends: true, length: true });
      }
    });

    it('says any code so that the lab hears it, through µ-law and noise', async () => {
      await fc.assert(
        fc.asyncProperty(fc.stringMatching(/^[0-9]{10}$/), async (code) => {
          expect(heardIn(await said(code, 1))).toEqual([code]);
        }),
        { numRuns: 8, examples: [['0123456789'], ['9876543210'], ['1919555566'], ['0000000000']] },
      );
    });

    it('is told apart in both repetitions, and in A-law', async () => {
      const samples = throughALaw(await said('5039417268', 2));
      expect(recogniser.recognise({ sampleRate: 8000, samples }).groups).toEqual([
        '5039417268',
        '5039417268',
      ]);
    });

    it('asks for a key so that the lab hears which one, and no other digit', async () => {
      const set = new RecordedVoice(library, locale, 'none');
      const [characters, { press }] = [await set.characters(false), await set.keyWords()];
      for (const [key, clip] of characters) {
        const { samples } = joinedSpeech({ sampleRate: 8000, parts: keyQuestionParts(clip, press) });
        expect(heardIn(samples)).toEqual([key]);
      }
    });

    it('has no digit that sounds like another, and no phrase that sounds like a digit', () => {
      for (const [name, { samples }] of library.clips(locale)) {
        const others = new Recogniser(
          new Map(
            [...clips].filter(([other]) => other !== name && DIGIT_CLIPS.some((digit) => digit === other)),
          ),
        );
        const line = throughMuLaw(joined(silence(300), samples, silence(300)));
        expect({ name, heard: others.recognise({ sampleRate: 8000, samples: line }).items }).toEqual({
          name,
          heard: [],
        });
      }
    });

    it('says letters so that each is told apart from all other clips', () => {
      const withLetters = new Recogniser(clips);
      const spelled = [...LETTER_CLIPS, ...DIGIT_CLIPS].toSorted(() => random() - 0.5);
      const samples = joined(
        silence(300),
        ...spelled.flatMap((name) => [clips.get(name)?.samples ?? silence(0), silence(300)]),
      );
      const line = throughMuLaw(noisy(samples, SNR_DB, random));
      const { items } = withLetters.recognise({ sampleRate: 8000, samples: line });
      expect(items.map((item) => item.clip)).toEqual(spelled);
    });
  });
}
