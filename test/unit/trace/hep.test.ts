import { describe, expect, it } from 'vitest';
import type { HepMessage } from '../../../src/trace/hep.ts';
import { encodeHep } from '../../../src/trace/hep.ts';

const MESSAGE: HepMessage = {
  transport: 'udp',
  source: { address: '192.0.2.10', port: 5060 },
  destination: { address: '198.51.100.7', port: 50_600 },
  at: 1_750_000_000_123,
  payload: 'BYE sip:ä SIP/2.0\r\n\r\n',
  correlationId: 'one@x',
};

/** Chunk types and values, read as the protocol says and not as they were written. */
function chunksOf(packet: Buffer | undefined): ReadonlyMap<number, Buffer> {
  expect(packet?.subarray(0, 4).toString()).toBe('HEP3');
  const bytes = packet ?? Buffer.alloc(0);
  expect(bytes.readUInt16BE(4)).toBe(bytes.length);
  const chunks = new Map<number, Buffer>();
  let at = 6;
  while (at < bytes.length) {
    expect(bytes.readUInt16BE(at)).toBe(0);
    const length = bytes.readUInt16BE(at + 4);
    chunks.set(bytes.readUInt16BE(at + 2), bytes.subarray(at + 6, at + length));
    at += length;
  }
  expect(at).toBe(bytes.length);
  return chunks;
}

describe('encodeHep', () => {
  it('says all of a message', () => {
    const chunks = chunksOf(encodeHep(MESSAGE, { captureId: 2001, password: 'geheim' }));
    expect(Object.fromEntries([...chunks].map(([type, value]) => [type, value.toString('hex')]))).toEqual({
      1: '02',
      2: '11',
      3: 'c000020a',
      4: 'c6336407',
      7: '13c4',
      8: 'c5a8',
      9: '684ee180',
      10: '0001e078',
      11: '01',
      12: '000007d1',
      14: Buffer.from('geheim').toString('hex'),
      15: Buffer.from(MESSAGE.payload).toString('hex'),
      17: Buffer.from('one@x').toString('hex'),
    });
  });

  it.each([
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::7', '20010db8000000000000000000000007'],
    ['2001:db8:1:2:3:4:5:6', '20010db8000100020003000400050006'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001'],
    ['::ffff:192.0.2.10', '00000000000000000000ffffc000020a'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221'],
  ])('writes %s', (address, hex) => {
    const place = { address, port: 5060 };
    const chunks = chunksOf(
      encodeHep({ ...MESSAGE, transport: 'tls', source: place, destination: place }, { captureId: 1 }),
    );
    expect(chunks.get(1)).toEqual(Buffer.from([10]));
    expect(chunks.get(2)).toEqual(Buffer.from([6]));
    expect(chunks.get(5)?.toString('hex')).toBe(hex);
    expect(chunks.get(6)?.toString('hex')).toBe(hex);
    expect(chunks.has(14)).toBe(false);
  });

  it('refuses what it cannot say', () => {
    const to = (address: string): HepMessage => ({ ...MESSAGE, destination: { address, port: 1 } });
    expect(encodeHep(to('2001:db8::1'), { captureId: 1 })).toBeUndefined();
    expect(encodeHep(to('carrier.example'), { captureId: 1 })).toBeUndefined();
    for (const length of [65_507, 100_000]) {
      expect(encodeHep({ ...MESSAGE, payload: 'x'.repeat(length) }, { captureId: 1 })).toBeUndefined();
    }
    expect(encodeHep({ ...MESSAGE, payload: 'x'.repeat(65_000) }, { captureId: 1 })?.length).toBeGreaterThan(
      65_000,
    );
  });
});
