import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyPresses, type KeyWay } from '../../../../src/engine/leg/key-presses.ts';

type Told = readonly [key: string, way: KeyWay, atMs: number, durationMs?: number];

/** Which of them are new. */
function news(...told: readonly Told[]): boolean[] {
  const presses = new KeyPresses();
  return told.map(([key, way, atMs, durationMs = 0]) => presses.isNew(key, way, durationMs, atMs));
}

describe('KeyPresses', () => {
  it.each<[string, Told, Told, boolean]>([
    ['both ways at once', ['1', 'rtp', 1000], ['1', 'info', 1000], false],
    ['the other way first', ['1', 'info', 1000], ['1', 'rtp', 1000], false],
    ['half a second apart', ['1', 'rtp', 1000], ['1', 'info', 1500], false],
    ['more than that apart', ['1', 'rtp', 1000], ['1', 'info', 1501], true],
    ['another key', ['1', 'rtp', 1000], ['2', 'info', 1000], true],
    ['the same way, quickly', ['1', 'rtp', 1000], ['1', 'rtp', 1100], true],
    ['the same way, quickly, by INFO', ['1', 'info', 1000], ['1', 'info', 1100], true],
    ['INFO at its beginning, RTP when it is let go', ['1', 'info', 1000], ['1', 'rtp', 4000, 3000], false],
    ['a press that began long after the other', ['1', 'info', 1000], ['1', 'rtp', 4000, 2000], true],
    ['INFO when it is let go, with its length', ['1', 'rtp', 4000, 3000], ['1', 'info', 4300, 3000], false],
  ])('%s', (_what, first, second, isNew) => {
    expect(news(first, second)).toEqual([true, isNew]);
  });

  it('pairs each press with one of the other way only', () => {
    const twice: Told[] = [
      ['1', 'rtp', 1000],
      ['1', 'rtp', 1200],
      ['1', 'info', 1050],
      ['1', 'info', 1250],
    ];
    expect(news(...twice)).toEqual([true, true, false, false]);
    expect(news(...twice, ['1', 'info', 1300])).toEqual([true, true, false, false, true]);
  });

  it('counts as many presses as there are, when both ways tell all of them', () => {
    const key = fc.constantFrom('1', '2');
    const press = fc.tuple(key, fc.integer({ min: 120, max: 3000 }), fc.integer({ min: 0, max: 400 }));
    fc.assert(
      fc.property(fc.array(press, { maxLength: 20 }), (gaps) => {
        let at = 0;
        const told: Told[] = gaps.flatMap(([digit, gapMs, lateMs]): Told[] => {
          at += gapMs;
          return [
            [digit, 'rtp', at],
            [digit, 'info', at + lateMs],
          ];
        });
        told.sort(([, , one], [, , other]) => one - other);
        expect(news(...told).filter(Boolean)).toHaveLength(gaps.length);
      }),
    );
  });
});
