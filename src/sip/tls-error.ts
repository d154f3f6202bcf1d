import { TlsRefusal } from './tls-trust.ts';

/** What node:tls and OpenSSL say, in words that tell whom it concerns. */
const MEANINGS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  // Of an authority with the name of a known one.
  CERT_SIGNATURE_FAILURE: 'its certificate is signed by an unknown authority',
  CERT_REVOKED: 'its certificate was revoked',
  CERT_UNTRUSTED: 'its certificate is signed by an unknown authority',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself: an unknown authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate is signed by an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is signed by an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by an unknown authority',
  INVALID_PURPOSE: 'its certificate is not one for servers',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'it wants a certificate of ours, and there is none',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: 'it refuses the handshake: it may want a certificate of ours',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'it does not know the authority of our certificate',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'it refuses our certificate',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: 'it refuses our certificate',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: 'our certificate has expired',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: 'our certificate was revoked',
  ERR_SSL_TLSV1_ALERT_ACCESS_DENIED: 'it refuses our certificate',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'it has no TLS of version 1.2 or later',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'it has no TLS of version 1.2 or later',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS there',
};

/** The error of a connection as it is told: what is wrong with TLS, and where; any other error as it is. */
export function tlsError(error: unknown, place: { readonly address: string; readonly port: number }): Error {
  const at = `TLS to ${place.address} port ${place.port}`;
  if (!(error instanceof Error)) return new Error(`${at}: ${String(error)}`);
  if (error instanceof TlsRefusal) return new Error(`${at}: ${error.message}`, { cause: error });
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const meaning = MEANINGS[code];
  if (meaning !== undefined) return new Error(`${at}: ${meaning}`, { cause: error });
  // Before the handshake is over a reset has no better words, and OpenSSL's own hold a line of its source.
  if (code === 'ECONNRESET') return new Error(`${at}: it closed the connection`, { cause: error });
  if (code.startsWith('ERR_SSL_'))
    return new Error(`${at}: ${code.slice(8).toLowerCase().replaceAll('_', ' ')}`, { cause: error });
  // A certificate that is wrong in a rarer way; what the network says (ECONNREFUSED) is clear by itself.
  return code === '' || /^E(?!RR)/.test(code)
    ? error
    : new Error(`${at}: ${error.message}`, { cause: error });
}
