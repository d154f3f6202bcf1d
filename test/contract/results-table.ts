import type { Blame, Disposition } from '../../src/call/call.ts';
import type { Behaviour, Provisional } from '../../src/lab/behaviour.ts';

/** Where a call goes after one trunk has said something, and the trunks after it say the same. */
export type Onward = 'nowhere' | 'once' | 'everywhere';

/** One final response before any 180, and what it has to come to. */
export interface Row {
  readonly status: number;
  readonly q850?: number;
  readonly reason?: string;
  /** Of the Reason header. */
  readonly text?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly disposition: Disposition;
  readonly blame: Blame;
  readonly onward: Onward;
  /** What it is once a 180 was seen, where that is something else. */
  readonly afterRinging?: Disposition;
}

type Result = Pick<Row, 'disposition' | 'blame' | 'onward' | 'afterRinging'>;

const to = (disposition: Disposition, blame: Blame, onward: Onward, afterRinging?: Disposition): Result => ({
  disposition,
  blame,
  onward,
  ...(afterRinging === undefined ? {} : { afterRinging }),
});

const INVALID_NUMBER = to('invalid_number', 'callee', 'nowhere');
const NO_ROUTE = to('invalid_number', 'trunk', 'once');
const BUSY = to('busy', 'callee', 'nowhere');
const UNREACHABLE = to('unreachable', 'callee', 'nowhere', 'no_answer');
const TIMEOUT = to('trunk_timeout', 'trunk', 'everywhere', 'no_answer');
const REJECTED = to('rejected', 'trunk', 'nowhere');
const DECLINED = to('declined', 'callee', 'nowhere');
const BLOCKED = to('blocked', 'us', 'nowhere');
const CANCELED = to('canceled', 'unknown', 'nowhere');
const MEDIA_REJECTED = to('media_rejected', 'trunk', 'once');
const IDENTITY_REJECTED = to('identity_rejected', 'us', 'nowhere');
const FAILURE = to('trunk_failure', 'trunk', 'everywhere');
const REDIRECTED = to('redirected', 'trunk', 'nowhere');
const AUTH = to('trunk_auth', 'us', 'everywhere');
/** A refusal that nobody knows. */
const REFUSED = to('rejected', 'unknown', 'nowhere');
const REFUSED_EVERYWHERE = to('rejected', 'callee', 'nowhere');

const ELSEWHERE = [['Contact', '<sip:elsewhere@192.0.2.1>']] as const;

/** Each status alone, and each cause with one of them. */
function rows(statuses: readonly number[], causes: readonly number[], result: Result): readonly Row[] {
  return [
    ...statuses.map((status) => ({ status, ...result })),
    ...causes.map((q850, i) => ({ status: statuses[i % statuses.length] ?? 0, q850, ...result })),
  ];
}

/** The same result for each status with each cause. */
function pairs(statuses: readonly number[], causes: readonly number[], result: Result): readonly Row[] {
  return statuses.flatMap((status) => causes.map((q850) => ({ status, q850, ...result })));
}

const REDRESS = 'v=analytics1;url=https://redress.example;tel=+12025550100';

/** What is wanted of every final response and cause of the table of results, row by row. */
export const TABLE: Readonly<Record<string, readonly Row[]>> = {
  'invalid_number (404, 410, 484, 604)': [
    ...rows([404, 410, 484, 604], [1, 22, 26, 28], INVALID_NUMBER),
    ...pairs([404, 410, 484, 604], [2, 3], NO_ROUTE),
  ],
  'busy (486, 600)': rows([486, 600], [17, 17], BUSY),
  'unreachable (480)': rows([480], [19, 20, 31], UNREACHABLE),
  'trunk_timeout (408)': rows([408], [18], TIMEOUT),
  'rejected (403)': rows([403], [21, 55, 57, 87], REJECTED),
  'declined (603)': [
    ...rows([603], [21], DECLINED),
    { status: 603, reason: 'Decline', q850: 21, text: 'Call rejected', ...DECLINED },
  ],
  'blocked (603+, 607, 608)': [
    ...rows([607, 608], [21, 21], BLOCKED),
    { status: 603, reason: 'Network Blocked', ...BLOCKED },
    { status: 603, reason: 'Network Blocked', q850: 21, text: REDRESS, ...BLOCKED },
    { status: 603, reason: 'Decline', q850: 21, text: REDRESS, ...BLOCKED },
    { status: 607, q850: 21, text: REDRESS, ...BLOCKED },
    { status: 608, q850: 21, text: REDRESS, ...BLOCKED },
  ],
  'canceled (487)': rows([487], [16], CANCELED),
  'media_rejected (488, 606)': [
    ...rows([488, 606], [], MEDIA_REJECTED),
    ...pairs([488, 606], [65, 70], MEDIA_REJECTED),
  ],
  'identity_rejected (428, 436, 437, 438)': rows([428, 436, 437, 438], [], IDENTITY_REJECTED),
  'trunk_failure (500, 502, 503, 504)': rows(
    [500, 502, 503, 504],
    [27, 34, 38, 41, 42, 47, 102, 111],
    FAILURE,
  ),
  'redirected (3xx)': rows([300, 301, 302, 305, 380], [23], REDIRECTED).map((row) => ({
    ...row,
    headers: ELSEWHERE,
  })),
  'trunk_auth (401, 407)': rows([401, 407], [], AUTH),
  'the class of a status that nobody knows': [
    ...rows([400, 405, 413, 420, 481, 499], [127], REFUSED),
    ...rows([501, 505, 513, 580, 599], [127], FAILURE),
    ...rows([601, 605, 699], [17], REFUSED_EVERYWHERE),
    { status: 399, ...REDIRECTED },
  ],
  'a cause beside a status that nobody knows': [
    { status: 499, q850: 1, ...INVALID_NUMBER },
    { status: 499, q850: 2, ...NO_ROUTE },
    { status: 499, q850: 3, ...NO_ROUTE },
    { status: 499, q850: 16, ...CANCELED },
    { status: 499, q850: 17, ...BUSY },
    { status: 499, q850: 18, ...TIMEOUT },
    { status: 499, q850: 20, ...UNREACHABLE },
    { status: 499, q850: 23, ...REDIRECTED },
    { status: 499, q850: 57, ...REJECTED },
    { status: 499, q850: 65, ...MEDIA_REJECTED },
    { status: 499, q850: 41, ...FAILURE },
  ],
  'a cause that contradicts a status of its own meaning, which counts': [
    { status: 404, q850: 34, ...INVALID_NUMBER },
    { status: 486, q850: 41, ...BUSY },
    { status: 480, q850: 17, ...UNREACHABLE },
    { status: 408, q850: 17, ...TIMEOUT },
    { status: 403, q850: 34, ...REJECTED },
    { status: 603, q850: 17, ...DECLINED },
    { status: 608, q850: 41, ...BLOCKED },
    { status: 488, q850: 17, ...MEDIA_REJECTED },
    { status: 302, q850: 34, headers: ELSEWHERE, ...REDIRECTED },
  ],
  'a cause that says more than a 5xx': [
    { status: 500, q850: 1, ...INVALID_NUMBER },
    { status: 502, q850: 28, ...INVALID_NUMBER },
    { status: 503, q850: 17, ...BUSY },
    { status: 503, q850: 18, ...TIMEOUT },
    { status: 504, q850: 20, ...UNREACHABLE },
    { status: 500, q850: 21, ...REJECTED },
    { status: 500, q850: 65, ...MEDIA_REJECTED },
  ],
  'a cause that says less than a 5xx': [
    { status: 500, q850: 2, ...FAILURE },
    { status: 503, q850: 3, ...FAILURE },
    { status: 503, q850: 16, ...FAILURE },
    { status: 500, q850: 23, ...FAILURE },
  ],
};

/** What a trunk's `retry` cannot change: a block is no reason to call on, and a 487 is somebody's wish. */
export function isSettled({ disposition }: Row): boolean {
  return disposition === 'blocked' || disposition === 'canceled';
}

/** A phone that says this, after these provisional responses. */
export function says(
  { status, reason, q850, text, headers = [] }: Pick<Row, 'status' | 'reason' | 'q850' | 'text' | 'headers'>,
  provisionals: readonly Provisional[] = [],
): Behaviour {
  const cause = q850 === undefined ? [] : [['Reason', reasonHeader(q850, text)] as const];
  const final = {
    afterMs: (provisionals.at(-1)?.afterMs ?? 0) + 20,
    status,
    reason: reason ?? phraseOf(status),
    headers: [...cause, ...headers],
  };
  return { what: `says ${status}`, provisionals, final };
}

/** Nobody else's, so that what is stored is known to be what was said. */
export function phraseOf(status: number): string {
  return `Said ${status} here`;
}

function reasonHeader(q850: number, text: string | undefined): string {
  return `Q.850;cause=${q850}${text === undefined ? '' : `;text="${text}"`}`;
}

/** How a row is called in the report of a run. */
export function titleOf({ status, q850, reason, text }: Row): string {
  const cause = q850 === undefined ? '' : `, cause ${q850}`;
  return `${status}${reason === undefined ? '' : ` ${reason}`}${cause}${text === undefined ? '' : `, "${text}"`}`;
}
