import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/secret.ts';
import {
  answerChallenge,
  type Challenge,
  type DigestInput,
  parseChallenges,
  verifyAnswer,
} from '../../../src/sip/digest.ts';
import { splitOutsideQuotes } from '../../../src/sip/message.ts';
import { readParams } from '../../../src/sip/uri.ts';

const only = (line: string): Challenge => {
  const [challenge, ...more] = parseChallenges([line]);
  if (challenge === undefined || more.length > 0) throw new Error('not one challenge');
  return challenge;
};

const paramsOf = (value: string) => readParams(splitOutsideQuotes(value.replace(/^Digest\s+/, ''), ','));

/** RFC 7616 §3.9.1, one challenge with two algorithms. */
const RFC7616 = {
  nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
  opaque: 'FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS',
};
const challenge7616 = (algorithm: string) =>
  `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, ` +
  `nonce="${RFC7616.nonce}", opaque="${RFC7616.opaque}"`;
const MUFASA: DigestInput = {
  method: 'GET',
  uri: '/dir/index.html',
  body: '',
  username: 'Mufasa',
  password: new Secret('Circle of Life'),
  cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
  count: 1,
};

describe('answerChallenge', () => {
  it.each([
    ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
    ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ])('answers RFC 7616 §3.9.1 with %s', (algorithm, response) => {
    const value = answerChallenge(only(challenge7616(algorithm)), MUFASA);
    expect(Object.fromEntries(paramsOf(value))).toEqual({
      username: 'Mufasa',
      realm: 'http-auth@example.org',
      nonce: RFC7616.nonce,
      uri: '/dir/index.html',
      response,
      algorithm,
      cnonce: MUFASA.cnonce,
      qop: 'auth',
      nc: '00000001',
      opaque: RFC7616.opaque,
    });
    // Unquoted by the grammar (RFC 7616 §3.4): algorithm, qop and nc.
    expect(value).toContain(`algorithm=${algorithm}, `);
    expect(value).toContain('qop=auth, nc=00000001');
  });

  // The classic nonce of RFC 2617 §3.5 and, without qop, of RFC 2069 (with its erratum).
  const classic = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"';
  const simba: DigestInput = { ...MUFASA, password: new Secret('Circle Of Life'), cnonce: '0a4f113b' };

  it('answers RFC 2617 §3.5', () => {
    const value = answerChallenge(only(`${classic}, qop="auth,auth-int", opaque="5ccc"`), simba);
    expect(paramsOf(value).get('response')).toBe('6629fae49393a05397450978507c4ef1');
  });

  it('answers a challenge without qop as RFC 2069', () => {
    const params = paramsOf(answerChallenge(only(classic), simba));
    expect(params.get('response')).toBe('670fd8c2df070c60b045671b8b24ff02');
    expect([params.has('cnonce'), params.has('nc'), params.has('qop')]).toEqual([false, false, false]);
  });

  const hex = (algorithm: string, text: string) => createHash(algorithm).update(text).digest('hex');

  it('-sess hashes nonce and cnonce into the key (§3.4.2)', () => {
    const challenge = only('Digest realm="r", nonce="n", algorithm=SHA-256-sess, qop="auth"');
    const ha1 = hex('sha256', `${hex('sha256', 'Mufasa:r:Circle of Life')}:n:${MUFASA.cnonce}`);
    const ha2 = hex('sha256', 'GET:/dir/index.html');
    const params = paramsOf(answerChallenge(challenge, { ...MUFASA, count: 27 }));
    expect(params.get('response')).toBe(hex('sha256', `${ha1}:n:0000001b:${MUFASA.cnonce}:auth:${ha2}`));
    expect(params.get('algorithm')).toBe('SHA-256-sess');
  });

  it('-sess without qop still tells the cnonce, for the key cannot be made without it', () => {
    const challenge = only('Digest realm="r", nonce="n", algorithm=MD5-sess');
    expect(paramsOf(answerChallenge(challenge, MUFASA)).get('cnonce')).toBe(MUFASA.cnonce);
  });

  it('auth-int alone covers the body (§3.4.3)', () => {
    const challenge = only('Digest realm="r", nonce="n", qop="auth-int"');
    const input = { ...MUFASA, method: 'INVITE', body: 'v=0\r\n' };
    const ha2 = hex('md5', `INVITE:/dir/index.html:${hex('md5', 'v=0\r\n')}`);
    const ha1 = hex('md5', 'Mufasa:r:Circle of Life');
    const params = paramsOf(answerChallenge(challenge, input));
    expect(params.get('qop')).toBe('auth-int');
    expect(params.get('response')).toBe(hex('md5', `${ha1}:n:00000001:${MUFASA.cnonce}:auth-int:${ha2}`));
  });

  it('SHA-512-256 is SHA-512/256, not a cut SHA-512', () => {
    const challenge = only('Digest realm="r", nonce="n", algorithm=SHA-512-256');
    const ha1 = hex('sha512-256', 'Mufasa:r:Circle of Life');
    const wanted = hex('sha512-256', `${ha1}:n:${hex('sha512-256', 'GET:/dir/index.html')}`);
    expect(paramsOf(answerChallenge(challenge, MUFASA)).get('response')).toBe(wanted);
  });

  it('never shows the password', () => {
    expect(answerChallenge(only(classic), MUFASA)).not.toContain('Circle');
  });

  it('escapes what would end a quoted string, and the far end reads it back', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string({ minLength: 1 }), (username, realm, nonce) => {
        fc.pre(!/[\r\n]/.test(username + realm + nonce));
        const challenge: Challenge = {
          ...{ realm, nonce, algorithm: 'MD5', qop: 'auth', opaque: nonce, stale: false },
        };
        const input = { ...MUFASA, username };
        const value = answerChallenge(challenge, input);
        expect(paramsOf(value).get('username')).toBe(username);
        expect(paramsOf(value).get('opaque')).toBe(nonce);
        expect(verifyAnswer(value, challenge, input)).toBe(true);
      }),
    );
  });
});

describe('verifyAnswer', () => {
  const challenge = only(challenge7616('SHA-256'));
  const value = answerChallenge(challenge, MUFASA);

  it('takes the right answer and no other', () => {
    expect(verifyAnswer(value, challenge, MUFASA)).toBe(true);
    expect(verifyAnswer(value, challenge, { ...MUFASA, password: new Secret('x') })).toBe(false);
    expect(verifyAnswer(value, challenge, { ...MUFASA, username: 'Scar' })).toBe(false);
    expect(verifyAnswer(value, challenge, { ...MUFASA, method: 'BYE' })).toBe(false);
    expect(verifyAnswer(value, { ...challenge, nonce: 'other' }, MUFASA)).toBe(false);
    expect(verifyAnswer(value.replace('nc=00000001', 'nc=00000002'), challenge, MUFASA)).toBe(false);
  });

  it.each(['', 'Digest', 'Digest ', 'Basic abc', 'Digest response="x"', value.slice(0, 60)])(
    'refuses %j',
    (text) => {
      expect(verifyAnswer(text, challenge, MUFASA)).toBe(false);
    },
  );
});

describe('parseChallenges', () => {
  it('tells several challenges on one line apart, commas inside and between them', () => {
    const line =
      'Digest realm="a, Digest realm=b", nonce="1,2", qop="auth,auth-int", stale=TRUE, algorithm=MD5,' +
      'Basic realm="x", Digest realm="c", algorithm=SHA-256 , nonce = "3" , opaque=""';
    expect(parseChallenges([line])).toEqual([
      { realm: 'c', nonce: '3', algorithm: 'SHA-256', qop: undefined, opaque: '', stale: false },
      {
        ...{ realm: 'a, Digest realm=b', nonce: '1,2', algorithm: 'MD5' },
        ...{ qop: 'auth', opaque: undefined, stale: true },
      },
    ]);
  });

  it('puts the strongest algorithm first, over several lines', () => {
    const lines = ['MD5', 'SHA-512-256', 'SHA-256-sess', 'SHA-256'].map(
      (algorithm) => `Digest realm="r", nonce="n", algorithm=${algorithm}`,
    );
    expect(parseChallenges(lines).map((challenge) => challenge.algorithm)).toEqual([
      'SHA-512-256',
      'SHA-256-sess',
      'SHA-256',
      'MD5',
    ]);
  });

  it.each([
    ['another scheme', 'Basic realm="r"'],
    ['an unknown algorithm', 'Digest realm="r", nonce="n", algorithm=AKAv1-MD5'],
    ['a qop that nobody knows', 'Digest realm="r", nonce="n", qop="conf"'],
    ['no nonce', 'Digest realm="r"'],
    ['no realm', 'Digest nonce="n"'],
    ['nothing', ''],
    ['only a scheme', 'Digest'],
    ['an open quote', 'Digest realm="r, nonce="n'],
    ['only commas', ',,,,'],
    ['a prototype as algorithm', 'Digest realm="r", nonce="n", algorithm=__proto__'],
    ['a method of objects as algorithm', 'Digest realm="r", nonce="n", algorithm=toString'],
  ])('leaves out %s', (_, line) => {
    expect(parseChallenges([line])).toEqual([]);
  });

  it('reads names in any case, the default algorithm and bare values', () => {
    expect(only('digest REALM=r,NONCE=abc,Algorithm=md5,QOP=AUTH')).toEqual({
      ...{ realm: 'r', nonce: 'abc', algorithm: 'md5', qop: 'auth', opaque: undefined, stale: false },
    });
    expect(only('Digest realm="r", nonce="n"').algorithm).toBe('MD5');
  });

  it('survives whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (lines) => {
        expect(parseChallenges(lines.map((line) => `Digest ${line}`))).toBeInstanceOf(Array);
      }),
    );
  });
});
