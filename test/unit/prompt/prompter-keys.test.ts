import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SpeechPart } from '../../../src/media/speech.ts';
import { keyTemplateFor } from '../../../src/prompt/key-templates.ts';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import type { GatePrompt, PreparedPrompt } from '../../../src/prompt/prepared-prompt.ts';
import { MadeUpTts } from '../../support/made-up-tts.ts';
import { NOBODY, OUR_SOUNDS, PrompterRig, SOON } from './prompter-rig.ts';

const TTS = { voices: { preferred: 'tts' } } as const;

let library: PromptLibrary;
let rig: PrompterRig;

beforeAll(async () => {
  library = await PromptLibrary.load(OUR_SOUNDS);
});

beforeEach(async () => {
  rig = await PrompterRig.open(library);
});

afterEach(() => rig.close());

function gate(locale: string, change: Partial<GatePrompt> = {}): GatePrompt {
  return { locale, gender: null, key: '1', text: null, ...change };
}

function wish(locale: string) {
  return { locale, gender: null };
}

function sounds({ speech }: PreparedPrompt): readonly SpeechPart[] {
  return speech.parts.filter((part) => typeof part !== 'number');
}

describe('the question of a gate', () => {
  it('is our own around the key, in recorded sounds, after a silence', async () => {
    const tts = new MadeUpTts();
    const prompter = await rig.prompter([tts]);
    const prompt = await prompter.forGate(gate('de', { key: '7' }), NOBODY);
    const [press, seven] = [library.samples('de', 'press'), library.samples('de', '7')];
    expect(prompt.speech.parts).toEqual([2400, press, 1200, seven]);
    expect(prompt.report).toMatchObject({ locale: 'de', voices: ['recorded de/espeak'], fallback: 'none' });
    expect(prompt.marks).toEqual({ codes: [] });
    expect(tts.asked).toEqual([]);
  });

  it('is spoken by a provider in a language without recorded sounds, with the key where it belongs', async () => {
    const tts = new MadeUpTts({ locales: ['ja'] });
    const prompter = await rig.prompter([tts]);
    const prompt = await prompter.forGate(gate('ja', { key: '3', gender: 'female' }), NOBODY);
    expect(prompt.report).toMatchObject({ voices: ['tts made-up ja'], fallback: 'none' });
    expect(tts.texts).toEqual(expect.arrayContaining(['コードをお聞きの方は、', 'を押してください。', '3']));
    expect(new Set(tts.asked.map(({ gender }) => gender))).toEqual(new Set(['female']));
    const tones = ['コードをお聞きの方は、', '3', 'を押してください。'].map((text) => tts.tone(text).samples);
    expect(sounds(prompt)).toEqual(tones);
  });

  it('is in recorded sounds where the provider fails, and in the default language where those are not', async () => {
    const tts = new MadeUpTts({ locales: ['de', 'nl'] });
    tts.mood = 'stalls';
    const prompter = await rig.prompter([tts], { ...TTS, ...SOON });
    const german = await prompter.forGate(gate('de'), NOBODY);
    expect(german.report).toMatchObject({ locale: 'de', fallback: 'recorded' });
    const dutch = await prompter.forGate(gate('nl'), NOBODY);
    expect(dutch.report).toMatchObject({ locale: 'en-US', fallback: 'default_locale' });
    expect(sounds(dutch)).toContain(library.samples('en-US', 'press'));
  });

  it('is in the default language where there are no words of its own', async () => {
    const prompter = await rig.prompter([new MadeUpTts({ locales: ['eo'] })]);
    const { report } = await prompter.forGate(gate('eo'), NOBODY);
    expect(report).toMatchObject({ locale: 'en-US', fallback: 'default_locale' });
  });

  it.each(['', '10', '*', '#', 'a', '٣'])('is for no key %j', async (key) => {
    const prompter = await rig.prompter([]);
    await expect(prompter.forGate(gate('en-US', { key }), NOBODY)).rejects.toThrow(RangeError);
  });

  it('is given up when nobody wants it any more', async () => {
    const tts = new MadeUpTts();
    tts.mood = 'stalls';
    const prompter = await rig.prompter([tts], TTS);
    for (const text of [null, 'Press one']) {
      const hangUp = new AbortController();
      const making = prompter.forGate(gate('en-US', { text }), hangUp.signal);
      hangUp.abort();
      await expect(making).rejects.toBe(hangUp.signal.reason);
    }
  });
});

describe('a question of a client', () => {
  it('is spoken as it is', async () => {
    const tts = new MadeUpTts();
    const prompter = await rig.prompter([tts]);
    const prompt = await prompter.forGate(
      gate('en-US', { text: 'The shop: press 1', gender: 'male' }),
      NOBODY,
    );
    expect(tts.texts).toEqual(['The shop: press 1']);
    expect(tts.asked[0]?.gender).toBe('male');
    expect(prompt.speech.parts).toEqual([2400, tts.tone('The shop: press 1').samples]);
    expect(prompt.report).toMatchObject({ voices: ['tts made-up en-US'], fallback: 'none' });
  });

  it('tells no provider a number that may be a code, and has no marks', async () => {
    const tts = new MadeUpTts();
    const prompter = await rig.prompter([tts]);
    const prompt = await prompter.forGate(gate('en-US', { text: 'Order 493817: press 1' }), NOBODY);
    expect(tts.texts.join(' ')).not.toMatch(/493/);
    expect(prompt.marks).toEqual({ codes: [] });
  });

  it.each(['The shop: press 1', 'Order 493817: press 1'])(
    'is replaced by our own where it cannot be spoken: %s',
    async (text) => {
      const tts = new MadeUpTts();
      tts.mood = { fault: 'tts_failed' };
      const prompter = await rig.prompter([tts]);
      const prompt = await prompter.forGate(gate('en-US', { text }), NOBODY);
      expect(sounds(prompt)).toEqual([library.samples('en-US', 'press'), library.samples('en-US', '1')]);
      expect(prompt.report).toMatchObject({ voices: ['recorded en-US/slt'], fallback: 'recorded' });
    },
  );

  it('is replaced where nobody speaks its language, it is late, or it says nothing', async () => {
    const tts = new MadeUpTts();
    tts.mood = 'deaf';
    const prompter = await rig.prompter([tts], SOON);
    for (const [locale, text] of [
      ['de', 'Taste eins bitte'],
      ['en-US', 'Press one'],
      ['en-US', ' … '],
    ] as const) {
      const prompt = await prompter.forGate(gate(locale, { text }), NOBODY);
      expect(sounds(prompt)).toContain(library.samples(locale, 'press'));
      expect(prompt.report.fallback).toBe('recorded');
    }
  });
});

describe('a confirmation', () => {
  it('asks and thanks by the same recorded voice', async () => {
    const prompter = await rig.prompter([]);
    const { ask, confirmed } = await prompter.forConfirmation(wish('fr'), NOBODY);
    expect(ask.speech.parts).toEqual([2400, library.samples('fr', 'enter')]);
    expect(confirmed.speech.parts).toEqual([2400, library.samples('fr', 'confirmed')]);
    for (const { report, marks, speech } of [ask, confirmed]) {
      expect(report).toMatchObject({ voices: ['recorded fr/espeak'], fallback: 'none' });
      expect(report.durationMs).toBe(
        300 + Math.floor(((speech.parts[1] as Int16Array).length * 1000) / 8000),
      );
      expect(marks.codes).toEqual([]);
    }
  });

  it('does both in recorded sounds where a provider can only do one of them', async () => {
    const tts = new MadeUpTts();
    tts.moods.set(keyTemplateFor('en')?.confirmed ?? '', { fault: 'tts_failed' });
    const prompter = await rig.prompter([tts], TTS);
    const { ask, confirmed } = await prompter.forConfirmation(wish('en-US'), NOBODY);
    expect([ask.report.fallback, confirmed.report.fallback]).toEqual(['recorded', 'recorded']);
  });
});

describe("the operator's own words", () => {
  const templates = {
    'en-US': {
      greeting: 'Shop here: {code}',
      again: 'It is {code}',
      goodbye: 'Bye',
      press: 'Hit {key} now',
    },
  };

  it('are spoken, each sentence that is lacking as ours', async () => {
    const tts = new MadeUpTts();
    const prompter = await rig.prompter([tts], { voices: { templates } });
    await prompter.forGate(gate('en-US'), NOBODY);
    expect(tts.texts).toEqual(expect.arrayContaining(['Hit', 'now', keyTemplateFor('en')?.enter]));
    expect(tts.texts.join(' ')).not.toMatch(/Shop|hear your code/);
  });

  it('are made ready beforehand, with the words for keys', async () => {
    const voices = await rig.voices([new MadeUpTts({ locales: ['en-US', 'de'] })], { templates });
    const [own, ours] = voices.prewarming(['en-US', 'de', 'nl'], 'digits');
    const { enter, confirmed } = keyTemplateFor('en') ?? {};
    expect(own?.phrases).toEqual(['Shop here:', 'It is', 'Hit', 'now', 'Bye', enter, confirmed]);
    expect(ours?.phrases).toHaveLength(6);
    expect(ours?.phrases).toContain('Um Ihren Code zu hören, drücken Sie bitte die');
    expect(voices.prewarming(['nl'], 'digits')).toEqual([]);
  });
});

describe('a set from before there were words for keys', () => {
  let folder: string;
  let old: PromptLibrary;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-old-set-'));
    for (const locale of ['de', 'en-GB', 'en-US']) {
      await cp(join(OUR_SOUNDS, locale), join(folder, locale), { recursive: true });
    }
    for (const set of ['de/espeak', 'en-GB/espeak']) await rm(join(folder, set, 'press.wav'));
    old = await PromptLibrary.load(folder);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it.each([
    ['by another set of the language', 'en-GB', 'recorded en-US/slt', 'none'],
    ['by a provider', 'de', 'tts made-up de', 'none'],
  ])('is helped out %s', async (_, locale, voice, fallback) => {
    const prompter = await rig.prompter([new MadeUpTts({ locales: ['de'] })], { voices: { library: old } });
    const { report } = await prompter.forGate(gate(locale), NOBODY);
    expect(report).toMatchObject({ voices: [voice], fallback });
  });

  it('is helped out by the default language, or by any that can', async () => {
    for (const defaultLocale of ['en-US', 'de']) {
      const prompter = await rig.prompter([], { voices: { library: old, defaultLocale } });
      const { ask } = await prompter.forConfirmation(wish('de'), NOBODY);
      expect(ask.report).toMatchObject({ voices: ['recorded en-US/slt'], fallback: 'default_locale' });
    }
  });

  it('leaves nobody to ask where no set has them and nobody speaks', async () => {
    await rm(join(folder, 'en-US/slt/enter.wav'));
    const none = await PromptLibrary.load(folder);
    const prompter = await rig.prompter([], { voices: { library: none } });
    await expect(prompter.forGate(gate('de'), NOBODY)).rejects.toMatchObject({ fault: 'unsupported_locale' });
  });
});
