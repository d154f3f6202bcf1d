/**
 * `npm run chaos`: thousands of calls through several nodes, while one of them is killed, one stands still and Redis is
 * restarted; then what became of each call, from the nodes, the ledger, the sinks, the wire, Redis and the files. A
 * report as Markdown, on standard output and in a file; exit code 0 only where every line of it holds.
 */
import { writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { verifyChain } from '../../src/cdr/chain.ts';
import { readExport } from '../../src/cdr/export.ts';
import { CodeSearch } from './code-search.ts';
import type { FaultNote } from './faults.ts';
import { inflictFaults } from './faults.ts';
import { judgeCalls, judgeLedger } from './judge-records.ts';
import { judgeFolder, judgeHealth, judgeRedis } from './judge-secrets.ts';
import { judgeLimits, judgeRecords, judgeWire } from './judge-wire.ts';
import { Load } from './load.ts';
import { SOURCE } from './nodes.ts';
import { startScript } from './process.ts';
import { callsAt, exportedLedger, listedCalls, recordsIn, sunkRecords, unfinished } from './records.ts';
import { percentile, reportOf, tally } from './report.ts';
import { Stage } from './stage.ts';
import { none, same, type Verdict } from './verdict.ts';
import { legsOf, openLegs, type WireEntry } from './wire.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '3000' },
    rate: { type: 'string', default: '60' },
    nodes: { type: 'string', default: '3' },
    store: { type: 'string', default: 'redis' },
    'no-faults': { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
    /** What a node runs: the compiled service, for example. */
    program: { type: 'string', default: SOURCE },
    report: { type: 'string', default: join(tmpdir(), 'voice-otp-chaos.md') },
  },
});
const store = values.store === 'sqlite' ? 'sqlite' : 'redis';
const nodeCount = Number(values.nodes);
if (store === 'sqlite' && nodeCount !== 1)
  throw new Error('nodes of one SQLite file each do not belong together: --nodes 1');

/** Together little more than the calls need, so that both limits bind; the second one's channels too. */
const TRUNKS = [
  { id: 'first', cps: 40, channels: 200 },
  { id: 'second', cps: 35, channels: 170 },
];
/** Until nothing is open any more: calls wait for 20 s at most, and then last some seconds. */
const END_MS = 150_000;
/** A carrier without an ACK gives up after 32 s (RFC 3261, 64 × T1). */
const QUIET_MS = 45_000;

const notes: string[] = [];
const begun = Date.now();
const seconds = (at: number): string => `${((at - begun) / 1000).toFixed(1)} s`;
function say(text: string): void {
  notes.push(text);
  process.stderr.write(`${seconds(Date.now())}  ${text}\n`);
}

/** Asks until nothing is left, or it is too late. @returns what is left then */
async function settled(what: string, count: () => Promise<number>, timeoutMs: number): Promise<number> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const left = await count().catch(() => Number.NaN);
    if (left === 0) return 0;
    if (Date.now() > end) {
      say(`${what}: still ${left} after ${timeoutMs / 1000} s`);
      return left;
    }
    await sleep(500);
  }
}

async function judgeStage(stage: Stage, load: Load): Promise<readonly Verdict[]> {
  const [url = ''] = stage.urls;
  const search = new CodeSearch(load.codes);
  const listed = await listedCalls(url);
  const ids = [...new Set([...listed.map(({ id }) => id), ...load.accepted.map(({ callId }) => callId)])];
  const byNode = new Map<string, Awaited<ReturnType<typeof callsAt>>>();
  for (const node of stage.nodes) byNode.set(node.name, await callsAt(node.url, ids));
  const calls = [...(byNode.values().next().value ?? new Map()).values()];
  const ledger = await exportedLedger(url);
  const ledgerFile = join(stage.folder, 'ledger.ndjson');
  await writeFile(ledgerFile, ledger);
  const redis =
    stage.redis === undefined ? [] : await judgeRedis(stage.redis.port, search, 'after the last call');
  // Their files are complete when they have ended.
  await stage.stopNodes();
  await stage.redis?.stop('SIGTERM');
  const { wire, log } = await stage.wire();
  const sunk = await sunkRecords(stage.nodes.map(({ sinkFolder }) => sinkFolder));
  noteOutcomes(
    load,
    wire,
    calls.map(({ disposition }) => String(disposition)),
  );
  const known = load.accepted[0]?.callId ?? '';
  return [
    same('requests accepted', Number(values.calls), load.accepted.length),
    ...judgeCalls(load.accepted, load.numbers, { listed, byNode }),
    ...judgeLedger(calls, recordsIn(ledger), sunk),
    ...(await judgeChain(ledger, ledgerFile)),
    ...judgeWire(wire, calls, load.numbers),
    ...judgeLimits(wire, TRUNKS),
    ...(stage.capture === undefined ? [] : [judgeRecords(wire, log)]),
    ...redis,
    ...(stage.redis === undefined
      ? []
      : await judgeFolder("codes in Redis's append-only file", stage.redis.folder, search, known)),
    ...(await judgeFolder(
      "codes in the nodes' files, logs and the carriers' wire",
      stage.folder,
      search,
      known,
    )),
    ...(await judgeHealth(
      stage.nodes.map(({ logFile }) => logFile),
      stage.nodes.flatMap(({ faults }) => faults),
    )),
    none('answers 503 without Retry-After', times('503', load.withoutRetryAfter), load.accepted.length),
  ];
}

const times = (text: string, count: number): readonly string[] => Array.from({ length: count }, () => text);

/** By our own reader, and by the command that operators use. */
async function judgeChain(ledger: string, file: string): Promise<readonly Verdict[]> {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(ledger);
  }
  const { rows, broken } = await verifyChain(readExport(bytes()));
  const command = startScript([values.program, 'cdr', 'verify', file], `${file}.verified`);
  const code = await new Promise<number | null>((done) => {
    command.once('exit', done);
  });
  return [
    none('breaks in the chain of the ledger', broken === null ? [] : [JSON.stringify(broken)], rows),
    same('exit code of `voice-otp cdr verify`', 0, code ?? -1),
  ];
}

function noteOutcomes(load: Load, wire: readonly WireEntry[], ends: readonly string[]): void {
  const invited = new Map<string, number>();
  for (const { number, invites } of legsOf(wire)) {
    invited.set(number, Math.min(invited.get(number) ?? Infinity, invites[0]?.at ?? Infinity));
  }
  const waits = load.accepted.flatMap(
    ({ number, createdAt }) => (invited.get(number) ?? Infinity) - createdAt,
  );
  const reached = waits.filter(Number.isFinite);
  const tries = load.accepted.map((request) => request.tries);
  const answers = load.accepted.map(({ askedAt, answeredAt }) => answeredAt - askedAt);
  const spread = (ms: readonly number[]): string =>
    `p50 ${percentile(ms, 0.5).toFixed(0)} ms, p99 ${percentile(ms, 0.99).toFixed(0)} ms, most ${percentile(ms, 1).toFixed(0)} ms`;
  say(`ends: ${tally(ends)}`);
  say(`tries a request: ${tally(tries.map((count) => `× ${count}`))}; given up: ${load.givenUp.length}`);
  say(
    `tries that failed: ${[...load.failures].map(([why, count]) => `${count} ${why}`).join(', ') || 'none'}`,
  );
  say(`from the first try to the 201: ${spread(answers)}`);
  say(`answers 503 took: ${spread(load.refusedAfterMs)}`);
  say(
    `from acceptance to the INVITE at the carrier: ${spread(reached)}; without one: ${waits.length - reached.length}`,
  );
  say(`SIP messages at the carriers: ${wire.length}`);
}

process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));
const stage = await Stage.start({
  store,
  nodes: nodeCount,
  trunks: TRUNKS,
  program: resolve(values.program),
  maxConcurrent: 600,
});
let verdicts: readonly Verdict[] = [];
try {
  say(
    `${values.calls} calls at ${values.rate}/s, ${nodeCount} nodes, ${store}, seed ${values.seed}; ${availableParallelism()} processors, Node ${process.version}`,
  );
  say(
    stage.capture === undefined
      ? "no capture: times are the carriers' own"
      : "times are the system's, by dumpcap",
  );
  const load = new Load({
    calls: Number(values.calls),
    ratePerSecond: Number(values.rate),
    seed: Number(values.seed),
    urls: stage.urls,
  });
  const noteFault = ({ at, what }: FaultNote): void => say(`${seconds(at)}: ${what}`);
  const faults = values['no-faults']
    ? Promise.resolve()
    : inflictFaults(load, stage.nodes, stage.redis, noteFault);
  const { redis } = stage;
  // While calls are up, their codes are sealed there.
  const midway =
    redis === undefined
      ? Promise.resolve([])
      : load
          .reached(0.9)
          .then(() => judgeRedis(redis.port, new CodeSearch(load.codes), 'while calls are up'))
          .catch((error: unknown) => [
            none("codes in Redis's memory, while calls are up", [String(error)], 1),
          ]);
  await Promise.all([load.run().then(() => say(`${load.accepted.length} accepted`)), faults]);
  const left = await settled(
    'calls that have not ended',
    async () => {
      const counts = await Promise.all(stage.urls.map(unfinished));
      return counts.reduce((sum, count) => sum + count, 0);
    },
    END_MS,
  );
  say(`calls that have not ended: ${left}`);
  await settled(
    'legs at the carriers',
    async () => openLegs(legsOf(await stage.carriers.wire())).length,
    QUIET_MS,
  );
  say('all is quiet');
  verdicts = [...(await midway), ...(await judgeStage(stage, load))];
} finally {
  await stage.close(values.keep);
  if (values.keep) say(`kept: ${stage.folder} ${stage.redis?.folder ?? ''}`);
}
const report = reportOf('Chaos', notes, verdicts);
await writeFile(values.report, report);
process.stdout.write(report);
process.exit(verdicts.length > 0 && verdicts.every(({ ok }) => ok) ? 0 : 1);
