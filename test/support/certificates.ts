import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { Secret } from '../../src/secret.ts';
import type { TlsCertificate } from '../../src/sip/tls-trust.ts';

type Bytes = Uint8Array;

const DAY_MS = 86_400_000;
const COMMON_NAME = [0x55, 0x04, 0x03];
const ALT_NAME = [0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS = [0x55, 0x1d, 0x13];
const ECDSA_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/** Tags of the kinds of names in a subjectAltName (RFC 5280 §4.2.1.6). */
const NAME_TAGS = { dns: 0x82, uri: 0x86, ip: 0x87 } as const;

/** `dns:a.example`, `uri:sip:a.example` or `ip:127.0.0.1` (IPv4). */
export type AltName = `${keyof typeof NAME_TAGS}:${string}`;

export interface CertificateWishes {
  readonly names: readonly AltName[];
  /** Days from now; −1 and 30 unless told. */
  readonly validFrom?: number;
  readonly validTo?: number;
}

/** X.690 §8.1: tag, length, content. */
function der(tag: number, ...content: (Bytes | readonly number[])[]): Bytes {
  const body = Buffer.concat(content.map((part) => Uint8Array.from(part)));
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Uint8Array.of(tag, ...size), body]);
}

const sequence = (...content: Bytes[]): Bytes => der(0x30, ...content);
const oid = (bytes: readonly number[]): Bytes => der(0x06, bytes);
const ALGORITHM = sequence(oid(ECDSA_SHA256));

/** RFC 5280 §4.1.2.5: two digits of the year up to 2049. */
function utcTime(inDays: number): Bytes {
  const text = new Date(Date.now() + inDays * DAY_MS).toISOString();
  return der(0x17, Buffer.from(`${text.slice(2, 19).replace(/[-T:]/g, '')}Z`));
}

function extension(id: readonly number[], value: Bytes): Bytes {
  return sequence(oid(id), der(0x04, value));
}

function altName(name: AltName): Bytes {
  const colon = name.indexOf(':');
  const kind = name.slice(0, colon) as keyof typeof NAME_TAGS;
  const value = name.slice(colon + 1);
  return der(NAME_TAGS[kind], kind === 'ip' ? value.split('.').map(Number) : Buffer.from(value));
}

function nameOf(commonName: string): Bytes {
  return sequence(der(0x31, sequence(oid(COMMON_NAME), der(0x0c, Buffer.from(commonName)))));
}

interface Signer {
  readonly name: Bytes;
  readonly key: KeyObject;
}

function issue(
  subject: Bytes,
  publicKey: KeyObject,
  signer: Signer,
  extensions: readonly Bytes[],
  { validFrom = -1, validTo = 30 }: Partial<CertificateWishes> = {},
): string {
  const body = sequence(
    der(0xa0, der(0x02, [2])),
    der(0x02, [1, ...randomBytes(8)]),
    ALGORITHM,
    signer.name,
    sequence(utcTime(validFrom), utcTime(validTo)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length === 0 ? [] : [der(0xa3, sequence(...extensions))]),
  );
  const signature = der(0x03, [0], sign('sha256', body, signer.key));
  const lines = Buffer.from(sequence(body, ALGORITHM, signature))
    .toString('base64')
    .match(/.{1,64}/g);
  return `-----BEGIN CERTIFICATE-----\n${(lines ?? []).join('\n')}\n-----END CERTIFICATE-----\n`;
}

const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

function withKey(cert: string, key: KeyObject): TlsCertificate {
  return { cert, key: new Secret(key.export({ type: 'pkcs8', format: 'pem' }).toString()) };
}

function extensionsFor(names: readonly AltName[]): Bytes[] {
  return names.length === 0 ? [] : [extension(ALT_NAME, sequence(...names.map(altName)))];
}

/** An authority that nobody knows until its certificate is believed. */
export class Authority {
  /** Its own certificate, in PEM. */
  readonly cert: string;
  readonly #signer: Signer;

  constructor(commonName = 'Test Authority') {
    const { publicKey, privateKey } = newKeys();
    this.#signer = { name: nameOf(commonName), key: privateKey };
    const isAuthority = sequence(
      oid(BASIC_CONSTRAINTS),
      der(0x01, [0xff]),
      der(0x04, sequence(der(0x01, [0xff]))),
    );
    this.cert = issue(this.#signer.name, publicKey, this.#signer, [isAuthority], { validTo: 60 });
  }

  issue(wishes: CertificateWishes): TlsCertificate {
    const { publicKey, privateKey } = newKeys();
    const cert = issue(nameOf('leaf'), publicKey, this.#signer, extensionsFor(wishes.names), wishes);
    return withKey(cert, privateKey);
  }
}

/** A certificate that nobody signed but itself. */
export function selfSigned(wishes: CertificateWishes): TlsCertificate {
  const { publicKey, privateKey } = newKeys();
  const name = nameOf('self');
  const signer = { name, key: privateKey };
  return withKey(issue(name, publicKey, signer, extensionsFor(wishes.names), wishes), privateKey);
}

/** SHA-256 in hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
