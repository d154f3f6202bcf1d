/**
 * Digest authentication (RFC 7616, and RFC 8760 for SIP), both sides, without state of its own: nonces,
 * counts and client nonces are given.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Secret } from '../secret.ts';
import { splitOutsideQuotes } from './message.ts';
import { readParams } from './uri.ts';

/** Strongest first. */
const HASHES: Readonly<Record<string, string>> = {
  'SHA-512-256': 'sha512-256',
  'SHA-256': 'sha256',
  MD5: 'md5',
};

export interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  /** As in the challenge: MD5, SHA-256, SHA-512-256, each with or without `-sess`. */
  readonly algorithm: string;
  /** `auth`, `auth-int`, or undefined for peers of RFC 2069. */
  readonly qop: 'auth' | 'auth-int' | undefined;
  readonly opaque: string | undefined;
  /** The nonce was too old, the credentials were right. */
  readonly stale: boolean;
}

/**
 * The challenges of WWW-Authenticate or Proxy-Authenticate lines that we can answer, strongest algorithm
 * first. Several challenges may share a line, commas being both inside and between them.
 */
export function parseChallenges(lines: readonly string[]): Challenge[] {
  const challenges = lines.flatMap(splitChallenges).map(readChallenge);
  const order = Object.keys(HASHES);
  return challenges
    .filter((challenge) => challenge !== undefined)
    .sort((a, b) => order.indexOf(plain(a.algorithm)) - order.indexOf(plain(b.algorithm)));
}

function splitChallenges(line: string): string[] {
  const challenges: string[] = [];
  for (const part of splitOutsideQuotes(line, ',')) {
    // A scheme is a token followed by a space and its first parameter: `Digest realm="…"`.
    if (/^[A-Za-z][A-Za-z0-9-]*\s+[^=\s]+\s*=/.test(part) || challenges.length === 0) challenges.push(part);
    else challenges.push(`${challenges.pop()},${part}`);
  }
  return challenges;
}

function readChallenge(text: string): Challenge | undefined {
  const match = /^Digest\s+(.*)$/is.exec(text);
  const params = readParams(splitOutsideQuotes(match?.[1] ?? '', ','));
  const realm = params.get('realm');
  const nonce = params.get('nonce');
  const algorithm = params.get('algorithm') ?? 'MD5';
  if (match === null || realm === undefined || nonce === undefined || HASHES[plain(algorithm)] === undefined)
    return undefined;
  const offered = params
    .get('qop')
    ?.split(',')
    .map((value) => value.trim().toLowerCase());
  const qop = offered?.includes('auth') ? 'auth' : offered?.includes('auth-int') ? 'auth-int' : undefined;
  if (offered !== undefined && qop === undefined) return undefined;
  const stale = params.get('stale')?.toLowerCase() === 'true';
  return { realm, nonce, algorithm, qop, opaque: params.get('opaque'), stale };
}

function plain(algorithm: string): string {
  return algorithm.toUpperCase().replace(/-SESS$/, '');
}

export interface DigestInput {
  readonly method: string;
  /** The Request-URI of the request that carries the answer. */
  readonly uri: string;
  readonly body: string;
  readonly username: string;
  readonly password: Secret;
  /** Client nonce, 8 random characters or more. */
  readonly cnonce: string;
  /** How often this nonce was used, from 1. */
  readonly count: number;
}

/** The value of an Authorization or Proxy-Authorization header. */
export function answerChallenge(challenge: Challenge, input: DigestInput): string {
  const nc = input.count.toString(16).padStart(8, '0');
  const response = responseHash(challenge, input, nc);
  const parts = [
    `username=${quote(input.username)}`,
    `realm=${quote(challenge.realm)}`,
    `nonce=${quote(challenge.nonce)}`,
    `uri=${quote(input.uri)}`,
    `response="${response}"`,
    `algorithm=${challenge.algorithm}`,
  ];
  const session = /-sess$/i.test(challenge.algorithm);
  if (challenge.qop !== undefined || session) parts.push(`cnonce=${quote(input.cnonce)}`);
  if (challenge.qop !== undefined) parts.push(`qop=${challenge.qop}`, `nc=${nc}`);
  if (challenge.opaque !== undefined) parts.push(`opaque=${quote(challenge.opaque)}`);
  return `Digest ${parts.join(', ')}`;
}

/** Whether an Authorization value answers our challenge for these credentials (the lab's side). */
export function verifyAnswer(
  value: string,
  challenge: Challenge,
  expected: Omit<DigestInput, 'cnonce' | 'count'>,
): boolean {
  const match = /^Digest\s+(.*)$/is.exec(value);
  const params = readParams(splitOutsideQuotes(match?.[1] ?? '', ','));
  if (params.get('nonce') !== challenge.nonce || params.get('username') !== expected.username) return false;
  const nc = params.get('nc') ?? '';
  const uri = params.get('uri') ?? '';
  const input = { ...expected, uri, cnonce: params.get('cnonce') ?? '', count: Number.parseInt(nc, 16) };
  const wanted = Buffer.from(responseHash(challenge, input, nc));
  const given = Buffer.from(params.get('response') ?? '');
  return wanted.length === given.length && timingSafeEqual(wanted, given);
}

/** RFC 7616 §3.4.1 to §3.4.3. */
function responseHash(challenge: Challenge, input: DigestInput, nc: string): string {
  const hash = (text: string) =>
    createHash(HASHES[plain(challenge.algorithm)] ?? 'md5')
      .update(text)
      .digest('hex');
  let a1 = hash(`${input.username}:${challenge.realm}:${input.password.reveal()}`);
  if (/-sess$/i.test(challenge.algorithm)) a1 = hash(`${a1}:${challenge.nonce}:${input.cnonce}`);
  const entity = challenge.qop === 'auth-int' ? `:${hash(input.body)}` : '';
  const a2 = hash(`${input.method}:${input.uri}${entity}`);
  if (challenge.qop === undefined) return hash(`${a1}:${challenge.nonce}:${a2}`);
  return hash(`${a1}:${challenge.nonce}:${nc}:${input.cnonce}:${challenge.qop}:${a2}`);
}

function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}
