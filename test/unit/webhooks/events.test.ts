import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { endCall } from '../../../src/call/apply.ts';
import type { Call } from '../../../src/call/call.ts';
import { endVerification, type Verification } from '../../../src/verification/verification.ts';
import type { NoticeEvent, Records } from '../../../src/webhooks/events.ts';
import { EVENT_TYPES, nextStep } from '../../../src/webhooks/events.ts';
import { createNotice, type Notice } from '../../../src/webhooks/notice.ts';
import { CLIENTS_OWN, courseOf } from '../../support/notice-rig.ts';
import { acceptedPair, NOW } from '../../support/records.ts';

const { verification, call } = acceptedPair('a');
const course = courseOf(call);
const notice = createNotice({
  clientId: 'shop',
  callId: call.id,
  verificationId: verification.id,
  target: CLIENTS_OWN,
  now: NOW,
});
const failed = endVerification(verification, 'failed', NOW + 3003);

/** Tells all there is of each state of the records in turn, as one deliverer after the other would. */
function toldOf(states: readonly Records[], isWanted: (event: NoticeEvent) => boolean = () => true) {
  const told: NoticeEvent[] = [];
  let known: Notice = notice;
  let last = '';
  for (const records of states) {
    for (;;) {
      const step = nextStep(known, records, isWanted);
      last = step.kind;
      if (step.kind === 'over') break;
      known = { ...known, ...(step.kind === 'tell' ? step.after : step.told) };
      if (step.kind === 'wait') break;
      told.push(step.event);
    }
  }
  return { told, last };
}

const typesOf = (events: readonly NoticeEvent[]): readonly string[] => events.map(({ type }) => type);

const WHOLE = [
  'verification.created',
  'call.queued',
  'call.trying',
  'call.ringing',
  'call.answered',
  'call.prompt_finished',
  'call.attempt_ended',
  'call.ended',
  'verification.failed',
];

describe('what is to be told', () => {
  it('follows from what is stored, in order', () => {
    const { told, last } = toldOf([{ call: course.ended, verification: failed }]);
    expect(typesOf(told)).toEqual(WHOLE);
    expect(last).toBe('over');
    expect(told.map(({ id }) => id)).toEqual([
      'evt_a_v0',
      ...[0, 1, 2, 3, 4, 5, 6].map((index) => `evt_a_c${index}`),
      'evt_a_v1',
    ]);
  });

  it('is the same with the same ids, whatever of it was stored when', () => {
    const states: readonly Records[] = [
      { call, verification },
      { call: course.ringing, verification },
      { call: course.answered, verification },
      { call: course.ended, verification },
      { call: course.ended, verification: failed },
    ];
    const whole = toldOf(states.slice(-1)).told.map(({ id, at }) => [id, at]);
    fc.assert(
      fc.property(fc.subarray([...states.keys()].slice(0, -1)), (seen) => {
        const records = [...seen, states.length - 1].flatMap((index) => states[index] ?? []);
        expect(toldOf(records).told.map(({ id, at }) => [id, at])).toEqual(whole);
      }),
    );
  });

  it('keeps its place when another node takes the call over from what is stored', () => {
    const before = toldOf([{ call: course.ringing, verification }]).told;
    // Nothing that the dead node had not stored is in it.
    const closed = endCall(course.ringing, NOW + 9000, 'interrupted', 'us');
    const after = toldOf([
      { call: course.ringing, verification },
      { call: closed, verification: endVerification(verification, 'failed', NOW + 9000) },
    ]).told;
    expect(after.slice(0, before.length)).toEqual(before);
    expect(typesOf(after.slice(before.length))).toEqual(['call.ended', 'verification.failed']);
    expect(new Set(after.map(({ id }) => id)).size).toBe(after.length);
  });

  it('tells the end of a verification where it belongs, as far as it is known', () => {
    const approved: Verification = {
      ...verification,
      status: 'approved',
      approvedBy: 'code',
      endedAt: NOW + 3,
    };
    expect(typesOf(toldOf([{ call: course.ended, verification: approved }]).told)).toEqual([
      ...WHOLE.slice(0, 5),
      'verification.approved',
      ...WHOLE.slice(5, 8),
    ]);
    // It was not known when the rest was told.
    const late = toldOf([
      { call: course.ended, verification },
      { call: course.ended, verification: approved },
    ]);
    expect(typesOf(late.told)).toEqual([...WHOLE.slice(0, 8), 'verification.approved']);
  });

  it('waits for a call that is under way and a verification that is pending, and ends with what is gone', () => {
    const last = (one: Call | undefined, two: Verification | undefined): string =>
      toldOf([{ call: one, verification: two }]).last;
    expect(last(course.answered, failed)).toBe('wait');
    expect(last(course.ended, verification)).toBe('wait');
    expect(last(course.ended, failed)).toBe('over');
    expect(last(undefined, undefined)).toBe('over');
    expect(last(course.ended, undefined)).toBe('over');
    expect(last(undefined, verification)).toBe('wait');
  });

  it('counts what nobody wants as told', () => {
    const isWanted = ({ type }: NoticeEvent): boolean => type === 'call.ended';
    const { told } = toldOf(
      [
        { call: course.answered, verification },
        { call: course.ended, verification: failed },
      ],
      isWanted,
    );
    expect(told.map(({ id }) => id)).toEqual(['evt_a_c6']);
  });

  it('has names that clients may ask for', () => {
    const { told } = toldOf([{ call: course.ended, verification: failed }]);
    expect(typesOf(told).filter((type) => !(EVENT_TYPES as readonly string[]).includes(type))).toEqual([]);
  });
});
