/**
 * `npm run chaos`: thousands of calls through several nodes, while one of them is killed, one stands still and Redis is
 * restarted; then what became of each call, from the nodes, the ledger, the sinks, the wire, Redis and the files. A
 * report as Markdown, on standard output and in a file; exit code 0 only where every line of it holds.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { cpuMsOf } from '../process-usage.ts';
import { Checks } from './checks.ts';
import { CodeSearch } from './code-search.ts';
import type { FaultNote } from './faults.ts';
import { inflictFaults } from './faults.ts';
import { judgeRedis } from './judge-secrets.ts';
import { type Judged, judgeStage } from './judge-stage.ts';
import { Load } from './load.ts';
import { SOURCE } from './nodes.ts';
import { unfinished } from './records.ts';
import { percentile, reportOf, tally } from './report.ts';
import { Stage } from './stage.ts';
import { none, type Verdict } from './verdict.ts';
import { legsOf, openLegs } from './wire.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '3000' },
    rate: { type: 'string', default: '60' },
    nodes: { type: 'string', default: '3' },
    store: { type: 'string', default: 'redis' },
    'no-faults': { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
    /** Seconds that an answered call lasts. */
    talk: { type: 'string', default: '5' },
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
const MAX_CONCURRENT = 600;

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

function noteOutcomes(load: Load, { calls, wire }: Judged): void {
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
    ms.length === 0
      ? 'none'
      : `p50 ${percentile(ms, 0.5).toFixed(0)} ms, p99 ${percentile(ms, 0.99).toFixed(0)} ms, most ${percentile(ms, 1).toFixed(0)} ms`;
  say(`ends: ${tally(calls.map(({ disposition }) => String(disposition)))}`);
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

/** Everything from the first request to the judgement. */
async function chaos(stage: Stage): Promise<readonly Verdict[]> {
  const checks = new Checks(stage.urls);
  const load = new Load({
    calls: Number(values.calls),
    ratePerSecond: Number(values.rate),
    seed: Number(values.seed),
    urls: stage.urls,
    onAccepted: (verificationId, callId, code) => checks.later(verificationId, callId, code),
  });
  const troubles: string[] = [];
  const inTrouble = (error: unknown): void => void troubles.push(String(error));
  const noteFault = ({ at, what }: FaultNote): void => say(`${seconds(at)}: ${what}`);
  const faults = values['no-faults']
    ? Promise.resolve()
    : inflictFaults(load, stage.nodes, stage.redis, noteFault).catch(inTrouble);
  const { redis } = stage;
  const midway: Verdict[] = [];
  // While calls are up, their codes are sealed there.
  const look = load.reached(0.9).then(async () => {
    if (redis === undefined) return;
    midway.push(...(await judgeRedis(redis.port, new CodeSearch(load.codes), 'while calls are up')));
  });
  await Promise.all([load.run(), faults, look.catch(inTrouble)]);
  say(`${load.accepted.length} accepted`);
  noteCpu(stage);
  await checks.over();
  await settled('calls that have not ended', () => unfinishedAt(stage.urls), END_MS);
  await settled('legs at the carriers', () => upAtCarriers(stage), QUIET_MS);
  say('all is quiet');
  const terms = { wantedCalls: Number(values.calls), trunks: TRUNKS, program: resolve(values.program) };
  const judged = await judgeStage(stage, load, checks, terms);
  noteOutcomes(load, judged);
  return [none('troubles of the run itself', troubles, load.accepted.length), ...midway, ...judged.verdicts];
}

/** CPU of each process so far; of a node that was killed, since it was started again. */
function noteCpu({ nodes, carriers, redis }: Stage): void {
  const pids: readonly (readonly [string, number | undefined])[] = [
    ...nodes.map(({ name, pid }) => [name, pid] as const),
    ['carriers', carriers.pid],
    ['redis-server', redis?.pid],
    ['this process', process.pid],
  ];
  // One that has ended although nobody ended it shows in the report.
  const used = pids.flatMap(([name, pid]) =>
    pid === undefined || !existsSync(`/proc/${pid}`) ? [] : [`${name} ${(cpuMsOf(pid) / 1000).toFixed(1)} s`],
  );
  say(`CPU so far: ${used.join(', ')}`);
}

async function unfinishedAt(urls: readonly string[]): Promise<number> {
  const counts = await Promise.all(urls.map(unfinished));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function upAtCarriers(stage: Stage): Promise<number> {
  return openLegs(legsOf(await stage.carriers.wire())).length;
}

process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));
const stage = await Stage.start({
  store,
  nodes: nodeCount,
  trunks: TRUNKS,
  program: resolve(values.program),
  maxConcurrent: MAX_CONCURRENT,
  maxCallMs: Number(values.talk) * 1000,
});
let verdicts: readonly Verdict[] = [];
try {
  const machine = `${availableParallelism()} processors, load ${loadavg()[0]?.toFixed(1)} before, Node ${process.version}`;
  say(
    `${values.calls} calls at ${values.rate}/s, ${nodeCount} nodes, ${store}, seed ${values.seed}; ${machine}`,
  );
  say(
    `times on the wire are ${stage.capture === undefined ? "the carriers' own" : "the system's (dumpcap)"}`,
  );
  verdicts = await chaos(stage);
} finally {
  await stage.close(values.keep);
  if (values.keep) say(`kept: ${stage.folder} ${stage.redis?.folder ?? ''}`);
}
const report = reportOf('Chaos', notes, verdicts);
await writeFile(values.report, report);
process.stdout.write(report);
process.exit(verdicts.length > 0 && verdicts.every(({ ok }) => ok) ? 0 : 1);
