import { randomBytes } from 'node:crypto';
import type { Secret } from '../secret.ts';
import { answerChallenge, type Challenge, parseChallenges } from './digest.ts';
import type { SipHeader, SipRequest, SipResponse } from './message.ts';

interface Session {
  readonly challenge: Challenge;
  /** One for all answers to a nonce: the key of `-sess` is made of the first (RFC 7616 §3.4.2). */
  readonly cnonce: string;
  count: number;
  /** Our answer was sent; a new nonce without `stale` then means wrong credentials. */
  answered: boolean;
}

/** Far more than a call's requests need: a bound on following a peer that finds every nonce stale. */
const MAX_CHALLENGES = 20;

/**
 * The digest sessions of one call: remembers what it was challenged with (401 and 407, several realms), so
 * that later requests of the call carry an answer at once, with the nonce counted up.
 */
export class Authorization {
  readonly #username: string;
  readonly #password: Secret;
  readonly #sessions = new Map<string, Session>();
  #challenges = 0;

  constructor(credentials: { readonly username: string; readonly password: Secret }) {
    this.#username = credentials.username;
    this.#password = credentials.password;
  }

  /**
   * Takes in a 401 or 407. False: there is nothing to answer it with, these credentials were refused already
   * (RFC 3261 §22.2: do not try the same again unless the nonce is stale), or the peer never has enough.
   */
  challenged(response: SipResponse): boolean {
    const proxy = response.status === 407;
    const name = proxy ? 'Proxy-Authenticate' : 'WWW-Authenticate';
    const lines = response.headers.filter(([key]) => key === name).map(([, value]) => value);
    let useful = false;
    if (this.#challenges++ >= MAX_CHALLENGES) return false;
    const seen = new Set<string>();
    for (const challenge of parseChallenges(lines)) {
      const key = `${proxy ? 'Proxy-Authorization' : 'Authorization'}|${challenge.realm}`;
      // Strongest first: one answer per realm.
      if (seen.has(key)) continue;
      seen.add(key);
      const known = this.#sessions.get(key);
      if (known?.answered === true && !(challenge.stale && challenge.nonce !== known.challenge.nonce))
        continue;
      const cnonce = randomBytes(12).toString('hex');
      this.#sessions.set(key, { challenge, cnonce, count: 0, answered: false });
      useful = true;
    }
    return useful;
  }

  /** The Authorization and Proxy-Authorization headers for a request; none before the first challenge. */
  headersFor(request: Pick<SipRequest, 'method' | 'uri' | 'body'>): SipHeader[] {
    return [...this.#sessions].map(([key, session]) => {
      session.count++;
      session.answered = true;
      const value = answerChallenge(session.challenge, {
        ...request,
        username: this.#username,
        password: this.#password,
        cnonce: session.cnonce,
        count: session.count,
      });
      return [key.slice(0, key.indexOf('|')), value];
    });
  }
}
