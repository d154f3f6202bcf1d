import { formatMicros } from './billing.ts';
import type { Cdr } from './cdr.ts';
import type { ChainRow } from './chain.ts';

type Cell = string | number | boolean | null;

type CdrRow = Cdr & Pick<ChainRow, 'hash'>;

/** Columns in their order: names, and what each holds. Times are UTC, prices decimal. */
const COLUMNS: readonly (readonly [name: string, cell: (cdr: CdrRow) => Cell])[] = [
  ['seq', ({ seq }) => seq],
  ['recordedAt', ({ recordedAt }) => time(recordedAt)],
  ['callId', ({ callId }) => callId],
  ['attempt', ({ attempt }) => attempt],
  ['verificationId', ({ verificationId }) => verificationId],
  ['clientId', ({ clientId }) => clientId],
  ['channel', ({ channel }) => channel],
  ['trunkId', ({ trunkId }) => trunkId],
  ['cli', ({ cli }) => cli],
  ['callee', ({ callee }) => callee],
  ['queuedAt', ({ queuedAt }) => time(queuedAt)],
  ['invitedAt', ({ invitedAt }) => time(invitedAt)],
  ['ringingAt', ({ ringingAt }) => time(ringingAt)],
  ['earlyMediaAt', ({ earlyMediaAt }) => time(earlyMediaAt)],
  ['answeredAt', ({ answeredAt }) => time(answeredAt)],
  ['endedAt', ({ endedAt }) => time(endedAt)],
  ['pddMs', ({ pddMs }) => pddMs],
  ['ringMs', ({ ringMs }) => ringMs],
  ['talkMs', ({ talkMs }) => talkMs],
  ['billableSeconds', ({ billableSeconds }) => billableSeconds],
  ['increment', ({ increment }) => increment],
  ['rate', ({ rate }) => rate],
  ['price', ({ priceMicros }) => (priceMicros === null ? null : formatMicros(priceMicros))],
  ['currency', ({ currency }) => currency],
  ['codec', ({ codec }) => codec],
  ['packetsSent', ({ packetsSent }) => packetsSent],
  ['packetsReceived', ({ packetsReceived }) => packetsReceived],
  ['jitterMicros', ({ jitterMicros }) => jitterMicros],
  ['promptSentMs', ({ promptSentMs }) => promptSentMs],
  ['promptFinished', ({ promptFinished }) => promptFinished],
  ['sipStatus', ({ sipStatus }) => sipStatus],
  ['sipReason', ({ sipReason }) => sipReason],
  ['reasonText', ({ reasonText }) => reasonText],
  ['redress', ({ redress }) => redress],
  ['q850', ({ q850 }) => q850],
  ['disposition', ({ disposition }) => disposition],
  ['blame', ({ blame }) => blame],
  ['hungUpBy', ({ hungUpBy }) => hungUpBy],
  ['answeredBy', ({ answeredBy }) => answeredBy],
  ['deliveredCharacters', ({ deliveredCharacters }) => deliveredCharacters],
  ['deliveredCodes', ({ deliveredCodes }) => deliveredCodes],
  ['keysPressed', ({ keysPressed }) => keysPressed],
  ['falseAnswer', ({ falseAnswer }) => falseAnswer],
  ['route', ({ route }) => route],
  ['v', ({ v }) => v],
  ['previous', ({ previous }) => previous],
  ['hash', ({ hash }) => hash],
  // Last, so that the others are where they were; records of version 1 have none.
  ['segments', ({ segments }) => segments ?? null],
];

/** The header line of a CSV file, with its line end (RFC 4180). */
export const CSV_HEADER = `${COLUMNS.map(([name]) => name).join(',')}\r\n`;

/** A row as a line of a CSV file (RFC 4180), with its line end. It is for reading: the NDJSON is what can be verified. */
export function csvLine({ record, hash }: ChainRow): string {
  const cdr: CdrRow = { ...(JSON.parse(record) as Cdr), hash };
  return `${COLUMNS.map(([, cell]) => cellText(cell(cdr))).join(',')}\r\n`;
}

function time(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

/** A number as it is dialled or shown, hidden digits included: as a formula it is itself. */
const PHONE_NUMBER = /^\+[\d•]{1,20}$/;

/**
 * Where a spreadsheet may take text for a formula: at the start of a cell, and, since some split at semicolons and tabs
 * whatever is in quotes, after each of those and after line ends; white space and quotes in between do not count.
 */
const FORMULA = /((?:^|[;\t\r\n|])["\s]*)(?=[=+\-@＝＋－＠])/g;

/**
 * Text gets an apostrophe where a formula could begin, which a spreadsheet takes for "this is text". A phone number
 * keeps its plus and gets none, so that programs find it as it is.
 */
function cellText(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell !== 'string') return String(cell);
  const text = PHONE_NUMBER.test(cell) ? cell : cell.replace(FORMULA, "$1'");
  return /[",\r\n;\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
