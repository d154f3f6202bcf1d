import { Worker } from 'node:worker_threads';
import type { Pcm } from '../media/pcm.ts';
import type { LabCall } from './carrier.ts';

/** What the worker is asked. */
export interface ToListener {
  readonly id: number;
  readonly heard: Pcm;
}

/** What it answers. */
export interface FromListener {
  readonly id: number;
  readonly groups: readonly string[];
}

/**
 * Finds the digits in what the lab's phones heard, in a thread of its own: it takes seconds of a processor for a call, in
 * which other calls would stand still.
 */
export class Listener {
  readonly #clips: () => ReadonlyMap<string, Pcm>;
  readonly #known = new WeakMap<LabCall, Promise<readonly string[]>>();
  readonly #asked = new Map<number, (groups: readonly string[]) => void>();
  #worker: Worker | undefined;
  #lastId = 0;

  /** @param clips what may be said, asked for when something is first listened to; see `Recogniser` */
  constructor(clips: () => ReadonlyMap<string, Pcm>) {
    this.#clips = clips;
  }

  /**
   * The digits that a phone has heard, an entry for each time that they were said; none where its call is not over, or
   * the listener was closed before it had found them.
   */
  heardBy(call: LabCall): Promise<readonly string[]> {
    if (call.phone.record.end === null) return Promise.resolve([]);
    const known = this.#known.get(call) ?? this.#recognise(call.phone.heard);
    this.#known.set(call, known);
    return known;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#giveUp();
  }

  #recognise(heard: Pcm): Promise<readonly string[]> {
    if (heard.samples.length === 0) return Promise.resolve([]);
    const worker = this.#worker ?? this.#begin();
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#asked.set(id, resolve);
      const question: ToListener = { id, heard };
      worker.postMessage(question);
    });
  }

  #begin(): Worker {
    const worker = createWorker(this.#clips());
    worker.unref();
    worker.on('message', ({ id, groups }: FromListener) => {
      this.#asked.get(id)?.(groups);
      this.#asked.delete(id);
    });
    // Whatever it is: nothing was heard then, and the next call gets another.
    worker.on('error', () => {
      this.#worker = undefined;
      this.#giveUp();
    });
    this.#worker = worker;
    return worker;
  }

  #giveUp(): void {
    for (const resolve of this.#asked.values()) resolve([]);
    this.#asked.clear();
  }
}

/** Workers do not take the loader of TypeScript over from the main thread; compiled, they need none. */
function createWorker(workerData: ReadonlyMap<string, Pcm>): Worker {
  if (!import.meta.url.endsWith('.ts')) {
    return new Worker(new URL('./listener-worker.js', import.meta.url), { workerData, execArgv: [] });
  }
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  const entry = JSON.stringify(new URL('./listener-worker.ts', import.meta.url).href);
  const code = `import(${loader}).then(({ register }) => { register(); return import(${entry}); });`;
  return new Worker(code, { eval: true, workerData, execArgv: [] });
}
