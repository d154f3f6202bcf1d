import { describe, expect, it } from 'vitest';
import type { WireMessage } from '../../../src/sip/transport.ts';
import type { TraceOfCall } from '../../../src/trace/call-trace.ts';
import { CallTrace } from '../../../src/trace/call-trace.ts';
import { traceEntries, traceLadder, traceText } from '../../../src/trace/trace-text.ts';

const PEER = { transport: 'udp', address: '198.51.100.7', port: 5060 } as const;
const LOCAL = { address: '2001:db8::1', port: 5070 };

function wire(first: string, sipCallId: string, at = 1000, extra = ''): WireMessage {
  const method = /^([A-Z]+) /.exec(first)?.[1] ?? 'INVITE';
  const direction = first.startsWith('SIP/') ? 'in' : 'out';
  const text = `${first}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060\r\nCall-ID: ${sipCallId}\r\nCSeq: 1 ${method}\r\n${extra}Content-Length: 0\r\n\r\n`;
  return { direction, at, peer: PEER, text };
}

function trace(change: { maxCalls?: number; maxBytes?: number } = {}): CallTrace {
  return new CallTrace({ maxCalls: 10, maxBytes: 1e6, local: () => LOCAL, ...change });
}

function keptOf(subject: CallTrace): TraceOfCall {
  const found = subject.of('call_a');
  if (found === undefined) throw new Error('nothing is kept of call_a');
  return found;
}

const INVITE = 'INVITE sip:+4930123456@c SIP/2.0';

describe('CallTrace', () => {
  it('keeps the messages of a call, attempt by attempt, and nothing of others', () => {
    const subject = trace();
    subject.follow('call_a', 'one@x');
    subject.take(wire(INVITE, 'one@x', 1000));
    subject.take(wire('SIP/2.0 503 Full', 'one@x', 1100));
    subject.take(wire('OPTIONS sip:c SIP/2.0', 'ping@x', 1150));
    // An engine that learns the Call-ID only when the INVITE has left.
    subject.take(wire(INVITE, 'two@x', 1200));
    subject.follow('call_a', 'two@x');
    subject.follow('call_a', 'two@x');
    subject.take(wire('SIP/2.0 180 Ringing', 'two@x', 1300));
    const found = subject.of('call_a');
    expect(found?.messages.map(({ at, attempt }) => [at, attempt])).toEqual([
      [1000, 1],
      [1100, 1],
      [1200, 2],
      [1300, 2],
    ]);
    expect(subject.callOf('two@x')).toBe('call_a');
    expect(subject.callOf('ping@x')).toBeUndefined();
    expect(subject.of('call_b')).toBeUndefined();
  });

  it('holds nothing that is to be hidden', () => {
    const subject = trace();
    subject.follow('call_a', 'one@x');
    subject.take(
      wire(INVITE, 'one@x', 1, 'Authorization: Digest response="feed"\r\nFrom: <sip:+441614960716@c>\r\n'),
    );
    expect(JSON.stringify(subject.of('call_a'))).not.toMatch(/feed|4960716|123456/);
  });

  it('reads compact and oddly written Call-IDs, and passes over what has none', () => {
    const subject = trace();
    subject.follow('call_a', 'one@x');
    for (const name of ['i:', 'I :', 'CALL-ID\t: ', 'Call-ID:']) {
      const given = wire(INVITE, 'one@x');
      subject.take({ ...given, text: given.text.replace('Call-ID: ', name) });
    }
    expect(subject.of('call_a')?.messages).toHaveLength(4);
    for (const text of ['', '\r\n\r\n', 'nonsense']) subject.take({ ...wire(INVITE, ''), text });
    expect(subject.of('call_a')?.messages).toHaveLength(4);
  });

  it('forgets the call that was silent for the longest', () => {
    const subject = trace({ maxCalls: 3 });
    for (const name of ['a', 'b', 'c']) {
      subject.follow(`call_${name}`, name);
      subject.take(wire(INVITE, name));
    }
    subject.take(wire('SIP/2.0 180 Ringing', 'a'));
    subject.follow('call_d', 'd');
    expect(['a', 'b', 'c', 'd'].filter((name) => subject.of(`call_${name}`) !== undefined)).toEqual([
      'a',
      'c',
      'd',
    ]);
    expect(subject.callOf('b')).toBeUndefined();
  });

  it('stays within its memory whatever passes', () => {
    const subject = trace({ maxCalls: 1e6, maxBytes: 200_000 });
    for (let index = 0; index < 3000; index += 1) {
      if (index % 3 > 0) subject.follow(`call_${index}`, `${index}@x`);
      subject.take(wire(INVITE, `${index}@x`, index, `X: ${'x'.repeat(index % 500)}\r\n`));
      expect(subject.held.bytes).toBeLessThanOrEqual(200_000);
    }
    expect(subject.held.calls).toBeGreaterThan(20);
    expect(subject.of('call_2999')?.messages).toHaveLength(1);
    expect(subject.of('call_1')).toBeUndefined();
    // One message that is longer than all that may be kept.
    trace({ maxBytes: 10 }).take(wire(INVITE, 'big'));
  });

  it('keeps no more than some messages of strangers, and counts them out again', () => {
    const subject = trace();
    for (let index = 1000; index < 2000; index += 1)
      subject.take(wire('OPTIONS sip:c SIP/2.0', `${index}@x`));
    const { bytes } = subject.held;
    for (let index = 2000; index < 3000; index += 1)
      subject.take(wire('OPTIONS sip:c SIP/2.0', `${index}@x`));
    expect(subject.held).toEqual({ calls: 0, bytes });
    expect(bytes).toBeLessThan(200_000);
  });

  it('keeps the beginning and the end of a call with too many messages', () => {
    const subject = trace();
    subject.follow('call_a', 'one@x');
    for (let at = 0; at < 1000; at += 1) subject.take(wire(INVITE, 'one@x', at));
    subject.take(wire('BYE sip:c SIP/2.0', 'one@x', 1000));
    const found = keptOf(subject);
    expect(found.messages).toHaveLength(200);
    expect(found.skipped).toBe(801);
    expect(found.messages.map(({ at }) => at).slice(98, 102)).toEqual([98, 99, 901, 902]);
    expect(found.messages.at(-1)?.text).toMatch(/^BYE/);
    expect(traceText(found)).toContain('(801 messages left out)');
  });
});

describe('a trace', () => {
  const subject = trace();
  subject.follow('call_a', 'one@x');
  subject.take(wire(INVITE, 'one@x', 1_750_000_000_000));
  subject.take(wire('SIP/2.0 486 Busy\u001b[2J Here', 'one@x', 1_750_000_000_250));
  const found = keptOf(subject);

  it('is data', () => {
    expect(traceEntries(found)[0]).toEqual({
      at: 1_750_000_000_000,
      direction: 'out',
      attempt: 1,
      transport: 'udp',
      local: '[2001:db8::1]:5070',
      remote: '198.51.100.7:5060',
      bytes: Buffer.byteLength(wire(INVITE, 'one@x').text),
      text: expect.stringMatching(/^INVITE sip:\+4930•••456@c SIP\/2\.0\r\n/),
    });
  });

  it('is text', () => {
    const text = traceText(found);
    expect(text).toContain(
      '2025-06-15T15:06:40.000Z out udp [2001:db8::1]:5070 -> 198.51.100.7:5060 attempt 1\n\n  INVITE sip:+4930•••456@c SIP/2.0\n',
    );
    expect(text).toContain('.250Z in udp [2001:db8::1]:5070 <- 198.51.100.7:5060 attempt 1\n\n  SIP/2.0 486');
  });

  it('is a ladder, in which nothing of the far end steers the terminal', () => {
    const lines = traceLadder(found);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/call_a \(1\) +198\.51\.100\.7:5060$/);
    expect(lines[1]).toMatch(/^ {5}0 ms │ INVITE ─+▶ +│$/);
    expect(lines[2]).toMatch(/^ {3}250 ms │ ◀─+ 486 Busy\\x1b\[2J Here +│$/);
  });
});
