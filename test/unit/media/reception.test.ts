import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Reception } from '../../../src/media/reception.ts';

/** Feeds packets of 20 ms, those of the list, each on time. */
function feed(reception: Reception, indices: readonly number[], firstSequence = 0): void {
  for (const index of indices) {
    reception.add((firstSequence + index) & 0xffff, (index * 160) >>> 0, index * 20);
  }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe('Reception', () => {
  it('counts an even stream without loss or jitter', () => {
    const reception = new Reception(7, 8000);
    feed(reception, upTo(100));
    expect(reception).toMatchObject({ received: 100, expected: 100, lost: 0, jitterMs: 0 });
  });

  it('counts what is missing across the wrap of the sequence number', () => {
    const reception = new Reception(7, 8000);
    feed(
      reception,
      upTo(100).filter((index) => index % 10 !== 5),
      0xffd0,
    );
    expect(reception).toMatchObject({ received: 90, expected: 100, lost: 10 });
    expect(reception.report()).toMatchObject({ cumulativeLost: 10, highestSequence: 0x1_0000 + 0x33 });
  });

  it('reports the share lost since the last report', () => {
    const reception = new Reception(7, 8000);
    feed(
      reception,
      upTo(100).filter((index) => index % 4 !== 2),
    );
    expect(reception.report().fractionLost).toBe(64);
    feed(
      reception,
      upTo(200).filter((index) => index >= 100),
    );
    expect(reception.report()).toMatchObject({ fractionLost: 0, cumulativeLost: 25 });
  });

  it('takes packets in any order within reach', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(upTo(50), { minLength: 50 }), fc.nat(0xffff), (order, first) => {
        const reception = new Reception(7, 8000);
        feed(reception, [0, ...order.map((index) => index + 1)], first);
        expect(reception).toMatchObject({ received: 51, expected: 51, lost: 0 });
      }),
    );
  });

  it('follows the formula of RFC 3550 A.8', () => {
    const reception = new Reception(7, 8000);
    const arrivals = [0, 25, 38, 71, 80];
    let jitter = 0;
    for (const [index, arrival] of arrivals.entries()) {
      reception.add(index, index * 160, arrival);
      if (index > 0) {
        const difference = Math.abs(arrival - (arrivals[index - 1] ?? 0) - 20);
        jitter += (difference - jitter) / 16;
      }
    }
    expect(reception.jitterMs).toBeCloseTo(jitter, 9);
    expect(reception.report().jitterTicks).toBe(Math.floor(jitter * 8));
  });

  it('takes no pause and no telephone-event for jitter', () => {
    const reception = new Reception(7, 8000);
    reception.add(0, 0, 0);
    reception.add(1, 160, 20);
    reception.add(2, undefined, 40);
    reception.add(3, undefined, 90);
    reception.add(4, 320, 5000);
    reception.add(5, 480, 5020);
    expect(reception).toMatchObject({ received: 6, jitterMs: 0 });
  });

  it('begins anew after two packets of a new sequence, and not after a stray one', () => {
    const reception = new Reception(7, 8000);
    feed(reception, upTo(10));
    reception.add(30_000, 0, 200);
    expect(reception).toMatchObject({ received: 10, lost: 0 });
    feed(reception, upTo(10), 40_000);
    expect(reception.received).toBe(19);
    expect(reception.lost).toBe(0);
  });

  it('is empty at first', () => {
    const reception = new Reception(7, 8000);
    expect(reception.report()).toEqual({
      ssrc: 7,
      fractionLost: 0,
      cumulativeLost: 0,
      highestSequence: 0,
      jitterTicks: 0,
    });
  });
});
