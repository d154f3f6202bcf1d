import {
  SRTP_SUITES,
  type SrtpKeys,
  type SrtpMaster,
  type SrtpSuite,
  srtpMasterBytes,
} from './srtp-suite.ts';

/** One a=crypto line as it was written (RFC 4568 §4); nothing of it is checked yet. */
export interface SdpCrypto {
  readonly tag: number | undefined;
  readonly suite: string;
  /** The key parameters: `inline:` and what follows. */
  readonly keys: string;
  readonly parameters: string;
}

/** One a=crypto line as the writer of SDP wants it. */
export interface CryptoLine {
  readonly id: number;
  readonly suite: SrtpSuite;
  readonly config: string;
}

/** Digits of a tag (RFC 4568 §9.1). */
const LARGEST_TAG = 999_999_999;
/** Key and salt; a lifetime may follow. One with an MKI behind that makes packets longer: we have no use for it. */
const INLINE = /^inline:([A-Za-z0-9+/]+=*)(?:\|(?:2\^)?\d{1,15})?$/i;
/** Parameters that may be passed over: a hint, and what is marked as such (RFC 4568 §6.3.6, §6.3.7). */
const HARMLESS_PARAMETER = /^(?:WSH=\d{1,9}|-.*)$/;

/** The lines of an offer, tags from 1 on. */
export function offeredCrypto(keys: readonly SrtpMaster[]): CryptoLine[] {
  return keys.map((master, i) => cryptoLine(i + 1, master));
}

/** A line with this key. */
export function cryptoLine(tag: number, { suite, keyAndSalt }: SrtpMaster): CryptoLine {
  return { id: tag, suite, config: `inline:${Buffer.from(keyAndSalt).toString('base64')}` };
}

/** Of an offer the first line that we can use (RFC 4568 §5.1.2), and our key of its suite. */
export function chooseCrypto(
  offered: readonly SdpCrypto[],
  ours: readonly SrtpMaster[],
): { readonly tag: number; readonly keys: SrtpKeys } | undefined {
  for (const line of offered) {
    const receive = readMaster(line);
    const send = ours.find(({ suite }) => suite === receive?.suite);
    if (receive !== undefined && send !== undefined && line.tag !== undefined)
      return { tag: line.tag, keys: { send, receive } };
  }
  return undefined;
}

/** Of an answer its only line, where it takes up one of ours (RFC 4568 §5.1.3); the tag says which. */
export function acceptCrypto(
  answered: readonly SdpCrypto[],
  ours: readonly SrtpMaster[],
): SrtpKeys | undefined {
  const [line, another] = answered;
  if (line === undefined || another !== undefined || line.tag === undefined) return undefined;
  const receive = readMaster(line);
  const send = ours[line.tag - 1];
  return receive === undefined || send?.suite !== receive.suite ? undefined : { send, receive };
}

function readMaster({ tag, suite: name, keys, parameters }: SdpCrypto): SrtpMaster | undefined {
  const suite = SRTP_SUITES.find((one) => one === name.toUpperCase());
  if (suite === undefined || tag === undefined || tag > LARGEST_TAG) return undefined;
  if (!parameters.split(/\s+/).every((one) => one === '' || HARMLESS_PARAMETER.test(one))) return undefined;
  const keyAndSalt = Uint8Array.from(Buffer.from(INLINE.exec(keys)?.[1] ?? '', 'base64'));
  return keyAndSalt.length === srtpMasterBytes(suite) ? { suite, keyAndSalt } : undefined;
}
