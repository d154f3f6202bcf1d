import type { Call } from '../call/call.ts';
import type { CountedCli } from '../trunk/cli-pool.ts';
import type { Verification } from '../verification/verification.ts';

/** A value as a column holds it. */
export type Column = string | number | null;

export type Row = Readonly<Record<string, Column>>;

/** Named as the table has them: `INSERT` and `UPDATE` list the columns in this order. */
export const VERIFICATION_COLUMNS = [
  'id',
  'client_id',
  'callee',
  'locale',
  'reference',
  'status',
  'code_length',
  'code_digest',
  'sealed_code',
  'repeat',
  'checks',
  'max_checks',
  'created_at',
  'expires_at',
  'ended_at',
  'call_id',
  'say_as',
  'gender',
  'channel',
  'flash',
  'cli_digest',
  'sealed_cli',
  'delivery',
  'approved_by',
  'template',
] as const;

export const CALL_COLUMNS = [
  'id',
  'verification_id',
  'client_id',
  'callee',
  'reference',
  'wishes',
  'sealed_playlist',
  'prompt',
  'state',
  'disposition',
  'blame',
  'created_at',
  'ended_at',
  'attempts',
  'timeline',
  'node',
] as const;

/** The column is NOT NULL since the first version, and no digest is empty. */
const NO_DIGEST = '';

export function verificationRow(verification: Verification): readonly Column[] {
  return [
    verification.id,
    verification.clientId,
    verification.to,
    verification.locale,
    verification.reference,
    verification.status,
    verification.codeLength,
    verification.codeDigest ?? NO_DIGEST,
    verification.sealedCode,
    verification.repeat,
    verification.checks,
    verification.maxChecks,
    verification.createdAt,
    verification.expiresAt,
    verification.endedAt,
    verification.callId,
    verification.sayAs,
    verification.gender,
    verification.channel,
    verification.flash === null ? null : JSON.stringify(verification.flash),
    verification.cliDigest,
    verification.sealedCli,
    verification.delivery === null ? null : JSON.stringify(verification.delivery),
    verification.approvedBy,
    verification.template,
  ];
}

/** Trusts its own table: what is in there was written by `verificationRow`. */
export function verificationOf(row: Row): Verification {
  return {
    id: row['id'],
    clientId: row['client_id'],
    to: row['callee'],
    locale: row['locale'],
    reference: row['reference'],
    status: row['status'],
    codeLength: row['code_length'],
    codeDigest: row['code_digest'] === NO_DIGEST ? null : row['code_digest'],
    sealedCode: row['sealed_code'],
    repeat: row['repeat'],
    checks: row['checks'],
    maxChecks: row['max_checks'],
    createdAt: row['created_at'],
    expiresAt: row['expires_at'],
    endedAt: row['ended_at'],
    callId: row['call_id'],
    sayAs: row['say_as'],
    gender: row['gender'],
    channel: row['channel'],
    flash: row['flash'] === null ? null : JSON.parse(String(row['flash'])),
    cliDigest: row['cli_digest'],
    sealedCli: row['sealed_cli'],
    delivery: row['delivery'] === null ? null : JSON.parse(String(row['delivery'])),
    approvedBy: row['approved_by'],
    template: row['template'],
  } as Verification;
}

export function callRow(call: Call): readonly Column[] {
  return [
    call.id,
    call.verificationId,
    call.clientId,
    call.to,
    call.reference,
    JSON.stringify(call.wishes),
    call.sealedPlaylist,
    call.prompt === null ? null : JSON.stringify(call.prompt),
    call.state,
    call.disposition,
    call.blame,
    call.createdAt,
    call.endedAt,
    JSON.stringify(call.attempts),
    JSON.stringify(call.timeline),
    call.node,
  ];
}

export function callOf(row: Row): Call {
  return {
    id: row['id'],
    verificationId: row['verification_id'],
    clientId: row['client_id'],
    to: row['callee'],
    reference: row['reference'],
    wishes: JSON.parse(String(row['wishes'])),
    sealedPlaylist: row['sealed_playlist'],
    prompt: row['prompt'] === null ? null : JSON.parse(String(row['prompt'])),
    state: row['state'],
    node: row['node'],
    disposition: row['disposition'],
    blame: row['blame'],
    createdAt: row['created_at'],
    endedAt: row['ended_at'],
    attempts: JSON.parse(String(row['attempts'])),
    timeline: JSON.parse(String(row['timeline'])),
  } as Call;
}

export function countedCliOf(row: Row): CountedCli {
  return { cli: row['cli'], uses: row['uses'], usedAt: row['used_at'] } as CountedCli;
}
