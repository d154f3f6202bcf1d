import { beforeEach, describe, expect, it } from 'vitest';
import { DrachtioWire } from '../../../../src/engine/freeswitch/wire.ts';
import type { WireMessage } from '../../../../src/sip/transport.ts';

/** 12:30:00 UTC. */
const NOON = Date.UTC(2026, 10, 21, 12, 30);
const CALL = 'a1@here';

let seen: WireMessage[];
let wire: DrachtioWire;

beforeEach(() => {
  seen = [];
  wire = new DrachtioWire((message) => seen.push(message));
  wire.asked({ headers: { 'Call-ID': CALL }, proxy: 'sip:192.0.2.1:5070;transport=tcp' });
});

interface Told {
  readonly start: string;
  readonly method?: string;
  readonly callId?: string;
  readonly toTag?: string;
  readonly more?: readonly string[];
  readonly via?: string;
}

function sip({
  start,
  method,
  callId = CALL,
  toTag,
  more = [],
  via = 'TCP 198.51.100.1:5060',
}: Told): string {
  const lines = [
    start,
    `Via: SIP/2.0/${via};branch=z9hG4bK1`,
    'From: <sip:us@198.51.100.1>;tag=ours',
    `To: <sip:them@192.0.2.1>${toTag === undefined ? '' : `;tag=${toTag}`}`,
    `Call-ID: ${callId}`,
    `CSeq: 1 ${method ?? start.split(' ')[0]}`,
    ...more,
    'Content-Length: 0',
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** What drachtio answers when it has sent what it was asked to send. */
function sent(
  message: Told,
  { bytes = 300, place = 'tcp|198.51.100.1|5060', time = '12:30:00.000000' } = {},
) {
  const text = sip(message);
  wire.take(`one|response|two|OK|application|${bytes}|${place}|${time}|tx|Msg sent:|\r\n${text}`, NOON);
  return text;
}

function came(message: Told, { source = 'network', place = 'tcp|192.0.2.1|5070', at = NOON } = {}) {
  const text = sip(message);
  wire.take(`one|sip|${source}|300|${place}|12:30:00.000000|tx|dialog|\r\n${text}`, at);
  return text;
}

describe('DrachtioWire', () => {
  it('tells what was sent and what came, word by word', () => {
    const invite = sent({ start: 'INVITE sip:them@carrier.example SIP/2.0' });
    const ringing = came({ start: 'SIP/2.0 180 Ringing', method: 'INVITE', toTag: 't' });
    const peer = { transport: 'tcp', address: '192.0.2.1', port: 5070 };
    expect(seen).toEqual([
      { direction: 'out', at: NOON, peer, text: invite },
      { direction: 'in', at: NOON, peer, text: ringing },
    ]);
  });

  it('knows where requests in the dialog go, and responses', () => {
    const bye = { start: 'BYE sip:phone@203.0.113.9:5066 SIP/2.0', toTag: 't' };
    sent(bye);
    sent({ ...bye, more: ['Route: <sip:203.0.113.20;lr>'] });
    sent({ ...bye, more: ['Route: <sip:proxy.example;lr>'] });
    // Of a response drachtio says the peer, and no protocol.
    sent(
      { start: 'SIP/2.0 200 OK', method: 'BYE', toTag: 't', via: 'UDP 203.0.113.9:5066' },
      { place: '|203.0.113.9|5067' },
    );
    expect(seen.map(({ direction, peer }) => `${direction} ${Object.values(peer).join(' ')}`)).toEqual([
      'out tcp 203.0.113.9 5066',
      'out tcp 203.0.113.20 5060',
      'out tcp 192.0.2.1 5070',
      'out udp 203.0.113.9 5067',
    ]);
  });

  it('leaves out what was on no wire', () => {
    // Held back until a provisional response comes.
    sent({ start: 'CANCEL sip:them@carrier.example SIP/2.0' }, { bytes: 0 });
    // drachtio's own, for what could not be sent and what nobody answered.
    came({ start: 'SIP/2.0 503 DNS Error', method: 'INVITE' }, { place: 'tcp||0' });
    came({ start: 'SIP/2.0 408 Request Timeout', method: 'INVITE' }, { source: 'application' });
    expect(seen).toEqual([]);
  });

  it('has the BYE that drachtio sends by itself', () => {
    const start = 'BYE sip:phone@203.0.113.9:5066 SIP/2.0';
    came({ start, toTag: 't' }, { source: 'application', place: 'udp|198.51.100.1|5060' });
    expect(seen).toMatchObject([{ direction: 'out', peer: { address: '203.0.113.9', port: 5066 } }]);
  });

  it('tells nothing of calls that are not ours, and of what is no message', () => {
    sent({ start: 'INVITE sip:drachtio@192.0.2.50 SIP/2.0', callId: 'media@here' });
    came({ start: 'SIP/2.0 200 OK', method: 'INVITE', callId: 'media@here' });
    wire.asked({ headers: {}, proxy: 'sip:192.0.2.1:5070;transport=udp' });
    wire.asked({ headers: { 'Call-ID': 'b2' } });
    wire.asked({ headers: { 'Call-ID': 'b2' }, proxy: 'sip:carrier.example' });
    sent({ start: 'OPTIONS sip:them@192.0.2.1 SIP/2.0', callId: 'b2' });
    for (const told of [
      'one|response|two|OK',
      'one|response|two|NOK|Server error: no such dialog',
      `one|response|two|NOK|Server error\r\n${sip({ start: 'BYE sip:a@192.0.2.1 SIP/2.0' })}`,
      'one|sip|network|300|udp|192.0.2.1|5070|12:30:00.0|tx|dialog|\r\nnonsense',
      'one|cdr:start|x\r\n',
      '',
      '\r\n',
    ])
      wire.take(told, NOON);
    expect(seen).toEqual([]);
  });

  it.each([
    ['late by the time that drachtio says', NOON + 1700, NOON],
    ['in another time zone', NOON + 1700 + 5.75 * 3_600_000, NOON + 5.75 * 3_600_000],
    ['by a clock that is ahead: when we learnt it', NOON - 3, NOON - 3],
    ['by a clock that is far behind', NOON + 60_000, NOON + 60_000],
  ])('says when it was, %s', (_what, now, at) => {
    came({ start: 'SIP/2.0 180 Ringing', method: 'INVITE' }, { at: now });
    expect(seen.map((message) => message.at)).toEqual([at]);
  });

  it('counts lateness over midnight', () => {
    const text = sip({ start: 'SIP/2.0 180 Ringing', method: 'INVITE' });
    const midnight = Date.UTC(2026, 10, 22);
    wire.take(`one|sip|network|300|tcp|192.0.2.1|5070|23:59:59.900000|tx|dialog|\r\n${text}`, midnight + 50);
    expect(seen.map(({ at }) => at)).toEqual([midnight - 100]);
  });

  it('forgets calls that have long been silent', () => {
    for (let i = 0; i < 20_000; i++)
      wire.asked({ headers: { 'Call-ID': `call-${i}` }, proxy: 'sip:192.0.2.1;transport=udp' });
    came({ start: 'SIP/2.0 180 Ringing', method: 'INVITE' });
    expect(seen).toEqual([]);
    came({ start: 'SIP/2.0 180 Ringing', method: 'INVITE', callId: 'call-0' });
    expect(seen).toHaveLength(1);
  });
});
