import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { EspeakRequest, FromEspeak } from './espeak-messages.ts';
import { environment } from './program-environment.ts';

type Ready = Extract<FromEspeak, { type: 'ready' }>;
export type EspeakAnswer = Extract<FromEspeak, { type: 'said' | 'not_said' }> | { readonly type: 'died' };

export interface EspeakWorkerListener {
  /** It can take a request. */
  readonly onIdle: () => void;
  /** It does not come up any more; it will be tried again. */
  readonly onLost: () => void;
}

interface Run {
  readonly id: number;
  readonly resolve: (answer: EspeakAnswer) => void;
}

/** From the start of the process until it can speak. */
const START_MS = 15_000;
/** A process that nobody waits for any more may still finish by itself; a new one takes as long to come up. */
const GRACE_MS = 300;
const CLOSE_MS = 1000;
const FIRST_BACKOFF_MS = 100;
const LAST_BACKOFF_MS = 5000;

/** One process that speaks one text at a time, made anew whenever it dies. */
export class EspeakWorker {
  readonly #listener: EspeakWorkerListener;
  #child: ChildProcess | undefined;
  #ready = false;
  #run: Run | undefined;
  /** Deaths since it last spoke. */
  #deaths = 0;
  #backoff: NodeJS.Timeout | undefined;
  #grace: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(listener: EspeakWorkerListener) {
    this.#listener = listener;
  }

  get idle(): boolean {
    return this.#ready && this.#run === undefined;
  }

  /** Resolves when it can speak, and from then on makes the process anew whenever it dies. */
  async start(): Promise<Ready | 'missing' | 'broken'> {
    const ready = await this.#spawn();
    if (ready === 'missing' || ready === 'broken') await this.close();
    return ready;
  }

  /** While it is `idle` only. */
  run(request: EspeakRequest): Promise<EspeakAnswer> {
    return new Promise((resolve) => {
      this.#run = { id: request.id, resolve };
      this.#child?.send(request, (error) => {
        // The end of the process, which is seen elsewhere, or its channel is broken: then it is of no use.
        if (error !== null) this.#child?.kill('SIGKILL');
      });
    });
  }

  /** Nobody waits for what runs: it cannot be interrupted, so it is killed if it does not end soon. */
  abandon(): void {
    this.#grace = setTimeout(() => {
      // A death that we wanted says nothing about the process.
      this.#deaths = -1;
      this.#child?.kill('SIGKILL');
    }, GRACE_MS);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#backoff);
    const child = this.#child;
    if (child === undefined) return;
    const exited = once(child, 'exit');
    if (this.#run === undefined && child.connected) child.disconnect();
    else child.kill('SIGKILL');
    const force = setTimeout(() => child.kill('SIGKILL'), CLOSE_MS);
    await exited;
    clearTimeout(force);
  }

  #spawn(): Promise<Ready | 'missing' | 'broken'> {
    const child = forkEspeak();
    this.#child = child;
    return new Promise((resolve) => {
      const late = setTimeout(() => child.kill('SIGKILL'), START_MS);
      const settle = (state: Ready | 'missing' | 'broken'): void => {
        clearTimeout(late);
        resolve(state);
      };
      child.on('message', (message: FromEspeak) => {
        if (message.type === 'ready') {
          this.#ready = true;
          settle(message);
        } else if (message.type === 'unusable') {
          settle(message.missing ? 'missing' : 'broken');
          child.kill('SIGKILL');
        } else {
          this.#answered(message);
        }
      });
      // Where it cannot be started at all there is no exit.
      child.on('error', () => {
        if (child.pid === undefined) child.emit('exit', null, null);
      });
      child.once('exit', () => {
        settle('broken');
        this.#died();
      });
    });
  }

  #answered(answer: Extract<FromEspeak, { type: 'said' | 'not_said' }>): void {
    if (this.#run?.id !== answer.id) return;
    this.#deaths = 0;
    this.#end(answer);
    if (!this.#closed) this.#listener.onIdle();
  }

  #end(answer: EspeakAnswer): void {
    clearTimeout(this.#grace);
    const run = this.#run;
    this.#run = undefined;
    run?.resolve(answer);
  }

  #died(): void {
    const wasReady = this.#ready;
    this.#child = undefined;
    this.#ready = false;
    this.#end({ type: 'died' });
    if (this.#closed) return;
    if (!wasReady) this.#listener.onLost();
    this.#deaths++;
    const backoffMs =
      this.#deaths <= 1 ? 0 : Math.min(LAST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (this.#deaths - 2));
    this.#backoff = setTimeout(() => void this.#revive(), backoffMs);
  }

  async #revive(): Promise<void> {
    const ready = await this.#spawn();
    if (typeof ready !== 'string' && !this.#closed) this.#listener.onIdle();
  }
}

/** Compiled, it is a .js file that Node runs itself; in development it is TypeScript and needs the loader. */
function forkEspeak(): ChildProcess {
  const source = import.meta.url.endsWith('.ts');
  const entry = new URL(source ? './espeak-process.ts' : './espeak-process.js', import.meta.url);
  return fork(fileURLToPath(entry), [], {
    execArgv: source ? ['--import', import.meta.resolve('tsx')] : [],
    env: environment(),
    serialization: 'advanced',
    // What it prints may hold the text.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
}
