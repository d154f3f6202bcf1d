import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { buildRtpPacket } from '../../../src/media/rtp-packet.ts';
import type { SrtpKeys, SrtpMaster } from '../../../src/media/srtp-suite.ts';
import { StreamCipher } from '../../../src/media/stream-cipher.ts';

const newMaster = (): SrtpMaster => ({ suite: 'AES_CM_128_HMAC_SHA1_80', keyAndSalt: randomBytes(30) });
const mirrored = ({ send, receive }: SrtpKeys): SrtpKeys => ({ send: receive, receive: send });

/** The same key, as a new negotiation brings it. */
const again = ({ suite, keyAndSalt }: SrtpMaster): SrtpMaster => ({ suite, keyAndSalt: keyAndSalt.slice() });

function packet(sequence: number): Uint8Array {
  return buildRtpPacket({
    marker: false,
    payloadType: 0,
    sequence,
    timestamp: sequence,
    ssrc: 5,
    payload: new Uint8Array(160).fill(1),
  });
}

/** A receiver report of somebody about nobody (RFC 3550 §6.4.2). */
const REPORT = Uint8Array.of(0x80, 201, 0, 1, 0, 0, 0, 5);

/** Two ends of a stream. */
function pair(): { us: StreamCipher; them: StreamCipher; keys: SrtpKeys } {
  const keys = { send: newMaster(), receive: newMaster() };
  const [us, them] = [new StreamCipher(), new StreamCipher()];
  us.use(keys);
  them.use(mirrored(keys));
  return { us, them, keys };
}

describe('the cipher of a stream', () => {
  it('lets everything pass without keys', () => {
    const cipher = new StreamCipher();
    const bytes = packet(1);
    expect([cipher.seal(bytes), cipher.open(bytes)]).toEqual([bytes, bytes]);
    expect([cipher.sealRtcp(bytes), cipher.openRtcp(bytes)]).toEqual([bytes, bytes]);
    expect(cipher.dropped).toBe(0);
  });

  it('has a key for each direction, and counts what it drops', () => {
    const { us, them } = pair();
    const there = Uint8Array.from(us.seal(packet(1)));
    expect(them.open(there.slice())).toEqual(packet(1));
    expect(us.open(there.slice())).toBeUndefined();
    expect(them.open(there.slice())).toBeUndefined();
    expect(them.open(packet(2))).toBeUndefined();
    expect([us.dropped, them.dropped]).toEqual([1, 2]);
  });

  it('counts on where a negotiation keeps the keys, across a wrap too', () => {
    const { us, them, keys } = pair();
    them.open(Uint8Array.from(us.seal(packet(65_535))));
    const same = { send: again(keys.send), receive: again(keys.receive) };
    us.use(same);
    them.use(mirrored(same));
    const before = Uint8Array.from(us.seal(packet(0)));
    expect(them.open(before.slice())).toEqual(packet(0));
    expect(them.open(before)).toBeUndefined();
  });

  it('begins anew with a new key, in the direction that has one', () => {
    const { us, them, keys } = pair();
    const old = Uint8Array.from(us.seal(packet(70)));
    const next = { send: newMaster(), receive: keys.receive };
    us.use(next);
    them.use(mirrored(next));
    expect(them.open(old)).toBeUndefined();
    expect(them.open(Uint8Array.from(us.seal(packet(71))))).toEqual(packet(71));
    expect(us.open(Uint8Array.from(them.seal(packet(9))))).toEqual(packet(9));
  });

  it.each([
    ['plain RTP', undefined],
    ['other keys', { send: newMaster(), receive: newMaster() }],
  ])('goes on counting where keys come back after %s', (_what, between) => {
    const { us, them, keys } = pair();
    for (const sequence of [65_535, 0])
      expect(them.open(Uint8Array.from(us.seal(packet(sequence))))).toEqual(packet(sequence));
    const report = Uint8Array.from(us.sealRtcp(REPORT));
    us.use(between);
    us.seal(packet(1));
    us.use({ send: again(keys.send), receive: again(keys.receive) });
    expect(them.open(Uint8Array.from(us.seal(packet(2))))).toEqual(packet(2));
    // A count that began anew would encrypt two reports alike.
    expect(us.sealRtcp(REPORT)).not.toEqual(report);
  });

  it('takes nothing in a second time when keys come back', () => {
    const { us, them, keys } = pair();
    const bytes = Uint8Array.from(them.seal(packet(9)));
    expect(us.open(bytes.slice())).toEqual(packet(9));
    for (const between of [undefined, { send: newMaster(), receive: newMaster() }]) {
      us.use(between);
      us.use(keys);
      expect(us.open(bytes.slice())).toBeUndefined();
    }
    expect(us.dropped).toBe(2);
  });
});
