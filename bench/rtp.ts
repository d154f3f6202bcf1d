import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Rtp } from '../src/media/rtp.ts';
import type { RtpStream } from '../src/media/rtp-stream.ts';
import type { Negotiated } from '../src/media/sdp.ts';

/** What rtpsink prints. */
export interface SinkFigures {
  readonly streams: number;
  readonly packets: number;
  readonly lost: number;
  readonly reordered: number;
  readonly packets_per_s: number;
  readonly late_ms: Readonly<Record<'p50' | 'p90' | 'p99' | 'p999' | 'max', number>>;
}

export interface RtpFigures extends SinkFigures {
  readonly calls: number;
  /** Share of one core that the sending thread took, percent. */
  readonly workerCpuPercent: number;
  readonly workerCpuMicrosecondsPerPacket: number;
}

export interface Sink {
  readonly port: number;
  /** Resolves when the sink's time is over. */
  readonly figures: Promise<SinkFigures>;
}

const OPEN_BATCH = 100;
/** Calls that begin to talk in one millisecond: 500 a second, far above what trunks allow. */
const PLAYS_PER_MS = 0.5;

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

/** Compiles rtpsink.c with `cc` and runs it for some seconds. */
export async function startSink(seconds: number): Promise<Sink> {
  const folder = mkdtempSync(join(tmpdir(), 'rtpsink-'));
  const binary = join(folder, 'rtpsink');
  execFileSync('cc', ['-O2', '-o', binary, fileURLToPath(new URL('rtpsink.c', import.meta.url))]);
  const port = await freePort();
  const child = spawn(binary, [String(port), String(seconds)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const figures = new Promise<SinkFigures>((resolve, reject) => {
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      rmSync(folder, { recursive: true, force: true });
      if (code === 0) resolve(JSON.parse(output) as SinkFigures);
      else reject(new Error(`rtpsink ended with ${code}`));
    });
  });
  return { port, figures };
}

/** CPU seconds of each thread of this process but the first; empty where there is no /proc. */
function threadSeconds(): Map<string, number> {
  const seconds = new Map<string, number>();
  try {
    for (const thread of readdirSync('/proc/self/task')) {
      if (thread === String(process.pid)) continue;
      const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      seconds.set(thread, (Number(fields[11]) + Number(fields[12])) / 100);
    }
  } catch {
    seconds.clear();
  }
  return seconds;
}

/** CPU seconds of the busiest thread since an earlier look: with RTP under way that is its worker. */
function busiestSince(before: ReadonlyMap<string, number>): number {
  const now = threadSeconds();
  return Math.max(0, ...[...now].map(([thread, seconds]) => seconds - (before.get(thread) ?? 0)));
}

function mediaTo(port: number): Negotiated {
  return {
    address: '127.0.0.1',
    port,
    rtcpAddress: '127.0.0.1',
    rtcpPort: port,
    codec: 'PCMU',
    payloadType: 0,
    telephoneEventPayloadType: null,
    receivedAudioPayloadTypes: [0],
    receivedEventPayloadTypes: [],
    ptimeMs: 20,
    direction: 'sendonly',
  };
}

/** Holds some calls for some seconds and gives the figures of the receiver. */
export async function measureRtp(calls: number, seconds: number): Promise<RtpFigures> {
  const rtp = new Rtp({ bindAddress: '127.0.0.1', portMin: 10_000, portMax: 29_999 });
  await rtp.start();
  const streams: RtpStream[] = [];
  while (streams.length < calls) {
    const batch = Math.min(OPEN_BATCH, calls - streams.length);
    streams.push(...(await Promise.all(Array.from({ length: batch }, () => rtp.open()))));
  }
  const rampSeconds = calls / PLAYS_PER_MS / 1000;
  // As in calls: clips of some hundred milliseconds in memory that all threads and calls share.
  const clip = new Uint8Array(new SharedArrayBuffer(4000)).fill(0x7f);
  const speech = Array.from({ length: Math.ceil((seconds + rampSeconds) * 2) }, () => clip);
  const sink = await startSink(seconds + rampSeconds);
  const rampBegin = performance.now();
  for (const [index, stream] of streams.entries()) {
    const waitMs = rampBegin + index / PLAYS_PER_MS - performance.now();
    if (waitMs >= 1) await delay(waitMs);
    stream.play(mediaTo(sink.port), speech);
  }
  const before = threadSeconds();
  const begin = performance.now();
  const figures = await sink.figures;
  const cpuSeconds = busiestSince(before);
  const elapsedSeconds = (performance.now() - begin) / 1000;
  await rtp.close();
  return {
    calls,
    ...figures,
    workerCpuPercent: Math.round((cpuSeconds / elapsedSeconds) * 100),
    workerCpuMicrosecondsPerPacket: Number(((cpuSeconds * 1e6) / figures.packets).toFixed(2)),
  };
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      calls: { type: 'string', default: '2000' },
      seconds: { type: 'string', default: '15' },
    },
  });
  console.log(JSON.stringify(await measureRtp(Number(values.calls), Number(values.seconds)), null, 2));
}

if (import.meta.url === pathToFileURL(argv[1] ?? '').href) await run();
