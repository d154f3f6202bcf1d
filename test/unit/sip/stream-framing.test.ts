import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutFrames } from '../../../src/sip/stream-framing.ts';
import { SAMPLES } from '../../support/sip/sample-messages.ts';
import { INVALID } from '../../support/sip/torture-invalid.ts';
import { SEMANTICS } from '../../support/sip/torture-semantics.ts';
import { VALID } from '../../support/sip/torture-valid.ts';

const message = (head: string, body = '') => Buffer.from(`${head.replaceAll('\n', '\r\n')}\r\n\r\n${body}`);

/** As a connection does it: what is left waits for the next bytes. */
function feed(chunks: readonly Buffer[]) {
  const messages: string[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let pings = 0;
  for (const chunk of chunks) {
    const frames = cutFrames(Buffer.concat([rest, chunk]));
    messages.push(...frames.messages.map((bytes) => bytes.toString('latin1')));
    pings += frames.pings;
    if (frames.broken) return { messages, pings, rest: '', broken: true };
    rest = frames.rest;
  }
  return { messages, pings, rest: rest.toString('latin1'), broken: false };
}

describe('cutFrames (RFC 3261 §18.3)', () => {
  const first = message('OPTIONS sip:a SIP/2.0\nContent-Length: 0');
  const second = message('SIP/2.0 200 OK\nl:5', 'v=0\r\n');

  it('cuts by Content-Length, and keeps what is not complete', () => {
    const frames = cutFrames(Buffer.concat([first, second, second.subarray(0, -1)]));
    expect(frames.messages).toEqual([first, second]);
    expect(frames.rest).toEqual(second.subarray(0, -1));
    expect(frames.broken).toBe(false);
  });

  it.each([
    'CONTENT-length   :  5',
    'L\t: 5',
    'To: x\nl: 5',
    'Content-Length:\n 5',
    'l: 5\nContent-Length: 5',
  ])('reads %j', (header) => {
    const bytes = message(`SIP/2.0 200 OK\n${header}`, '12345');
    expect(cutFrames(bytes).messages).toEqual([bytes]);
  });

  it('does not take a line that only ends like one', () => {
    expect(cutFrames(message('SIP/2.0 200 OK\nX-Content-Length: 5\nl: 1', '1')).messages).toHaveLength(1);
  });

  it.each([
    ['without a length', 'OPTIONS sip:a SIP/2.0\nTo: x'],
    ['with a negative one', 'OPTIONS sip:a SIP/2.0\nl: -1'],
    ['with one that goes on', 'OPTIONS sip:a SIP/2.0\nl: 1x'],
    ['with two that differ', 'OPTIONS sip:a SIP/2.0\nl: 1\nContent-Length: 2'],
    ['with one of a gigabyte', 'OPTIONS sip:a SIP/2.0\nl: 999999999'],
    ['with one over any number', `OPTIONS sip:a SIP/2.0\nl: 1${'0'.repeat(400)}`],
    ['with a head of 70 kB', `OPTIONS sip:a SIP/2.0\nX: ${'x'.repeat(70_000)}\nl: 0`],
  ])('a message %s breaks the stream, but not what came before it', (_, head) => {
    const frames = cutFrames(Buffer.concat([first, message(head)]));
    expect([frames.messages.length, frames.broken]).toEqual([1, true]);
  });

  it('a head that never ends breaks the stream', () => {
    expect(cutFrames(Buffer.alloc(60_000, 'x')).broken).toBe(false);
    expect(cutFrames(Buffer.alloc(70_000, 'x')).broken).toBe(true);
  });

  it('counts pings (RFC 5626 §3.5.1)', () => {
    expect(cutFrames(Buffer.from('\r\n\r\n'))).toMatchObject({ pings: 1, rest: Buffer.alloc(0) });
    expect(feed([Buffer.from('\r\n'), Buffer.from('\r\n'), first])).toMatchObject({ pings: 1, rest: '' });
  });

  const pieces = fc.array(
    fc.constantFrom(first, second, Buffer.from('\r\n'), Buffer.from('\r\n\r\n'), ...Object.values(SAMPLES)),
    { maxLength: 8 },
  );
  const cuts = fc.array(fc.nat(), { maxLength: 30 });

  /** The same bytes, cut somewhere else. */
  function chunksOf(bytes: Buffer, at: readonly number[]): Buffer[] {
    const ends = [...at.map((n) => n % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
    return ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
  }

  it('gives the same messages however the stream was cut', () => {
    fc.assert(
      fc.property(pieces, cuts, (parts, at) => {
        const bytes = Buffer.concat(parts);
        const whole = feed([bytes]);
        expect(feed(chunksOf(bytes, at))).toEqual(whole);
        const wanted = parts.filter((part) => part.length > 4).map((part) => part.toString('latin1'));
        expect(whole.messages).toEqual(wanted);
      }),
    );
  });

  it('the same for garbage: where a stream breaks does not depend on the cuts', () => {
    const garbage = fc.array(
      fc.oneof(
        fc.constantFrom(...[VALID, INVALID, SEMANTICS].flatMap((table) => Object.values(table))),
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      ),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(garbage, cuts, (parts, at) => {
        const bytes = Buffer.concat(parts);
        expect(feed(chunksOf(bytes, at))).toEqual(feed([bytes]));
      }),
    );
  });
});
