import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/secret.ts';
import { Authorization } from '../../../src/sip/authorization.ts';
import { parseChallenges, verifyAnswer } from '../../../src/sip/digest.ts';
import { type SipHeader, type SipResponse, splitOutsideQuotes } from '../../../src/sip/message.ts';
import { readParams } from '../../../src/sip/uri.ts';

const CREDENTIALS = { username: 'otp', password: new Secret('s3cret') };
const INVITE = { method: 'INVITE', uri: 'sip:+4930123456@trunk.example', body: 'v=0\r\n' };

function refusal(status: 401 | 407, ...challenges: string[]): SipResponse {
  const name = status === 401 ? 'WWW-Authenticate' : 'Proxy-Authenticate';
  return {
    ...{ kind: 'response', status, reason: '', body: '' },
    headers: challenges.map((text): SipHeader => [name, text]),
  };
}

const nonce = (text: string, more = '') => `Digest realm="r", nonce="${text}", qop="auth"${more}`;
const paramsOf = ([, value]: SipHeader) => readParams(splitOutsideQuotes(value.slice(7), ','));
const names = (headers: readonly SipHeader[]) => headers.map(([name]) => name);

describe('Authorization', () => {
  it('says nothing before it was challenged', () => {
    expect(new Authorization(CREDENTIALS).headersFor(INVITE)).toEqual([]);
  });

  it('answers 401, then a 407 on the way, and both from then on', () => {
    const authorization = new Authorization(CREDENTIALS);
    expect(authorization.challenged(refusal(401, nonce('a')))).toBe(true);
    expect(names(authorization.headersFor(INVITE))).toEqual(['Authorization']);
    expect(authorization.challenged(refusal(407, nonce('b')))).toBe(true);
    const headers = authorization.headersFor(INVITE);
    expect(names(headers)).toEqual(['Authorization', 'Proxy-Authorization']);
    expect(headers.map((header) => paramsOf(header).get('nonce'))).toEqual(['a', 'b']);
    expect(headers.map((header) => paramsOf(header).get('nc'))).toEqual(['00000002', '00000001']);
  });

  it('counts a nonce up with every request, and its answers are right', () => {
    const authorization = new Authorization(CREDENTIALS);
    const line = nonce('a', ', algorithm=SHA-256-sess');
    authorization.challenged(refusal(401, line));
    const [challenge] = parseChallenges([line]);
    if (challenge === undefined) throw new Error('no challenge');
    const requests = ['INVITE', 'PRACK', 'BYE'].map((method) => ({ ...INVITE, method, body: '' }));
    const cnonces = new Set<string | undefined>();
    requests.forEach((request, i) => {
      const [header] = authorization.headersFor(request);
      if (header === undefined) throw new Error('no header');
      expect(paramsOf(header).get('nc')).toBe(`0000000${i + 1}`);
      expect(verifyAnswer(header[1], challenge, { ...request, ...CREDENTIALS })).toBe(true);
      cnonces.add(paramsOf(header).get('cnonce'));
    });
    // RFC 7616 §3.4.2: the key of -sess is made once, with the client nonce of the first answer.
    expect(cnonces.size).toBe(1);
    expect([...cnonces][0]?.length).toBeGreaterThanOrEqual(16);
  });

  it('answers the strongest challenge of a realm only', () => {
    const authorization = new Authorization(CREDENTIALS);
    authorization.challenged(
      refusal(401, nonce('weak', ', algorithm=MD5'), nonce('strong', ', algorithm=SHA-256')),
    );
    expect(authorization.headersFor(INVITE).map((header) => paramsOf(header).get('nonce'))).toEqual([
      'strong',
    ]);
  });

  it('ends where the answer was refused: the password is wrong', () => {
    const authorization = new Authorization(CREDENTIALS);
    authorization.challenged(refusal(407, nonce('a')));
    authorization.headersFor(INVITE);
    expect(authorization.challenged(refusal(407, nonce('b')))).toBe(false);
    expect(authorization.challenged(refusal(407, nonce('b', ', stale=false')))).toBe(false);
  });

  it('goes on where the nonce was stale, once for each new nonce', () => {
    const authorization = new Authorization(CREDENTIALS);
    authorization.challenged(refusal(407, nonce('a')));
    authorization.headersFor(INVITE);
    expect(authorization.challenged(refusal(407, nonce('a', ', stale=true')))).toBe(false);
    expect(authorization.challenged(refusal(407, nonce('b', ', stale=TRUE')))).toBe(true);
    const [header] = authorization.headersFor(INVITE);
    expect(header && paramsOf(header).get('nonce')).toBe('b');
    expect(header && paramsOf(header).get('nc')).toBe('00000001');
  });

  it.each([
    ['stale nonces', (i: number) => nonce(`n${i}`, ', stale=true')],
    ['new realms', (i: number) => `Digest realm="r${i}", nonce="n"`],
  ])('does not follow a peer that never has enough of %s', (_, challenge) => {
    const authorization = new Authorization(CREDENTIALS);
    let answers = 0;
    while (answers < 1000 && authorization.challenged(refusal(401, challenge(answers)))) {
      authorization.headersFor(INVITE);
      answers++;
    }
    expect(answers).toBeGreaterThan(2);
    expect(answers).toBeLessThan(50);
  });

  it('has nothing to say to schemes that it does not know, or to a 401 without a challenge', () => {
    const authorization = new Authorization(CREDENTIALS);
    expect(authorization.challenged(refusal(401, 'Basic realm="r"'))).toBe(false);
    expect(authorization.challenged(refusal(401))).toBe(false);
    expect(authorization.headersFor(INVITE)).toEqual([]);
  });
});
