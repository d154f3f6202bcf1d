import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { publicAddress } from '../../../src/outbound/address-guard.ts';

type V4 = readonly [number, number, number, number];

/** First address and length of the prefix. */
const PRIVATE_RANGES: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];

const octetsOf = (value: number): V4 => [
  value >>> 24,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];
const valueOf = (text: string): number =>
  text.split('.').reduce((value, octet) => value * 256 + Number(octet), 0);
const hex = ([a, b, c, d]: V4, mask = 0): string =>
  `${(((a << 8) | b) ^ mask).toString(16)}:${(((c << 8) | d) ^ mask).toString(16)}`;

/** Every form in which an IPv6 address can stand for an IPv4 one. */
const EMBEDDINGS: readonly ((v4: V4) => string)[] = [
  (v4) => v4.join('.'),
  (v4) => `::ffff:${v4.join('.')}`,
  (v4) => `::FFFF:${hex(v4)}`,
  (v4) => `0:0:0:0:0:ffff:${hex(v4)}`,
  (v4) => `::${hex(v4)}`,
  (v4) => `::${v4.join('.')}`,
  (v4) => `::ffff:0:${hex(v4)}`,
  (v4) => `64:ff9b::${hex(v4)}`,
  (v4) => `64:ff9b::${v4.join('.')}`,
  (v4) => `64:ff9b:1::${hex(v4)}`,
  (v4) => `2002:${hex(v4)}::`,
  (v4) => `2002:${hex(v4)}:1:2:3:4:5`,
  (v4) => `2001:0:4136:e378:8000:63bf:${hex(v4, 0xffff)}`,
  (v4) => `2001:0:${hex(v4)}:8000:63bf:3fff:fdd2`,
  (v4) => `2a00:1450::5efe:${hex(v4)}`,
  (v4) => `2a00:1450::200:5efe:${hex(v4)}`,
  (v4) => `fe80::5efe:${hex(v4)}`,
];

const privateV4 = fc
  .constantFrom(...PRIVATE_RANGES)
  .chain(([first, length]) =>
    fc.integer({ min: 0, max: 2 ** (32 - length) - 1 }).map((offset) => octetsOf(valueOf(first) + offset)),
  );
const anyV4 = fc.integer({ min: 0, max: 0xffff_ffff }).map(octetsOf);
const isPrivate = (v4: V4): boolean =>
  PRIVATE_RANGES.some(([first, length]) => {
    const size = 2 ** (32 - length);
    return Math.floor(valueOf(v4.join('.')) / size) === Math.floor(valueOf(first) / size);
  });

describe('publicAddress', () => {
  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.255.255',
    '192.169.0.0',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '2A00:1450:4001:80b::200e',
    '2001:4860:4860::8888',
    '::ffff:8.8.8.8',
    '64:ff9b::8.8.8.8',
  ])('takes %s', (ip) => expect(publicAddress(ip)).toBe(true));

  it.each([
    ...['127.0.0.1', '0.0.0.0', '255.255.255.255', '224.0.0.251', '169.254.169.254', '100.100.100.200'],
    ...['168.63.129.16', '::ffff:168.63.129.16', '192.0.0.192', '169.254.170.2'],
    ...['192.175.48.1', '192.31.196.1', '192.52.193.1'],
    ...['::', '::1', 'fe80::1', 'febf::1', 'fec0::1', 'fc00::1', 'fd00:ec2::254', 'fd20:ce::254'],
    ...['ff02::1', 'ff0e::1', '100::1', '2001:db8::1', '3fff::1', '2001:2::1', '2001:10::1', '2001:20::1'],
    ...['2001::1', '2002::1', '5f00::1', '4000::1', '1000::1', 'e000::1', '2620:4f:8000::1'],
    ...['2002:808:808::', '::8.8.8.8', '2001:0:808:808::1', '64:ff9b:1::8.8.8.8', '2a00::5efe:808:808'],
    ...['fe80::1%eth0', '2606:4700:4700::1111%eth0', '::1%lo', '::ffff:8.8.8.8%1'],
  ])('refuses %s', (ip) => expect(publicAddress(ip)).toBe(false));

  it.each([
    ...['', ' ', 'localhost', '8.8.8', '8', '0x8.8.8.8', '08.8.8.8', '010.8.8.8', '134744072', '0x08080808'],
    ...['8.8.8.8.', ' 8.8.8.8', '8.8.8.8\n', '8.8.8.8:80', '8.8.8.8/0', '[2606:4700::1]', '2606:4700', ':::'],
    ...['8.8.8.256', '-8.8.8.8', '８.8.8.8', '2606:4700::1::1', '2606:4700::/32'],
  ])('refuses what is no address in its usual form: %j', (ip) => expect(publicAddress(ip)).toBe(false));

  it('refuses every IPv4 address of a private range in every embedding', () => {
    fc.assert(
      fc.property(privateV4, fc.constantFrom(...EMBEDDINGS), (v4, embed) => {
        expect(publicAddress(embed(v4))).toBe(false);
      }),
      { numRuns: 5000 },
    );
  });

  it('refuses the first and the last address of every private range in every embedding', () => {
    const edges = PRIVATE_RANGES.flatMap(([first, length]) => [
      octetsOf(valueOf(first)),
      octetsOf(valueOf(first) + 2 ** (32 - length) - 1),
    ]);
    const passed = edges.flatMap((v4) => EMBEDDINGS.map((embed) => embed(v4))).filter(publicAddress);
    expect(passed).toEqual([]);
  });

  it('takes an IPv4 address only where it is in no private range', () => {
    fc.assert(
      fc.property(anyV4, (v4) => {
        if (publicAddress(v4.join('.'))) expect(isPrivate(v4)).toBe(false);
      }),
      { numRuns: 5000 },
    );
  });

  it('judges mapped and NAT64 addresses as what they hold', () => {
    fc.assert(
      fc.property(anyV4, (v4) => {
        const plain = publicAddress(v4.join('.'));
        expect(publicAddress(`::ffff:${hex(v4)}`)).toBe(plain);
        expect(publicAddress(`64:ff9b::${hex(v4)}`)).toBe(plain);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes no IPv6 address outside of 2000::/3 that holds no IPv4 address', () => {
    const part = fc.integer({ min: 0, max: 0xffff });
    const outside = part.filter((first) => first >>> 13 !== 1 && first !== 0 && first !== 0x64);
    fc.assert(
      fc.property(outside, fc.array(part, { minLength: 7, maxLength: 7 }), (first, rest) => {
        expect(publicAddress([first, ...rest].map((value) => value.toString(16)).join(':'))).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  it('answers anything with yes or no', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.ipV4Extended()), (text) => {
        expect(publicAddress(text)).toBeTypeOf('boolean');
      }),
    );
  });
});
