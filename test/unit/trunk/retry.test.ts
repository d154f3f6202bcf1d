import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retryOf } from '../../../src/trunk/retry.ts';

const SEEN = { retry: 'never', disposition: 'rejected', status: 403, rang: false } as const;

describe('retryOf', () => {
  it.each([
    ['an override goes before the table', { '403': 'next_trunk' }, SEEN, 'next_trunk'],
    ['so does one that forbids', { '503': 'never' }, { ...SEEN, retry: 'next_trunk', status: 503 }, 'never'],
    [
      'other responses are as the table has them',
      { '503': 'never' },
      { ...SEEN, retry: 'next_trunk' },
      'next_trunk',
    ],
    ['without overrides the table holds', undefined, { ...SEEN, retry: 'next_trunk' }, 'next_trunk'],
    ['silence is 408', { '408': 'never' }, { ...SEEN, retry: 'next_trunk', status: 408 }, 'never'],
    [
      'a plain 603 may be tried on',
      { '603': 'next_trunk' },
      { ...SEEN, disposition: 'declined', status: 603 },
      'next_trunk',
    ],
    ['603+ is never', { '603': 'next_trunk' }, { ...SEEN, disposition: 'blocked', status: 603 }, 'never'],
    ['608 is never', { '608': 'next_trunk' }, { ...SEEN, retry: 'next_trunk', status: 608 }, 'never'],
    ['607 is never', { '607': 'next_trunk' }, { ...SEEN, status: 607 }, 'never'],
    [
      'after a 180 never',
      { '503': 'next_trunk' },
      { ...SEEN, retry: 'next_trunk', status: 503, rang: true },
      'never',
    ],
    [
      'what was answered is no matter of overrides',
      { '200': 'next_trunk' },
      { ...SEEN, status: 200 },
      'never',
    ],
    [
      'nor is what we canceled',
      { '487': 'next_trunk' },
      { ...SEEN, disposition: 'canceled', status: 487 },
      'never',
    ],
    [
      'nor what has no response',
      { null: 'next_trunk' },
      { ...SEEN, disposition: 'failed', status: null },
      'never',
    ],
  ] as const)('%s', (_, retry, seen, expected) => {
    expect(retryOf({ retry }, seen)).toBe(expected);
  });

  it('never rings a phone twice and never calls on after a block, whatever is set', () => {
    const overrides = fc.dictionary(
      fc.integer({ min: 300, max: 699 }).map(String),
      fc.constantFrom('next_trunk' as const, 'never' as const),
    );
    fc.assert(
      fc.property(overrides, fc.integer({ min: 300, max: 699 }), fc.boolean(), (retry, status, rang) => {
        const all = { ...retry, [status]: 'next_trunk' as const };
        const disposition = rang ? 'no_answer' : 'blocked';
        expect(retryOf({ retry: all }, { retry: 'next_trunk', disposition, status, rang })).toBe('never');
      }),
    );
  });
});
