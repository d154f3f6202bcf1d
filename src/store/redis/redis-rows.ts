import type { Call } from '../../call/call.ts';
import type { Verification } from '../../verification/verification.ts';

/** A hash as Redis gives it: texts only. A field that is not there is null. */
export type Hash = Readonly<Record<string, string | undefined>>;

/** What nothing changes after the beginning, in one field; scripts have no need of it. */
const CONSTANT = 'constant';

/** Fields and values of a verification in turn. */
export function verificationFields(verification: Verification): readonly string[] {
  const { status, checks, maxChecks, expiresAt, endedAt, approvedBy, ...rest } = verification;
  const { codeDigest, sealedCode, cliDigest, sealedCli, ...constant } = rest;
  const changing = { status, checks, maxChecks, expiresAt, endedAt, approvedBy };
  const fields = Object.entries({ ...changing, codeDigest, sealedCode, cliDigest, sealedCli });
  return [
    CONSTANT,
    JSON.stringify(constant),
    ...fields.flatMap(([name, value]) => (value === null ? [] : [name, String(value)])),
  ];
}

/** Undefined where there is none. Trusts what `verificationFields` and the scripts wrote. */
export function verificationOf(hash: Hash): Verification | undefined {
  const constant = hash[CONSTANT];
  if (constant === undefined) return undefined;
  return {
    // Records of older versions lack it.
    template: null,
    ...JSON.parse(constant),
    status: hash['status'],
    checks: Number(hash['checks']),
    maxChecks: Number(hash['maxChecks']),
    expiresAt: Number(hash['expiresAt']),
    endedAt: hash['endedAt'] === undefined ? null : Number(hash['endedAt']),
    approvedBy: hash['approvedBy'] ?? null,
    codeDigest: hash['codeDigest'] ?? null,
    sealedCode: hash['sealedCode'] ?? null,
    cliDigest: hash['cliDigest'] ?? null,
    sealedCli: hash['sealedCli'] ?? null,
  } as Verification;
}

/** What a script answers of a hash: fields and values in turn. */
export function hashOf(flat: readonly string[]): Hash {
  const hash: Record<string, string> = {};
  for (let index = 0; index + 1 < flat.length; index += 2) hash[flat[index] ?? ''] = flat[index + 1] ?? '';
  return hash;
}

/** A node that nobody has the name of. */
const NO_NODE = '';

/** What scripts are told of a call: its text, its state, its node, and whether its last attempt is open. */
export function callFields({ node, ...call }: Call): readonly [string, string, string, string] {
  const open = call.attempts.at(-1)?.endedAt === null;
  return [JSON.stringify(call), call.state, nodeField(node), open ? '1' : '0'];
}

export function nodeField(node: string | null): string {
  return node ?? NO_NODE;
}

/** Undefined where there is none. */
export function callOf(record: string | null, node: string | null): Call | undefined {
  if (record === null) return undefined;
  return { ...JSON.parse(record), node: node === NO_NODE ? null : node } as Call;
}
