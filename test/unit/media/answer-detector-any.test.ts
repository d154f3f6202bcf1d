import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AnswerDetector,
  type AnswerFinding,
  type AnswerVerdict,
} from '../../../src/media/answer-detector.ts';
import { heard, mixed, room, speech } from '../../support/answered-line.ts';
import { joined, louder, noisy, seeded, silence, throughMuLaw, tone } from '../../support/telephone-line.ts';

/** Everything that a caller can see, of audio that comes in pieces of these lengths. */
function outcome(audio: Int16Array, cuts: readonly number[]): object {
  const detector = new AnswerDetector();
  const findings: AnswerFinding[] = [];
  let at = 0;
  for (let turn = 0; at < audio.length; turn++) {
    const length = cuts[turn % cuts.length] ?? 1;
    findings.push(...detector.push(audio.subarray(at, at + length)));
    at += length;
  }
  const { verdict, reason, decidedAtMs, toneEndedAtMs, speaking, quietMs, heardMs, done } = detector;
  return { findings, verdict, reason, decidedAtMs, toneEndedAtMs, speaking, quietMs, heardMs, done };
}

/** A verdict only ever gets surer. */
const RANKS: readonly AnswerVerdict[] = ['unknown', 'human', 'machine'];

/** Whatever a line may carry, for some milliseconds. */
const sound = fc
  .record({
    kind: fc.constantFrom('silence', 'constant', 'speech', 'noise', 'tone', 'pair', 'square', 'clicks'),
    ms: fc.integer({ min: 1, max: 3500 }),
    hz: fc.integer({ min: 20, max: 3990 }),
    db: fc.integer({ min: -50, max: 20 }),
  })
  .map(({ kind, ms, hz, db }) => louder(made(kind, ms, hz), db));

function made(kind: string, ms: number, hz: number): Int16Array {
  switch (kind) {
    case 'silence':
      return silence(ms);
    case 'constant':
      return silence(ms).fill(8 * hz);
    case 'speech':
      return speech(ms, hz);
    case 'noise':
      return noisy(silence(ms), 0, seeded(hz));
    case 'tone':
      return tone(hz, ms);
    case 'pair':
      return mixed(ms, hz, hz + 90);
    case 'square':
      return tone(hz, ms).map((sample) => (sample < 0 ? -32_768 : 32_767));
    default:
      return silence(ms).map((_, i) => (i % (hz + 1) === 0 ? 32_767 : 0));
  }
}

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
    fc.assert(
      fc.property(
        fc.array(sound, { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 30 }),
        (sounds, cuts) => {
          const whole = joined(...sounds);
          expect(outcome(whole, [...cuts, 1])).toEqual(outcome(whole, [whole.length]));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('tells all that changes, and nothing else', () => {
    fc.assert(
      fc.property(fc.array(sound, { minLength: 1, maxLength: 12 }), fc.boolean(), (sounds, sending) => {
        const detector = new AnswerDetector();
        for (const piece of sounds) {
          const { verdict, reason, toneEndedAtMs } = detector;
          const before = { verdict, reason, atMs: detector.decidedAtMs };
          const findings = detector.push(piece, sending);
          const told = findings.findLast((one) => one.type === 'verdict') ?? before;
          expect(detector).toMatchObject({
            verdict: told.verdict,
            reason: told.reason,
            decidedAtMs: told.atMs,
            toneEndedAtMs: findings.findLast((one) => one.type === 'tone_ended')?.atMs ?? toneEndedAtMs,
          });
        }
      }),
      { numRuns: 60 },
    );
  });

  it('never throws, and keeps its promises', () => {
    const piece = fc.oneof(fc.int16Array({ maxLength: 4000 }), sound);
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const detector = new AnswerDetector();
        let decidedAtMs: number | undefined;
        for (const samples of pieces) {
          const before = detector.done ? detector.verdict : undefined;
          const rank = RANKS.indexOf(detector.verdict);
          detector.push(samples);
          if (before !== undefined) expect(detector.verdict).toBe(before);
          expect(RANKS.indexOf(detector.verdict)).toBeGreaterThanOrEqual(rank);
          expect(detector.quietMs).toBeGreaterThanOrEqual(0);
          expect(detector.decidedAtMs ?? Infinity).toBeGreaterThanOrEqual(decidedAtMs ?? 0);
          decidedAtMs = detector.decidedAtMs;
        }
        const samples = pieces.reduce((sum, { length }) => sum + length, 0);
        expect(detector.heardMs).toBe(10 * Math.floor(samples / 80));
        if (detector.heardMs >= 10_000) expect(detector.reason).toBeDefined();
      }),
      { numRuns: 100 },
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
