import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PromptStream } from '../../../src/media/prompt-stream.ts';
import { parseRtpPacket } from '../../../src/media/rtp-packet.ts';

const START = { ssrc: 99, sequence: 0xfffe, timestamp: 0xffff_ff00 };

function format(ptimeMs: number, payloadType = 0) {
  return { payloadType, ptimeMs, clockRate: 8000, silenceByte: 0xff };
}

function parsed(bytes: Uint8Array) {
  const packet = parseRtpPacket(bytes.slice());
  if (packet === undefined) throw new Error('The stream made no RTP.');
  return packet;
}

describe('PromptStream', () => {
  it('sends each byte once and in order, then silence, whatever the packet length', () => {
    const ptime = fc.constantFrom(10, 20, 30, 40, 60);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), ptime, (payload, ptimeMs) => {
        const stream = new PromptStream(START, format(ptimeMs), [payload]);
        const sent: number[] = [];
        let due = 0;
        while (!stream.exhausted) {
          const packet = parsed(stream.next(due));
          expect(packet.payload).toHaveLength(ptimeMs * 8);
          sent.push(...packet.payload);
          due += ptimeMs;
        }
        expect(sent.slice(0, payload.length)).toEqual([...payload]);
        expect(sent.slice(payload.length).every((byte) => byte === 0xff)).toBe(true);
        expect(parsed(stream.next(due)).payload.every((byte) => byte === 0xff)).toBe(true);
        expect(stream.sentMs).toBe(Math.round(payload.length / 8));
      }),
    );
  });

  it('counts on across the wraps, with a marker on the first packet only', () => {
    const stream = new PromptStream(START, format(20), [new Uint8Array(640)]);
    const packets = [0, 20, 40, 60].map((due) => parsed(stream.next(due)));
    expect(packets.map(({ sequence }) => sequence)).toEqual([0xfffe, 0xffff, 0, 1]);
    expect(packets.map(({ timestamp }) => timestamp)).toEqual([0xffff_ff00, 0xffff_ffa0, 64, 224]);
    expect(packets.map(({ marker }) => marker)).toEqual([true, false, false, false]);
    expect(packets.every(({ ssrc }) => ssrc === 99)).toBe(true);
  });

  it('counts the time of a pause in the timestamp and not in the prompt', () => {
    const payload = Uint8Array.from({ length: 480 }, (_, index) => index >> 1);
    const stream = new PromptStream(START, format(20), [payload]);
    const before = parsed(stream.next(0));
    stream.interrupt();
    const after = parsed(stream.next(1020.5));
    expect(after.marker).toBe(true);
    expect((after.timestamp - before.timestamp) >>> 0).toBe(8164);
    expect(after.sequence).toBe(0xffff);
    expect([...after.payload]).toEqual([...payload.subarray(160, 320)]);
  });

  it('never goes back in time', () => {
    const stream = new PromptStream(START, format(20), [new Uint8Array(480)]);
    const before = parsed(stream.next(0));
    stream.interrupt();
    expect((parsed(stream.next(3)).timestamp - before.timestamp) >>> 0).toBe(160);
  });

  it('goes on at the same place with other packets and another codec', () => {
    const stream = new PromptStream(START, format(20), [new Uint8Array(480).fill(1)]);
    stream.next(0);
    stream.reformat(format(30, 8), [new Uint8Array(480).fill(2)]);
    const packet = parsed(stream.next(20));
    expect(packet).toMatchObject({ payloadType: 8 });
    expect([...packet.payload]).toEqual(Array.from({ length: 240 }, () => 2));
    expect(stream.sentMs).toBe(50);
  });

  describe('with other speech', () => {
    const fills = (byte: number, length: number) => new Uint8Array(length).fill(byte);

    it('begins with it in the next packet, and drops what was left', () => {
      const stream = new PromptStream(START, format(20), [fills(1, 480)]);
      const before = parsed(stream.next(0));
      stream.say([fills(2, 240)]);
      expect(stream).toMatchObject({ exhausted: false, sentMs: 0 });
      const first = parsed(stream.next(20));
      const last = parsed(stream.next(40));
      const after = parsed(stream.next(60));
      expect([...first.payload]).toEqual([...fills(2, 160)]);
      expect([...last.payload]).toEqual([...fills(2, 80), ...fills(0xff, 80)]);
      expect([...after.payload]).toEqual([...fills(0xff, 160)]);
      expect(stream).toMatchObject({ exhausted: true, sentMs: 30 });
      // One stream all the same, without a gap: RFC 3550 §5.1.
      const all = [before, first, last, after];
      expect(all.map(({ sequence }) => sequence)).toEqual([0xfffe, 0xffff, 0, 1]);
      expect(all.map(({ timestamp }) => (timestamp - START.timestamp) >>> 0)).toEqual([0, 160, 320, 480]);
      expect(stream).toMatchObject({ packets: 4, bytes: 640 });
    });

    it('says it after the silence that followed what was said before', () => {
      const stream = new PromptStream(START, format(20), [fills(1, 160)]);
      stream.next(0);
      stream.next(20);
      expect(stream.exhausted).toBe(true);
      stream.say([fills(1, 160)]);
      expect(stream.exhausted).toBe(false);
      expect([...parsed(stream.next(40)).payload]).toEqual([...fills(1, 160)]);
    });

    it('goes on with it, and not with what was said before, in another codec', () => {
      const stream = new PromptStream(START, format(20), [fills(1, 480)]);
      stream.next(0);
      stream.next(20);
      stream.say([fills(2, 480)]);
      stream.next(40);
      stream.reformat(format(20, 8), [Uint8Array.from({ length: 480 }, (_, i) => i >> 1)]);
      const { payload, payloadType } = parsed(stream.next(60));
      expect(payloadType).toBe(8);
      expect([...payload]).toEqual(Array.from({ length: 160 }, (_, i) => (160 + i) >> 1));
      expect(stream.sentMs).toBe(40);
    });
  });

  it('counts what a sender report says', () => {
    const stream = new PromptStream({ ...START, timestamp: 1000 }, format(20), []);
    expect(stream.timestampAt(5)).toBe(1000);
    stream.next(100);
    stream.next(120);
    expect(stream).toMatchObject({ packets: 2, bytes: 320, exhausted: true });
    expect(stream.timestampAt(130)).toBe(1000 + 160 + 80);
  });
});
