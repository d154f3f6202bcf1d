import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTonePair, pureToneHz, TONE_WINDOW } from '../../../src/media/pure-tone.ts';
import { ToneDetector } from '../../../src/media/tone-detector.ts';
import { seeded } from '../../support/telephone-line.ts';

interface Part {
  readonly hz: number;
  readonly share?: number;
  readonly phase?: number;
}

/** One window of sines, of 1000 where nothing else is said, with noise of this power beside 1 of a sine of 1000. */
function window(parts: readonly Part[], noiseShare = 0, seed = 1): Float64Array {
  const random = seeded(seed);
  // Of an even spread from -1 to 1 a third is the power; of a sine, half.
  const noise = 1000 * Math.sqrt(1.5 * noiseShare);
  return Float64Array.from({ length: TONE_WINDOW }, (_, i) =>
    parts.reduce(
      (sum, { hz, share = 1, phase = 0 }) =>
        sum + 1000 * share * Math.sin((2 * Math.PI * hz * i) / 8000 + phase),
      noise * (2 * random() - 1),
    ),
  );
}

describe('a pure tone', () => {
  it('is known to a few hertz at any phase', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 250, max: 3700 }),
        fc.double({ min: 0, max: 6.2, noNaN: true }),
        (hz, phase) => {
          expect(Math.abs((pureToneHz(window([{ hz, phase }])) ?? 0) - hz)).toBeLessThan(4);
        },
      ),
    );
  });

  it('may have noise around it, but not as much as it has itself', () => {
    for (let seed = 1; seed <= 50; seed++) {
      expect(Math.abs((pureToneHz(window([{ hz: 1000 }], 0.1, seed)) ?? 0) - 1000)).toBeLessThan(8);
      expect(pureToneHz(window([{ hz: 1000 }], 0.5, seed))).toBeUndefined();
      expect(pureToneHz(window([], 1, seed))).toBeUndefined();
    }
  });

  it('has no harmonics and no second tone', () => {
    expect(pureToneHz(window([{ hz: 600 }, { hz: 1200, share: 0.6 }]))).toBeUndefined();
    expect(pureToneHz(window([{ hz: 697 }, { hz: 1209 }]))).toBeUndefined();
    expect(pureToneHz(window([{ hz: 600 }, { hz: 1200, share: 0.2 }]))).toBeDefined();
  });

  it('is not in silence', () => {
    expect(pureToneHz(new Float64Array(TONE_WINDOW))).toBeUndefined();
    expect(isTonePair(new Float64Array(TONE_WINDOW))).toBe(false);
  });
});

describe('a pair of tones', () => {
  it.each([
    [350, 440],
    [440, 480],
    [400, 450],
    [480, 620],
  ])('is known at any phases: %i and %i Hz', (low, high) => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 6.2, noNaN: true }),
        fc.double({ min: 0, max: 6.2, noNaN: true }),
        (first, second) => {
          const parts = [
            { hz: low, phase: first },
            { hz: high, phase: second },
          ];
          expect(isTonePair(window(parts, 0.1))).toBe(true);
        },
      ),
    );
  });

  it('is neither a key, nor another pair, nor noise', () => {
    expect(isTonePair(window([{ hz: 697 }, { hz: 1209 }]))).toBe(false);
    expect(isTonePair(window([{ hz: 350 }, { hz: 620 }]))).toBe(false);
    expect(isTonePair(window([{ hz: 440 }, { hz: 880 }]))).toBe(false);
    expect(isTonePair(window([], 1))).toBe(false);
  });
});

describe('tones one after the other', () => {
  const frame = (hz: number, index: number): Float64Array =>
    Float64Array.from(
      { length: 80 },
      (_, i) => 8000 * Math.sin((2 * Math.PI * hz * (80 * index + i)) / 8000),
    );
  const still = new Float64Array(80);

  it('are told apart, with their times', () => {
    const detector = new ToneDetector();
    const found: object[] = [];
    const take = (hz: number, frames: number, from: number): void => {
      for (let i = 0; i < frames; i++) {
        const tone = detector.push(hz === 0 ? still : frame(hz, from + i), hz !== 0);
        if (tone !== undefined) found.push({ ...tone, hz: Math.round((tone.hz ?? 0) / 10) * 10 });
      }
    };
    take(0, 50, 0);
    take(900, 30, 50);
    take(1300, 30, 80);
    take(0, 20, 110);
    expect(found).toHaveLength(2);
    for (const [index, [hz, startedAtMs, endedAtMs]] of [
      [900, 500, 800],
      [1300, 800, 1100],
    ].entries()) {
      const tone = found[index] as { hz: number; startedAtMs: number; endedAtMs: number };
      expect(tone.hz).toBe(hz);
      expect(Math.abs(tone.startedAtMs - (startedAtMs ?? 0))).toBeLessThanOrEqual(15);
      expect(Math.abs(tone.endedAtMs - (endedAtMs ?? 0))).toBeLessThanOrEqual(15);
    }
  });

  it('are one over a gap of one packet, and two over a longer one', () => {
    const count = (gap: number): number => {
      const detector = new ToneDetector();
      let ended = 0;
      for (let i = 0; i < 100; i++) {
        const quiet = (i >= 30 && i < 30 + gap) || i > 70;
        if (detector.push(quiet ? still : frame(1000, i), !quiet) !== undefined) ended++;
      }
      return ended;
    };
    expect(count(2)).toBe(1);
    expect(count(10)).toBe(2);
  });
});
