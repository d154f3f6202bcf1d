import { isIP } from 'node:net';
import { parse } from 'sdp-transform';
import type { SdpCrypto } from './sdp-crypto.ts';

/** What a session description cannot be used for; the message holds nothing that came from outside. */
export class SdpError extends Error {
  constructor(detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.name = 'SdpError';
  }
}

/** What a side of the media stream may do (RFC 3264 §5.1). */
export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

export interface SdpFormat {
  readonly payloadType: number;
  /** Upper-case encoding name of its rtpmap, or of the static table. */
  readonly encoding: string;
  readonly clockRate: number;
}

/** One m= line with what its section and the session say of it. */
export interface SdpMedia {
  readonly type: string;
  readonly protocol: string;
  /** The formats as they were written, for an answer that rejects the line. */
  readonly formatText: string;
  readonly port: number;
  /** In the sender's order; only those whose meaning is known. */
  readonly formats: readonly SdpFormat[];
  /** Undefined when neither the section nor the session has a c= line that can be read. */
  readonly address: string | undefined;
  readonly rtcpPort: number | undefined;
  readonly rtcpAddress: string | undefined;
  readonly direction: Direction;
  readonly ptimeMs: number | undefined;
  readonly maxPtimeMs: number | undefined;
  /** Its a=crypto lines (RFC 4568), in the sender's order, as they were written. */
  readonly crypto: readonly SdpCrypto[];
}

export interface SdpDescription {
  readonly media: readonly SdpMedia[];
  /** Text of the t= line, which an answer repeats (RFC 3264 §6). */
  readonly timing: string;
}

const LARGEST_SDP = 16 * 1024;
const MOST_MEDIA = 16;
/** Static payload types that we know (RFC 3551 §6); an rtpmap that contradicts them is not believed. */
const STATIC_FORMATS: ReadonlyMap<number, SdpFormat> = new Map([
  [0, { payloadType: 0, encoding: 'PCMU', clockRate: 8000 }],
  [8, { payloadType: 8, encoding: 'PCMA', clockRate: 8000 }],
]);
const DIRECTIONS: readonly string[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive'] satisfies Direction[];
/** Nothing else reaches the parser: its expressions for candidates, simulcast and the like may run for long. */
const LINES_WE_READ =
  /^(?:[vostcm]=|a=(?:rtpmap|ptime|maxptime|rtcp|crypto):|a=(?:sendrecv|sendonly|recvonly|inactive)\s*$)/;

/** Reads a session description (RFC 8866) and checks all that is used of it. Throws SdpError and nothing else. */
export function readSdp(sdp: string): SdpDescription {
  if (sdp.length > LARGEST_SDP) throw new SdpError('The SDP is too large.');
  const lines = sdp.split(/\r\n|\r|\n/).filter((line) => line.length <= 1000 && LINES_WE_READ.test(line));
  // `m=audio 4000/1 …`: the number of ports (RFC 8866 §5.14) is not known to the parser.
  const readable = lines.map((line) => line.replace(/^(m=\w+ \d+)\/\d+/, '$1').trimEnd()).join('\r\n');
  let parsed: unknown;
  try {
    parsed = parse(readable);
  } catch (error) {
    throw new SdpError('The SDP cannot be read.', { cause: error });
  }
  const session = record(parsed);
  const media = list(session.media);
  if (media.length === 0) throw new SdpError('The SDP has no m= line.');
  if (media.length > MOST_MEDIA) throw new SdpError('The SDP has too many m= lines.');
  const timing = record(session.timing);
  return {
    media: media.map((one) => readMedia(record(one), session)),
    timing: `${integer(timing.start) ?? 0} ${integer(timing.stop) ?? 0}`,
  };
}

function readMedia(media: Fields, session: Fields): SdpMedia {
  const formatText = text(media.payloads) ?? '';
  const rtcp = record(media.rtcp);
  const connection = media.connection === undefined ? session.connection : media.connection;
  return {
    type: text(media.type) ?? '',
    protocol: text(media.protocol) ?? '',
    formatText,
    port: integer(media.port) ?? 0,
    formats: readFormats(formatText, list(media.rtp)),
    address: readAddress(record(connection), 'version', 'ip'),
    rtcpPort: integer(rtcp.port),
    rtcpAddress: readAddress(rtcp, 'ipVer', 'address'),
    direction: readDirection(media.direction) ?? readDirection(session.direction) ?? 'sendrecv',
    ptimeMs: milliseconds(media.ptime) ?? milliseconds(session.ptime),
    maxPtimeMs: milliseconds(media.maxptime) ?? milliseconds(session.maxptime),
    crypto: list(media.crypto).map((line) => readCryptoLine(record(line))),
  };
}

function readFormats(formatText: string, rtpmaps: readonly unknown[]): SdpFormat[] {
  const mapped = new Map<number, SdpFormat | undefined>(STATIC_FORMATS);
  for (const item of rtpmaps) {
    const format = readRtpmap(record(item));
    if (format === undefined) continue;
    const known = STATIC_FORMATS.get(format.payloadType);
    if (known && (known.encoding !== format.encoding || known.clockRate !== format.clockRate)) {
      mapped.set(format.payloadType, undefined);
    } else {
      mapped.set(format.payloadType, format);
    }
  }
  const payloadTypes = formatText
    .split(/\s+/)
    .filter((word) => /^\d{1,3}$/.test(word))
    .map(Number);
  return [...new Set(payloadTypes)].flatMap((payloadType) => mapped.get(payloadType) ?? []);
}

function readRtpmap(map: Fields): SdpFormat | undefined {
  const payloadType = integer(map.payload);
  const encoding = text(map.codec);
  const clockRate = integer(map.rate);
  if (payloadType === undefined || payloadType > 127 || !encoding || clockRate === undefined)
    return undefined;
  // The last part of an audio rtpmap is its channels (RFC 8866 §6.6): we have one.
  if (map.encoding !== undefined && integer(map.encoding) !== 1) return undefined;
  return { payloadType, encoding: encoding.toUpperCase(), clockRate };
}

function readCryptoLine(line: Fields): SdpCrypto {
  return {
    tag: integer(line.id),
    suite: text(line.suite) ?? '',
    keys: text(line.config) ?? '',
    parameters: text(line.sessionConfig) ?? '',
  };
}

/** An IP literal of the family that the line names, without a multicast TTL; names are not resolved. */
function readAddress(fields: Fields, version: string, address: string): string | undefined {
  const value = text(fields[address]);
  const family = integer(fields[version]);
  return value !== undefined && (family === 4 || family === 6) && isIP(value) === family ? value : undefined;
}

function readDirection(value: unknown): Direction | undefined {
  return typeof value === 'string' && DIRECTIONS.includes(value) ? (value as Direction) : undefined;
}

type Fields = Readonly<Record<string, unknown>>;

function record(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The parser makes numbers of what looks like one, a payload list of one format too. */
function text(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : undefined;
}

function integer(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

function milliseconds(value: unknown): number | undefined {
  const number = Number(text(value) || Number.NaN);
  return Number.isFinite(number) && number > 0 ? number : undefined;
}
