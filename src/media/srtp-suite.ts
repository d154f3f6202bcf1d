/** How RTP is encrypted and authenticated, by the names that SDP has for it (RFC 4568 §6.2, RFC 6188 §5). */
export type SrtpSuite =
  | 'AES_CM_128_HMAC_SHA1_80'
  | 'AES_CM_128_HMAC_SHA1_32'
  | 'AES_256_CM_HMAC_SHA1_80'
  | 'AES_256_CM_HMAC_SHA1_32';

export interface SrtpSuiteSizes {
  /** Bytes of the AES key. */
  readonly key: number;
  /** Bytes that authenticate an RTP packet; RTCP has ten in all suites. */
  readonly tag: number;
}

/** Bytes of a master salt, in all suites. */
export const SRTP_SALT_BYTES = 14;

/**
 * In the order in which we offer them. The one that every implementation has goes first (RFC 4568 §6.2.1), for peers
 * that read no further; one that prefers the longer key may take it.
 */
export const SRTP_SUITES: readonly SrtpSuite[] = [
  'AES_CM_128_HMAC_SHA1_80',
  'AES_CM_128_HMAC_SHA1_32',
  'AES_256_CM_HMAC_SHA1_80',
  'AES_256_CM_HMAC_SHA1_32',
];

const SIZES: Readonly<Record<SrtpSuite, SrtpSuiteSizes>> = {
  AES_CM_128_HMAC_SHA1_80: { key: 16, tag: 10 },
  AES_CM_128_HMAC_SHA1_32: { key: 16, tag: 4 },
  AES_256_CM_HMAC_SHA1_80: { key: 32, tag: 10 },
  AES_256_CM_HMAC_SHA1_32: { key: 32, tag: 4 },
};

export function srtpSizes(suite: SrtpSuite): SrtpSuiteSizes {
  return SIZES[suite];
}

/** Bytes of a master key with the salt behind it, as SDP carries them. */
export function srtpMasterBytes(suite: SrtpSuite): number {
  return SIZES[suite].key + SRTP_SALT_BYTES;
}

/** What one direction of a stream is encrypted with. */
export interface SrtpMaster {
  readonly suite: SrtpSuite;
  /** The master key and, behind it, the master salt. Secret: it never reaches a log, a trace or a store. */
  readonly keyAndSalt: Uint8Array;
}

/** What both directions of a stream are encrypted with, seen from our side. */
export interface SrtpKeys {
  readonly send: SrtpMaster;
  readonly receive: SrtpMaster;
}

export function isSameMaster(one: SrtpMaster, other: SrtpMaster): boolean {
  return one.suite === other.suite && Buffer.compare(one.keyAndSalt, other.keyAndSalt) === 0;
}
