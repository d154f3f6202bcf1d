import { Worker } from 'node:worker_threads';
import { RtpError } from './rtp-error.ts';
import type { FromRtpWorker, RtpWorkerOptions, ToRtpWorker } from './rtp-messages.ts';
import type { RtpListener } from './rtp-stream.ts';
import { RtpStream } from './rtp-stream.ts';

export interface RtpOptions {
  /** IP literal to bind; its family is the only one that streams can send to. */
  readonly bindAddress: string;
  /** Range of ports, both included; without it, or with 0, the operating system chooses. */
  readonly portMin?: number;
  readonly portMax?: number;
  /** Rest of a pair of ports between two calls; 3000 unless told. */
  readonly drainMs?: number;
  /** Whether to send where the peer's packets come from, see remote-source.ts; true unless told. */
  readonly symmetric?: boolean;
  /** The worker has crashed. Its streams have heard of it already. */
  readonly onCrash?: (error: RtpError) => void;
}

interface Opening {
  readonly listener: RtpListener;
  readonly resolve: (stream: RtpStream) => void;
  readonly reject: (error: RtpError) => void;
}

interface Running {
  readonly worker: Worker;
  readonly opening: Map<number, Opening>;
  readonly streams: Map<number, RtpStream>;
}

const DRAIN_MS = 3000;

/** The RTP of an engine: one worker thread that sends and receives for all of its calls. */
export class Rtp {
  readonly #options: RtpOptions;
  #running: Running | undefined;
  #starting: Promise<void> | undefined;
  #lastId = 0;

  constructor(options: RtpOptions) {
    this.#options = options;
  }

  /** False before `start`, after `close`, and after the worker crashed; `start` makes a new one then. */
  get alive(): boolean {
    return this.#running !== undefined;
  }

  /** Starts the worker, or waits for a start that is under way. Rejects with RtpError('worker'). */
  async start(): Promise<void> {
    if (this.#running) return;
    this.#starting ??= this.#spawn().finally(() => {
      this.#starting = undefined;
    });
    await this.#starting;
  }

  /** Binds the sockets of one call. Rejects with RtpError('no_port') or RtpError('worker'). */
  open(listener: RtpListener = {}): Promise<RtpStream> {
    const running = this.#running;
    if (running === undefined)
      return Promise.reject(new RtpError('worker', 'The RTP worker is not running.'));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      running.opening.set(id, { listener, resolve, reject });
      post(running.worker, { type: 'open', id, detects: listener.onFinding !== undefined });
    });
  }

  /** Streams that hold sockets, or are about to. */
  openStreams(): number {
    return (this.#running?.streams.size ?? 0) + (this.#running?.opening.size ?? 0);
  }

  /** Closes what is open, with BYE, and ends the worker. */
  async close(): Promise<void> {
    await this.#starting?.catch(() => undefined);
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    for (const { reject } of running.opening.values()) {
      reject(new RtpError('worker', 'The RTP worker was closed.'));
    }
    running.opening.clear();
    await Promise.all([...running.streams.values()].map((stream) => stream.close()));
    running.worker.removeAllListeners('exit');
    await running.worker.terminate();
  }

  #spawn(): Promise<void> {
    const { bindAddress, portMin = 0, portMax = 0, drainMs = DRAIN_MS, symmetric = true } = this.#options;
    const worker = createWorker({ bindAddress, portMin, portMax, drainMs, symmetric });
    const running: Running = { worker, opening: new Map(), streams: new Map() };
    return new Promise((resolve, reject) => {
      let cause: unknown;
      worker.on('error', (error) => {
        cause = error;
      });
      worker.on('exit', () => {
        const error = new RtpError('worker', 'The RTP worker has crashed.', { cause });
        reject(error);
        this.#crashed(running, error);
      });
      worker.on('message', (message: FromRtpWorker) => {
        if (message.type === 'ready') {
          this.#running = running;
          resolve();
        } else {
          dispatch(running, message);
        }
      });
    });
  }

  #crashed(running: Running, error: RtpError): void {
    const wasAlive = this.#running === running;
    if (wasAlive) this.#running = undefined;
    for (const { reject } of running.opening.values()) reject(error);
    running.opening.clear();
    for (const stream of running.streams.values()) stream.fail(error);
    running.streams.clear();
    if (wasAlive) this.#options.onCrash?.(error);
  }
}

function post(worker: Worker, message: ToRtpWorker): void {
  worker.postMessage(message);
}

function dispatch(running: Running, message: Exclude<FromRtpWorker, { type: 'ready' }>): void {
  const { id } = message;
  if (message.type === 'opened') {
    opened(running, id, message.port, message.rtcpPort);
  } else if (message.type === 'open_failed') {
    const opening = running.opening.get(id);
    running.opening.delete(id);
    opening?.reject(new RtpError('no_port', message.detail));
  } else {
    const stream = running.streams.get(id);
    if (message.type === 'closed') running.streams.delete(id);
    stream?.receive(message);
  }
}

function opened(running: Running, id: number, port: number, rtcpPort: number): void {
  const opening = running.opening.get(id);
  if (opening === undefined) return;
  running.opening.delete(id);
  const { worker } = running;
  const stream = new RtpStream({
    id,
    port,
    rtcpPort,
    listener: opening.listener,
    post: (message) => post(worker, message),
  });
  running.streams.set(id, stream);
  opening.resolve(stream);
}

/**
 * Compiled, the worker is a .js file that Node loads itself. In development it is TypeScript, and workers do not take
 * the loader over from the main thread: a line of JavaScript registers it first.
 */
function createWorker(workerData: RtpWorkerOptions): Worker {
  if (!import.meta.url.endsWith('.ts')) {
    return new Worker(new URL('./rtp-worker.js', import.meta.url), { workerData, execArgv: [] });
  }
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  const entry = JSON.stringify(new URL('./rtp-worker.ts', import.meta.url).href);
  const code = `import(${loader}).then(({ register }) => { register(); return import(${entry}); });`;
  return new Worker(code, { eval: true, workerData, execArgv: [] });
}
