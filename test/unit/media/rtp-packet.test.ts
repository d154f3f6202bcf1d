import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addTicks,
  buildRtpPacket,
  nextSequence,
  parseRtpPacket,
  ticksBetween,
} from '../../../src/media/rtp-packet.ts';

const uint32 = fc.nat(0xffff_ffff);
const packets = fc.record({
  marker: fc.boolean(),
  payloadType: fc.nat(127).filter((type) => type < 64 || type > 95),
  sequence: fc.nat(0xffff),
  timestamp: uint32,
  ssrc: uint32,
  payload: fc.uint8Array({ maxLength: 200 }),
});

const PLAIN = [0x80, 0x08, 0x12, 0x34, 0x01, 0x02, 0x03, 0x04, 0xde, 0xad, 0xbe, 0xef];

describe('RTP packets', () => {
  it('are read as they were built', () => {
    fc.assert(
      fc.property(packets, (packet) => {
        expect(parseRtpPacket(buildRtpPacket(packet))).toEqual(packet);
      }),
    );
  });

  it('are written as RFC 3550 draws them', () => {
    const bytes = buildRtpPacket({
      marker: true,
      payloadType: 8,
      sequence: 0x1234,
      timestamp: 0x01020304,
      ssrc: 0xdeadbeef,
      payload: Uint8Array.of(7),
    });
    expect([...bytes]).toEqual([0x80, 0x88, ...PLAIN.slice(2), 7]);
  });

  it('may have contributing sources, an extension and padding', () => {
    const bytes = Uint8Array.of(
      0xb2,
      ...PLAIN.slice(1),
      ...[1, 1, 1, 1, 2, 2, 2, 2],
      ...[0xbe, 0xde, 0, 1, 9, 9, 9, 9],
      ...[0x11, 0x22, 0, 0, 3],
    );
    expect([...(parseRtpPacket(bytes)?.payload ?? [])]).toEqual([0x11, 0x22]);
  });

  it.each([
    ['nothing', []],
    ['a short header', PLAIN.slice(0, 11)],
    ['version 1', [0x40, ...PLAIN.slice(1)]],
    ['RTCP', [0x80, 200, ...PLAIN.slice(2)]],
    ['contributing sources that are not there', [0x8f, ...PLAIN.slice(1), 0, 0]],
    ['an extension that is not there', [0x90, ...PLAIN.slice(1), 0, 0]],
    ['an extension that is too long', [0x90, ...PLAIN.slice(1), 0, 0, 0xff, 0xff, 1]],
    ['padding of nothing', [0xa0, ...PLAIN.slice(1), 0]],
    ['more padding than there is', [0xa0, ...PLAIN.slice(1), 9]],
  ])('are refused: %s', (_, bytes) => {
    expect(parseRtpPacket(Uint8Array.from(bytes))).toBeUndefined();
  });

  it('never make the parser throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(3), (bytes, flags) => {
        if (bytes.length > 0) bytes[0] = 0x80 | (flags << 4) | ((bytes[0] ?? 0) & 0x0f);
        const packet = parseRtpPacket(bytes);
        if (packet) expect(packet.payload.length).toBeLessThanOrEqual(bytes.length - 12);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('numbers that wrap', () => {
  it('count on from the largest', () => {
    expect(nextSequence(0xffff)).toBe(0);
    expect(addTicks(0xffff_ffff, 160)).toBe(159);
    expect(ticksBetween(0xffff_ffff, 159)).toBe(160);
    expect(ticksBetween(159, 0xffff_ffff)).toBe(-160);
  });

  it('measure what was added', () => {
    fc.assert(
      fc.property(uint32, fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (timestamp, ticks) => {
        expect(ticksBetween(timestamp, addTicks(timestamp, ticks))).toBe(ticks);
      }),
    );
  });
});
