import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

const HOUR_MS = 3_600_000;
/** ecdsa-with-SHA256 (RFC 5758 §3.2) and commonName (RFC 5280 appendix A.1), as object identifiers. */
const ECDSA_SHA256 = Uint8Array.of(0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
const COMMON_NAME = Uint8Array.of(0x06, 3, 0x55, 0x04, 0x03);

/** X.690 §8.1: tag, length, content. */
function der(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(content);
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Uint8Array.of(tag, ...size), body]);
}

const sequence = (...content: readonly Uint8Array[]): Uint8Array => der(0x30, ...content);

/** RFC 5280 §4.1.2.5.1. */
function utcTime(epochMs: number): Uint8Array {
  const digits = new Date(epochMs).toISOString().slice(2, 19).replace(/[-T:]/g, '');
  return der(0x17, Buffer.from(`${digits}Z`));
}

/** A new certificate of somebody whom nobody knows, signed by itself, good for two hours around now. Both as PEM. */
export function strangerCertificate(nowMs: number): { readonly cert: string; readonly key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(ECDSA_SHA256);
  const name = sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from('a stranger')))));
  const body = sequence(
    der(0xa0, Uint8Array.of(0x02, 1, 2)),
    der(0x02, Uint8Array.of(1), randomBytes(8)),
    algorithm,
    name,
    sequence(utcTime(nowMs - HOUR_MS), utcTime(nowMs + HOUR_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = der(0x03, Uint8Array.of(0), sign('sha256', body, privateKey));
  const base64 = Buffer.from(sequence(body, algorithm, signature)).toString('base64');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
