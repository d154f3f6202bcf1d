/**
 * `npm run bench:engines`: the same calls through each engine, one after the other in one run: the engine in this
 * process, a lab carrier in another, and for the FreeSWITCH engine a drachtio-server and a FreeSWITCH of its own from
 * the PATH, with the configuration of deploy/. Each call is answered and hears a tone to its end.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { EmbeddedEngine } from '../src/engine/embedded/embedded-engine.ts';
import type { CallEvent, Engine } from '../src/engine/engine.ts';
import { startFreeswitchEngine } from '../test/support/freeswitch.ts';
import { channelsOf, startDrachtio, startFreeswitch } from '../test/support/freeswitch-servers.ts';
import { legTo, tone } from '../test/support/legs.ts';
import { cpuMsOf } from './process-usage.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '50' },
    'prompt-ms': { type: 'string', default: '2000' },
    engine: { type: 'string', multiple: true, default: ['embedded', 'freeswitch'] },
  },
});
const CALLS = Number(values.calls);
const RATE_PER_SECOND = Number(values.rate);
const PROMPT = tone(Number(values['prompt-ms']));
/** The first calls run code for the first time; they are made, and not counted. */
const WARM_UP_CALLS = 100;
const RTP_PORTS = 2000;

interface Heard {
  readonly number: string;
  readonly invitedAt: number;
  readonly answeredAt: number | null;
  readonly ackedAt: number | null;
  readonly firstAudioAt: number | null;
  readonly packets: number;
}

interface Carrier {
  readonly child: ChildProcess;
  readonly port: number;
  readonly heard: Map<string, Heard>;
}

interface EngineRun {
  readonly engine: Engine & { held(): Readonly<Record<string, number>> };
  /** The processes whose CPU is counted, by name. */
  readonly processes: Readonly<Record<string, number>>;
  /** What is left when all calls are over. */
  left(): Promise<Readonly<Record<string, number>>>;
  close(): Promise<void>;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function startCarrier(): Promise<Carrier> {
  const cwd = fileURLToPath(new URL('..', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', 'bench/carrier.ts'], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const heard = new Map<string, Heard>();
  const port = await new Promise<number>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith('{')) return resolve(Number(line));
      const call = JSON.parse(line) as Heard;
      heard.set(call.number, call);
    });
  });
  return { child, port, heard };
}

async function startEmbedded(): Promise<EngineRun> {
  const engine = new EmbeddedEngine({
    sip: { host: '127.0.0.1', port: 0, tcp: true, userAgent: 'voice-otp', t1Ms: 500 },
    rtp: { host: '127.0.0.1', portMin: 20_000, portMax: 32_001, symmetric: true, drainMs: 0 },
    onFault: (error) => process.stderr.write(`${String(error)}\n`),
  });
  await engine.start();
  const left = async () => {
    const { legs, streams, dialogs } = engine.held();
    return { legs, streams, dialogs };
  };
  return { engine, processes: { node: process.pid }, left, close: () => engine.close(AbortSignal.abort()) };
}

async function startFreeswitchRun(): Promise<EngineRun> {
  const drachtio = await startDrachtio();
  const freeswitch = await startFreeswitch({ rtpPorts: RTP_PORTS });
  const folder = await mkdtemp(join(tmpdir(), 'voice-otp-bench-prompts-'));
  const engine = await startFreeswitchEngine([drachtio], [freeswitch], {
    promptFolder: folder,
    userAgent: 'voice-otp',
    onFault: (error) => process.stderr.write(`${String(error)}\n`),
  });
  return {
    engine,
    processes: {
      node: process.pid,
      drachtio: drachtio.process.pid ?? 0,
      freeswitch: freeswitch.process.pid ?? 0,
    },
    left: async () => ({
      ...engine.held(),
      channels: await channelsOf(freeswitch),
      'files in the folder': (await readdir(folder)).length,
    }),
    close: async () => {
      await engine.close(AbortSignal.abort());
      await Promise.all([drachtio.stop(), freeswitch.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The end of each call at the engine, and when each was asked for. */
async function makeCalls(engine: Engine, port: number, count: number, prefix: string) {
  const askedAt = new Map<string, number>();
  const ends = new Map<string, number>();
  const start = performance.now();
  const running: Promise<void>[] = [];
  for (let i = 0; i < count; i++) {
    await sleep(Math.max(0, start + (i * 1000) / RATE_PER_SECOND - performance.now()));
    const number = `${prefix}${String(i).padStart(5, '0')}200`;
    running.push(
      (async () => {
        askedAt.set(number, performance.timeOrigin + performance.now());
        let last: CallEvent | undefined;
        const leg = legTo(port, number, { prompt: PROMPT, codecs: ['PCMU'] });
        for await (const event of engine.originate(leg, new AbortController().signal)) last = event;
        const end = last?.type === 'ended' ? last.end : undefined;
        const text = end?.kind === 'hung_up' ? `${end.kind} ${end.why}` : JSON.stringify(end);
        ends.set(text, (ends.get(text) ?? 0) + 1);
      })(),
    );
  }
  await Promise.all(running);
  return { askedAt, ends };
}

function spread(samples: readonly number[]): string {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return `p50 ${at(0.5).toFixed(1)} ms, p99 ${at(0.99).toFixed(1)} ms, max ${at(1).toFixed(1)} ms`;
}

async function measure(name: string, start: () => Promise<EngineRun>): Promise<void> {
  const carrier = await startCarrier();
  const run = await start();
  try {
    await makeCalls(run.engine, carrier.port, WARM_UP_CALLS, '+49301');
    const processes = { ...run.processes, 'lab carrier': carrier.child.pid ?? 0 };
    const before = Object.entries(processes).map(([who, pid]) => [who, pid, cpuMsOf(pid)] as const);
    const { askedAt, ends } = await makeCalls(run.engine, carrier.port, CALLS, '+49302');
    const cpu = before.map(([who, pid, ms]) => `${who} ${((cpuMsOf(pid) - ms) / CALLS).toFixed(1)} ms`);
    await sleep(1500);
    const heard = [...askedAt.keys()].flatMap((number) => carrier.heard.get(number) ?? []);
    const setUps = heard.map(({ number, invitedAt }) => invitedAt - (askedAt.get(number) ?? Number.NaN));
    const audible = heard.filter(({ ackedAt, firstAudioAt }) => ackedAt !== null && firstAudioAt !== null);
    const after = (from: 'answeredAt' | 'ackedAt') =>
      audible.map((call) => (call.firstAudioAt ?? 0) - (call[from] ?? 0));
    const rows = [
      ['calls', `${CALLS} at ${RATE_PER_SECOND}/s: ${[...ends].map(([end, n]) => `${n} ${end}`).join(', ')}`],
      [
        'heard by the phones',
        `${audible.length}, packets ${heard.reduce((sum, call) => sum + call.packets, 0)}`,
      ],
      ['from the order to the INVITE', spread(setUps)],
      ['from the 200 to the first audio', spread(after('answeredAt'))],
      ['from the ACK to the first audio', spread(after('ackedAt'))],
      ['CPU a call', cpu.join(', ')],
      ['left', JSON.stringify(await run.left())],
    ];
    process.stdout.write(`\n${name}\n`);
    for (const [what = '', value = ''] of rows) process.stdout.write(`  ${what.padEnd(34)} ${value}\n`);
  } finally {
    await run.close();
    carrier.child.kill('SIGKILL');
  }
}

const starts: Readonly<Record<string, () => Promise<EngineRun>>> = {
  embedded: startEmbedded,
  freeswitch: startFreeswitchRun,
};
for (const name of values.engine) {
  const start = starts[name];
  if (start === undefined) throw new Error(`there is no engine ${name}`);
  await measure(name, start);
}
process.exit(0);
