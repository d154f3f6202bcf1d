import { randomInt } from 'node:crypto';
import { setPriority } from 'node:os';
import { platform } from 'node:process';
import { parentPort, workerData } from 'node:worker_threads';
import { Pacer } from './pacer.ts';
import type { FromRtpWorker, RtpWorkerOptions, ToRtpWorker } from './rtp-messages.ts';
import { NO_RTP_STATS } from './rtp-messages.ts';
import { RtpPorts } from './rtp-ports.ts';
import { RtpSession } from './rtp-session.ts';
import { openAnywhere, openInRange } from './rtp-sockets.ts';

/** How often streams look whether a report is due. */
const TICK_MS = 100;

/** Nice value, the strongest: with the ordinary one, signalling on the same core makes audio late (p99 14 ms instead of 8 ms). */
const PRIORITY = -20;

if (parentPort === null) throw new Error('This file runs as a worker thread.');
const port = parentPort;
const options = workerData as RtpWorkerOptions;
const pacer = new Pacer();
const sessions = new Map<number, RtpSession>();
const rtpPorts = new Map<number, number>();
const ports =
  options.portMin === 0
    ? undefined
    : new RtpPorts(options.portMin, options.portMax, options.drainMs, () => randomInt(2 ** 32) / 2 ** 32);
let ticking: NodeJS.Timeout | undefined;

/** On Linux a nice value is the thread's own. Lowering it takes a right (CAP_SYS_NICE) that we can do without. */
function goFirst(): void {
  if (platform !== 'linux') return;
  try {
    setPriority(PRIORITY);
  } catch (error) {
    const refused = error instanceof Error && 'code' in error && error.code === 'ERR_SYSTEM_ERROR';
    if (!refused) throw error;
  }
}

function post(message: FromRtpWorker): void {
  port.postMessage(message);
}

function tick(): void {
  const nowMs = performance.now();
  for (const session of sessions.values()) session.tick(nowMs);
}

async function open(id: number, detects: boolean): Promise<void> {
  try {
    const { bindAddress, symmetric } = options;
    const sockets = await (ports ? openInRange(bindAddress, ports) : openAnywhere(bindAddress));
    sessions.set(id, new RtpSession({ id, sockets, pacer, symmetric, detects, post }));
    rtpPorts.set(id, sockets.port);
    ticking ??= setInterval(tick, TICK_MS);
    post({ type: 'opened', id, port: sockets.port, rtcpPort: sockets.rtcpPort });
  } catch (error) {
    post({ type: 'open_failed', id, detail: error instanceof Error ? error.message : 'unknown' });
  }
}

async function close(id: number): Promise<void> {
  const session = sessions.get(id);
  sessions.delete(id);
  if (sessions.size === 0) {
    clearInterval(ticking);
    ticking = undefined;
  }
  await session?.close();
  const rtpPort = rtpPorts.get(id);
  rtpPorts.delete(id);
  if (rtpPort !== undefined) ports?.release(rtpPort, performance.now());
  post({ type: 'closed', id, stats: session?.stats() ?? NO_RTP_STATS });
}

/** What is thrown here is a bug: it ends the worker, and the other side hears of it. */
function receive(message: ToRtpWorker): void {
  const { id } = message;
  switch (message.type) {
    case 'open':
      void open(id, message.detects);
      break;
    case 'play':
      sessions.get(id)?.play(message.media, message.saying);
      break;
    case 'say':
      sessions.get(id)?.say(message.saying);
      break;
    case 'update':
      sessions.get(id)?.update(message.media, message.speech);
      break;
    case 'stats':
      post({ type: 'stats', id, stats: sessions.get(id)?.stats() ?? NO_RTP_STATS });
      break;
    case 'close':
      void close(id);
      break;
  }
}

goFirst();
port.on('message', receive);
post({ type: 'ready' });
