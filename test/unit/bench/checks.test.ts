import { expect, it } from 'vitest';
import { judgeChecks } from '../../../bench/chaos/checks.ts';

it('fails for a verification that two were told to be approved, and for an approval that is not kept', () => {
  const judged = (
    approvals: readonly (readonly [string, number])[],
    statuses: Readonly<Record<string, string>>,
  ) => judgeChecks(new Map(approvals), new Map(Object.entries(statuses))).map(({ ok }) => ok);
  expect(
    judged(
      [
        ['a', 1],
        ['b', 0],
      ],
      { a: 'approved', b: 'failed' },
    ),
  ).toEqual([true, true]);
  expect(judged([['a', 2]], { a: 'approved' })).toEqual([false, true]);
  expect(judged([['a', 1]], { a: 'pending' })).toEqual([true, false]);
  expect(judged([['a', 1]], {})).toEqual([true, false]);
  // Nothing was approved: nothing is shown.
  expect(judged([['a', 0]], { a: 'failed' })).toEqual([false, false]);
});
