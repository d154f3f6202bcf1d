import { describe, expect, it } from 'vitest';
import type { SipRequest } from '../../../src/sip/message.ts';
import { reasonPhrase, responseTo } from '../../../src/sip/response.ts';

const INVITE: SipRequest = {
  ...{ kind: 'request', method: 'INVITE', uri: 'sip:b@c', body: 'v=0' },
  headers: [
    ['Via', 'SIP/2.0/UDP p;branch=2'],
    ['Via', 'SIP/2.0/UDP a;branch=1'],
    ['Record-Route', '<sip:p;lr>'],
    ['Max-Forwards', '70'],
    ['From', '<sip:a@a>;tag=1'],
    ['To', '<sip:b@c;tag=no-tag>'],
    ['Call-ID', '1@a'],
    ['CSeq', '1 INVITE'],
    ['Contact', '<sip:a@a>'],
  ],
};

describe('responseTo (RFC 3261 §8.2.6)', () => {
  it('repeats Via, From, To, Call-ID, CSeq and Record-Route in their order, tags To, and adds the rest', () => {
    expect(
      responseTo(INVITE, 200, { toTag: 'ours', headers: [['Contact', '<sip:us>']], body: 'v=0\r\n' }),
    ).toEqual({
      ...{ kind: 'response', status: 200, reason: 'OK', body: 'v=0\r\n' },
      headers: [
        ['Via', 'SIP/2.0/UDP p;branch=2'],
        ['Via', 'SIP/2.0/UDP a;branch=1'],
        ['Record-Route', '<sip:p;lr>'],
        ['From', '<sip:a@a>;tag=1'],
        ['To', '<sip:b@c;tag=no-tag>;tag=ours'],
        ['Call-ID', '1@a'],
        ['CSeq', '1 INVITE'],
        ['Contact', '<sip:us>'],
      ],
    });
  });

  const to = (status: number, value: string) =>
    responseTo({ ...INVITE, headers: [['To', value]] }, status, { toTag: 'ours' }).headers;

  it('leaves To alone in a 100, and where it has a tag', () => {
    expect(to(100, '<sip:b@c>')).toEqual([['To', '<sip:b@c>']]);
    expect(to(486, '<sip:b@c>;TAG=theirs')).toEqual([['To', '<sip:b@c>;TAG=theirs']]);
    expect(to(486, 'sip:b@c')).toEqual([['To', 'sip:b@c;tag=ours']]);
  });

  it.each([
    [100, 0],
    [180, 1],
    [200, 1],
    [302, 0],
    [486, 0],
  ])('%i: %i Record-Route', (status, count) => {
    const routes = responseTo(INVITE, status).headers.filter(([name]) => name === 'Record-Route');
    expect(routes).toHaveLength(count);
  });

  it('names what it says', () => {
    expect([
      reasonPhrase(487),
      reasonPhrase(299),
      responseTo(INVITE, 480, { reason: 'Nobody' }).reason,
    ]).toEqual(['Request Terminated', 'Unknown', 'Nobody']);
  });
});
