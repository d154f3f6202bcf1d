import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beepEnds, heard, mixed, room, speech } from '../../support/answered-line.ts';
import { joined, louder, noisy, seeded, silence, tone } from '../../support/telephone-line.ts';

describe('ringing after the answer', () => {
  it.each([
    ['Europe', [mixed(1000, 425), silence(2000)]],
    ['America', [mixed(2000, 440, 480), silence(2000)]],
    ['Britain', [mixed(400, 400, 450), silence(200), mixed(400, 400, 450), silence(2000)]],
  ])('is no greeting and no beep (%s)', (_where, ring) => {
    expect(heard(room(...ring)).reason).toBeUndefined();
    const person = heard(room(...ring, speech(600), silence(1500)));
    expect(person).toMatchObject({ verdict: 'human', toneEndedAtMs: undefined });
    expect(heard(room(...ring, speech(5500))).verdict).toBe('machine');
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

  it.each([20, 80, 130, 170])('that a line cuts in two, %i ms apart, are one', (gapMs) => {
    const ends = beepEnds(room(greeting, tone(1000, 300), silence(gapMs), tone(1000, 200), silence(400)));
    expect(ends).toHaveLength(1);
    expect(Math.abs((ends[0] ?? 0) - 5000 - gapMs)).toBeLessThanOrEqual(20);
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
