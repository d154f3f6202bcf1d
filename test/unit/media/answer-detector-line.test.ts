import { describe, expect, it } from 'vitest';
import {
  ANSWER_DETECTOR_DEFAULTS,
  AnswerDetector,
  type AnswerDetectorOptions,
  type AnswerFinding,
} from '../../../src/media/answer-detector.ts';
import { heard, room, speech } from '../../support/answered-line.ts';
import {
  joined,
  lossy,
  louder,
  seeded,
  silence,
  throughALaw,
  throughMuLaw,
  tone,
} from '../../support/telephone-line.ts';

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

describe('a gap', () => {
  const packets = (audio: Int16Array, take: (packet: Int16Array, index: number) => void): void => {
    for (let at = 0; at < audio.length; at += 160) take(audio.subarray(at, at + 160), at / 160);
  };

  it('is what silence is, be it of packets that were lost or of a line that sends none', () => {
    const whole = joined(silence(600), speech(700), silence(900), speech(4700), silence(600), tone(900, 400));
    const withGaps = new AnswerDetector();
    const withSilence = new AnswerDetector();
    let quiet = 0;
    const found: AnswerFinding[] = [];
    packets(whole, (packet, index) => {
      const still = packet.every((sample) => sample === 0) || index % 17 === 0;
      if (still) quiet += 20;
      else {
        found.push(...withGaps.pushGap(quiet), ...withGaps.push(packet));
        quiet = 0;
      }
      withSilence.push(still ? silence(20) : packet);
    });
    found.push(...withGaps.pushGap(500));
    withSilence.push(silence(500));
    expect(found.map(({ type }) => type)).toEqual(['verdict', 'tone_ended']);
    expect(withSilence).toMatchObject({
      verdict: withGaps.verdict,
      decidedAtMs: withGaps.decidedAtMs,
      toneEndedAtMs: withGaps.toneEndedAtMs,
      heardMs: withGaps.heardMs,
    });
    expect(withGaps).toMatchObject({ verdict: 'machine', reason: 'long_greeting', heardMs: 8400 });
  });

  it('lets a person wait who sends nothing meanwhile', () => {
    const detector = heard(joined(silence(400), speech(600)));
    expect(detector.pushGap(500)).toEqual([]);
    expect(detector.pushGap(700)).toMatchObject([
      { type: 'verdict', verdict: 'human', reason: 'short_greeting' },
    ]);
  });

  it.each([
    [0, 0],
    [-5, 0],
    [Number.NaN, 0],
    [60_000, 10_000],
    [Infinity, 10_000],
  ])('of %d ms counts as %d', (ms, counted) => {
    const detector = new AnswerDetector();
    detector.pushGap(ms);
    expect(detector.heardMs).toBe(counted);
  });
});

describe('our own echo', () => {
  const echo = louder(speech(6000), -15);
  const during = (sound: Int16Array, sending: boolean): AnswerDetector => {
    const detector = heard(room(silence(500)));
    detector.push(room(sound), sending);
    detector.push(room(silence(1500)));
    return detector;
  };

  it('is nobody, as long as the detector knows that we speak', () => {
    expect(during(echo, true)).toMatchObject({ verdict: 'unknown', reason: undefined });
    expect(during(echo, false)).toMatchObject({ verdict: 'machine', reason: 'long_greeting' });
  });

  it('may come half a second late', () => {
    const detector = heard(room(silence(500)));
    detector.push(room(silence(1000)), true);
    detector.push(room(louder(speech(450), -15), silence(1500)));
    expect(detector.reason).toBeUndefined();
    detector.push(room(louder(speech(600), -15), silence(1500)));
    expect(detector.verdict).toBe('human');
  });

  it('does not cover who speaks louder than it, nor a beep', () => {
    expect(during(joined(echo, speech(600), silence(1500)), true).verdict).toBe('human');
    const beep = louder(tone(1000, 400), -18);
    expect(during(joined(echo, beep, silence(400)), true)).toMatchObject({
      verdict: 'machine',
      reason: 'beep',
    });
  });
});

describe('options', () => {
  it('move each limit', () => {
    const short = room(silence(500), speech(500), silence(700));
    expect(heard(short).reason).toBeUndefined();
    expect(heard(short, { humanQuietMs: 400 }).verdict).toBe('human');
    const talk = room(silence(500), speech(2200));
    expect(heard(talk).reason).toBeUndefined();
    expect(heard(talk, { longTalkMs: 1800, machineTalkMs: 1900 }).verdict).toBe('machine');
    const sentence = room(silence(500), speech(2200), silence(1300));
    expect(heard(sentence, { humanTalkMs: 2300 }).verdict).toBe('human');
    expect(heard(sentence, { longQuietMs: 1100 }).verdict).toBe('human');
    const longer = room(silence(500), speech(3300), silence(2500));
    expect(heard(longer).reason).toBe('unclear');
    expect(heard(longer, { longTalkMs: 3600 }).verdict).toBe('human');
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
    { machineTalkMs: ANSWER_DETECTOR_DEFAULTS.longTalkMs - 1 },
    { longTalkMs: ANSWER_DETECTOR_DEFAULTS.humanTalkMs - 1 },
    { echoDbfs: 3 },
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
