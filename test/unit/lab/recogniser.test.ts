import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Heard, Recogniser } from '../../../src/lab/recogniser.ts';
import { durationMs, type Pcm } from '../../../src/media/pcm.ts';
import { resample } from '../../../src/media/resample.ts';
import type { Speech } from '../../../src/media/speech.ts';
import { joined as joinedSpeech } from '../../../src/media/speech.ts';
import { parseWav } from '../../../src/media/wav.ts';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import { recordedPrompts } from '../../support/recorded-prompt.ts';
import {
  joined,
  lossy,
  louder,
  noisy,
  seeded,
  silence,
  throughALaw,
  throughMuLaw,
  throughSoftphone,
  tone,
} from '../../support/telephone-line.ts';

const DIGITS = '0123456789';

let library: PromptLibrary;
let clips: ReadonlyMap<string, Pcm>;
let recogniser: Recogniser;
let speechOf: (code: string, repeat?: number) => Speech;
beforeAll(async () => {
  library = await PromptLibrary.load(join(import.meta.dirname, '../../../sounds'));
  clips = library.clips('en-US');
  recogniser = new Recogniser(clips);
  speechOf = await recordedPrompts(library);
});

function prompt(code: string, repeat = 2): Int16Array {
  return joinedSpeech(speechOf(code, repeat)).samples;
}

function hear(samples: Int16Array): Heard {
  return recogniser.recognise({ sampleRate: 8000, samples });
}

function clip(name: string): Int16Array {
  const found = clips.get(name);
  if (found === undefined) throw new Error('no such clip');
  return found.samples;
}

describe('what our prompt says', () => {
  it('is heard with order, times and gaps', () => {
    const heard = hear(throughMuLaw(prompt('4711')));
    expect(heard.items.map((item) => item.clip)).toEqual([
      'greeting',
      ...Array.from('4711'),
      'again',
      ...Array.from('4711'),
      'goodbye',
    ]);
    expect(heard.digits).toBe('47114711');
    expect(heard.groups).toEqual(['4711', '4711']);
    expect(heard.gapsMs).toHaveLength(10);
    // The shortest pauses; every digit is followed by what it is shorter than the longest one.
    const pauses = [400, 400, 400, 400, 1000, 400, 400, 400, 400, 1000];
    for (const [i, gap] of heard.gapsMs.entries()) expect(gap).toBeGreaterThanOrEqual((pauses[i] ?? 0) - 1);
    const starts = heard.items.slice(1, 5).map(({ atMs }) => atMs);
    const beats = starts.slice(1).map((at, i) => at - (starts[i] ?? 0));
    expect(Math.max(...beats) - Math.min(...beats)).toBeLessThanOrEqual(2);
    expect(heard.items[0]?.atMs).toBe(300);
    expect(Math.min(...heard.items.map((item) => item.score))).toBeGreaterThan(0.99);
  });

  it('is heard for every code, as often as it was said', () => {
    const codes = fc.stringMatching(/^[0-9]{4,10}$/);
    fc.assert(
      fc.property(codes, fc.integer({ min: 1, max: 3 }), (code, repeat) => {
        const heard = hear(throughMuLaw(prompt(code, repeat)));
        expect(heard.groups).toEqual(Array.from({ length: repeat }, () => code));
        expect(heard.digits).toBe(code.repeat(repeat));
      }),
      {
        numRuns: 15,
        examples: [
          ['000000', 2],
          ['112233', 2],
          ['9999999999', 1],
          ['6666', 5],
        ],
      },
    );
  }, 40_000);

  const random = seeded(20_261);
  it.each<[string, (samples: Int16Array) => Int16Array]>([
    ['µ-law', throughMuLaw],
    ['A-law', throughALaw],
    ['6 dB louder', (samples) => throughMuLaw(louder(samples, 6))],
    ['6 dB quieter', (samples) => throughALaw(louder(samples, -6))],
    ['5 % of the packets lost', (samples) => lossy(throughMuLaw(samples), 0.05, random)],
    ['noise at 15 dB', (samples) => throughMuLaw(noisy(samples, 15, random))],
    ['a softphone at 48 kHz', (samples) => throughMuLaw(throughSoftphone(samples))],
    ['16 kHz in between', (samples) => resample(resample(pcmOf(samples), 16_000), 8000).samples],
    ['a second of nothing first', (samples) => joined(silence(1003), throughMuLaw(samples))],
    ['half a minute of nothing first', (samples) => joined(silence(31_234), throughMuLaw(samples))],
    ['a constant offset', (samples) => throughMuLaw(samples.map((sample) => sample + 900))],
    ['the last phrase cut off', (samples) => throughMuLaw(samples.subarray(0, -4000))],
  ])('is heard through %s', (_, line) => {
    for (const code of [DIGITS, '5566008811']) expect(hear(line(prompt(code, 1))).groups).toEqual([code]);
  });

  it('is heard from a recording that begins and ends with a digit', () => {
    expect(hear(joined(clip('3'), silence(400), clip('8'))).digits).toBe('38');
  });

  it('is grouped by long gaps where the phrases are missing', () => {
    const code = joined(clip('1'), silence(400), clip('2'), silence(400));
    expect(hear(joined(code, silence(3000), code)).groups).toEqual(['12', '12']);
  });
});

function pcmOf(samples: Int16Array): Pcm {
  return { sampleRate: 8000, samples };
}

describe('a hold in the middle of a digit', () => {
  it.each(Array.from(DIGITS))('costs at most the %s, wherever it tears it', (digit) => {
    const whole = clip(digit);
    const cuts = Array.from({ length: Math.ceil(whole.length / 320) - 1 }, (_, i) => (i + 1) * 320);
    const recording = cuts.flatMap((cut) => [
      clip('1'),
      silence(400),
      whole.subarray(0, cut),
      silence(1100),
      whole.subarray(cut),
      silence(400),
      clip('7'),
      silence(400),
    ]);
    const { digits } = hear(throughMuLaw(joined(...recording)));
    expect(digits).toMatch(new RegExp(`^(1${digit}?7){${cuts.length}}$`));
  });

  it('leaves the digits around it alone where audio is missing', () => {
    const samples = throughMuLaw(prompt('135790', 1));
    for (let at = 3500; at < 8000; at += 330) {
      const heard = hear(joined(samples.subarray(0, at * 8), silence(300), samples.subarray((at + 300) * 8)));
      // At most one of the six is gone.
      expect(
        '135790'
          .split('')
          .map((_, i) => '135790'.slice(0, i) + '135790'.slice(i + 1))
          .concat('135790'),
      ).toContain(heard.digits);
    }
  });
});

describe('telling the clips apart', () => {
  it('leaves a wide margin between one clip and another', () => {
    for (const [name, { samples }] of clips) {
      const others = new Recogniser(new Map([...clips].filter(([other]) => other !== name)));
      const surrounded = joined(silence(500), throughMuLaw(samples), silence(500));
      expect({ name, heard: others.recognise(pcmOf(surrounded)).items }).toEqual({ name, heard: [] });
    }
  });
});

describe('what no prompt said', () => {
  it('is not heard in silence, noise and tones', () => {
    const random = seeded(7);
    expect(hear(new Int16Array(0)).items).toEqual([]);
    expect(hear(silence(5000)).items).toEqual([]);
    expect(hear(new Int16Array(80_000).map(() => Math.round(random() * 4 - 2))).items).toEqual([]);
    expect(hear(noisy(silence(20_000), 0, random)).items).toEqual([]);
    for (const hz of [100, 180, 200, 220, 350, 425, 440, 697, 941, 1004, 1633, 2600]) {
      const bursts = [3000, 400, 100].flatMap((ms) => [tone(hz, ms), silence(300)]);
      expect({ hz, heard: hear(throughMuLaw(joined(...bursts))).items }).toEqual({ hz, heard: [] });
    }
  });

  it('gives no digits, groups or gaps', () => {
    expect(hear(silence(1000))).toEqual({ items: [], digits: '', groups: [], gapsMs: [] });
  });

  const text =
    'Please leave a message after the tone. The person you are calling is not available right now. To hear more, ' +
    'stay on the line. For sales, press the star key. Six of the seven sisters ate one pie for two. Three, four. Five.';

  it.for(['en-us', 'en-gb', 'en-us+f3', 'de', 'fr'])(
    'is not heard in another voice (%s)',
    (voice, { skip }) => {
      const said = spawnSync('espeak-ng', ['-v', voice, '--stdout', text], { maxBuffer: 20_000_000 });
      skip(said.status !== 0, 'espeak-ng is missing: apt-get install espeak-ng');
      const pcm = resample(parseWav(said.stdout), 8000);
      expect(durationMs(pcm)).toBeGreaterThan(8000);
      expect(recogniser.recognise(pcm).items).toEqual([]);
    },
  );

  it('is not heard in other sentences of the same voice', ({ skip }) => {
    const folder = mkdtempSync(join(tmpdir(), 'same-voice-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'said.wav');
    const { status } = spawnSync('flite', ['-voice', 'slt', '-t', text, '-o', file]);
    skip(status !== 0, 'flite is missing: apt-get install flite');
    const pcm = resample(parseWav(readFileSync(file)), 8000);
    expect(durationMs(pcm)).toBeGreaterThan(8000);
    expect(recogniser.recognise(pcm).items).toEqual([]);
  });
});

describe('misuse', () => {
  it('is refused', () => {
    const silent = { sampleRate: 8000, samples: new Int16Array(800) };
    expect(() => new Recogniser(new Map())).toThrow(RangeError);
    expect(() => new Recogniser(new Map([['1', silent]]))).toThrow(/silent/);
    expect(() => new Recogniser(new Map([['1', { sampleRate: 16_000, samples: clip('1') }]]))).toThrow(
      /8000/,
    );
    expect(() => recogniser.recognise({ sampleRate: 16_000, samples: new Int16Array(9) })).toThrow(/8000/);
  });
});
