import { describe, expect, it } from 'vitest';
import { withHiddenCaller, withHiddenCode } from '../../../src/call/hidden-caller.ts';
import type { CallEvent, SipResult } from '../../../src/engine/engine.ts';
import { Secret } from '../../../src/secret.ts';

const CLI = '+441614960716';

function ended(sip: Partial<SipResult>): CallEvent {
  return { type: 'ended', at: 1, end: { kind: 'rejected', sip: { status: 603, reason: '', ...sip } } };
}

describe('withHiddenCaller', () => {
  it.each([
    ['Caller +441614960716 not allowed', 'Caller +••• not allowed'],
    ['CLI 0161 496-0716', 'CLI •••'],
    ['from (0161) 496/0716.', 'from (•••.'],
    ['496.0716', '•••'],
    ['Network Blocked by 203.0.113.9:5060', 'Network Blocked by 203.0.113.9:5060'],
    ['call +1 202 555 0100', 'call +1 202 555 0100'],
  ])('of %j leaves %j', (said, left) => {
    expect(withHiddenCaller(ended({ reason: said }), CLI)).toEqual(ended({ reason: left }));
  });

  it('leaves whom to ask for redress, but not with the number in it', () => {
    const told = {
      reasonText: 'v=analytics1;tel=+12025550100',
      redressUri: 'https://a.example/441614960716',
    };
    expect(withHiddenCaller(ended(told), CLI)).toEqual(
      ended({ reasonText: 'v=analytics1;tel=+12025550100', redressUri: 'https://a.example/•••' }),
    );
  });

  it('hides it in the reason of a BYE', () => {
    const end = { kind: 'hung_up', by: 'callee', why: 'peer' } as const;
    const sip = { status: 200, reason: 'OK' };
    expect(
      withHiddenCaller(
        { type: 'ended', at: 1, end: { ...end, sip: { ...sip, reasonText: '441614960716 rang' } } },
        CLI,
      ),
    ).toEqual({ type: 'ended', at: 1, end: { ...end, sip: { ...sip, reasonText: '••• rang' } } });
  });

  it('lets every other event be', () => {
    const events: CallEvent[] = [
      { type: 'progress', at: 1, status: 183 },
      { type: 'ended', at: 1, end: { kind: 'rang' } },
      { type: 'ended', at: 1, end: { kind: 'hung_up', by: 'callee', why: 'peer' } },
    ];
    for (const event of events) expect(withHiddenCaller(event, CLI)).toBe(event);
  });
});

describe('withHiddenCode', () => {
  it.each([
    ['Spam: 493817', '493817', 'Spam: •••'],
    ['4938-17, 493 817 and 4.9.3.8.1.7', '493817', '•••, ••• and •••'],
    ['no such text: q7x2km', 'Q7X2KM', 'no such text: •••'],
    ['busy until 17:38', '493817', 'busy until 17:38'],
  ])('of %j leaves nothing of %s', (said, code, left) => {
    const told = { reason: said, reasonText: said, redressUri: `https://a.example/${said}` };
    expect(withHiddenCode(ended(told), new Secret(code))).toEqual(
      ended({ reason: left, reasonText: left, redressUri: `https://a.example/${left}` }),
    );
  });

  it('leaves all other events as they are', () => {
    const event: CallEvent = { type: 'trying', at: 1, sipCallId: '493817', leftover: {} };
    expect(withHiddenCode(event, new Secret('493817'))).toBe(event);
  });
});
