import { isIP } from 'node:net';
import { write } from 'sdp-transform';
import type { Codec } from '../engine/engine.ts';
import { G711_CLOCK_RATE, PAYLOAD_TYPES } from './g711.ts';
import { acceptCrypto, type CryptoLine, chooseCrypto, cryptoLine, offeredCrypto } from './sdp-crypto.ts';
import type { Direction, SdpFormat, SdpMedia } from './sdp-reader.ts';
import { readSdp, SdpError } from './sdp-reader.ts';
import type { SrtpKeys, SrtpMaster } from './srtp-suite.ts';

export { type Direction, SdpError };

/** What we say of our side of one audio stream, in an offer or an answer. */
export interface LocalMedia {
  /** Number of the session, digits only, the same for the whole call (RFC 8866 §5.2). */
  readonly sessionId: string;
  /** Grows by one with every description that differs from the one before (RFC 3264 §8). */
  readonly version: number;
  /** IP literal that the peer can reach; the family of the stream's sockets. */
  readonly address: string;
  readonly port: number;
  /** Said in `a=rtcp` (RFC 3605) unless it is the port after `port`. */
  readonly rtcpPort?: number;
  /** In order of preference; at least one. */
  readonly codecs: readonly Codec[];
  /** Whether keys may be sent as telephone-events (RFC 4733). */
  readonly telephoneEvent: boolean;
  /** In an offer 101 unless told; in an answer that of the offer unless told. */
  readonly telephoneEventPayloadType?: number;
  /** Other payload types than the static ones; in an answer than those of the offer. */
  readonly payloadTypes?: Readonly<Partial<Record<Codec, number>>>;
  /** What we want to do; sendrecv unless told. */
  readonly direction?: Direction;
  /** Without it no SRTP is offered, and none is taken. */
  readonly srtp?: LocalSrtp;
}

/** What we say of SRTP by SDES (RFC 4568). */
export interface LocalSrtp {
  /**
   * With it the stream is RTP/SAVP, and a peer that has no key is refused. Without it the offer is RTP/AVP with keys, as
   * RFC 8643 has it: who does not know them passes them over, so that one INVITE serves both kinds of peers. (An offer
   * of RTP/SAVP that is sent again as RTP/AVP after a 488 is the other custom; there a call may ring twice.)
   */
  readonly required: boolean;
  /** One for each suite, in order of preference: what we encrypt with where that suite is agreed on. */
  readonly keys: readonly SrtpMaster[];
}

/** What both sides agreed on, seen from ours. */
export interface Negotiated {
  /** Where the peer wants RTP: an IP literal. */
  readonly address: string;
  readonly port: number;
  readonly rtcpAddress: string;
  readonly rtcpPort: number;
  readonly codec: Codec;
  /** Of what we send. */
  readonly payloadType: number;
  /** Of the keys that we send; null when the peer takes none. */
  readonly telephoneEventPayloadType: number | null;
  /** What the peer may send: by RFC 3264 the numbers of our description, in practice also those of its own. */
  readonly receivedAudioPayloadTypes: readonly number[];
  readonly receivedEventPayloadTypes: readonly number[];
  /** Length of the packets that we send: 10, 20, 30, 40 or 60. */
  readonly ptimeMs: number;
  /** What we may do. */
  readonly direction: Direction;
  /** Present where both directions are encrypted. */
  readonly srtp?: SrtpKeys;
}

const DEFAULT_TELEPHONE_EVENT = 101;
const DEFAULT_PTIME_MS = 20;
const PLAIN = 'RTP/AVP';
const SECURE = 'RTP/SAVP';
const PTIMES_MS: readonly number[] = [10, 20, 30, 40, 60];

/** Whether a direction lets the side that has it send. */
export function maySend(direction: Direction): boolean {
  return direction === 'sendrecv' || direction === 'sendonly';
}

function mayReceive(direction: Direction): boolean {
  return direction === 'sendrecv' || direction === 'recvonly';
}

function directionOf(send: boolean, receive: boolean): Direction {
  if (send) return receive ? 'sendrecv' : 'sendonly';
  return receive ? 'recvonly' : 'inactive';
}

/** An offer of one audio stream (RFC 3264 §5). Throws a RangeError for local values that are no SDP. */
export function createOffer(local: LocalMedia): string {
  return describe(local, '0 0', [offerSection(local)]);
}

function offerSection(local: LocalMedia): object {
  const formats = local.codecs.map((codec) => offeredFormat(local, codec));
  return section(local, {
    formats,
    event: offeredEvent(local),
    direction: local.direction ?? 'sendrecv',
    ptimeMs: DEFAULT_PTIME_MS,
    protocol: local.srtp?.required === true ? SECURE : PLAIN,
    crypto: offeredCrypto(local.srtp?.keys ?? []),
  });
}

function offeredFormat(local: LocalMedia, codec: Codec): SdpFormat {
  const payloadType = local.payloadTypes?.[codec] ?? PAYLOAD_TYPES[codec];
  return { payloadType, encoding: codec, clockRate: G711_CLOCK_RATE };
}

function offeredEvent(local: LocalMedia): number | undefined {
  return local.telephoneEvent ? (local.telephoneEventPayloadType ?? DEFAULT_TELEPHONE_EVENT) : undefined;
}

/**
 * Reads the answer to an offer of ours (RFC 3264 §6, §7). Throws SdpError when nothing in it can be used: no
 * accepted audio, no codec of ours, no address that we can send to, no key or a wrong one where SRTP is to be.
 */
export function readAnswer(sdp: string, offered: LocalMedia): Negotiated {
  const media = usableAudio(readSdp(sdp).media, offered);
  const format = media.formats.find(
    (one) => one.clockRate === G711_CLOCK_RATE && offered.codecs.some((codec) => codec === one.encoding),
  );
  if (format === undefined) throw new SdpError('The answer has no codec of the offer.');
  const ours = offered.codecs.map((codec) => offeredFormat(offered, codec).payloadType);
  const srtp = media.crypto.length === 0 ? undefined : answeredKeys(media, offered);
  return { ...agree(media, offered, format, ours, offeredEvent(offered)), ...(srtp ? { srtp } : {}) };
}

export interface AnsweredOffer {
  /** Our answer. */
  readonly sdp: string;
  readonly negotiated: Negotiated;
}

/**
 * Answers an offer of the peer: in an INVITE, or a re-INVITE or UPDATE within the call. The first of our codecs that
 * the offer has is taken, so the current one goes first there. Other m= lines are rejected with port 0. Throws
 * SdpError when nothing can be used; then the answer is a 488.
 */
export function answerOffer(offer: string, local: LocalMedia): AnsweredOffer {
  const { media: sections, timing } = readSdp(offer);
  const media = usableAudio(sections, local);
  const format = local.codecs
    .map((codec) => media.formats.find((one) => one.encoding === codec && one.clockRate === G711_CLOCK_RATE))
    .find((one) => one !== undefined);
  if (format === undefined) throw new SdpError('The offer has no codec of ours.');
  const payloadType = local.payloadTypes?.[format.encoding as Codec] ?? format.payloadType;
  const theirEvent = local.telephoneEvent ? eventOf(media)?.payloadType : undefined;
  const ourEvent = theirEvent === undefined ? undefined : (local.telephoneEventPayloadType ?? theirEvent);
  const chosen = chosenKeys(media, local);
  const negotiated = {
    ...agree(media, local, format, [payloadType], ourEvent),
    ...(chosen === undefined ? {} : { srtp: chosen.keys }),
  };
  const accepted = section(local, {
    formats: [{ ...format, payloadType }],
    event: ourEvent,
    direction: negotiated.direction,
    ptimeMs: negotiated.ptimeMs,
    protocol: media.protocol,
    crypto: chosen === undefined ? [] : [cryptoLine(chosen.tag, chosen.keys.send)],
  });
  const answered = sections.map((one) => (one === media ? accepted : rejection(one)));
  return { sdp: describe(local, timing, answered), negotiated };
}

/** The first audio that suits our SRTP; of several the first that has keys, where we have some too. */
function usableAudio(sections: readonly SdpMedia[], { srtp }: LocalMedia): SdpMedia {
  const accepted = sections.filter(({ type, port }) => type === 'audio' && port !== 0);
  const secure = accepted.filter(({ protocol }) => protocol === SECURE);
  const plain = accepted.filter(({ protocol }) => protocol === PLAIN);
  if (srtp === undefined) {
    const [media] = plain;
    if (media !== undefined) return media;
    throw new SdpError(
      secure.length > 0
        ? 'The SDP has SRTP only, which is off.'
        : 'The SDP has no RTP/AVP audio that is not rejected.',
    );
  }
  const keyed = [...secure, ...plain].find(({ crypto }) => crypto.length > 0);
  const media = keyed ?? (srtp.required ? undefined : plain[0]);
  if (media !== undefined) return media;
  if (secure.length + plain.length === 0)
    throw new SdpError('The SDP has no RTP audio that is not rejected.');
  throw new SdpError('The SDP has no key for SRTP (a=crypto), which is required.');
}

/** The keys of an answer that has some. It encrypts: keys that cannot be used end it, though SRTP be optional. */
function answeredKeys(media: SdpMedia, { srtp }: LocalMedia): SrtpKeys | undefined {
  if (srtp === undefined) return undefined;
  const keys = acceptCrypto(media.crypto, srtp.keys);
  if (keys === undefined) throw new SdpError('The answer has a key for SRTP that does not fit the offer.');
  return keys;
}

function chosenKeys(media: SdpMedia, { srtp }: LocalMedia): { tag: number; keys: SrtpKeys } | undefined {
  if (srtp === undefined) return undefined;
  const chosen = chooseCrypto(media.crypto, srtp.keys);
  if (chosen === undefined && (srtp.required || media.protocol === SECURE))
    throw new SdpError('The offer has no key for SRTP that we can use.');
  return chosen;
}

function eventOf(media: SdpMedia): SdpFormat | undefined {
  return media.formats.find((one) => one.encoding === 'TELEPHONE-EVENT' && one.clockRate === G711_CLOCK_RATE);
}

function agree(
  media: SdpMedia,
  local: LocalMedia,
  format: SdpFormat,
  ourAudio: readonly number[],
  ourEvent: number | undefined,
): Negotiated {
  const target = targetOf(media, isIP(local.address));
  const theirEvent = ourEvent === undefined ? undefined : eventOf(media)?.payloadType;
  const audio = new Set([...ourAudio, format.payloadType]);
  const events = new Set(theirEvent === undefined || ourEvent === undefined ? [] : [ourEvent, theirEvent]);
  for (const payloadType of audio) events.delete(payloadType);
  const want = local.direction ?? 'sendrecv';
  const hold = isUnspecified(target.address);
  return {
    ...target,
    codec: format.encoding as Codec,
    payloadType: format.payloadType,
    telephoneEventPayloadType: theirEvent ?? null,
    receivedAudioPayloadTypes: [...audio],
    receivedEventPayloadTypes: [...events],
    ptimeMs: choosePtime(media),
    // An unspecified address is the hold of RFC 2543 (RFC 3264 §8.4).
    direction: hold
      ? 'inactive'
      : directionOf(
          maySend(want) && mayReceive(media.direction),
          mayReceive(want) && maySend(media.direction),
        ),
  };
}

type Target = Pick<Negotiated, 'address' | 'port' | 'rtcpAddress' | 'rtcpPort'>;

function targetOf(media: SdpMedia, family: number): Target {
  const { address, port } = media;
  if (address === undefined) throw new SdpError('The SDP has no connection address that is an IP literal.');
  if (isIP(address) !== family) throw new SdpError('The SDP has an address of the other IP family.');
  if (isMulticast(address)) throw new SdpError('The SDP has a multicast address.');
  if (port > 65_535) throw new SdpError('The SDP has a port out of range.');
  // RFC 3605; without it RTCP goes to the next port. What makes no sense there only costs the RTCP.
  const said = media.rtcpPort !== undefined && media.rtcpPort >= 1 && media.rtcpPort <= 65_535;
  const sameFamily = media.rtcpAddress !== undefined && isIP(media.rtcpAddress) === family;
  return {
    address,
    port,
    rtcpAddress: said && sameFamily && !isMulticast(media.rtcpAddress) ? media.rtcpAddress : address,
    rtcpPort: said ? media.rtcpPort : Math.min(port + 1, 65_535),
  };
}

function isUnspecified(address: string): boolean {
  return /^[0:.]+$/.test(address);
}

function isMulticast(address: string): boolean {
  if (isIP(address) === 6) return /^ff/i.test(address);
  return Number(address.split('.')[0]) >= 224;
}

/** The peer's ptime where we have it, 20 ms otherwise, never longer than its maxptime (RFC 8866 §6.4). */
function choosePtime(media: SdpMedia): number {
  const wanted = PTIMES_MS.find((ptime) => ptime === media.ptimeMs) ?? DEFAULT_PTIME_MS;
  const longest = media.maxPtimeMs ?? Number.POSITIVE_INFINITY;
  return PTIMES_MS.findLast((ptime) => ptime <= Math.min(wanted, longest)) ?? DEFAULT_PTIME_MS;
}

interface Section {
  readonly formats: readonly SdpFormat[];
  readonly event: number | undefined;
  readonly direction: Direction;
  readonly ptimeMs: number;
  readonly protocol: string;
  readonly crypto: readonly CryptoLine[];
}

function section(
  local: LocalMedia,
  { formats, event, direction, ptimeMs, protocol, crypto }: Section,
): object {
  const rtp = formats.map(({ payloadType, encoding, clockRate }) => ({
    payload: payloadType,
    codec: encoding,
    rate: clockRate,
  }));
  if (event !== undefined) rtp.push({ payload: event, codec: 'telephone-event', rate: G711_CLOCK_RATE });
  const payloads = rtp.map(({ payload }) => payload);
  if (formats.length === 0 || new Set(payloads).size < payloads.length || payloads.some((pt) => pt > 127)) {
    throw new RangeError('The payload types are not a set of numbers from 0 to 127.');
  }
  const besides = local.rtcpPort !== undefined && local.rtcpPort !== local.port + 1;
  return {
    type: 'audio',
    port: local.port,
    protocol,
    payloads: payloads.join(' '),
    rtp,
    fmtp: event === undefined ? [] : [{ payload: event, config: '0-15' }],
    ptime: ptimeMs,
    direction,
    ...(crypto.length > 0 ? { crypto } : {}),
    ...(besides ? { rtcp: { port: local.rtcpPort } } : {}),
  };
}

/** The m= line of a stream that we do not take (RFC 3264 §6): port 0, the formats repeated. */
function rejection(media: SdpMedia): object {
  const formats = media.formatText.split(/\s+/).filter((word) => /^[\w.+-]{1,20}$/.test(word));
  if (media.type === '' || media.protocol === '') throw new SdpError('An m= line cannot be read.');
  const payloads = formats.slice(0, 40).join(' ') || '0';
  return { type: media.type, port: 0, protocol: media.protocol, payloads, rtp: [], fmtp: [] };
}

function describe(local: LocalMedia, timing: string, sections: readonly object[]): string {
  const ipVer = isIP(local.address);
  if (ipVer === 0) throw new RangeError('The local address is an IP literal.');
  if (!/^\d{1,19}$/.test(local.sessionId)) throw new RangeError('The session id is a number.');
  const [start, stop] = timing.split(' ');
  return write({
    version: 0,
    origin: {
      username: '-',
      sessionId: local.sessionId,
      sessionVersion: local.version,
      netType: 'IN',
      ipVer,
      address: local.address,
    },
    name: '-',
    connection: { version: ipVer, ip: local.address },
    timing: { start, stop },
    media: sections,
  });
}
