import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SrtpReceiver, SrtpSender } from '../../../src/media/srtp.ts';
import { sessionKeys } from '../../../src/media/srtp-keys.ts';
import { SrtpKeystream } from '../../../src/media/srtp-keystream.ts';
import type { SrtpMaster } from '../../../src/media/srtp-suite.ts';
import { SrtpTag } from '../../../src/media/srtp-tag.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replace(/\s/g, ''), 'hex'));
const hex = (data: Uint8Array | undefined): string => Buffer.from(data ?? []).toString('hex');

const MASTER_128: SrtpMaster = {
  suite: 'AES_CM_128_HMAC_SHA1_80',
  keyAndSalt: bytes('E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6'),
};
const MASTER_256: SrtpMaster = {
  suite: 'AES_256_CM_HMAC_SHA1_80',
  keyAndSalt: bytes(
    'f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2',
  ),
};

describe('the key stream', () => {
  const counter = bytes('F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000');

  it('is that of RFC 3711 B.2, to its last blocks', () => {
    const stream = new Uint8Array(0xff02 * 16);
    new SrtpKeystream(bytes('2B7E151628AED2A6ABF7158809CF4F3C')).apply(stream, 0, stream.length, counter);
    expect(hex(stream.subarray(0, 48))).toBe(
      'e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0',
    );
    expect(hex(stream.subarray(0xfeff * 16))).toBe(
      'ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44',
    );
  });

  it('is that of RFC 6188 §7.1 with a key of 256 bits', () => {
    const stream = new Uint8Array(48);
    const key = bytes('57f82fe3613fd170a85ec93c40b1f092 2ec4cb0dc025b58272147cc438944a98');
    new SrtpKeystream(key).apply(stream, 0, 48, counter);
    expect(hex(stream)).toBe(
      '92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac63c4868b7096d88421b563b8c94c9a31',
    );
  });

  it('is not used for more than the counter can tell apart', () => {
    const long = new Uint8Array(0x1_0000 * 16 + 1);
    expect(() => new SrtpKeystream(new Uint8Array(16)).apply(long, 0, long.length, counter)).toThrow(
      RangeError,
    );
  });
});

describe('the keys of a session', () => {
  it('are those of RFC 3711 B.3', () => {
    const { encryption, salt, authentication } = sessionKeys(MASTER_128, 'rtp');
    expect(hex(encryption)).toBe('c61e7a93744f39ee10734afe3ff7a087');
    expect(hex(salt)).toBe('30cbbc08863d8c85d49db34a9ae1');
    // The RFC derives 94 bytes; HMAC-SHA1 takes 20.
    expect(hex(authentication)).toBe('cebe321f6ff7716b6fd4ab49af256a156d38baa4');
  });

  it('are those of RFC 6188 §7.2', () => {
    const { encryption, salt, authentication } = sessionKeys(MASTER_256, 'rtp');
    expect(hex(encryption)).toBe('5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4');
    expect(hex(salt)).toBe('fa31791685ca444a9e07c6c64e93');
    expect(hex(authentication)).toBe('fd9c32d39ed5fbb5a9dc96b30818454d1313dc05');
  });

  it('differ for RTCP, and need a master key of the right length', () => {
    expect(hex(sessionKeys(MASTER_128, 'rtcp').encryption)).not.toBe('c61e7a93744f39ee10734afe3ff7a087');
    const short = { ...MASTER_128, keyAndSalt: MASTER_128.keyAndSalt.subarray(1) };
    expect(() => sessionKeys(short, 'rtp')).toThrow(RangeError);
  });
});

describe('a tag', () => {
  it('is HMAC-SHA1 of the message and a number', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.uint8Array({ maxLength: 3000 }),
        fc.nat(2 ** 32 - 1),
        (key, message, number) => {
          const tail = Buffer.alloc(4);
          tail.writeUInt32BE(number);
          const tag = new SrtpTag(key);
          const wanted = createHmac('sha1', key).update(message).update(tail).digest('hex');
          expect(hex(tag.of(message, message.length, number))).toBe(wanted);
          const alone = createHmac('sha1', key).update(message).digest('hex');
          expect(hex(tag.ofAlone(message, message.length))).toBe(alone);
        },
      ),
      { numRuns: 50 },
    );
  });
});

// Made by libsrtp, which has them in its own test driver.
describe('a packet of another implementation', () => {
  const plain = '800f1234decafbadcafebabeabababababababababababababababab';

  it.each([
    [MASTER_128, '4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb'],
    [MASTER_256, 'f1d9de17ff251ff1aa007774b0b4b40da08d9d9a5b3a55d8873b'],
  ])('is made, and read', (master, rest) => {
    const wire = `800f1234decafbadcafebabe${rest}`;
    expect(hex(new SrtpSender(master).protect(bytes(plain)))).toBe(wire);
    expect(hex(new SrtpReceiver(master).unprotect(bytes(wire)))).toBe(plain);
  });

  it('is read where it is RTCP', () => {
    const wire = '81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798';
    expect(hex(new SrtpReceiver(MASTER_128).unprotectRtcp(bytes(wire)))).toBe(
      '81c8000bcafebabeabababababababababababababababab',
    );
    const sender = new SrtpSender(MASTER_128);
    const compound = bytes('81c8000bcafebabeabababababababababababababababab');
    sender.protectRtcp(compound);
    expect(hex(sender.protectRtcp(compound))).toBe(wire);
  });
});
