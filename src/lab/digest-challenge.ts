import type { Secret } from '../secret.ts';
import { verifyAnswer } from '../sip/digest.ts';
import type { SipRequest } from '../sip/message.ts';

/** What the lab asks of its one user: of the carrier's phones, and of the registrar. */
export interface LabChallenge {
  readonly nonce: string;
  readonly algorithm: string;
}

const REALM = 'lab.example';

/** The value of WWW-Authenticate or Proxy-Authenticate. */
export function challengeValue({ nonce, algorithm }: LabChallenge, stale = false): string {
  const more = stale ? ', stale=true' : '';
  return `Digest realm="${REALM}", nonce="${nonce}", algorithm=${algorithm}, qop="auth"${more}`;
}

/** Whether this value of Authorization or Proxy-Authorization is the user's answer, for this request. */
export function isAnswered(
  challenge: LabChallenge,
  value: string,
  { method, uri, body }: SipRequest,
  { username, password }: { readonly username: string; readonly password: Secret },
): boolean {
  const asked = { realm: REALM, qop: 'auth', opaque: undefined, stale: false, ...challenge } as const;
  return verifyAnswer(value, asked, { method, uri, body, username, password });
}
