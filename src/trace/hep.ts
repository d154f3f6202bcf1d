import { isIPv4, isIPv6 } from 'node:net';

/**
 * Packets of HEP version 3, in which capture servers such as Homer take SIP messages: "HEP3", the length of all, and
 * chunks of vendor, type, length (with these six bytes) and value, numbers in network order (HEP/EEP protocol
 * revision 12, §2 and §3).
 */

/** One message and the way it took. Both addresses are of the same family. */
export interface HepMessage {
  readonly transport: string;
  readonly source: HepPlace;
  readonly destination: HepPlace;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly payload: string;
  /** What messages of one call have in common. */
  readonly correlationId?: string | undefined;
}

export interface HepPlace {
  /** IPv4 or IPv6. */
  readonly address: string;
  readonly port: number;
}

/** Who captured. */
export interface HepAgent {
  /** 32 bits. */
  readonly captureId: number;
  /** What the server asks for, if anything. */
  readonly password?: string | undefined;
}

const GENERIC_VENDOR = 0;
const CHUNK = {
  ipFamily: 0x01,
  protocol: 0x02,
  ipv4Source: 0x03,
  ipv4Destination: 0x04,
  ipv6Source: 0x05,
  ipv6Destination: 0x06,
  sourcePort: 0x07,
  destinationPort: 0x08,
  seconds: 0x09,
  micros: 0x0a,
  payloadType: 0x0b,
  captureId: 0x0c,
  password: 0x0e,
  payload: 0x0f,
  correlationId: 0x11,
} as const;

/** AF_INET and AF_INET6, and protocols as IP numbers them: TLS is TCP. */
const FAMILY = { ipv4: 2, ipv6: 10 } as const;
const UDP = 17;
const TCP = 6;
const SIP = 1;

const HEAD_BYTES = 6;
const MAX_BYTES = 65_507;

/** Undefined for what HEP cannot say: addresses of two families, names for addresses, and more than fits a datagram. */
export function encodeHep(message: HepMessage, { captureId, password }: HepAgent): Buffer | undefined {
  const { source, destination, at } = message;
  const addresses = addressChunks(source.address, destination.address);
  if (addresses === undefined) return undefined;
  const seconds = Math.floor(at / 1000);
  const chunks = [
    ...addresses,
    chunk(CHUNK.protocol, uint(message.transport === 'udp' ? UDP : TCP, 1)),
    chunk(CHUNK.sourcePort, uint(source.port, 2)),
    chunk(CHUNK.destinationPort, uint(destination.port, 2)),
    chunk(CHUNK.seconds, uint(seconds, 4)),
    chunk(CHUNK.micros, uint(Math.round((at - seconds * 1000) * 1000), 4)),
    chunk(CHUNK.payloadType, uint(SIP, 1)),
    chunk(CHUNK.captureId, uint(captureId, 4)),
    ...(password === undefined ? [] : [chunk(CHUNK.password, Buffer.from(password))]),
    ...(message.correlationId === undefined
      ? []
      : [chunk(CHUNK.correlationId, Buffer.from(message.correlationId))]),
    chunk(CHUNK.payload, Buffer.from(message.payload)),
  ];
  const length = chunks.reduce((sum, { length: bytes }) => sum + bytes, HEAD_BYTES);
  if (length > MAX_BYTES) return undefined;
  return Buffer.concat([Buffer.from('HEP3'), uint(length, 2), ...chunks], length);
}

function addressChunks(source: string, destination: string): readonly Buffer[] | undefined {
  if (isIPv4(source) && isIPv4(destination)) {
    return [
      chunk(CHUNK.ipFamily, uint(FAMILY.ipv4, 1)),
      chunk(CHUNK.ipv4Source, ipv4(source)),
      chunk(CHUNK.ipv4Destination, ipv4(destination)),
    ];
  }
  if (isIPv6(source) && isIPv6(destination)) {
    return [
      chunk(CHUNK.ipFamily, uint(FAMILY.ipv6, 1)),
      chunk(CHUNK.ipv6Source, ipv6(source)),
      chunk(CHUNK.ipv6Destination, ipv6(destination)),
    ];
  }
  return undefined;
}

function chunk(type: number, value: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt16BE(GENERIC_VENDOR, 0);
  head.writeUInt16BE(type, 2);
  // A longer one is refused as a whole; here it must only not throw.
  head.writeUInt16BE(Math.min(HEAD_BYTES + value.length, 0xffff), 4);
  return Buffer.concat([head, value]);
}

function uint(value: number, bytes: 1 | 2 | 4): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

function ipv4(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}

/** RFC 4291 §2.2: groups of hexadecimal digits, `::` for those that are zero, an IPv4 address for the last two. */
function ipv6(address: string): Buffer {
  const [bare = ''] = address.split('%');
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(bare);
  const [left = '', right] = (dotted === null ? bare : `${dotted[1]}${lastGroups(dotted[2] ?? '')}`).split(
    '::',
  );
  const before = left === '' ? [] : left.split(':');
  const after = right === undefined || right === '' ? [] : right.split(':');
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return Buffer.concat([...before, ...zeros, ...after].map((group) => uint(Number.parseInt(group, 16), 2)));
}

function lastGroups(address: string): string {
  const bytes = ipv4(address);
  return `${bytes.readUInt16BE(0).toString(16)}:${bytes.readUInt16BE(2).toString(16)}`;
}
