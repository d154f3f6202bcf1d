import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ANSWER_DETECTOR_DEFAULTS,
  AnswerDetector,
  type AnswerDetectorOptions,
} from '../../../src/media/answer-detector.ts';
import {
  joined,
  lossy,
  louder,
  noisy,
  seeded,
  silence,
  throughALaw,
  throughMuLaw,
  tone,
} from '../../support/telephone-line.ts';

const PACKET = 160;

/** Syllables of noise, six a second, each of another strength, at about -20 dBFS. */
function speech(ms: number, seed = 1): Int16Array {
  const random = seeded(seed);
  return silence(ms).map((_, i) => {
    const syllable = Math.sin((Math.PI * 6 * i) / 8000) ** 2;
    return Math.round((2 * random() - 1) * 9000 * syllable);
  });
}

/** A line that is not quite silent, -60 dBFS. */
function room(...parts: readonly Int16Array[]): Int16Array {
  return noisy(joined(...parts), 40, seeded(7));
}

function heard(audio: Int16Array, options: Partial<AnswerDetectorOptions> = {}): AnswerDetector {
  const detector = new AnswerDetector(options);
  for (let at = 0; at < audio.length; at += PACKET) detector.push(audio.subarray(at, at + PACKET));
  return detector;
}

/** Everything that a caller can see, of audio that comes in pieces of these lengths. */
function outcome(audio: Int16Array, cuts: readonly number[]): object {
  const detector = new AnswerDetector();
  let at = 0;
  for (let turn = 0; at < audio.length; turn++) {
    const length = cuts[turn % cuts.length] ?? 1;
    detector.push(audio.subarray(at, at + length));
    at += length;
  }
  const { verdict, reason, decidedAtMs, toneEndedAtMs, speaking, quietMs, heardMs, done } = detector;
  return { verdict, reason, decidedAtMs, toneEndedAtMs, speaking, quietMs, heardMs, done };
}

describe('a person', () => {
  it('says a word and waits', () => {
    const detector = heard(room(silence(600), speech(500), silence(1500)));
    expect(detector).toMatchObject({ verdict: 'human', reason: 'short_greeting', done: false });
    // 600 ms, half a second of voice with soft ends, and a second of silence.
    expect(detector.decidedAtMs).toBeGreaterThan(1950);
    expect(detector.decidedAtMs).toBeLessThan(2200);
  });

  it('is not decided on before the silence was long enough', () => {
    expect(heard(room(silence(600), speech(500), silence(850)))).toMatchObject({
      verdict: 'unknown',
      reason: undefined,
      decidedAtMs: undefined,
    });
  });

  it.each([0, 150, 3000, 6000])('may begin after %i ms', (ms) => {
    expect(heard(room(silence(ms), speech(600), silence(2500))).verdict).toBe('human');
  });

  it('may say a word twice', () => {
    const audio = room(silence(500), speech(500), silence(700), speech(500), silence(1500));
    expect(heard(audio).verdict).toBe('human');
  });

  it('has to wait longer after a long sentence', () => {
    const audio = (ms: number): Int16Array => room(silence(500), speech(2200), silence(ms));
    expect(heard(audio(1500)).reason).toBeUndefined();
    expect(heard(audio(2500)).verdict).toBe('human');
  });

  it.each([-12, -6, 6])('may speak %i dB louder', (db) => {
    expect(heard(room(silence(500), louder(speech(600), db), silence(2000))).verdict).toBe('human');
  });

  it('stays one when asking again and again', () => {
    const ask = [speech(700), silence(1300)];
    const detector = heard(room(silence(400), ...ask, ...ask, ...ask, ...ask, ...ask));
    expect(detector).toMatchObject({ verdict: 'human', done: true });
    expect(detector.decidedAtMs).toBeLessThan(2300);
  });

  it.each([6, 10, 20])('is heard over noise %i dB below the voice', (snrDb) => {
    const audio = noisy(joined(silence(700), louder(speech(700), 3), silence(2500)), snrDb, seeded(3));
    expect(heard(louder(audio, -3)).verdict).toBe('human');
  });
});

describe('a machine', () => {
  it('talks on', () => {
    const detector = heard(room(silence(500), speech(8000)));
    expect(detector).toMatchObject({ verdict: 'machine', reason: 'long_greeting', done: true });
    expect(detector.decidedAtMs).toBeGreaterThan(2900);
    expect(detector.decidedAtMs).toBeLessThan(3400);
  });

  it('may pause, as long as it is no wait', () => {
    const audio = room(silence(500), speech(500), silence(700), speech(1200), silence(700), speech(1500));
    expect(heard(audio)).toMatchObject({ verdict: 'machine', reason: 'long_greeting' });
  });

  it('takes the place of a person when it talks on after a pause that was', () => {
    const early = room(silence(500), speech(500), silence(1300));
    expect(heard(early).verdict).toBe('human');
    const detector = heard(joined(early, room(speech(4000))));
    expect(detector).toMatchObject({ verdict: 'machine', reason: 'long_greeting' });
    expect(detector.decidedAtMs).toBeGreaterThan(4500);
  });

  it('does not take it any more when the time is over', () => {
    const audio = room(silence(500), speech(500), silence(9200), speech(5000));
    expect(heard(audio)).toMatchObject({ verdict: 'human', done: true });
  });

  it('beeps after a short greeting', () => {
    const detector = heard(room(silence(500), speech(1500), silence(500), tone(1000, 400), silence(600)));
    expect(detector).toMatchObject({ verdict: 'machine', reason: 'beep' });
    expect(Math.abs((detector.toneEndedAtMs ?? 0) - 2900)).toBeLessThanOrEqual(20);
  });

  it('puts a verdict right with a late beep', () => {
    const early = room(silence(500), speech(1200), silence(1400));
    expect(heard(early).verdict).toBe('human');
    const detector = heard(joined(early, room(tone(950, 300), silence(500))));
    expect(detector).toMatchObject({ verdict: 'machine', reason: 'beep' });
  });

  it('needs no greeting', () => {
    const detector = heard(room(silence(1500), tone(800, 500), silence(500)));
    expect(detector).toMatchObject({ verdict: 'machine', reason: 'beep' });
  });
});

describe('nobody', () => {
  it('is unknown when the time is over', () => {
    expect(heard(room(silence(9900))).done).toBe(false);
    expect(heard(room(silence(10_100)))).toMatchObject({
      verdict: 'unknown',
      reason: 'silence',
      decidedAtMs: 10_000,
      done: true,
    });
  });

  it('is unclear where a voice begins at the very end', () => {
    expect(heard(room(silence(9000), speech(3000)))).toMatchObject({ verdict: 'unknown', reason: 'unclear' });
  });

  it.each([
    ['digital silence', silence(11_000)],
    ['a constant', silence(11_000).fill(12_000)],
    ['noise', noisy(silence(11_000), 15, seeded(5))],
    ['loud noise', noisy(silence(11_000), 0, seeded(5))],
    ['hum', tone(50, 11_000).map((sample) => sample / 4)],
    ['clicks', silence(11_000).map((_, i) => (i % 9000 < 80 ? 20_000 : 0))],
  ])('is what %s is', (_name, audio) => {
    const { verdict, reason, toneEndedAtMs } = heard(audio);
    expect({ verdict, reason, toneEndedAtMs }).toEqual({
      verdict: 'unknown',
      reason: 'silence',
      toneEndedAtMs: undefined,
    });
  });

  it.each([0, 10, 20])('is what noise is that sets in (%i dB below our voice)', (snrDb) => {
    const audio = joined(silence(3000), noisy(silence(8000), snrDb, seeded(5)));
    expect(heard(audio).verdict).toBe('unknown');
    const later = joined(
      audio.subarray(0, 8 * 6000),
      noisy(joined(speech(700), silence(2000)), 20, seeded(5)),
    );
    expect(heard(later).verdict).toBe('human');
  });

  it('is where the line is engaged', () => {
    const engaged = (...hz: readonly number[]): Int16Array[] =>
      Array.from({ length: 8 }, () => [mixed(500, ...hz), silence(500)]).flat();
    for (const hz of [[425], [400], [480, 620]]) {
      const detector = heard(room(silence(300), ...engaged(...hz)));
      expect(detector).toMatchObject({
        verdict: 'machine',
        reason: 'exchange_tone',
        toneEndedAtMs: undefined,
      });
    }
  });

  it('is not there any more where a person hangs up and the exchange says so', () => {
    const engaged = Array.from({ length: 6 }, () => [mixed(500, 480, 620), silence(500)]).flat();
    const detector = heard(room(silence(300), speech(500), silence(1500), ...engaged));
    expect(detector).toMatchObject({ verdict: 'human', toneEndedAtMs: undefined });
  });

  it('is where special information tones come', () => {
    const audio = room(silence(300), tone(950, 330), tone(1400, 330), tone(1800, 330), silence(1000));
    expect(heard(audio)).toMatchObject({
      verdict: 'machine',
      reason: 'exchange_tone',
      toneEndedAtMs: undefined,
    });
  });

  it('is where an exchange waits for a number', () => {
    expect(heard(room(silence(200), mixed(9000, 350, 440)))).toMatchObject({
      verdict: 'machine',
      reason: 'exchange_tone',
    });
  });
});

function mixed(ms: number, ...frequencies: readonly number[]): Int16Array {
  const parts = frequencies.map((hz) => tone(hz, ms));
  return silence(ms).map((_, i) => Math.round(parts.reduce((sum, part) => sum + (part[i] ?? 0) / 2, 0)));
}

describe('ringing after the answer', () => {
  it.each([
    ['Europe', [mixed(1000, 425), silence(2000)]],
    ['America', [mixed(2000, 440, 480), silence(2000)]],
    ['Britain', [mixed(400, 400, 450), silence(200), mixed(400, 400, 450), silence(2000)]],
  ])('is no greeting and no beep (%s)', (_where, ring) => {
    expect(heard(room(...ring)).reason).toBeUndefined();
    const person = heard(room(...ring, speech(600), silence(1500)));
    expect(person).toMatchObject({ verdict: 'human', toneEndedAtMs: undefined });
    expect(heard(room(...ring, speech(3500))).verdict).toBe('machine');
  });
});

describe('beeps', () => {
  const greeting = joined(silence(400), speech(3500), silence(600));
  const beepMs = (...after: readonly Int16Array[]): number | undefined =>
    heard(room(greeting, ...after)).toneEndedAtMs;

  it('are found at any frequency and length within the limits', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 310, max: 2190 }),
        fc.integer({ min: 120, max: 2900 }),
        fc.integer({ min: -18, max: 0 }),
        (hz, ms, db) => {
          const off = (beepMs(louder(tone(hz, ms), db), silence(400)) ?? 0) - 4500 - ms;
          expect(Math.abs(off)).toBeLessThanOrEqual(20);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('are not found where they are too short, too long, too high or too low', () => {
    expect(beepMs(tone(1000, 60), silence(400))).toBeUndefined();
    expect(beepMs(tone(1000, 3300), silence(400))).toBeUndefined();
    expect(beepMs(tone(2400, 400), silence(400))).toBeUndefined();
    expect(beepMs(tone(250, 400), silence(400))).toBeUndefined();
  });

  it('are none when a voice goes on', () => {
    expect(beepMs(tone(1000, 300), speech(2000))).toBeUndefined();
    expect(beepMs(tone(1000, 300), silence(100), speech(2000))).toBeUndefined();
  });

  it('are none when they glide', () => {
    const glide = silence(600).map(
      (_, i) => 9000 * Math.sin(2 * Math.PI * ((500 * i) / 8000 + 600 * (i / 8000) ** 2)),
    );
    expect(beepMs(glide, silence(500))).toBeUndefined();
  });

  it('are known only when it has been quiet after them', () => {
    expect(beepMs(tone(1000, 300), silence(150))).toBeUndefined();
    expect(beepMs(tone(1000, 300), silence(250))).toBeDefined();
  });

  it('are found when the time for a verdict is over', () => {
    const detector = heard(room(silence(400), speech(14_000), silence(500), tone(1000, 500), silence(400)));
    expect(Math.abs((detector.toneEndedAtMs ?? 0) - 15_400)).toBeLessThanOrEqual(20);
  });

  it('count the last one', () => {
    const ms = beepMs(
      tone(1000, 300),
      silence(800),
      speech(1500),
      silence(500),
      tone(1000, 300),
      silence(400),
    );
    expect(Math.abs((ms ?? 0) - 7900)).toBeLessThanOrEqual(20);
  });

  it.each([6, 10, 20])('are found in noise %i dB below our voice', (snrDb) => {
    const audio = noisy(joined(greeting, tone(1000, 400), silence(500)), snrDb, seeded(11));
    expect(Math.abs((heard(audio).toneEndedAtMs ?? 0) - 4900)).toBeLessThanOrEqual(30);
  });

  it('are neither keys nor notes with harmonics', () => {
    const note = mixed(300, 500, 1000, 1500, 2000);
    expect(beepMs(mixed(200, 697, 1209), silence(500))).toBeUndefined();
    expect(beepMs(note, silence(500))).toBeUndefined();
  });
});

describe('what a caller sees meanwhile', () => {
  it('says whether somebody speaks, and how long it has been quiet', () => {
    const audio = room(silence(500), speech(1000), silence(2000));
    expect(heard(audio.subarray(0, 8 * 450)).speaking).toBe(false);
    expect(heard(audio.subarray(0, 8 * 1000)).speaking).toBe(true);
    const after = heard(audio);
    expect(after.speaking).toBe(false);
    expect(after.heardMs).toBe(3500);
  });

  it('counts the silence after a greeting', () => {
    const detector = heard(room(silence(500), speech(4000), silence(1500)));
    expect(Math.abs(detector.quietMs - 1500)).toBeLessThan(100);
    const beeped = heard(room(silence(500), speech(4000), silence(1500), tone(700, 400), silence(300)));
    expect(Math.abs(beeped.quietMs - 300)).toBeLessThan(40);
  });
});

describe('what the line does', () => {
  const person = joined(silence(700), speech(600), silence(2500));
  const machine = joined(silence(700), speech(4000), silence(600), tone(1000, 400), silence(600));

  it.each([throughMuLaw, throughALaw])('is no matter: %o', (through) => {
    expect(heard(through(room(person))).verdict).toBe('human');
    expect(heard(through(room(machine)))).toMatchObject({
      verdict: 'machine',
      toneEndedAtMs: expect.any(Number),
    });
  });

  it('may lose one packet in twenty', () => {
    for (let seed = 1; seed <= 20; seed++) {
      expect(heard(lossy(room(person), 0.05, seeded(seed))).verdict).toBe('human');
      const detector = heard(lossy(room(machine), 0.05, seeded(seed)));
      expect(detector.verdict).toBe('machine');
      expect(Math.abs((detector.toneEndedAtMs ?? 0) - 5700)).toBeLessThanOrEqual(60);
    }
  });

  it('may be silent to the last bit where nobody speaks', () => {
    expect(heard(person).verdict).toBe('human');
    expect(heard(machine)).toMatchObject({ verdict: 'machine', toneEndedAtMs: expect.any(Number) });
  });

  it('may add a constant', () => {
    expect(heard(room(person).map((sample) => sample + 8000)).verdict).toBe('human');
    expect(heard(room(machine).map((sample) => sample - 8000)).verdict).toBe('machine');
  });

  it('may clip', () => {
    expect(heard(louder(room(person), 20)).verdict).toBe('human');
    expect(heard(louder(room(machine), 20)).verdict).toBe('machine');
  });
});

describe('any audio', () => {
  const audio = throughMuLaw(
    room(
      silence(300),
      speech(900),
      silence(1200),
      tone(440, 250),
      silence(700),
      speech(2600),
      tone(1400, 300),
      silence(400),
    ),
  );

  it('gives the same however it is cut', () => {
    const whole = outcome(audio, [audio.length]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 30 }), (cuts) => {
        expect(outcome(audio, cuts)).toEqual(whole);
      }),
      { numRuns: 40 },
    );
    expect(outcome(audio, [0, 1])).toEqual(whole);
  });

  it('never throws, and keeps its promises', () => {
    fc.assert(
      fc.property(fc.array(fc.int16Array({ maxLength: 4000 }), { maxLength: 30 }), (pieces) => {
        const detector = new AnswerDetector();
        let decidedAtMs: number | undefined;
        for (const piece of pieces) {
          const before = detector.done ? detector.verdict : undefined;
          detector.push(piece);
          if (before !== undefined) expect(detector.verdict).toBe(before);
          expect(detector.quietMs).toBeGreaterThanOrEqual(0);
          expect(detector.decidedAtMs ?? Infinity).toBeGreaterThanOrEqual(decidedAtMs ?? 0);
          decidedAtMs = detector.decidedAtMs;
        }
        const samples = pieces.reduce((sum, piece) => sum + piece.length, 0);
        expect(detector.heardMs).toBe(10 * Math.floor(samples / 80));
      }),
      { numRuns: 50 },
    );
  });

  it('is not changed and not kept', () => {
    const piece = audio.slice();
    const detector = heard(piece);
    expect(piece).toEqual(audio);
    piece.fill(0);
    expect(detector.verdict).toBe(heard(audio).verdict);
  });

  it('takes no more memory the longer it lasts', () => {
    const detector = new AnswerDetector();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const held = (): number => {
      collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    detector.push(audio);
    const before = held();
    // Five minutes: 4.8 MB of audio, 30,000 frames.
    for (let at = 0; at < 2_400_000; at += audio.length) detector.push(audio);
    expect(held() - before).toBeLessThan(500_000);
    expect(detector.heardMs).toBeGreaterThan(300_000);
  });
});

describe('options', () => {
  it('move each limit', () => {
    const short = room(silence(500), speech(500), silence(700));
    expect(heard(short).reason).toBeUndefined();
    expect(heard(short, { humanQuietMs: 400 }).verdict).toBe('human');
    const talk = room(silence(500), speech(2200));
    expect(heard(talk).reason).toBeUndefined();
    expect(heard(talk, { machineTalkMs: 1900 }).verdict).toBe('machine');
    const sentence = room(silence(500), speech(2200), silence(1300));
    expect(heard(sentence, { humanTalkMs: 2300 }).verdict).toBe('human');
    expect(heard(sentence, { longQuietMs: 1100 }).verdict).toBe('human');
    const soft = joined(silence(500), louder(speech(500), -32), silence(1500));
    expect(heard(soft).reason).toBeUndefined();
    expect(heard(soft, { softestDbfs: -60 }).verdict).toBe('human');
    expect(
      heard(room(silence(500), speech(150), silence(1500)), { leastTalkMs: 300 }).reason,
    ).toBeUndefined();
    expect(heard(room(silence(4100)), { maximumMs: 4000 }).reason).toBe('silence');
  });

  it('move the limits of beeps', () => {
    const after = (hz: number, ms: number, options: Partial<AnswerDetectorOptions>): number | undefined =>
      heard(room(silence(400), speech(3000), silence(500), tone(hz, ms), silence(400)), options)
        .toneEndedAtMs;
    expect(after(2500, 300, { beepHighestHz: 2600 })).toBeDefined();
    expect(after(500, 300, { beepLowestHz: 600 })).toBeUndefined();
    expect(after(1000, 300, { beepShortestMs: 400 })).toBeUndefined();
    expect(after(1000, 300, { beepLongestMs: 200 })).toBeUndefined();
    expect(after(1000, 300, { beepQuietMs: 600 })).toBeUndefined();
  });

  it.each([
    { softestDbfs: 1 },
    { softestDbfs: Number.NaN },
    { machineTalkMs: ANSWER_DETECTOR_DEFAULTS.humanTalkMs - 1 },
    { longQuietMs: 500 },
    { leastTalkMs: 0 },
    { beepLowestHz: 2500 },
    { beepHighestHz: 4000 },
    { beepShortestMs: 4000 },
    { beepQuietMs: 0 },
    { maximumMs: Infinity },
  ])('are checked: %o', (options) => {
    expect(() => new AnswerDetector(options)).toThrow(RangeError);
  });
});
