import { describe, expect, it } from 'vitest';
import {
  type Dialog,
  dialogOfUac,
  dialogOfUas,
  nextHopUri,
  receiveIn,
  requestIn,
} from '../../../src/sip/dialog.ts';
import {
  header,
  headerList,
  type SipHeader,
  type SipRequest,
  type SipResponse,
} from '../../../src/sip/message.ts';

const INVITE: SipRequest = {
  ...{ kind: 'request', method: 'INVITE', uri: 'sip:bob@dialled.example', body: '' },
  headers: [
    ['Via', 'SIP/2.0/UDP a;branch=z9hG4bK1'],
    ['From', '"Verify" <sip:alice@a>;tag=alice'],
    ['To', '<sip:bob@b>'],
    ['Call-ID', 'call@a'],
    ['CSeq', '7 INVITE'],
    ['Contact', '<sip:alice@192.0.2.1:5060>'],
    ['Record-Route', '<sip:p2;lr>, <sip:p1;lr>'],
  ],
};

function answer(status: number, headers: readonly SipHeader[]): SipResponse {
  const copied = INVITE.headers.filter(([name]) => ['Via', 'From', 'Call-ID', 'CSeq'].includes(name));
  return { kind: 'response', status, reason: '', headers: [...copied, ...headers], body: '' };
}

const TO: SipHeader = ['To', '<sip:bob@b>;tag=bob'];
const CONTACT: SipHeader = ['Contact', '<sip:bob@192.0.2.9:5080;transport=tcp>'];

const DIALOG = dialogOfUac(
  INVITE,
  answer(200, [TO, CONTACT, ['Record-Route', '<sip:p3;lr>'], ['Record-Route', '<sip:p2;lr>,<sip:p1;lr>']]),
) as Dialog;

describe('dialogOfUac (RFC 3261 §12.1.2)', () => {
  it('takes all that later requests need, the route set backwards', () => {
    expect(DIALOG).toEqual({
      callId: 'call@a',
      local: '"Verify" <sip:alice@a>;tag=alice',
      remote: '<sip:bob@b>;tag=bob',
      localTag: 'alice',
      remoteTag: 'bob',
      remoteTarget: 'sip:bob@192.0.2.9:5080;transport=tcp',
      routeSet: ['<sip:p1;lr>', '<sip:p2;lr>', '<sip:p3;lr>'],
      localCSeq: 7,
      remoteCSeq: undefined,
    });
  });

  it('without Contact: none while ringing, the dialled address after the answer', () => {
    expect(dialogOfUac(INVITE, answer(183, [TO]))).toBeUndefined();
    expect(dialogOfUac(INVITE, answer(200, [TO]))?.remoteTarget).toBe('sip:bob@dialled.example');
  });

  it('without a tag: a peer of RFC 2543', () => {
    expect(dialogOfUac(INVITE, answer(200, [['To', '<sip:bob@b>'], CONTACT]))?.remoteTag).toBe('');
  });
});

describe('dialogOfUas (RFC 3261 §12.1.1)', () => {
  it('is the mirror image, with the route set as it came', () => {
    expect(dialogOfUas(INVITE, 'ours')).toEqual({
      callId: 'call@a',
      local: '<sip:bob@b>;tag=ours',
      remote: '"Verify" <sip:alice@a>;tag=alice',
      localTag: 'ours',
      remoteTag: 'alice',
      remoteTarget: 'sip:alice@192.0.2.1:5060',
      routeSet: ['<sip:p2;lr>', '<sip:p1;lr>'],
      localCSeq: 0,
      remoteCSeq: 7,
    });
  });

  it('needs a Contact', () => {
    const headers = INVITE.headers.filter(([name]) => name !== 'Contact');
    expect(dialogOfUas({ ...INVITE, headers }, 'ours')).toBeUndefined();
  });
});

describe('requestIn (RFC 3261 §12.2.1.1)', () => {
  it('counts CSeq up, but not for an ACK', () => {
    const [second, bye] = requestIn(DIALOG, 'BYE', { headers: [['Reason', 'x']], body: 'b' });
    expect([second.localCSeq, header(bye, 'CSeq'), header(bye, 'Reason'), bye.body]).toEqual([
      8,
      '8 BYE',
      'x',
      'b',
    ]);
    expect(header(requestIn(second, 'BYE')[1], 'CSeq')).toBe('9 BYE');
    const [same, ack] = requestIn(second, 'ACK', { ackFor: 7 });
    expect([same, header(ack, 'CSeq')]).toEqual([second, '7 ACK']);
  });

  it('carries the tags, and exactly one of each header that routing needs', () => {
    const [, bye] = requestIn(DIALOG, 'BYE');
    for (const name of ['From', 'To', 'Call-ID', 'CSeq', 'Max-Forwards'])
      expect(bye.headers.filter(([key]) => key === name)).toHaveLength(1);
    expect([header(bye, 'From'), header(bye, 'To')]).toEqual([DIALOG.local, DIALOG.remote]);
  });

  it('loose routes: the target stays the Request-URI', () => {
    const [, bye] = requestIn(DIALOG, 'BYE');
    expect(bye.uri).toBe('sip:bob@192.0.2.9:5080;transport=tcp');
    expect(headerList(bye, 'Route')).toEqual(['<sip:p1;lr>', '<sip:p2;lr>', '<sip:p3;lr>']);
    expect(nextHopUri(DIALOG)).toBe('sip:p1;lr');
  });

  it('strict routes: the first becomes the Request-URI, the target goes last', () => {
    const strict = { ...DIALOG, routeSet: ['<sip:p1;maddr=x>', '<sip:p2>'] };
    const [, bye] = requestIn(strict, 'BYE');
    expect(bye.uri).toBe('sip:p1;maddr=x');
    expect(headerList(bye, 'Route')).toEqual(['<sip:p2>', '<sip:bob@192.0.2.9:5080;transport=tcp>']);
    expect(nextHopUri(strict)).toBe('sip:p1;maddr=x');
  });

  it('no routes: straight to the target', () => {
    const direct = { ...DIALOG, routeSet: [] };
    expect(headerList(requestIn(direct, 'BYE')[1], 'Route')).toEqual([]);
    expect(nextHopUri(direct)).toBe(DIALOG.remoteTarget);
  });

  it('a route that cannot be read leads to the target', () => {
    const odd = { ...DIALOG, routeSet: ['<nonsense'] };
    expect(requestIn(odd, 'BYE')[1].uri).toBe(DIALOG.remoteTarget);
    expect(nextHopUri(odd)).toBe(DIALOG.remoteTarget);
  });
});

function from(
  method: string,
  cseq: number,
  more: readonly SipHeader[] = [],
  tags = ['bob', 'alice'],
): SipRequest {
  return {
    ...{ kind: 'request', method, uri: 'sip:alice@192.0.2.1', body: '' },
    headers: [
      ['From', `<sip:bob@b>;tag=${tags[0]}`],
      ['To', `<sip:alice@a>;tag=${tags[1]}`],
      ['CSeq', `${cseq} ${method}`],
      ...more,
    ],
  };
}

describe('receiveIn (RFC 3261 §12.2.2)', () => {
  it('takes the first number whatever it is, then only what is not lower', () => {
    const first = receiveIn(DIALOG, from('INFO', 100));
    if (first.kind !== 'in_order') throw new Error(first.kind);
    expect(first.dialog.remoteCSeq).toBe(100);
    expect(receiveIn(first.dialog, from('INFO', 99)).kind).toBe('out_of_order');
    expect(receiveIn(first.dialog, from('INFO', 100)).kind).toBe('in_order');
    expect(receiveIn(first.dialog, from('BYE', 4711)).kind).toBe('in_order');
  });

  it('judges ACK and CANCEL by their tags only: their number is that of the INVITE', () => {
    const busy = { ...DIALOG, remoteCSeq: 100 };
    expect(receiveIn(busy, from('ACK', 99))).toEqual({ kind: 'in_order', dialog: busy });
    expect(receiveIn(busy, from('CANCEL', 99))).toEqual({ kind: 'in_order', dialog: busy });
  });

  it.each([[['mallory', 'alice']], [['bob', 'mallory']], [['', 'alice']], [['alice', 'bob']]])(
    'tags %j are foreign',
    (tags) => {
      expect(receiveIn(DIALOG, from('BYE', 1, [], tags)).kind).toBe('foreign');
    },
  );

  it('a peer without a tag is not asked for one', () => {
    expect(receiveIn({ ...DIALOG, remoteTag: '' }, from('BYE', 1, [], ['any', 'alice'])).kind).toBe(
      'in_order',
    );
  });

  it.each([
    ['INVITE', 'sip:moved@192.0.2.7'],
    ['UPDATE', 'sip:moved@192.0.2.7'],
    ['INFO', DIALOG.remoteTarget],
  ])('%s with a Contact: target %s', (method, remoteTarget) => {
    const received = receiveIn(DIALOG, from(method, 1, [['Contact', '<sip:moved@192.0.2.7>']]));
    expect(received).toMatchObject({ kind: 'in_order', dialog: { remoteTarget } });
  });

  it('a refresh without a Contact that can be read moves nothing', () => {
    for (const more of [[], [['Contact', '*']]] satisfies SipHeader[][]) {
      expect(receiveIn(DIALOG, from('INVITE', 1, more))).toMatchObject({
        dialog: { remoteTarget: DIALOG.remoteTarget },
      });
    }
  });
});
