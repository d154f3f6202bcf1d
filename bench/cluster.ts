/**
 * `npm run bench:cluster`: SQLite and Redis in one run. First the stores alone, through their port, by one process and
 * by several; then what waiting for a trunk adds to a call, with one node on SQLite and one, two and three on Redis.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { RedisServer } from '../test/support/redis-server.ts';
import { Load } from './chaos/load.ts';
import { SOURCE } from './chaos/nodes.ts';
import { percentile } from './chaos/report.ts';
import { Stage } from './chaos/stage.ts';
import { legsOf } from './chaos/wire.ts';

const { values } = parseArgs({
  options: {
    verifications: { type: 'string', default: '3000' },
    calls: { type: 'string', default: '400' },
    rate: { type: 'string', default: '20' },
    nodes: { type: 'string', multiple: true, default: ['1', '2', '3'] },
    /** What a node runs: the compiled service, for example. */
    program: { type: 'string', default: SOURCE },
    /** Leaves out what needs Redis. */
    'sqlite-only': { type: 'boolean', default: false },
  },
});
const COUNT = Number(values.verifications);
const CALLS = Number(values.calls);
const PROCESSES = values.nodes.map(Number);
const MAX_CALL_MS = 5000;
const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Far from the load: nobody waits for room, and what is measured is the way to it. */
const TRUNKS = [{ id: 'wide', cps: 500, channels: 1000 }];
/** The first calls run code for the first time; they are made, and not counted. */
const WARM_UP_SHARE = 0.25;
/** Of each process, in front of what is measured. */
const WARM_UP = 200;
const SYNC: readonly string[] = ['full', 'normal'];

interface Took {
  readonly from: number;
  readonly to: number;
}

/** One process with a store (see cluster-store.ts). */
class StoreDriver {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(kind: string, where: string, count: number) {
    const args = ['--import', 'tsx', 'bench/cluster-store.ts', kind, where, String(count), String(WARM_UP)];
    this.#child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('a child without an output');
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('a process of the bench has ended');
    return value;
  }

  async ask(what: 'accept' | 'check'): Promise<Took> {
    this.#child.stdin?.write(`${what}\n`);
    return JSON.parse(await this.line()) as Took;
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

interface StoreRates {
  readonly name: string;
  readonly accepts: number;
  readonly checks: number;
}

/** What several processes do in a second, all together. */
async function storeRates(name: string, kind: string, where: string, processes: number): Promise<StoreRates> {
  const each = Math.ceil(COUNT / processes);
  const drivers = Array.from({ length: processes }, () => new StoreDriver(kind, where, each));
  try {
    for (const driver of drivers) await driver.line();
    const rate = async (what: 'accept' | 'check'): Promise<number> => {
      const took = await Promise.all(drivers.map((driver) => driver.ask(what)));
      const ms = Math.max(...took.map(({ to }) => to)) - Math.min(...took.map(({ from }) => from));
      return (each * processes * 1000) / ms;
    };
    return { name, accepts: await rate('accept'), checks: await rate('check') };
  } finally {
    for (const driver of drivers) driver.end();
  }
}

async function usedMemory(port: number): Promise<number> {
  const client = new Redis(port, '127.0.0.1');
  try {
    return Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]);
  } finally {
    client.disconnect();
  }
}

async function stores(): Promise<{
  readonly rates: readonly StoreRates[];
  readonly bytes: number | undefined;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'voice-otp-bench-'));
  const rates: StoreRates[] = [];
  try {
    for (const sync of SYNC) {
      rates.push(await storeRates(`SQLite, synchronous ${sync}`, sync, join(folder, `${sync}.db`), 1));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  if (values['sqlite-only']) return { rates, bytes: undefined };
  const redis = await RedisServer.start();
  try {
    const before = await usedMemory(redis.port);
    for (const processes of PROCESSES) {
      const name = `Redis, ${processes} ${processes === 1 ? 'process' : 'processes'}`;
      rates.push(await storeRates(name, 'redis', String(redis.port), processes));
    }
    const stored = PROCESSES.map((processes) => (Math.ceil(COUNT / processes) + WARM_UP) * processes);
    const bytes = ((await usedMemory(redis.port)) - before) / stored.reduce((sum, count) => sum + count, 0);
    return { rates, bytes };
  } finally {
    await redis.remove();
  }
}

interface Latency {
  readonly name: string;
  /** Milliseconds: from the POST, and from the acceptance, to the INVITE at the carrier. */
  readonly fromPost: readonly number[];
  readonly fromAcceptance: readonly number[];
  readonly failed: number;
}

/** Calls to busy numbers at a steady rate, through so many nodes. */
async function latency(store: 'redis' | 'sqlite', nodes: number): Promise<Latency> {
  const stage = await Stage.start({
    store,
    nodes,
    trunks: TRUNKS,
    program: values.program,
    maxConcurrent: 300,
    maxCallMs: MAX_CALL_MS,
  });
  try {
    const load = new Load({
      calls: CALLS,
      ratePerSecond: Number(values.rate),
      seed: nodes,
      urls: stage.urls,
      fate: 'busy',
    });
    await load.run();
    await stage.stopNodes();
    const { wire } = await stage.wire();
    const invited = new Map(legsOf(wire).map(({ number, invites: [first] }) => [number, first?.at]));
    const counted = load.accepted
      .toSorted((a, b) => a.askedAt - b.askedAt)
      .slice(Math.ceil(CALLS * WARM_UP_SHARE));
    const reached = counted.flatMap((request) => {
      const at = invited.get(request.number);
      return at === undefined ? [] : [{ ...request, at }];
    });
    const name =
      store === 'sqlite'
        ? 'SQLite, limits in the process'
        : `Redis, ${nodes} ${nodes === 1 ? 'node' : 'nodes'}`;
    return {
      name,
      fromPost: reached.map(({ at, askedAt }) => at - askedAt),
      fromAcceptance: reached.map(({ at, createdAt }) => at - createdAt),
      failed: counted.length - reached.length,
    };
  } finally {
    await stage.close(false);
  }
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return `${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n\n`;
}

const ms = (value: number): string => `${value.toFixed(1)} ms`;

process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));
process.stdout.write(
  `${availableParallelism()} processors, load ${loadavg()[0]?.toFixed(1)} before, Node ${process.version}\n\n`,
);
const { rates, bytes } = await stores();
const [base] = rates;
const share = (value: number, of: number | undefined): string =>
  `${value.toFixed(0)} (× ${(value / (of ?? value)).toFixed(2)})`;
process.stdout.write(
  table(
    ['store', 'verifications a second', 'checks a second'],
    rates.map(({ name, accepts, checks }) => [
      name,
      share(accepts, base?.accepts),
      share(checks, base?.checks),
    ]),
  ),
);
if (bytes !== undefined) {
  process.stdout.write(`Redis memory of a verification with its call: ${bytes.toFixed(0)} bytes\n\n`);
}
const latencies = [await latency('sqlite', 1)];
if (!values['sqlite-only']) {
  for (const nodes of PROCESSES) latencies.push(await latency('redis', nodes));
}
const [local] = latencies;
process.stdout.write(
  table(
    [
      'acceptance to INVITE',
      'p50',
      'p99',
      'added p50',
      'added p99',
      'POST to INVITE p50',
      'p99',
      'without one',
    ],
    latencies.map(({ name, fromPost, fromAcceptance, failed }) => {
      const at = (values_: readonly number[], part: number): number => percentile(values_, part);
      const added = (part: number): string =>
        ms(at(fromAcceptance, part) - at(local?.fromAcceptance ?? [], part));
      return [
        name,
        ms(at(fromAcceptance, 0.5)),
        ms(at(fromAcceptance, 0.99)),
        added(0.5),
        added(0.99),
        ms(at(fromPost, 0.5)),
        ms(at(fromPost, 0.99)),
        String(failed),
      ];
    }),
  ),
);
process.exit(0);
