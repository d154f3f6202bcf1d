import { describe, expect, it } from 'vitest';
import type { SipHeader, SipResponse } from '../../../src/sip/message.ts';
import { grantedSeconds, minExpires } from '../../../src/sip/registration.ts';

const OURS = 'sip:voice-otp@192.0.2.7:5060;transport=tcp';

function ok(...headers: SipHeader[]): SipResponse {
  return { kind: 'response', status: 200, reason: 'OK', headers, body: '' };
}

describe('grantedSeconds', () => {
  it.each([
    ['the contact says', [['Contact', `<${OURS}>;expires=1800`]], 1800],
    [
      'the contact says, and not the header',
      [
        ['Contact', `<${OURS}>;expires=60`],
        ['Expires', '90'],
      ],
      60,
    ],
    [
      'the header says, where the contact does not',
      [
        ['Contact', `<${OURS}>`],
        ['Expires', '90'],
      ],
      90,
    ],
    ['the header says, where no contact is listed', [['Expires', '90']], 90],
    [
      'ours says, among others in one line',
      [['Contact', `<sip:voice-otp@192.0.2.7:5062>;expires=9, <${OURS}>;expires=70, <sip:a@b>;expires=8`]],
      70,
    ],
    ['ours says, with other parameters', [['Contact', '<sip:voice-otp@192.0.2.7:5060>;q=1;expires=70']], 70],
    [
      'a single one says, whose address was changed behind a NAT',
      [['Contact', '<sip:voice-otp@198.51.100.9:40000>;expires=75']],
      75,
    ],
    ['0 where that is what was kept', [['Contact', `<${OURS}>;expires=0`]], 0],
    [
      'the header says, where none of several is ours',
      [
        ['Contact', '<sip:a@192.0.2.8>;expires=9, <sip:b@192.0.2.8>;expires=8'],
        ['Expires', '90'],
      ],
      90,
    ],
    [
      'the header says, where the contact has no number',
      [
        ['Contact', `<${OURS}>;expires=soon`],
        ['Expires', '5'],
      ],
      5,
    ],
    ['nothing where nothing is said', [['Contact', 'what is this']], undefined],
  ] as [string, SipHeader[], number | undefined][])('is what %s', (_case, headers, seconds) => {
    expect(grantedSeconds(ok(...headers), OURS)).toBe(seconds);
  });
});

describe('minExpires', () => {
  it('is what the registrar takes at least', () => {
    expect(minExpires(ok(['Min-Expires', '1800']))).toBe(1800);
    expect(minExpires(ok(['Min-Expires', 'later']))).toBeUndefined();
    expect(minExpires(ok())).toBeUndefined();
  });
});
