import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pcm } from '../../src/media/pcm.ts';
import { PromptError } from '../../src/prompt/prompt-error.ts';
import type { TtsProvider, Utterance } from '../../src/prompt/tts.ts';
import { eventually } from '../support/eventually.ts';
import { distance, pitchOf, secondsOf, soundOf, spokenSeconds } from '../support/tts-sound.ts';

/** A provider and a way to see what it holds. */
export interface TtsUnderTest {
  /** Not started yet. */
  readonly provider: TtsProvider;
  /** Processes, files, connections that it has while it works, beyond what it has when it rests. */
  held(): number | Promise<number>;
  /** What must be there when it is closed: processes, files and connections of any kind. */
  left(): number | Promise<number>;
  /** Ends the server it talks to, and removes folders. The provider is closed then. */
  remove(): Promise<void>;
}

/** What not all of them can do. */
export interface TtsTraits {
  /** Locales of which some are spoken: at most ten are tried. */
  readonly sample: readonly string[];
  /** Digits sound like themselves in the locale of the sample that comes first. */
  readonly voice: string;
  /** It runs something that could show the text in its arguments. */
  readonly processes: boolean;
}

const PHRASE = 'Your verification code is ready';
const BCP47 = /^[a-z]{2,8}(?:-[A-Za-z0-9]{1,8})*$/;
const DIGITS = [...'0123456789'];

/** Nothing in them may do more than be said, or not be said. */
const HOSTILE: Readonly<Record<string, string>> = {
  'shell syntax': '$(touch /tmp/voice-otp-hostile) `id` ; rm -rf "$HOME" | cat && true > /dev/null \\',
  XML: '</prosody></voice><voice name="x">&amp;<!-- --><![CDATA[ ]]> <break time="50s"/> five',
  quotes: 'it\'s "so" said «he» ‘them’ \\" \\\' end',
  newlines: 'one\r\ntwo\n\n\nthree\u2028four\u2029five',
  'leading dashes': '--help -v --version',
  emoji: 'hello 👩‍👩‍👧‍👦 🎉 you',
  'a thousand characters': 'one two tree '.repeat(77).slice(0, 1000),
  'control characters': 'start\u0000\u0001+50S\u0002 \u001b[2J \u007f end',
  'half a character': 'half \ud83d of \udc00 it',
  phonemes: 'say [[h@loU]] and [[ not closed',
  'other writing': 'verification code Проверочный код 验证码 رمز ५',
};

/** What every provider of speech promises. */
export function ttsContract(title: string, open: () => Promise<TtsUnderTest>, traits: TtsTraits): void {
  describe(`${title} as a TTS provider`, () => {
    let subject: TtsUnderTest;
    const [locale = ''] = traits.sample;
    const say = (text: string, more: Partial<Utterance> = {}, signal = AbortSignal.timeout(30_000)) =>
      subject.provider.synthesize({ text, locale, speed: 1, ...more }, signal);

    beforeAll(async () => {
      subject = await open();
      expect(subject.provider.locales()).toEqual([]);
      await subject.provider.start();
    });
    afterAll(async () => {
      await subject.provider.close();
      await subject.remove();
    });

    speechTests(() => subject, say, traits);
    textTests(() => subject, say, traits);
    endTests(() => subject, say);
  });

  closeTests(title, open, traits);
}

type Say = (text: string, more?: Partial<Utterance>, signal?: AbortSignal) => Promise<Pcm>;

function speechTests(subject: () => TtsUnderTest, say: Say, traits: TtsTraits): void {
  it('says a phrase, and the same one again in the same way', async () => {
    const [first, second] = [await say(PHRASE), await say(PHRASE)];
    expect(spokenSeconds(first)).toBeGreaterThan(1.2);
    expect(spokenSeconds(first)).toBeLessThan(4);
    expect(Math.max(...first.samples)).toBeGreaterThan(2000);
    expect(first.sampleRate).toBe(second.sampleRate);
    expect(secondsOf(second) / secondsOf(first)).toBeCloseTo(1, 1);
    const [same, other] = [await say(PHRASE), await say('Nine people saw a small blue boat')];
    expect(distance(soundOf(first), soundOf(same))).toBeLessThan(
      distance(soundOf(first), soundOf(other)) / 2,
    );
  });

  it('is slower and faster as told', async () => {
    const [slow, plain, fast] = await Promise.all([0.5, 1, 2].map((speed) => say(PHRASE, { speed })));
    if (slow === undefined || plain === undefined || fast === undefined)
      throw new Error('three were asked for');
    expect(spokenSeconds(slow) / spokenSeconds(plain)).toBeGreaterThan(1.5);
    expect(spokenSeconds(plain) / spokenSeconds(fast)).toBeGreaterThan(1.5);
  });

  it('has a high and a low voice', async () => {
    const female = await say(PHRASE, { gender: 'female' });
    const male = await say(PHRASE, { gender: 'male' });
    expect(pitchOf(female)).toBeGreaterThan(1.15 * pitchOf(male));
  });

  it('speaks with the voice that is asked for', async () => {
    const [plain, again] = [soundOf(await say(PHRASE)), soundOf(await say(PHRASE))];
    const other = soundOf(await say(PHRASE, { voice: traits.voice }));
    expect(distance(plain, other)).toBeGreaterThan(2 * distance(plain, again));
  });

  it('has ten digits that are told apart', async () => {
    const sounds = [];
    for (const digit of DIGITS) sounds.push(soundOf(await say(digit)));
    const heard = [];
    for (const digit of DIGITS) {
      const sound = soundOf(await say(digit));
      const distances = sounds.map((one) => distance(one, sound));
      heard.push(DIGITS[distances.indexOf(Math.min(...distances))]);
    }
    expect(heard).toEqual(DIGITS);
  });

  it('names its locales as BCP 47 does, and speaks them', async () => {
    const locales = subject().provider.locales();
    expect(locales).toEqual([...new Set(locales)].toSorted());
    expect(locales.filter((locale) => !BCP47.test(locale))).toEqual([]);
    expect(locales).toEqual(expect.arrayContaining([...traits.sample]));
    expect(traits.sample.length).toBeLessThanOrEqual(10);
    for (const locale of traits.sample)
      expect(spokenSeconds(await say('1 2 3', { locale }))).toBeGreaterThan(0.3);
  });

  it('says no to a locale and to a voice that it does not have', async () => {
    await expect(say(PHRASE, { locale: 'xx-XX' })).rejects.toMatchObject({ fault: 'tts_failed' });
    for (const voice of ['nobody-of-this-name', '/etc/passwd', '../x', '-v', 'a b', '']) {
      await expect(say(PHRASE, { voice })).rejects.toMatchObject({ fault: 'unknown_voice' });
    }
  });

  it('says eight texts at the same time, each to whom it belongs', async () => {
    const texts = Array.from({ length: 8 }, (_, i) => 'seven '.repeat(1 + 2 * i).trim());
    const lengths = (await Promise.all(texts.map((text) => say(text)))).map(spokenSeconds);
    expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
    expect(new Set(lengths).size).toBe(8);
  });
}

function textTests(subject: () => TtsUnderTest, say: Say, traits: TtsTraits): void {
  it.each(Object.entries(HOSTILE))('takes %s for nothing but text', async (_, text) => {
    // Fast, so that a thousand characters are less than the minute that is allowed.
    const spoken = await say(text, { speed: 2 });
    expect(spokenSeconds(spoken)).toBeGreaterThan(0.3);
    // Less than a break of 50 s, or the help of a program.
    if (text.length < 200) expect(secondsOf(spoken)).toBeLessThan(15);
    else expect(secondsOf(spoken)).toBeGreaterThan(20);
    expect(spokenSeconds(await say('five'))).toBeLessThan(2);
    await eventually(async () => expect(await subject().held()).toBe(0));
  });

  it.each(['', ' ', '\n', '\u0000'])('has no audio for %j', async (text) => {
    // Some say something of their own: a click, or the name of the silence.
    const spoken = await say(text).catch((error: unknown) => {
      expect(error).toMatchObject({ fault: 'not_audio' });
      return undefined;
    });
    if (spoken !== undefined) expect(secondsOf(spoken)).toBeLessThan(1);
  });

  it.skipIf(!traits.processes)(
    'shows no text in the arguments and the environment of a process',
    async () => {
      const seen = new Set<string>();
      const progress = { speaking: true };
      const spoken = Promise.all(
        Array.from({ length: 4 }, () => say(`zebrafish ${'and zebrafish '.repeat(40)}`)),
      ).finally(() => {
        progress.speaking = false;
      });
      while (progress.speaking) {
        for (const pid of descendants()) seen.add(shownBy(pid));
        await turn();
      }
      await spoken;
      expect([...seen].filter((text) => text.length > 0).length).toBeGreaterThan(0);
      expect([...seen].filter((text) => text.includes('zebrafish'))).toEqual([]);
    },
  );
}

function endTests(subject: () => TtsUnderTest, say: Say): void {
  const long = HOSTILE['a thousand characters'] ?? '';

  it('stops when it is told to, and works afterwards', async () => {
    const stop = new AbortController();
    const stopped = Promise.allSettled(
      [1, 2, 3, 4].map((n) => say(`${n} ${long}`.slice(0, 1000), {}, stop.signal)),
    );
    const other = say('four five six');
    stop.abort();
    for (const one of await stopped)
      expect(one).toMatchObject({ status: 'rejected', reason: { fault: 'tts_timeout' } });
    expect(spokenSeconds(await other)).toBeGreaterThan(0.5);
    await eventually(async () => expect(await subject().held()).toBe(0));
    expect(spokenSeconds(await say(PHRASE))).toBeGreaterThan(1);
  });

  it('begins nothing with a signal that is aborted already, and tells the reason of one that has a fault', async () => {
    await expect(say(PHRASE, {}, AbortSignal.abort())).rejects.toMatchObject({ fault: 'tts_timeout' });
    const reason = new PromptError('tts_failed', 'the service is closed');
    await expect(say(PHRASE, {}, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(await subject().held()).toBe(0);
  });

  it('never repeats the text in an error', async () => {
    const text = `zebrafish ${long}`.slice(0, 1000);
    const stop = new AbortController();
    const errors = [
      say(text, { voice: 'nobody-of-this-name' }),
      say(text, { locale: 'xx-XX' }),
      say(text, {}, stop.signal),
    ].map((one) => one.catch(String));
    stop.abort();
    for (const error of await Promise.all(errors)) {
      expect(error).toMatch(/^PromptError: the speech provider /);
      expect(error).not.toContain('zebrafish');
    }
  });
}

/** Beside no other one, whose processes would be counted too. */
function closeTests(title: string, open: () => Promise<TtsUnderTest>, { sample }: TtsTraits): void {
  describe(`${title} that is closed`, () => {
    const [locale = ''] = sample;
    const LONG = HOSTILE['a thousand characters'] ?? '';
    let subject: TtsUnderTest;
    const say = (text: string) =>
      subject.provider.synthesize({ text, locale, speed: 1 }, AbortSignal.timeout(30_000));

    beforeAll(async () => {
      subject = await open();
    });
    afterAll(() => subject.remove());

    it('leaves nothing, also in the middle of its work', async () => {
      await expect(say(PHRASE)).rejects.toMatchObject({ fault: 'tts_failed' });
      await subject.provider.start();
      await subject.provider.start();
      await say(PHRASE);
      const working = Promise.allSettled([1, 2, 3].map((n) => say(`${n} ${LONG}`.slice(0, 1000))));
      await Promise.all([subject.provider.close(), subject.provider.close()]);
      for (const one of await working) {
        expect(one).toMatchObject({ status: 'rejected', reason: { fault: 'tts_failed' } });
      }
      await eventually(async () => expect(await subject.left()).toBe(0));
      await expect(say(PHRASE)).rejects.toMatchObject({ fault: 'tts_failed' });
      await subject.provider.close();
    });
  });
}

/** Processes that we started, and those that they did (proc(5)). */
export function descendants(of: number = process.pid): number[] {
  const parents = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const [state, parent] = fileOf(`/proc/${name}/stat`)
      .replace(/^.*\) /s, '')
      .split(' ');
    // A zombie is gone but for its exit code.
    if (state === undefined || state === 'Z' || parent === undefined) continue;
    parents.set(Number(parent), [...(parents.get(Number(parent)) ?? []), Number(name)]);
  }
  const below = (pid: number): number[] =>
    (parents.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(of);
}

function shownBy(pid: number): string {
  return `${fileOf(`/proc/${pid}/cmdline`)}${fileOf(`/proc/${pid}/environ`)}`;
}

function fileOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
