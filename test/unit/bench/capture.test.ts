import { expect, it } from 'vitest';
import { wireOf } from '../../../bench/chaos/capture.ts';

const PORTS = new Map([
  ['first', 5080],
  ['second', 5090],
]);

function fileHeader(linkType = 1): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt32LE(linkType, 20);
  return header;
}

function packet(seconds: number, micros: number, from: number, to: number, text: string): Buffer {
  const payload = Buffer.from(text);
  const frame = Buffer.alloc(14 + 24 + 8 + payload.length);
  // IPv4 with one word of options.
  frame[14] = 0x46;
  frame.writeUInt16BE(from, 38);
  frame.writeUInt16BE(to, 40);
  payload.copy(frame, 46);
  const header = Buffer.alloc(16);
  header.writeUInt32LE(seconds, 0);
  header.writeUInt32LE(micros, 4);
  header.writeUInt32LE(frame.length, 8);
  header.writeUInt32LE(frame.length, 12);
  return Buffer.concat([header, frame]);
}

const HEADERS = [
  'Via: SIP/2.0/UDP 127.0.0.1:10000;branch=z9hG4bK-a;rport',
  'From: <sip:us@127.0.0.1>;tag=1',
  'Call-ID: one',
  'CSeq: 1 INVITE',
  'Content-Length: 0',
];
const sip = (start: string, to: string): string =>
  `${[start, `To: <sip:x>${to}`, ...HEADERS].join('\r\n')}\r\n\r\n`;

it('reads what passed the ports of carriers, in the order of time', () => {
  const invite = sip('INVITE sip:+493000000100@127.0.0.1 SIP/2.0', '');
  const file = Buffer.concat([
    fileHeader(),
    packet(1000, 500_250, 5080, 10_000, sip('SIP/2.0 200 OK', ';tag=2')),
    packet(1000, 250, 10_000, 5080, invite),
    packet(1001, 0, 10_000, 5090, 'no SIP at all'),
    packet(1002, 0, 10_000, 5090, sip('INVITE sip:+493000000100@127.0.0.1 SIP/2.0', ';tag=2')),
    packet(1003, 0, 10_000, 7000, invite),
  ]);
  const call = { callId: 'one', branch: 'z9hG4bK-a', peerPort: 10_000, method: 'INVITE' };
  expect(wireOf(file, PORTS)).toEqual([
    { ...call, at: 1_000_000.25, trunkId: 'first', direction: 'in', status: null, number: '+493000000100' },
    { ...call, at: 1_000_500.25, trunkId: 'first', direction: 'out', status: 200, number: null },
    { ...call, at: 1_002_000, trunkId: 'second', direction: 'in', status: null, number: null },
  ]);
  expect(() => wireOf(fileHeader(113), PORTS)).toThrow('no capture');
});
