import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LegHistory } from '../../../src/call/outcome.ts';
import { judge } from '../../../src/call/outcome.ts';
import type { LegEnd } from '../../../src/engine/engine.ts';

const before: LegHistory = {
  rang: false,
  flash: false,
  progressed: false,
  earlier: [],
  retryRejected: false,
};
const ringing: LegHistory = { ...before, rang: true, progressed: true };
const inBetween: LegHistory = { ...before, progressed: true };

function response(status: number, q850?: number, reason = '', reasonText?: string): LegEnd {
  return {
    kind: 'rejected',
    sip: {
      status,
      reason,
      ...(q850 === undefined ? {} : { q850 }),
      ...(reasonText === undefined ? {} : { reasonText }),
    },
  };
}

function said(end: LegEnd, history: LegHistory): string {
  const { disposition, blame, retry } = judge(end, history);
  return `${disposition} ${blame} ${retry}`;
}

/** Every row of the table of results, before any provisional response. */
const TABLE: readonly (readonly [end: LegEnd, outcome: string])[] = [
  [response(404), 'invalid_number callee never'],
  [response(404, 1), 'invalid_number callee never'],
  [response(404, 2), 'invalid_number trunk next_trunk'],
  [response(404, 3), 'invalid_number trunk next_trunk'],
  [response(404, 34), 'invalid_number callee never'],
  [response(410), 'invalid_number callee never'],
  [response(410, 22), 'invalid_number callee never'],
  [response(410, 3), 'invalid_number trunk next_trunk'],
  [response(484), 'invalid_number callee never'],
  [response(484, 2), 'invalid_number trunk next_trunk'],
  [response(604, 3), 'invalid_number trunk next_trunk'],
  [response(484, 28), 'invalid_number callee never'],
  [response(604), 'invalid_number callee never'],
  [response(486), 'busy callee never'],
  [response(486, 17), 'busy callee never'],
  [response(600), 'busy callee never'],
  [response(480), 'unreachable callee never'],
  [response(480, 19), 'unreachable callee never'],
  [response(480, 20), 'unreachable callee never'],
  [response(480, 31), 'unreachable callee never'],
  [response(408), 'trunk_timeout trunk next_trunk'],
  [response(408, 18), 'trunk_timeout trunk next_trunk'],
  [response(403), 'rejected trunk never'],
  [response(403, 21), 'rejected trunk never'],
  [response(403, 57), 'rejected trunk never'],
  [response(603, 21, 'Decline'), 'declined callee never'],
  [response(603, undefined, ''), 'declined callee never'],
  [response(603, 21, 'Network Blocked'), 'blocked us never'],
  [response(603, 21, 'NETWORK  BLOCKED'), 'blocked us never'],
  [response(603, 21, 'Decline', 'Network Blocked'), 'blocked us never'],
  [response(603, 21, 'Decline', 'v=analytics1;url=https://redress.example'), 'blocked us never'],
  [response(607), 'blocked us never'],
  [response(608, 21), 'blocked us never'],
  [response(487), 'canceled unknown never'],
  [response(487, 16), 'canceled unknown never'],
  [response(488), 'media_rejected trunk next_trunk'],
  [response(488, 65), 'media_rejected trunk next_trunk'],
  [response(606, 70), 'media_rejected trunk next_trunk'],
  [response(428), 'identity_rejected us never'],
  [response(436), 'identity_rejected us never'],
  [response(437), 'identity_rejected us never'],
  [response(438), 'identity_rejected us never'],
  [response(500), 'trunk_failure trunk next_trunk'],
  [response(502, 38), 'trunk_failure trunk next_trunk'],
  [response(503, 34), 'trunk_failure trunk next_trunk'],
  [response(503, 42), 'trunk_failure trunk next_trunk'],
  [response(504, 102), 'trunk_failure trunk next_trunk'],
  [response(500, 2), 'trunk_failure trunk next_trunk'],
  [response(503, 17), 'busy callee never'],
  [response(500, 1), 'invalid_number callee never'],
  [response(500, 28), 'invalid_number callee never'],
  [response(503, 20), 'unreachable callee never'],
  [response(503, 18), 'trunk_timeout trunk next_trunk'],
  [response(500, 21), 'rejected trunk never'],
  [response(500, 65), 'media_rejected trunk next_trunk'],
  [response(300), 'redirected trunk never'],
  [response(302, 23), 'redirected trunk never'],
  [response(302, 34), 'redirected trunk never'],
  [response(399), 'redirected trunk never'],
  [response(401), 'trunk_auth us next_trunk'],
  [response(407), 'trunk_auth us next_trunk'],
  [response(400), 'rejected unknown never'],
  [response(420), 'rejected unknown never'],
  [response(499), 'rejected unknown never'],
  [response(499, 2), 'invalid_number trunk next_trunk'],
  [response(499, 16), 'canceled unknown never'],
  [response(499, 17), 'busy callee never'],
  [response(499, 23), 'redirected trunk never'],
  [response(500, 16), 'trunk_failure trunk next_trunk'],
  [response(499, 41), 'trunk_failure trunk next_trunk'],
  [response(505), 'trunk_failure trunk next_trunk'],
  [response(580), 'trunk_failure trunk next_trunk'],
  [response(699), 'rejected callee never'],
  [response(699, 41), 'rejected callee never'],
  [{ kind: 'setup_timeout' }, 'trunk_timeout trunk next_trunk'],
  [{ kind: 'canceled' }, 'canceled none never'],
  [{ kind: 'media_rejected', detail: 'no codec' }, 'media_rejected trunk never'],
  [{ kind: 'unreachable', detail: 'ECONNREFUSED' }, 'trunk_failure trunk next_trunk'],
  [{ kind: 'failed', detail: 'no port' }, 'failed us never'],
  [{ kind: 'hung_up', by: 'us', why: 'prompt_finished' }, 'answered none never'],
  [{ kind: 'hung_up', by: 'us', why: 'aborted' }, 'answered none never'],
  [{ kind: 'hung_up', by: 'us', why: 'max_duration' }, 'answered none never'],
  [{ kind: 'hung_up', by: 'callee', why: 'peer' }, 'answered none never'],
  [{ kind: 'hung_up', by: 'us', why: 'peer_lost' }, 'answered trunk never'],
  [{ kind: 'hung_up', by: 'us', why: 'session_expired' }, 'answered trunk never'],
  [{ kind: 'hung_up', by: 'us', why: 'crossed_cancel' }, 'canceled none never'],
];

describe('judge', () => {
  it.each(TABLE.map(([end, outcome]) => [JSON.stringify(end), outcome, end] as const))(
    '%s is %s',
    (_text, outcome, end) => {
      expect(said(end, before)).toBe(outcome);
    },
  );

  it.each([
    [response(480, 19), 'no_answer callee never'],
    [response(480), 'no_answer callee never'],
    [response(408), 'no_answer callee never'],
    [response(503, 19), 'no_answer callee never'],
    [{ kind: 'ring_timeout' }, 'no_answer callee never'],
    [{ kind: 'setup_timeout' }, 'no_answer callee never'],
    [response(503), 'trunk_failure trunk never'],
    [response(404, 3), 'invalid_number trunk never'],
  ] as const)('after ringing %j is %s', (end, outcome) => {
    expect(said(end, ringing)).toBe(outcome);
  });

  it.each([
    [response(408), 'unreachable unknown next_trunk'],
    [{ kind: 'ring_timeout' }, 'no_answer callee never'],
    [response(503), 'trunk_failure trunk next_trunk'],
  ] as const)('after another provisional response %j is %s', (end, outcome) => {
    expect(said(end, inBetween)).toBe(outcome);
  });

  it('tries a missing route and rejected media once, not on every trunk', () => {
    expect(judge(response(404, 3), { ...before, earlier: ['invalid_number'] }).retry).toBe('never');
    expect(judge(response(404, 3), { ...before, earlier: ['trunk_failure'] }).retry).toBe('next_trunk');
    expect(judge(response(488), { ...before, earlier: ['media_rejected'] }).retry).toBe('never');
  });

  it('tries a 403 again only where the trunk is set so', () => {
    expect(judge(response(403), { ...before, retryRejected: true }).retry).toBe('next_trunk');
    expect(judge(response(403), { ...ringing, retryRejected: true }).retry).toBe('never');
  });

  it('never rings a phone twice, whatever the carrier says', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 300, max: 699 }),
        fc.option(fc.integer({ min: 0, max: 127 }), { nil: undefined }),
        fc.boolean(),
        (status, q850, retryRejected) => {
          expect(judge(response(status, q850), { ...ringing, retryRejected }).retry).toBe('never');
        },
      ),
    );
  });
});

describe('what becomes of a text message', () => {
  const text: LegHistory = { ...before, text: true };

  it('is known of a 2xx: the trunk has it', () => {
    for (const status of [200, 202]) {
      expect(said({ kind: 'taken', sip: { status, reason: 'OK' } }, text)).toBe('sent none never');
    }
  });

  it.each([
    [405, 'media_rejected trunk next_trunk'],
    [415, 'media_rejected trunk next_trunk'],
    [501, 'media_rejected trunk next_trunk'],
    [408, 'unreachable unknown next_trunk'],
  ])('is another thing than of a call after %i', (status, outcome) => {
    expect(said(response(status), text)).toBe(outcome);
    expect(said(response(status), before)).not.toBe(outcome);
  });

  it.each([302, 401, 403, 404, 410, 480, 484, 486, 488, 500, 503, 600, 603, 604, 607, 608])(
    'is what becomes of a call after %i',
    (status) => {
      expect(said(response(status), text)).toBe(said(response(status), before));
    },
  );

  it('is the fault of its trunk where nothing came', () => {
    expect(said({ kind: 'setup_timeout' }, text)).toBe('trunk_timeout trunk next_trunk');
    expect(said({ kind: 'failed', detail: 'too long' }, text)).toBe('failed us never');
  });
});
