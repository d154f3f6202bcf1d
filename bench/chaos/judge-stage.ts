import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyChain } from '../../src/cdr/chain.ts';
import { readExport } from '../../src/cdr/export.ts';
import { type Checks, judgeChecks, statusesAt } from './checks.ts';
import { CodeSearch } from './code-search.ts';
import { judgeCalls, judgeLedger, judgeRescue } from './judge-records.ts';
import { judgeFolder, judgeHealth, judgeRedis } from './judge-secrets.ts';
import { judgeLimits, judgeRecords, judgeWire, type TrunkTerms } from './judge-wire.ts';
import type { Load } from './load.ts';
import { startScript } from './process.ts';
import { type CallSeen, callsAt, exportedLedger, listedCalls, recordsIn, sunkRecords } from './records.ts';
import type { Stage } from './stage.ts';
import { none, same, type Verdict } from './verdict.ts';
import type { WireEntry } from './wire.ts';

/** One second, and what this process may be late itself. */
const REFUSED_WITHIN_MS = 1250;

export interface Judged {
  readonly verdicts: readonly Verdict[];
  readonly calls: readonly CallSeen[];
  readonly wire: readonly WireEntry[];
}

/** What is judged on. */
export interface JudgeTerms {
  readonly wantedCalls: number;
  readonly trunks: readonly TrunkTerms[];
  readonly program: string;
}

/** Asks the nodes while they run, ends them, and then reads what all processes have left. */
export async function judgeStage(
  stage: Stage,
  load: Load,
  checks: Checks,
  { wantedCalls, trunks, program }: JudgeTerms,
): Promise<Judged> {
  const verdicts: Verdict[] = [same('requests accepted', wantedCalls, load.accepted.length)];
  // One thing that cannot be judged is a failure, and keeps nobody from judging the others.
  const add = async (line: string, work: () => Promise<readonly Verdict[]>): Promise<void> => {
    try {
      verdicts.push(...(await work()));
    } catch (error) {
      verdicts.push({ line, wanted: 'to be judged', found: String(error), ok: false });
    }
  };
  const [url = ''] = stage.urls;
  const search = new CodeSearch(load.codes);
  const ledgerFile = join(stage.folder, 'ledger.ndjson');
  let calls: readonly CallSeen[] = [];
  let ledger = '';
  let wire: readonly WireEntry[] = [];
  await add('calls at the nodes', async () => {
    const listed = await listedCalls(url);
    const ids = new Set(
      [...listed, ...load.accepted.map(({ callId }) => ({ id: callId }))].map(({ id }) => id),
    );
    const byNode = new Map<string, ReadonlyMap<string, CallSeen>>();
    for (const node of stage.nodes) byNode.set(node.name, await callsAt(node.url, [...ids]));
    calls = [...(byNode.get(stage.nodes[0]?.name ?? '')?.values() ?? [])];
    return [
      ...judgeCalls(load.accepted, load.numbers, { listed, byNode }),
      // A node with a store of its own has nobody who could.
      ...(stage.redis === undefined ? [] : [judgeRescue(calls)]),
    ];
  });
  await add('checks', async () =>
    judgeChecks(checks.approvals, await statusesAt(stage.urls.at(-1) ?? '', [...checks.approvals.keys()])),
  );
  await add('the chain of the ledger', async () => {
    ledger = await exportedLedger(url);
    await writeFile(ledgerFile, ledger);
    return judgeChain(ledger, ledgerFile, program);
  });
  const { redis } = stage;
  if (redis !== undefined) {
    await add("Redis's memory", () => judgeRedis(redis.port, search, 'after the last call'));
  }
  // Files are complete when those who write them have ended.
  await stage.stopNodes();
  await redis?.stop('SIGTERM');
  await add('the sinks', async () => {
    const sunk = await sunkRecords(stage.nodes.map(({ sinkFolder }) => sinkFolder));
    return judgeLedger(calls, recordsIn(ledger, 'ledger'), sunk);
  });
  await add('the wire', async () => {
    const seen = await stage.wire();
    wire = seen.wire;
    return [
      ...judgeWire(wire, calls, load.numbers),
      ...judgeLimits(wire, trunks),
      ...(stage.capture === undefined ? [] : [judgeRecords(wire, seen.log)]),
    ];
  });
  const known = load.accepted[0]?.callId ?? '';
  if (redis !== undefined) {
    await add("Redis's files", () =>
      judgeFolder("codes in Redis's append-only file", redis.folder, search, known),
    );
  }
  await add('files', () =>
    judgeFolder("codes in the nodes' files, logs and the carriers' wire", stage.folder, search, known),
  );
  await add('logs', () =>
    judgeHealth(
      stage.nodes.map(({ logFile }) => logFile),
      stage.nodes.flatMap(({ faults }) => faults),
    ),
  );
  verdicts.push(...judgeRefusals(load));
  return { verdicts, calls, wire };
}

/** Answers 503 come soon, and say when to come again. */
export function judgeRefusals({
  withoutRetryAfter,
  refusedAfterMs,
  accepted,
}: Pick<Load, 'withoutRetryAfter' | 'refusedAfterMs' | 'accepted'>): readonly Verdict[] {
  const rude = Array.from({ length: withoutRetryAfter }, () => '503');
  const slow = refusedAfterMs.filter((ms) => ms > REFUSED_WITHIN_MS).map((ms) => `${ms.toFixed(0)} ms`);
  const of = accepted.length + refusedAfterMs.length;
  return [
    none('answers 503 without Retry-After', rude, of),
    none(`answers 503 after more than ${REFUSED_WITHIN_MS} ms`, slow, of),
  ];
}

/** By our own reader, and by the command that operators use. */
async function judgeChain(ledger: string, file: string, program: string): Promise<readonly Verdict[]> {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(ledger);
  }
  const { rows, broken } = await verifyChain(readExport(bytes()));
  const command = startScript([program, 'cdr', 'verify', file], `${file}.verified`);
  const code = await new Promise<number | null>((done) => {
    command.once('exit', done);
  });
  return [
    none('breaks in the chain of the ledger', broken === null ? [] : [JSON.stringify(broken)], rows),
    same('exit code of `voice-otp cdr verify`', 0, code ?? -1),
  ];
}
