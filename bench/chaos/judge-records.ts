import type { CallSeen, RecordLines, RecordSeen } from './records.ts';
import { none, type Verdict } from './verdict.ts';

/** A request that was answered with 201. */
export interface AcceptedRequest {
  readonly number: string;
  readonly verificationId: string;
  readonly callId: string;
}

/** What the nodes say of the calls. */
export interface Told {
  /** All calls that are listed. */
  readonly listed: readonly { readonly id: string; readonly to: string }[];
  /** By node, then by call. */
  readonly byNode: ReadonlyMap<string, ReadonlyMap<string, CallSeen>>;
}

/** Each accepted request has one call, with one end, at every node. */
export function judgeCalls(
  requests: readonly AcceptedRequest[],
  asked: ReadonlySet<string>,
  { listed, byNode }: Told,
): readonly Verdict[] {
  const idsOf = new Map<string, string[]>();
  for (const { id, to } of listed) idsOf.set(to, [...(idsOf.get(to) ?? []), id]);
  const views = [...byNode.values()];
  const of = requests.length;
  const offending = (isWrong: (request: AcceptedRequest) => boolean): readonly string[] =>
    requests.filter(isWrong).map(({ callId, number }) => `${callId} to ${number}`);
  return [
    none(
      'accepted requests whose call is not the one that was answered',
      offending(({ number, callId }) => idsOf.get(number)?.includes(callId) !== true),
      of,
    ),
    none(
      'numbers with more than one call',
      [...idsOf].filter(([, ids]) => ids.length > 1).map(([to]) => to),
      idsOf.size,
    ),
    none(
      'calls that nobody asked for',
      listed.filter(({ to }) => !asked.has(to)).map(({ to }) => to),
      listed.length,
    ),
    none(
      'calls that have not ended, at any node',
      offending(({ callId }) => views.some((calls) => !hasEnded(calls.get(callId)))),
      of,
    ),
    none(
      'calls that nodes tell differently',
      offending(({ callId }) => new Set(views.map((calls) => JSON.stringify(calls.get(callId)))).size !== 1),
      of,
    ),
    none(
      'calls of another verification than was answered',
      offending(({ callId, verificationId }) =>
        views.some((calls) => calls.get(callId)?.verificationId !== verificationId),
      ),
      of,
    ),
  ];
}

/** A call that had not been dialled when its node was lost is dialled by another one, or ends for another reason. */
export function judgeRescue(calls: readonly CallSeen[]): Verdict {
  const given = calls.filter(
    ({ disposition, attempts }) => disposition === 'interrupted' && attempts.length === 0,
  );
  return none(
    'calls that were interrupted before they were dialled',
    given.map(({ id }) => id),
    calls.length,
  );
}

function hasEnded(call: CallSeen | undefined): boolean {
  return (
    call?.state === 'ended' &&
    call.disposition !== null &&
    call.endedAt !== null &&
    call.attempts.every(({ endedAt, disposition }) => endedAt !== null && disposition !== null)
  );
}

const nameOf = ({ callId, attempt }: Pick<RecordSeen, 'callId' | 'attempt'>): string =>
  `${callId} ${attempt}`;

/** One record for each attempt, in the ledger and in the sinks. */
export function judgeLedger(
  calls: readonly CallSeen[],
  exported: RecordLines,
  sinks: RecordLines,
): readonly Verdict[] {
  const attempts = calls.flatMap(({ id, attempts: made }) =>
    made.map(({ trunkId, disposition }, index) => ({ callId: id, attempt: index + 1, trunkId, disposition })),
  );
  const ledger = exported.records;
  const sunk = sinks.records;
  const rows = new Map<string, RecordSeen>();
  const doubled: string[] = [];
  for (const row of ledger) {
    if (rows.has(nameOf(row))) doubled.push(nameOf(row));
    rows.set(nameOf(row), row);
  }
  const made = new Set(attempts.map(nameOf));
  const inSinks = new Map(sunk.map((row) => [nameOf(row), row]));
  return [
    none(
      'attempts without a record',
      attempts.filter((attempt) => !rows.has(nameOf(attempt))).map(nameOf),
      attempts.length,
    ),
    none('attempts with two records', doubled, ledger.length),
    none(
      'records without an attempt',
      ledger.filter((row) => !made.has(nameOf(row))).map(nameOf),
      ledger.length,
    ),
    none(
      'records that say another end than the call',
      attempts.filter((attempt) => differs(attempt, rows.get(nameOf(attempt)))).map(nameOf),
      attempts.length,
    ),
    none(
      'records that no sink has',
      ledger.filter((row) => !inSinks.has(nameOf(row))).map(nameOf),
      ledger.length,
    ),
    none(
      'lines of the ledger and the sinks that are no record',
      [...exported.malformed, ...sinks.malformed],
      ledger.length + sunk.length,
    ),
    none(
      'lines of sinks that say another end than the ledger',
      sunk.filter((row) => !rows.has(nameOf(row)) || differs(row, rows.get(nameOf(row)))).map(nameOf),
      sunk.length,
    ),
  ];
}

/** A record that is missing is told elsewhere. */
function differs(
  { trunkId, disposition }: { readonly trunkId: string; readonly disposition: string | null },
  row: RecordSeen | undefined,
): boolean {
  return row !== undefined && (row.trunkId !== trunkId || row.disposition !== disposition);
}
