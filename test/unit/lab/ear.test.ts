import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ear, type HeardPacket } from '../../../src/lab/ear.ts';
import { decodePcma, decodePcmu } from '../../../src/media/g711.ts';

const TICKS = 160;

/** The nth packet of a stream, its payload all the byte n. */
function packet(n: number, fields: Partial<HeardPacket> = {}): HeardPacket {
  return {
    payloadType: 0,
    sequence: (65_530 + n) & 0xffff,
    timestamp: (0xffff_fd00 + n * TICKS) >>> 0,
    payload: new Uint8Array(TICKS).fill(n),
    ...fields,
  };
}

function heard(packets: readonly HeardPacket[]): Ear {
  const ear = new Ear();
  for (const one of packets) ear.take(one);
  return ear;
}

function level(n: number): number {
  return decodePcmu(Uint8Array.of(n))[0] ?? 0;
}

/** The first sample of each packet's place. */
function places(ear: Ear): number[] {
  return Array.from(ear.pcm().samples).filter((_, i) => i % TICKS === 0);
}

const STREAM = Array.from({ length: 12 }, (_, n) => packet(n));
const LEVELS = STREAM.map((_, n) => level(n));

describe('Ear', () => {
  it('has heard nothing at first', () => {
    expect(new Ear().pcm()).toEqual({ sampleRate: 8000, samples: new Int16Array(0) });
    expect(new Ear().lost).toBe(0);
  });

  it('lays a stream out whose timestamps and sequence numbers wrap', () => {
    const ear = heard(STREAM);
    expect(places(ear)).toEqual(LEVELS);
    expect(ear).toMatchObject({
      packets: 12,
      duplicates: 0,
      reordered: 0,
      lost: 0,
      ignored: 0,
      outOfRange: 0,
    });
  });

  it('decodes A-law', () => {
    const payload = Uint8Array.of(0, 1, 0x55, 0xd5);
    expect(heard([packet(0, { payloadType: 8, payload })]).pcm().samples).toEqual(decodePcma(payload));
  });

  it('hears silence where packets are lost, and counts them', () => {
    const ear = heard(STREAM.filter((_, n) => n !== 3 && n !== 4 && n !== 9));
    expect(places(ear)).toEqual(LEVELS.map((value, n) => ([3, 4, 9].includes(n) ? 0 : value)));
    expect(ear.lost).toBe(3);
  });

  it('hears a pause of the sender as silence, not as loss', () => {
    const later = packet(1, { timestamp: (0xffff_fd00 + 8000) >>> 0 });
    const ear = heard([packet(0), later]);
    expect(ear.pcm().samples).toHaveLength(8000 + TICKS);
    expect(ear.lost).toBe(0);
  });

  it('hears a sender that stood still for a moment without a hole, where that is asked for', () => {
    // 28 ms late from the fourth on, and 100 ms more from the eighth on.
    const shifts = STREAM.map((_, n) => (n < 4 ? 0 : n < 8 ? 224 : 1024));
    const stream = STREAM.map((one, n) => ({ ...one, timestamp: (one.timestamp + (shifts[n] ?? 0)) >>> 0 }));
    for (const order of [stream, stream.toReversed()]) {
      const ear = heard(order);
      expect(ear.pcm().samples).toHaveLength(12 * TICKS + 1024);
      expect(ear.steady()).toEqual(heard(STREAM).pcm());
    }
    const lossy = heard(stream.filter((_, n) => n !== 4));
    expect(lossy.steady().samples).toHaveLength(12 * TICKS + 224);
  });

  it('hears a pause of more than 100 ms as such in any case', () => {
    const later = packet(1, { timestamp: (0xffff_fd00 + TICKS + 801) >>> 0 });
    expect(heard([packet(0), later]).steady().samples).toHaveLength(2 * TICKS + 801);
  });

  it('closes the holes of one source after another', () => {
    const stalled = (n: number, ssrc: number) =>
      packet(n, { ssrc, timestamp: (0xffff_fd00 + n * (TICKS + 240)) >>> 0 });
    const ear = heard([stalled(0, 1), stalled(1, 1), stalled(2, 2), stalled(3, 2)]);
    expect(ear.pcm().samples).toHaveLength(4 * TICKS + 480);
    expect(ear.steady()).toEqual(heard(STREAM.slice(0, 4)).pcm());
  });

  it('gives the same audio for any order and any duplicates', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray(STREAM, { minLength: STREAM.length }),
        fc.array(fc.constantFrom(...STREAM), { maxLength: 5 }),
        (order, again) => {
          const ear = heard([...order, ...again]);
          expect(places(ear)).toEqual(LEVELS);
          expect(ear.packets).toBe(12);
          expect(ear.duplicates).toBe(again.length);
          expect(ear.lost).toBe(0);
        },
      ),
    );
  });

  it('counts what came late', () => {
    const [a, b, c] = STREAM;
    if (a === undefined || b === undefined || c === undefined) throw new Error('a short stream');
    expect(heard([a, c, b]).reordered).toBe(1);
    expect(heard([b, a, packet(3)])).toMatchObject({ reordered: 1, lost: 1 });
  });

  it('leaves out other payload types and empty packets, but not from the count of what was lost', () => {
    const ear = heard([
      packet(0),
      packet(1, { payloadType: 101 }),
      packet(2, { payload: new Uint8Array(0) }),
      packet(3),
    ]);
    expect(ear).toMatchObject({ packets: 2, ignored: 2, lost: 0 });
    expect(places(ear)).toEqual([level(0), 0, 0, level(3)]);
  });

  it('goes on after the end when another source takes over', () => {
    const other = packet(5, { ssrc: 2, timestamp: 12_345, sequence: 77 });
    const ear = heard([packet(0, { ssrc: 1 }), packet(1, { ssrc: 1 }), other]);
    expect(places(ear)).toEqual([level(0), level(1), level(5)]);
    expect(ear.lost).toBe(0);
  });

  it('hears at most 5 minutes, whatever the timestamps say', () => {
    const at = (seconds: number, sequence: number): HeardPacket =>
      packet(7, { sequence, timestamp: seconds * 8000 });
    const ear = heard([at(1000, 1), at(1299, 2), at(1300, 3), at(900, 4), at(250_000, 5)]);
    expect(ear.pcm().samples).toHaveLength(299 * 8000 + TICKS);
    expect(ear).toMatchObject({ packets: 2, outOfRange: 3 });
  });

  it('keeps 5 minutes of packets', () => {
    const ear = new Ear();
    for (let n = 0; n < 15_010; n++) ear.take(packet(n));
    expect(ear.pcm().samples).toHaveLength(300 * 8000);
    expect(ear.outOfRange).toBe(10);
  });

  it('never fails, and stays bounded, for any fields', () => {
    const any = fc.record({
      payloadType: fc.constantFrom(0, 8, 13, 101),
      sequence: fc.nat(0xffff),
      timestamp: fc.nat({ max: 0xffffffff }),
      payload: fc.uint8Array({ maxLength: 400 }),
      ssrc: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 20 }), (packets) => {
        const ear = heard(packets);
        expect(ear.pcm().samples.length).toBeLessThanOrEqual(300 * 8000);
        expect(ear.steady().samples.length).toBeLessThanOrEqual(ear.pcm().samples.length);
        const { packets: taken, duplicates, ignored, outOfRange } = ear;
        expect(taken + duplicates + ignored + outOfRange).toBe(packets.length);
      }),
    );
  });
});
