import { describe, expect, it } from 'vitest';
import {
  judgeCalls,
  judgeLedger as judgeLines,
  judgeRescue,
  type Told,
} from '../../../bench/chaos/judge-records.ts';
import { judgeRefusals } from '../../../bench/chaos/judge-stage.ts';
import { type CallSeen, type RecordSeen, recordsIn } from '../../../bench/chaos/records.ts';
import type { Verdict } from '../../../bench/chaos/verdict.ts';
import { attempt, callTo } from './made-up-wire.ts';

const ONE = '+493000001100';
const TWO = '+493000002400';
const CALLS = [
  callTo(ONE, [attempt()]),
  callTo(TWO, [attempt({ disposition: 'trunk_failure' }), attempt({ trunkId: 'second' })]),
] as const;
const REQUESTS = CALLS.map(({ to, id, verificationId }) => ({
  number: to,
  callId: id,
  verificationId: verificationId ?? '',
}));
const ASKED = new Set([ONE, TWO]);

const failed = (verdicts: readonly Verdict[]): readonly string[] =>
  verdicts.filter(({ ok }) => !ok).map(({ line }) => line);

function told(second: readonly CallSeen[] = CALLS, listed: readonly CallSeen[] = CALLS): Told {
  const view = (calls: readonly CallSeen[]) => new Map(calls.map((call) => [call.id, call]));
  return {
    listed,
    byNode: new Map([
      ['node-1', view(CALLS)],
      ['node-2', view(second)],
    ]),
  };
}

describe('calls of accepted requests', () => {
  it('hold where each has one, with one end at each node', () => {
    expect(failed(judgeCalls(REQUESTS, ASKED, told()))).toEqual([]);
  });

  it('fail for a request whose call is not there', () => {
    expect(failed(judgeCalls(REQUESTS, ASKED, told(CALLS, [CALLS[0]])))).toEqual([
      'accepted requests whose call is not the one that was answered',
    ]);
  });

  it('fail for a second call of the same request', () => {
    const again = callTo(ONE, [], { id: 'call_again' });
    expect(failed(judgeCalls(REQUESTS, ASKED, told(CALLS, [...CALLS, again])))).toEqual([
      'numbers with more than one call',
    ]);
  });

  it('fail for a call that nobody asked for', () => {
    expect(failed(judgeCalls(REQUESTS, new Set([ONE]), told()))).toEqual(['calls that nobody asked for']);
  });

  it.each([
    ['that has not ended', { state: 'ringing', disposition: null, endedAt: null }],
    ['with an attempt that has not ended', { attempts: [attempt({ endedAt: null })] }],
  ])('fail for one %s at one node', (_what, change) => {
    const other = callTo(ONE, [attempt()], change);
    expect(failed(judgeCalls(REQUESTS, ASKED, told([other, CALLS[1]])))).toEqual([
      'calls that have not ended, at any node',
      'calls that nodes tell differently',
    ]);
  });

  it('fail for a node that does not know one', () => {
    expect(failed(judgeCalls(REQUESTS, ASKED, told([CALLS[0]])))).toContain(
      'calls that have not ended, at any node',
    );
  });

  it('fail where two nodes tell two ends', () => {
    const other = callTo(ONE, [attempt()], { disposition: 'interrupted' });
    expect(failed(judgeCalls(REQUESTS, ASKED, told([other, CALLS[1]])))).toEqual([
      'calls that nodes tell differently',
    ]);
  });

  it('fail for the call of another verification', () => {
    const [one, two] = REQUESTS;
    const requests = [{ ...one, verificationId: 'ver_other' }, two].filter(
      (request) => request !== undefined,
    );
    expect(failed(judgeCalls(requests as typeof REQUESTS, ASKED, told()))).toEqual([
      'calls of another verification than was answered',
    ]);
  });
});

describe('records of attempts', () => {
  const rows: readonly RecordSeen[] = CALLS.flatMap(({ id, attempts }) =>
    attempts.map(({ trunkId, disposition }, index) => ({
      callId: id,
      attempt: index + 1,
      trunkId,
      disposition: disposition ?? '',
    })),
  );
  const first = rows[0] as RecordSeen;
  const lines = (records: readonly RecordSeen[]) => ({ records, malformed: [] });
  const judgeLedger = (
    calls: readonly CallSeen[],
    ledger: readonly RecordSeen[],
    sunk: readonly RecordSeen[],
  ) => judgeLines(calls, lines(ledger), lines(sunk));

  it('hold where each attempt has one, and the sinks have them too, some of them twice', () => {
    expect(failed(judgeLedger(CALLS, rows, [...rows, first]))).toEqual([]);
  });

  it('fail for an attempt without one', () => {
    expect(failed(judgeLedger(CALLS, rows.slice(1), rows.slice(1)))).toEqual(['attempts without a record']);
  });

  it('fail for an attempt with two', () => {
    expect(failed(judgeLedger(CALLS, [...rows, first], rows))).toEqual(['attempts with two records']);
  });

  it('fail for one of an attempt that nobody knows', () => {
    const more = [...rows, { ...first, attempt: 2 }];
    expect(failed(judgeLedger(CALLS, more, more))).toEqual(['records without an attempt']);
  });

  it('fail for one that says another end, or another trunk', () => {
    for (const change of [{ disposition: 'interrupted' }, { trunkId: 'second' }]) {
      const changed = [{ ...first, ...change }, ...rows.slice(1)];
      expect(failed(judgeLedger(CALLS, changed, changed))).toEqual([
        'records that say another end than the call',
      ]);
    }
  });

  it('fail where the sinks lack one, or say something else', () => {
    expect(failed(judgeLedger(CALLS, rows, rows.slice(1)))).toEqual(['records that no sink has']);
    expect(failed(judgeLedger(CALLS, rows, [...rows, { ...first, disposition: 'busy' }]))).toEqual([
      'lines of sinks that say another end than the ledger',
    ]);
    expect(failed(judgeLedger(CALLS, rows, [...rows, { ...first, callId: 'call_unknown' }]))).toEqual([
      'lines of sinks that say another end than the ledger',
    ]);
  });

  it('fail for a line that is cut off', () => {
    const text = rows.map((row) => JSON.stringify(row)).join('\n');
    expect(recordsIn(`${text}\n`, 'sink')).toEqual({ records: rows, malformed: [] });
    const torn = recordsIn(text.slice(0, -5), 'sink');
    expect(torn.malformed).toEqual(['sink:3']);
    expect(failed(judgeLines(CALLS, lines(rows), torn))).toEqual([
      'records that no sink has',
      'lines of the ledger and the sinks that are no record',
    ]);
  });
});

it('fails for a call that nobody dialled, since its node was lost', () => {
  const interrupted = { disposition: 'interrupted' };
  expect(judgeRescue([...CALLS, callTo(ONE, [attempt()], interrupted)]).ok).toBe(true);
  expect(judgeRescue([...CALLS, callTo(ONE, [], { disposition: 'capacity' })]).ok).toBe(true);
  expect(judgeRescue([...CALLS, callTo(ONE, [], interrupted)]).ok).toBe(false);
});

it('fails for an answer 503 that is late, or does not say when to come again', () => {
  const judged = (withoutRetryAfter: number, refusedAfterMs: readonly number[]) =>
    judgeRefusals({ withoutRetryAfter, refusedAfterMs: [...refusedAfterMs], accepted: [] }).map(
      ({ ok }) => ok,
    );
  expect(judged(0, [3, 1240])).toEqual([true, true]);
  expect(judged(1, [3, 1260])).toEqual([false, false]);
});
