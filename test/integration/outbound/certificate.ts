import { generateKeyPairSync, sign } from 'node:crypto';

/** In PEM, as node:tls takes it. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

type Bytes = Uint8Array;

const OID_COMMON_NAME = [0x55, 0x04, 0x03];
const OID_ALT_NAME = [0x55, 0x1d, 0x11];
const OID_ECDSA_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/** X.690 §8.1: tag, length, content. */
function der(tag: number, ...content: (Bytes | readonly number[])[]): Bytes {
  const body = Buffer.concat(content.map((part) => Uint8Array.from(part)));
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Uint8Array.of(tag, ...size), body]);
}

const sequence = (...content: Bytes[]): Bytes => der(0x30, ...content);
const oid = (bytes: readonly number[]): Bytes => der(0x06, bytes);
const ascii = (text: string): Bytes => Buffer.from(text, 'ascii');
const utcTime = (year: number): Bytes =>
  der(0x17, ascii(`${String(year % 100).padStart(2, '0')}0101000000Z`));

/** A certificate for one name that nobody signed but itself (RFC 5280 §4.1), valid around now. */
export function certificateFor(name: string): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid(OID_ECDSA_SHA256));
  const subject = sequence(der(0x31, sequence(oid(OID_COMMON_NAME), der(0x0c, ascii(name)))));
  const altName = sequence(oid(OID_ALT_NAME), der(0x04, sequence(der(0x82, ascii(name)))));
  const year = new Date().getUTCFullYear();
  const body = sequence(
    der(0xa0, der(0x02, [2])),
    der(0x02, [1]),
    algorithm,
    subject,
    sequence(utcTime(year - 1), utcTime(year + 2)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(altName)),
  );
  const signature = der(0x03, [0], sign('sha256', body, privateKey));
  const base64 = Buffer.from(sequence(body, algorithm, signature)).toString('base64');
  const lines = base64.match(/.{1,64}/g) ?? [];
  return {
    cert: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
