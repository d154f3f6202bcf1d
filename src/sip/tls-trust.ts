import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type ConnectionOptions, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { Secret } from '../secret.ts';
import { isOfDomain, listNames, readAltNames } from './tls-identity.ts';

export const TLS_VERSIONS = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' } as const;

/** A certificate of ours with its private key, both as PEM. */
export interface TlsCertificate {
  /** The certificate, and behind it those that lead to its authority. */
  readonly cert: string;
  readonly key: Secret;
}

/** What a server has to prove when we connect to it by TLS, and what we prove to it. Contents of files, not their paths. */
export interface TlsTerms {
  /**
   * The authorities that are believed, as PEM; in place of those that Node.js knows: a list of its own, and what
   * NODE_EXTRA_CA_CERTS names, or the system's with `--use-openssl-ca`.
   */
  readonly ca?: string;
  /**
   * SHA-256 of the server's certificate or of its public key (SubjectPublicKeyInfo), in hexadecimal (colons or not) or
   * base64; any of them will do. Without `ca` that is all that is asked: neither signature nor name nor date counts, as
   * with DANE-EE (RFC 7671 §5.1). With `ca` the rest is checked as well.
   */
  readonly pins?: readonly string[];
  /** What is shown to servers that want to know who we are. */
  readonly certificate?: TlsCertificate;
  /**
   * What the server's certificate is to name (RFC 5922 §7), where that is not the configured host. `*.carrier.example` asks for a
   * certificate with just that wildcard, which would count for no host otherwise.
   */
  readonly serverName?: string;
}

/** What is wrong with the terms; undefined where they can be used. Keys are not repeated. */
export function tlsFault({ ca, pins = [], certificate }: TlsTerms): string | undefined {
  const badPin = pins.find((pin) => readPin(pin) === undefined);
  if (badPin !== undefined) return 'a pin is no SHA-256 in hexadecimal or base64';
  if (ca !== undefined && !isReadable(() => new X509Certificate(ca))) return 'ca is no certificate in PEM';
  if (certificate === undefined) return undefined;
  const { cert, key } = certificate;
  if (!isReadable(() => new X509Certificate(cert))) return 'the certificate of ours is no certificate in PEM';
  let ours: KeyObject;
  try {
    ours = createPrivateKey(key.reveal());
  } catch {
    return 'the key of our certificate is no private key in PEM without a passphrase';
  }
  return new X509Certificate(cert).checkPrivateKey(ours)
    ? undefined
    : 'the key is not that of our certificate';
}

function isReadable(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false;
  }
}

function readPin(pin: string): string | undefined {
  const plain = pin.replaceAll(':', '').trim();
  if (/^[0-9a-f]{64}$/i.test(plain)) return plain.toLowerCase();
  return /^[A-Za-z0-9+/]{43}=$/.test(plain) ? Buffer.from(plain, 'base64').toString('hex') : undefined;
}

/** A connection must not go to somebody else, so nothing was sent over it. */
export class TlsRefusal extends Error {
  constructor(detail: string) {
    super(detail);
    this.name = 'TlsRefusal';
  }
}

/** The terms for connections to one domain, ready for use. */
export class TlsTrust {
  /** Names the terms and the domain: the same in every process that has the same terms. Holds no secret. */
  readonly id: string;
  readonly #context: SecureContext;
  readonly #name: string;
  /** What the server is told that we look for (SNI); undefined where all names are addresses. */
  readonly #indication: string | undefined;
  readonly #pins: readonly string[];
  /** Whether chain, name and dates are checked. */
  readonly #verifies: boolean;

  /**
   * @param domain whose server it is: the configured host, also where SRV leads elsewhere (RFC 5922 §7.2)
   * @throws Error where `tlsFault` has something to say
   */
  constructor(terms: TlsTerms, domain: string) {
    const fault = tlsFault(terms);
    if (fault !== undefined) throw new Error(`TLS: ${fault}`);
    const { ca, pins = [], certificate, serverName } = terms;
    this.id = trustId(terms, domain);
    this.#name = serverName ?? domain;
    this.#indication = [this.#name, domain].find((name) => isIP(name) === 0 && !name.startsWith('*'));
    this.#pins = pins.map((pin) => readPin(pin) ?? '');
    this.#verifies = pins.length === 0 || ca !== undefined;
    this.#context = createSecureContext({
      ...TLS_VERSIONS,
      ...(ca === undefined ? {} : { ca }),
      ...(certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key.reveal() }),
    });
  }

  get options(): ConnectionOptions {
    return {
      ...TLS_VERSIONS,
      secureContext: this.#context,
      rejectUnauthorized: this.#verifies,
      // Names are checked in `check`, together with the pins.
      checkServerIdentity: () => undefined,
      ...(this.#indication === undefined ? {} : { servername: this.#indication }),
    };
  }

  /** To be called before anything is sent: throws TlsRefusal where this is not the server that is meant. */
  check(socket: TLSSocket): void {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) throw new TlsRefusal('it shows no certificate');
    if (this.#verifies) {
      if (!socket.authorized) throw new TlsRefusal('its certificate cannot be verified');
      const names = readAltNames(certificate.subjectAltName);
      if (!isOfDomain(names, this.#name))
        throw new TlsRefusal(`its certificate is for ${listNames(names)} and not for ${this.#name}`);
    }
    if (this.#pins.length > 0 && !pinsOf(certificate).some((pin) => this.#pins.includes(pin)))
      throw new TlsRefusal('its certificate is not the pinned one');
  }
}

/** What `TlsTrust.id` will be. */
export function trustId({ ca, pins, certificate, serverName }: TlsTerms, domain: string): string {
  const parts = JSON.stringify([ca ?? null, pins ?? [], certificate?.cert ?? null, serverName ?? null]);
  return `${createHash('sha256').update(parts).digest('hex').slice(0, 32)} ${domain}`;
}

/** The domain that an id was made for. */
export function domainOfTrust(id: string): string {
  return id.slice(id.indexOf(' ') + 1);
}

function pinsOf(certificate: X509Certificate): string[] {
  const key = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return [certificate.raw, key].map((bytes) => createHash('sha256').update(bytes).digest('hex'));
}
