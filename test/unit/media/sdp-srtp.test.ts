import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newLocalSrtp } from '../../../src/media/local-srtp.ts';
import {
  answerOffer,
  createOffer,
  type LocalMedia,
  type LocalSrtp,
  readAnswer,
  SdpError,
} from '../../../src/media/sdp.ts';
import { SRTP_SUITES, type SrtpMaster, srtpMasterBytes } from '../../../src/media/srtp-suite.ts';

const [OPTIONAL, REQUIRED] = [newLocalSrtp('optional') as LocalSrtp, newLocalSrtp('required') as LocalSrtp];

function ours(srtp?: LocalSrtp): LocalMedia {
  return {
    sessionId: '1',
    version: 1,
    address: '192.0.2.1',
    port: 4000,
    codecs: ['PCMU'],
    telephoneEvent: true,
    ...(srtp === undefined ? {} : { srtp }),
  };
}

function keyText({ keyAndSalt }: SrtpMaster): string {
  return Buffer.from(keyAndSalt).toString('base64');
}

const THEIRS: SrtpMaster = { suite: 'AES_CM_128_HMAC_SHA1_80', keyAndSalt: randomBytes(30) };
const LINE = `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${keyText(THEIRS)}`;
const hex = (master: SrtpMaster | undefined): string => Buffer.from(master?.keyAndSalt ?? []).toString('hex');

/** What the peer says, with any lines in its audio section. */
function theirs(protocol: string, ...lines: readonly string[]): string {
  const head = ['v=0', 'o=- 1 1 IN IP4 198.51.100.7', 's=-', 'c=IN IP4 198.51.100.7', 't=0 0'];
  return [...head, `m=audio 5000 ${protocol} 0`, ...lines, ''].join('\r\n');
}

function cryptoOf(sdp: string): string[] {
  return sdp.split('\r\n').filter((line) => line.startsWith('a=crypto:'));
}

describe('an offer with SRTP', () => {
  it('has a key of its own for each suite, as RTP/SAVP where it is required', () => {
    const offer = createOffer(ours(REQUIRED));
    expect(offer).toContain('m=audio 4000 RTP/SAVP 0 101\r\n');
    expect(cryptoOf(offer)).toEqual(
      REQUIRED.keys.map((master, i) => `a=crypto:${i + 1} ${master.suite} inline:${keyText(master)}`),
    );
    expect(cryptoOf(offer)[0]).toMatch(/^a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:[A-Za-z0-9+/]{40}$/);
    expect(new Set(REQUIRED.keys.map(keyText)).size).toBe(SRTP_SUITES.length);
  });

  it('is RTP/AVP where it is optional (RFC 8643), and has no key where it is off', () => {
    const offer = createOffer(ours(OPTIONAL));
    expect(offer).toContain('m=audio 4000 RTP/AVP 0 101\r\n');
    expect(cryptoOf(offer).length).toBe(4);
    expect(newLocalSrtp('off')).toBeUndefined();
    expect(cryptoOf(createOffer(ours()))).toEqual([]);
  });
});

describe('an answer to SRTP', () => {
  it.each(['RTP/SAVP', 'RTP/AVP'])('as %s gives the keys of both directions', (protocol) => {
    for (const srtp of [REQUIRED, OPTIONAL]) {
      const negotiated = readAnswer(theirs(protocol, LINE), ours(srtp));
      expect(negotiated.srtp?.send).toEqual(srtp.keys[0]);
      expect(hex(negotiated.srtp?.receive)).toBe(hex(THEIRS));
    }
  });

  it('may take any suite of ours, by its tag', () => {
    SRTP_SUITES.forEach((suite, i) => {
      const key = randomBytes(srtpMasterBytes(suite));
      const line = `a=crypto:${i + 1} ${suite} inline:${key.toString('base64')}|2^48 WSH=128`;
      const { srtp } = readAnswer(theirs('RTP/SAVP', line), ours(REQUIRED));
      expect(srtp?.send).toEqual(REQUIRED.keys[i]);
      expect(hex(srtp?.receive)).toBe(key.toString('hex'));
    });
  });

  it('without a key is plain where SRTP is optional, and refused where it is required', () => {
    const plain = theirs('RTP/AVP');
    expect(readAnswer(plain, ours(OPTIONAL)).srtp).toBeUndefined();
    expect(() => readAnswer(plain, ours(REQUIRED))).toThrow(/no key for SRTP/);
    expect(() => readAnswer(theirs('RTP/SAVP'), ours(OPTIONAL))).toThrow(SdpError);
  });

  it('is refused as SRTP where it is off, and its keys mean nothing there', () => {
    expect(() => readAnswer(theirs('RTP/SAVP', LINE), ours())).toThrow(
      'The SDP has SRTP only, which is off.',
    );
    expect(readAnswer(theirs('RTP/AVP', LINE), ours()).srtp).toBeUndefined();
  });

  const key = keyText(THEIRS);
  it.each([
    ['a tag that was not offered', 'a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:KEY'],
    ['the tag of another suite', 'a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:KEY'],
    ['an unknown suite', 'a=crypto:1 F8_128_HMAC_SHA1_80 inline:KEY'],
    ['a short key', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA'],
    ['no key', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:'],
    ['an MKI', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20|1:4'],
    ['two keys', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY;inline:KEY'],
    ['another key method', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 uri:KEY'],
    ['packets in the clear', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY UNENCRYPTED_SRTP'],
    ['a derivation rate', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY KDR=1'],
    ['two lines', `${LINE}\r\na=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:KEY`],
  ])('is refused with %s, whatever the policy', (_, line) => {
    for (const srtp of [OPTIONAL, REQUIRED]) {
      const sdp = theirs('RTP/SAVP', line.replaceAll('KEY', key));
      const refuse = () => readAnswer(sdp, ours(srtp));
      expect(refuse).toThrow(SdpError);
      expect(refuse).not.toThrow(key);
    }
  });

  it('is read or refused whatever its lines hold', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 120 }), (text) => {
        try {
          readAnswer(theirs('RTP/SAVP', `a=crypto:${text}`), ours(REQUIRED));
        } catch (error) {
          expect(error).toBeInstanceOf(SdpError);
        }
      }),
    );
  });
});

describe('our answer to SRTP', () => {
  it('takes the first key that it can use, under its tag and profile', () => {
    const offer = theirs(
      'RTP/SAVP',
      'a=crypto:5 F8_128_HMAC_SHA1_80 inline:AAAA',
      LINE.replace(':1 ', ':7 '),
    );
    const { sdp, negotiated } = answerOffer(offer, ours(OPTIONAL));
    const mine = OPTIONAL.keys[0] as SrtpMaster;
    expect(sdp).toContain('m=audio 4000 RTP/SAVP 0\r\n');
    expect(cryptoOf(sdp)).toEqual([`a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:${keyText(mine)}`]);
    expect(negotiated.srtp?.send).toEqual(mine);
    expect(hex(negotiated.srtp?.receive)).toBe(hex(THEIRS));
  });

  it('agrees with itself as the other side', () => {
    for (const [a, b] of [
      [REQUIRED, OPTIONAL],
      [OPTIONAL, REQUIRED],
      [OPTIONAL, OPTIONAL],
    ] as const) {
      const { sdp, negotiated } = answerOffer(createOffer(ours(a)), ours(b));
      const back = readAnswer(sdp, ours(a));
      expect(hex(back.srtp?.send)).toBe(hex(negotiated.srtp?.receive));
      expect(hex(back.srtp?.receive)).toBe(hex(negotiated.srtp?.send));
      expect(back.srtp).toBeDefined();
    }
  });

  it('is plain to a plain offer, unless SRTP is required', () => {
    const { sdp } = answerOffer(theirs('RTP/AVP'), ours(OPTIONAL));
    expect(sdp).toContain('RTP/AVP');
    expect(cryptoOf(sdp)).toEqual([]);
    expect(() => answerOffer(theirs('RTP/AVP'), ours(REQUIRED))).toThrow(SdpError);
    expect(() => answerOffer(theirs('RTP/SAVP', 'a=crypto:1 X inline:AAAA'), ours(OPTIONAL))).toThrow(
      SdpError,
    );
    expect(() => answerOffer(theirs('RTP/SAVP', LINE), ours())).toThrow(SdpError);
  });

  it('prefers the stream with keys where two are offered', () => {
    const offer = `${theirs('RTP/AVP')}m=audio 5002 RTP/SAVP 0\r\n${LINE}\r\n`;
    expect(answerOffer(offer, ours(OPTIONAL)).negotiated).toMatchObject({ port: 5002 });
    expect(answerOffer(offer, ours()).negotiated).toMatchObject({ port: 5000 });
  });
});
