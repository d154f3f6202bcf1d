import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { joined, speechMs } from '../../../src/media/speech.ts';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import type { Playlist, PlaylistItem } from '../../../src/prompt/playlist.ts';
import { PromptError } from '../../../src/prompt/prompt-error.ts';
import type { Prompter } from '../../../src/prompt/prompter.ts';
import { Secret } from '../../../src/secret.ts';
import { MadeUpTts } from '../../support/made-up-tts.ts';
import { type Change, FETCHED, NOBODY, OUR_SOUNDS, PrompterRig, SOON } from './prompter-rig.ts';

const CODE = '493817';

let library: PromptLibrary;
let rig: PrompterRig;

beforeAll(async () => {
  library = await PromptLibrary.load(OUR_SOUNDS);
});

beforeEach(async () => {
  rig = await PrompterRig.open(library);
});

afterEach(() => rig.close());

function prompterWith(providers: readonly MadeUpTts[], change: Change = {}): Promise<Prompter> {
  return rig.prompter(providers, change);
}

function code(locale: string, change: Partial<Parameters<Prompter['forCode']>[0]> = {}) {
  return { locale, sayAs: 'digits', repeat: 2, gender: null, template: null, ...change } as const;
}

function playlist(...items: readonly PlaylistItem[]): Playlist {
  return { items, repeat: 1, repeatPauseMs: 1000 };
}

describe('a code', () => {
  it('is said in recorded sounds, and no provider hears of it', async () => {
    const tts = new MadeUpTts();
    const prompter = await prompterWith([tts]);
    const { speech, report } = await prompter.forCode(code('en-US'), new Secret(CODE), NOBODY);
    expect(report).toMatchObject({ locale: 'en-US', voices: ['recorded en-US/slt'], fallback: 'none' });
    expect(report.durationMs).toBe(speechMs(speech));
    const nine = library.samples('en-US', '9');
    expect(speech.parts.filter((part) => part === nine)).toHaveLength(2);
    expect(tts.asked).toEqual([]);
  });

  it('is said by the provider where that is preferred, which gets phrases and every digit, never the code', async () => {
    const tts = new MadeUpTts({ locales: ['nl', 'en-US'] });
    const prompter = await prompterWith([tts], { voices: { preferred: 'tts' } });
    const { report } = await prompter.forCode(code('en-US'), new Secret('777777'), NOBODY);
    expect(report).toMatchObject({ voices: ['tts made-up en-US'], fallback: 'none' });
    expect(report.synthesised).toBe(tts.asked.length);
    const words = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
    expect(tts.texts.filter((text) => words.includes(text))).toEqual(words);
    const again = await prompter.forCode(code('en-US'), new Secret(CODE), NOBODY);
    expect(again.report.synthesised).toBe(0);
  });

  it('is said by the provider in a language of which there are no recorded sounds', async () => {
    const prompter = await prompterWith([new MadeUpTts({ locales: ['nl'] })]);
    const { report } = await prompter.forCode(code('nl'), new Secret(CODE), NOBODY);
    expect(report).toMatchObject({ locale: 'nl', voices: ['tts made-up nl'], fallback: 'none' });
  });

  it('is said without words in a language that has no template', async () => {
    const prompter = await prompterWith([new MadeUpTts({ locales: ['eo'] })]);
    const { speech } = await prompter.forCode(code('eo'), new Secret('11'), NOBODY);
    const clips = speech.parts.filter((part) => typeof part !== 'number');
    expect(new Set(clips).size).toBe(1);
    expect(clips).toHaveLength(4);
  });

  it.each(['stalls', 'deaf', 'breaks', 'silent', { fault: 'tts_failed' }] as const)(
    'is said in recorded sounds of the language where the provider %j',
    async (mood) => {
      const tts = new MadeUpTts({ locales: ['de'] });
      tts.mood = mood;
      const prompter = await prompterWith([tts], { voices: { preferred: 'tts' }, ...SOON });
      const { report, speech } = await prompter.forCode(code('de'), new Secret(CODE), NOBODY);
      expect(report).toMatchObject({ locale: 'de', fallback: 'recorded' });
      expect(speech.parts).toContain(library.samples('de', '9'));
    },
  );

  it('is said in the default language where nothing is left of its own', async () => {
    const tts = new MadeUpTts({ locales: ['nl'] });
    tts.mood = { fault: 'tts_failed' };
    const prompter = await prompterWith([tts]);
    const { report } = await prompter.forCode(code('nl'), new Secret(CODE), NOBODY);
    expect(report).toMatchObject({
      locale: 'en-US',
      voices: ['recorded en-US/slt'],
      fallback: 'default_locale',
    });
  });

  it('is said by the second provider where the first one fails', async () => {
    const [broken, works] = [new MadeUpTts({ id: 'a' }), new MadeUpTts({ id: 'b' })];
    broken.mood = { fault: 'tts_failed' };
    const prompter = await prompterWith([broken, works], { voices: { preferred: 'tts' } });
    const { report } = await prompter.forCode(code('en-US'), new Secret(CODE), NOBODY);
    expect(report).toMatchObject({ voices: ['tts b en-US'], fallback: 'other_provider' });
  });

  it("is put into the operator's own words, which the provider speaks", async () => {
    const tts = new MadeUpTts();
    const templates = {
      'en-US': { greeting: 'Shop here: {code} is yours', again: 'It is {code}', goodbye: 'Bye' },
    };
    const prompter = await prompterWith([tts], { voices: { templates } });
    const { report } = await prompter.forCode(code('en-US'), new Secret(CODE), NOBODY);
    expect(report.voices).toEqual(['tts made-up en-US']);
    expect(tts.texts).toEqual(expect.arrayContaining(['Shop here:', 'is yours', 'It is', 'Bye']));
  });

  it('is spelled in words where it has letters', async () => {
    const prompter = await prompterWith([]);
    const { speech } = await prompter.forCode(code('en-US', { sayAs: 'nato' }), new Secret('K7QX'), NOBODY);
    for (const name of ['k', '7', 'q', 'x'] as const) {
      expect(speech.parts).toContain(library.samples('en-US', name));
    }
  });

  it('takes as long as any other code', async () => {
    const prompter = await prompterWith([]);
    const ms = async (text: string): Promise<number> =>
      speechMs((await prompter.forCode(code('ru'), new Secret(text), NOBODY)).speech);
    expect(await ms('000000')).toBe(await ms('987654'));
  });

  it('is given up when nobody wants it any more', async () => {
    const tts = new MadeUpTts();
    tts.mood = 'stalls';
    const prompter = await prompterWith([tts], {
      voices: { preferred: 'tts' },
    });
    const hangUp = new AbortController();
    const making = prompter.forCode(code('en-US'), new Secret(CODE), hangUp.signal);
    hangUp.abort();
    await expect(making).rejects.toBe(hangUp.signal.reason);
  });
});

describe('a playlist', () => {
  it('says its items in order, and all of it again', async () => {
    const prompter = await prompterWith([new MadeUpTts()]);
    const list = {
      ...playlist(
        { tts: 'Your code is 123456', sayAs: 'digits' },
        { pauseMs: 500 },
        { file: 'en-US/slt/goodbye' },
        { url: 'https://server.example/a.wav' },
        { digits: '42' },
      ),
      repeat: 2,
    };
    const { speech, report } = await prompter.forPlaylist(list, NOBODY);
    expect(report).toMatchObject({
      voices: ['tts made-up en-US', 'recorded en-US/slt'],
      fallback: 'none',
      fetched: 1,
    });
    expect(rig.asked).toEqual(['https://server.example/a.wav']);
    const parts = speech.parts.filter((part) => typeof part !== 'number' || part === 4000 || part === 8000);
    const half = (parts.length - 1) / 2;
    expect(parts[half]).toBe(8000);
    expect(parts.slice(0, half)).toEqual(parts.slice(half + 1));
    expect(parts).toContain(FETCHED);
    const goodbye = await library.file('en-US/slt/goodbye');
    expect(parts.filter((part) => part === goodbye)).toHaveLength(2);
  });

  it('tells no provider the code of a text, whatever it says of it', async () => {
    const tts = new MadeUpTts();
    const prompter = await prompterWith([tts]);
    await prompter.forPlaylist(playlist({ tts: 'Your code is 493 817, for 10 minutes' }), NOBODY);
    expect(tts.texts.join(' ')).not.toMatch(/493|817/);
    expect(tts.texts).toContain(', for 10 minutes');
  });

  it('says the code of a text in recorded sounds where text cannot be spoken', async () => {
    const tts = new MadeUpTts();
    tts.mood = { fault: 'tts_failed' };
    const prompter = await prompterWith([tts]);
    const said = await prompter.forPlaylist(
      playlist({ tts: 'Hello' }, { tts: 'Your code is 99', sayAs: 'pairs' }),
      NOBODY,
    );
    expect(said.report).toMatchObject({ voices: ['recorded en-US/slt'], fallback: 'code_only' });
    const clips = said.speech.parts.filter((part) => typeof part !== 'number');
    expect(clips).toEqual([library.samples('en-US', '9'), library.samples('en-US', '9')]);
  });

  it('cannot be played where a text without a code cannot be spoken, or a sound is not there', async () => {
    const tts = new MadeUpTts();
    tts.mood = 'stalls';
    const prompter = await prompterWith([tts], SOON);
    const faultOf = async (...items: readonly PlaylistItem[]): Promise<string> => {
      const error = await prompter.forPlaylist(playlist(...items), NOBODY).catch((cause: unknown) => cause);
      return error instanceof PromptError ? `${error.fault}: ${error.message}` : String(error);
    };
    expect(await faultOf({ pauseMs: 1 }, { tts: 'Hello' })).toMatch(/^tts_timeout: item 2: /);
    expect(await faultOf({ url: 'https://server.example/missing.wav' }, { digits: '1' })).toBe(
      'url_failed: item 1: server.example answered 404',
    );
    expect(await faultOf({ file: '../package.json' })).toMatch(/^file_not_found: item 1: /);
    expect(await faultOf({ pauseMs: 59_000 }, { digits: '11' })).toMatch(/^too_long: /);
  });
});

describe('check', () => {
  it.each([
    [[], 'A playlist has 1 to 10 items.'],
    [Array.from({ length: 11 }, () => ({ pauseMs: 1 })), 'A playlist has 1 to 10 items.'],
    [[{ pauseMs: 61_000 }], 'A prompt is at most 60 s long; the pauses alone are longer.'],
    [[{ pauseMs: 1 }, { digits: 'A1' }], 'Item 2 of the playlist: letters can be said with `nato` only.'],
    [[{ digits: 'Ä', sayAs: 'nato' }], 'Item 1 of the playlist: only digits and letters can be said.'],
    [[{ tts: '...' }], 'Item 1 of the playlist: there is nothing to be said.'],
    [[{ url: 'file:///etc/passwd' }], 'Item 1 of the playlist: only http and https addresses are fetched.'],
    [[{ url: 'no address' }], 'Item 1 of the playlist: this is no address.'],
    [
      [{ url: 'http://a:b@server.example/x' }],
      'Item 1 of the playlist: an address must hold no user name or password.',
    ],
  ] as const)('refuses %j', async (items, message) => {
    const prompter = await prompterWith([new MadeUpTts()]);
    await expect(prompter.check(playlist(...items))).rejects.toMatchObject({
      code: 'invalid_playlist',
      message,
    });
  });

  it('refuses a clip that is not there, and a language that nothing speaks', async () => {
    const prompter = await prompterWith([new MadeUpTts()]);
    await expect(prompter.check(playlist({ file: 'en-US/slt/nothing' }))).rejects.toMatchObject({
      code: 'invalid_playlist',
    });
    for (const item of [
      { tts: 'Hallo', locale: 'de' },
      { digits: '1', locale: 'nl' },
    ]) {
      await expect(prompter.check(playlist(item))).rejects.toMatchObject({ code: 'unsupported_locale' });
    }
    await prompter.check(playlist({ digits: '1', locale: 'de-AT' }, { tts: 'Hello' }));
    expect(rig.asked).toEqual([]);
  });
});

describe('preview', () => {
  it('gives what a call would play', async () => {
    const prompter = await prompterWith([new MadeUpTts()]);
    const list = playlist({ digits: '42' });
    const { wav, report } = await prompter.preview(list, NOBODY);
    const { speech } = await prompter.forPlaylist(list, NOBODY);
    expect(wav.length).toBe(44 + 2 * joined(speech).samples.length);
    expect(report.voices).toEqual(['recorded en-US/slt']);
  });

  it.each([
    ['prompt_failed', { url: 'https://server.example/missing.wav' }],
    ['speech_unavailable', { tts: 'Hello' }],
    ['invalid_playlist', { tts: '' }],
  ])('answers %s', async (expected, item) => {
    const tts = new MadeUpTts();
    tts.mood = { fault: 'tts_failed' };
    const prompter = await prompterWith([tts]);
    await expect(prompter.preview(playlist(item), NOBODY)).rejects.toMatchObject({ code: expected });
  });
});

describe("a client's own words around a code", () => {
  const template = 'Your security code is {code}. Never tell it to anybody.';

  it('are spoken, and the code between them is that of the recorded voice', async () => {
    const tts = new MadeUpTts();
    const prompter = await prompterWith([tts]);
    const { speech, report, marks } = await prompter.forCode(
      code('en-US', { template }),
      new Secret(CODE),
      NOBODY,
    );
    expect(tts.texts).toEqual(['Your security code is', 'Never tell it to anybody.']);
    expect(report.fallback).toBe('none');
    expect(marks.codes).toHaveLength(2);
    expect(speech.parts.filter((part) => part === library.samples('en-US', '9'))).toHaveLength(2);
    expect(speech.parts).not.toContain(library.samples('en-US', 'greeting'));
  });

  it('give way to our own where nothing speaks them', async () => {
    const prompter = await prompterWith([]);
    const { speech, report } = await prompter.forCode(code('en-US', { template }), new Secret(CODE), NOBODY);
    expect(report).toMatchObject({ voices: ['recorded en-US/slt'], fallback: 'recorded' });
    expect(speech.parts).toContain(library.samples('en-US', 'greeting'));
  });
});
