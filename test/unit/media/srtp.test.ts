import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildReport } from '../../../src/media/rtcp.ts';
import { buildRtpPacket } from '../../../src/media/rtp-packet.ts';
import { SrtpReceiver, SrtpSender } from '../../../src/media/srtp.ts';
import { packetIndex, REPLAY_WINDOW } from '../../../src/media/srtp-replay.ts';
import {
  SRTP_SUITES,
  type SrtpMaster,
  type SrtpSuite,
  srtpMasterBytes,
  srtpSizes,
} from '../../../src/media/srtp-suite.ts';

const SUITES = fc.constantFrom(...SRTP_SUITES);

function masterOf(suite: SrtpSuite): SrtpMaster {
  return { suite, keyAndSalt: randomBytes(srtpMasterBytes(suite)) };
}

function packetOf(sequence: number, { ssrc = 77, payload = new Uint8Array(160).fill(sequence) } = {}) {
  return buildRtpPacket({ marker: false, payloadType: 0, sequence, timestamp: 1, ssrc, payload });
}

/** A sender and its packets on the wire, from a sequence number on, across as many cycles as there are. */
function wire(master: SrtpMaster, first: number, count: number): Uint8Array[] {
  const sender = new SrtpSender(master);
  return Array.from({ length: count }, (_, i) =>
    Uint8Array.from(sender.protect(packetOf((first + i) & 0xffff))),
  );
}

describe('RTP', () => {
  it('comes out as it went in, longer by its tag, and says nothing on the way', () => {
    fc.assert(
      fc.property(SUITES, fc.uint8Array({ minLength: 16, maxLength: 1600 }), (suite, payload) => {
        const master = masterOf(suite);
        const packet = packetOf(5, { payload });
        const sent = Uint8Array.from(new SrtpSender(master).protect(packet));
        expect(sent.length).toBe(packet.length + srtpSizes(suite).tag);
        expect(sent.subarray(0, 12)).toEqual(packet.subarray(0, 12));
        expect(Buffer.from(sent).includes(Buffer.from(payload))).toBe(false);
        expect(new SrtpReceiver(master).unprotect(sent)).toEqual(packet);
      }),
      { numRuns: 60 },
    );
  });

  it('has contributing sources, extension and nothing as payload too', () => {
    const master = masterOf('AES_CM_128_HMAC_SHA1_80');
    const bare = packetOf(5, { payload: new Uint8Array(0) });
    const rich = Uint8Array.of(0x91, ...bare.subarray(1), 1, 2, 3, 4, 0xbe, 0xde, 0, 1, 9, 9, 9, 9, 7);
    for (const packet of [bare, rich]) {
      const sent = Uint8Array.from(new SrtpSender(master).protect(packet));
      expect(sent.subarray(0, 24).subarray(0, packet.length)).toEqual(packet.subarray(0, 24));
      expect(new SrtpReceiver(master).unprotect(sent)).toEqual(packet);
    }
  });

  it('is dropped where a bit of it was turned, it was cut, or the key is another', () => {
    const at = fc.nat(172 + 4 - 1);
    fc.assert(
      fc.property(SUITES, at, fc.nat(7), (suite, byte, bit) => {
        const master = masterOf(suite);
        const [sent = new Uint8Array(0)] = wire(master, 9, 1);
        const turned = Uint8Array.from(sent);
        turned[byte] = (turned[byte] ?? 0) ^ (1 << bit);
        const receiver = new SrtpReceiver(master);
        const before = Uint8Array.from(turned);
        expect(receiver.unprotect(turned)).toBeUndefined();
        expect(turned).toEqual(before);
        expect(receiver.unprotect(sent.slice(0, byte))).toBeUndefined();
        expect(new SrtpReceiver(masterOf(suite)).unprotect(Uint8Array.from(sent))).toBeUndefined();
        expect(receiver.unprotect(sent)).toBeDefined();
      }),
      { numRuns: 100 },
    );
  });

  it('never throws, whatever comes', () => {
    const receiver = new SrtpReceiver(masterOf('AES_CM_128_HMAC_SHA1_32'));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(receiver.unprotect(Uint8Array.from(bytes))).toBeUndefined();
        expect(receiver.unprotectRtcp(Uint8Array.from(bytes))).toBeUndefined();
      }),
    );
  });

  it('comes once, and not when it is too old', () => {
    const master = masterOf('AES_CM_128_HMAC_SHA1_80');
    const packets = wire(master, 100, REPLAY_WINDOW + 1);
    const receiver = new SrtpReceiver(master);
    const take = (i: number) => receiver.unprotect(Uint8Array.from(packets[i] ?? [])) !== undefined;
    expect(take(REPLAY_WINDOW)).toBe(true);
    expect(take(0)).toBe(false);
    expect(take(1)).toBe(true);
    expect(take(1)).toBe(false);
    expect(take(REPLAY_WINDOW)).toBe(false);
  });

  it('wraps its sequence number, in any order within the window and with any loss that is no cycle', () => {
    const master = masterOf('AES_CM_128_HMAC_SHA1_80');
    const packets = wire(master, 65_500, 80);
    fc.assert(
      fc.property(fc.shuffledSubarray([...packets.keys()], { minLength: 1 }), (order) => {
        const receiver = new SrtpReceiver(master);
        for (const i of order) {
          const plain = receiver.unprotect(Uint8Array.from(packets[i] ?? []));
          expect(plain).toEqual(packetOf((65_500 + i) & 0xffff));
        }
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    [65_530, 1],
    [65_530, 3],
    [40_000, 2],
  ])('is understood after %i was followed by the loss of a wrap', (before, after) => {
    const master = masterOf('AES_CM_128_HMAC_SHA1_80');
    const sender = new SrtpSender(master);
    const receiver = new SrtpReceiver(master);
    const send = (sequence: number) => Uint8Array.from(sender.protect(packetOf(sequence)));
    expect(receiver.unprotect(send(before))).toBeDefined();
    send(65_535);
    send(0);
    expect(receiver.unprotect(send(after))).toEqual(packetOf(after));
    // And a second cycle.
    for (let sequence = after + 1; sequence < 65_536; sequence += 16_000) {
      expect(receiver.unprotect(send(sequence))).toBeDefined();
    }
    expect(receiver.unprotect(send(9))).toEqual(packetOf(9));
  });

  it('is understood where its first packets and with them a wrap were lost', () => {
    const master = masterOf('AES_CM_128_HMAC_SHA1_80');
    const [, , , third = new Uint8Array(0)] = wire(master, 65_534, 4);
    expect(new SrtpReceiver(master).unprotect(third)).toEqual(packetOf(1));
  });

  it('comes from few sources, and each has its own count', () => {
    const master = masterOf('AES_CM_128_HMAC_SHA1_80');
    const receiver = new SrtpReceiver(master);
    const from = (ssrc: number) => Uint8Array.from(new SrtpSender(master).protect(packetOf(5, { ssrc })));
    const taken = Array.from({ length: 20 }, (_, ssrc) => receiver.unprotect(from(ssrc)) !== undefined);
    expect(taken.filter(Boolean).length).toBe(16);
    expect(receiver.unprotect(from(3))).toBeUndefined();
  });
});

describe('the index of a packet', () => {
  it('is the one that lies nearest to the newest', () => {
    const newest = fc.integer({ min: 0x8000, max: 2 ** 40 });
    fc.assert(
      fc.property(newest, fc.integer({ min: -32_767, max: 32_767 }), (highest, away) => {
        const index = highest + away;
        expect(packetIndex(index % 65_536, highest)).toBe(index);
      }),
    );
  });
});

describe('RTCP', () => {
  const report = buildReport({ ssrc: 77, cname: 'ordinary name', bye: true });

  it('comes out as it went in, once', () => {
    for (const suite of SRTP_SUITES) {
      const master = masterOf(suite);
      const [sender, receiver] = [new SrtpSender(master), new SrtpReceiver(master)];
      for (let i = 0; i < 3; i++) {
        const sent = sender.protectRtcp(report);
        expect(sent.length).toBe(report.length + 14);
        expect(Buffer.from(sent).includes('ordinary')).toBe(false);
        const again = Uint8Array.from(sent);
        expect(receiver.unprotectRtcp(sent)).toEqual(report);
        expect(receiver.unprotectRtcp(again)).toBeUndefined();
      }
    }
  });

  it('is dropped where it was changed, or is in the clear', () => {
    const master = masterOf('AES_CM_128_HMAC_SHA1_80');
    const sent = new SrtpSender(master).protectRtcp(report);
    for (let at = 0; at < sent.length; at++) {
      const turned = Uint8Array.from(sent);
      turned[at] = (turned[at] ?? 0) ^ 0x80;
      expect(new SrtpReceiver(master).unprotectRtcp(turned)).toBeUndefined();
    }
    expect(new SrtpReceiver(master).unprotectRtcp(Uint8Array.from(report))).toBeUndefined();
  });
});
