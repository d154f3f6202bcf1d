import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Report } from '../../../src/media/rtcp.ts';
import { buildReport, parseRtcp, RTCP_INTERVAL_MS, rtcpDelayMs } from '../../../src/media/rtcp.ts';

const sender = { wallMs: 1_700_000_000_250, timestamp: 0xfffffff0, packets: 12, bytes: 1920 };
const block = {
  ssrc: 0xaabbccdd,
  fractionLost: 3,
  cumulativeLost: -2,
  highestSequence: 0x1_0005,
  jitterTicks: 9,
  lastReport: 0x11223344,
  sinceLastReport: 65_536,
};

const reports: fc.Arbitrary<Report> = fc
  .record({
    ssrc: fc.nat(0xffff_ffff),
    cname: fc.string({ unit: 'grapheme-ascii', maxLength: 80 }),
    sender: fc.constantFrom(sender, undefined),
    block: fc.constantFrom(block, undefined),
    bye: fc.boolean(),
  })
  .map(({ sender: one, block: other, ...rest }) => ({
    ...rest,
    ...(one ? { sender: one } : {}),
    ...(other ? { block: other } : {}),
  }));

describe('RTCP reports', () => {
  it('are compounds of SR or RR, SDES and BYE, in words of 32 bits', () => {
    fc.assert(
      fc.property(reports, (report) => {
        const bytes = buildReport(report);
        expect(bytes.length % 4).toBe(0);
        const packets = parseRtcp(bytes);
        const types = packets?.map(({ type }) => type);
        expect(types).toEqual([report.sender ? 'sr' : 'rr', 'sdes', ...(report.bye ? ['bye'] : [])]);
        expect(packets?.map(({ ssrc }) => ssrc)).toEqual(types?.map(() => report.ssrc));
        expect(packets?.[0]?.count).toBe(report.block ? 1 : 0);
        expect(packets?.[1]?.cname).toBe(report.cname);
      }),
    );
  });

  it('say the time in NTP, and what was sent and received', () => {
    const bytes = buildReport({ ssrc: 1, cname: 'a', sender, block });
    const view = new DataView(bytes.buffer);
    expect(view.getUint16(2)).toBe(12);
    expect(view.getUint32(8)).toBe((1_700_000_000 + 2_208_988_800) >>> 0);
    expect(view.getUint32(12)).toBe(2 ** 30);
    expect(parseRtcp(bytes)?.[0]?.sender).toMatchObject({ timestamp: 0xfffffff0, packets: 12, bytes: 1920 });
    expect([...bytes.subarray(28, 52)]).toEqual([
      ...[0xaa, 0xbb, 0xcc, 0xdd, 3, 0xff, 0xff, 0xfe, 0, 1, 0, 5],
      ...[0, 0, 0, 9, 0x11, 0x22, 0x33, 0x44, 0, 1, 0, 0],
    ]);
  });

  it.each([
    ['nothing', []],
    ['three bytes', [0x80, 200, 0]],
    ['version 1', [0x40, 201, 0, 1, 0, 0, 0, 1]],
    ['more words than there are', [0x80, 201, 0, 9, 0, 0, 0, 1]],
    ['a report without its blocks', [0x82, 201, 0, 1, 0, 0, 0, 1]],
    ['a short sender report', [0x80, 200, 0, 1, 0, 0, 0, 1]],
    ['a BYE alone', [0x81, 203, 0, 1, 0, 0, 0, 1]],
    ['RTP', [0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]],
  ])('are refused: %s', (_, bytes) => {
    expect(parseRtcp(Uint8Array.from(bytes))).toBeUndefined();
  });

  it('never make the parser throw, cut short or changed', () => {
    fc.assert(
      fc.property(reports, fc.nat(120), fc.nat(120), fc.nat(255), (report, length, at, value) => {
        const bytes = buildReport(report).slice(0, length);
        if (at < bytes.length) bytes[at] = value;
        expect(() => parseRtcp(bytes)).not.toThrow();
      }),
      { numRuns: 2000 },
    );
  });

  it('are due after half to one and a half intervals, the first in half of that', () => {
    expect([0, 0.5, 1].map((random) => rtcpDelayMs(random, false) / RTCP_INTERVAL_MS)).toEqual([0.5, 1, 1.5]);
    expect(rtcpDelayMs(0.5, true)).toBe(RTCP_INTERVAL_MS / 2);
  });
});
