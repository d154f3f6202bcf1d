import { AES_BLOCK_BYTES, SrtpKeystream } from './srtp-keystream.ts';
import { SRTP_SALT_BYTES, type SrtpMaster, srtpMasterBytes, srtpSizes } from './srtp-suite.ts';

const HMAC_KEY_BYTES = 20;

/** What the packets of one kind are encrypted and authenticated with. */
export interface SessionKeys {
  readonly encryption: Uint8Array;
  readonly authentication: Uint8Array;
  readonly salt: Uint8Array;
}

/** Labels of the three keys of each kind (RFC 3711 §4.3.2). */
const FIRST_LABELS = { rtp: 0, rtcp: 3 } as const;

/**
 * The keys of RTP or RTCP that come from a master key (RFC 3711 §4.3, RFC 6188 §3), derived once: there is no key
 * derivation rate in SDP offers of ours, and none is accepted.
 *
 * @throws RangeError where the master key is not of its suite's length
 */
export function sessionKeys(master: SrtpMaster, kind: 'rtp' | 'rtcp'): SessionKeys {
  const { suite, keyAndSalt } = master;
  const { key } = srtpSizes(suite);
  if (keyAndSalt.length !== srtpMasterBytes(suite))
    throw new RangeError('The SRTP master key has another length than its suite.');
  const keystream = new SrtpKeystream(keyAndSalt.subarray(0, key));
  const masterSalt = keyAndSalt.subarray(key);
  const derive = (label: number, bytes: number): Uint8Array => {
    const counter = new Uint8Array(AES_BLOCK_BYTES);
    counter.set(masterSalt);
    counter[7] = (counter[7] ?? 0) ^ label;
    const derived = new Uint8Array(bytes);
    keystream.apply(derived, 0, bytes, counter);
    return derived;
  };
  const first = FIRST_LABELS[kind];
  return {
    encryption: derive(first, key),
    authentication: derive(first + 1, HMAC_KEY_BYTES),
    salt: derive(first + 2, SRTP_SALT_BYTES),
  };
}

/** Writes the counter of a packet's first block (RFC 3711 §4.1.1). `index` has 48 bits. */
export function writePacketCounter(into: Uint8Array, salt: Uint8Array, ssrc: number, index: number): void {
  into.set(salt);
  into[14] = 0;
  into[15] = 0;
  mix(into, 4, ssrc);
  mix(into, 8, Math.floor(index / 0x1_0000));
  into[12] = (into[12] ?? 0) ^ ((index >>> 8) & 0xff);
  into[13] = (into[13] ?? 0) ^ (index & 0xff);
}

function mix(into: Uint8Array, at: number, number: number): void {
  into[at] = (into[at] ?? 0) ^ ((number >>> 24) & 0xff);
  into[at + 1] = (into[at + 1] ?? 0) ^ ((number >>> 16) & 0xff);
  into[at + 2] = (into[at + 2] ?? 0) ^ ((number >>> 8) & 0xff);
  into[at + 3] = (into[at + 3] ?? 0) ^ (number & 0xff);
}
