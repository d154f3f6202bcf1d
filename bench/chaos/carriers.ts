import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endProcess, startScript } from './process.ts';
import type { WireEntry } from './wire.ts';

const SCRIPT = fileURLToPath(new URL('carrier.ts', import.meta.url));

/** The process of the carriers. */
export class Carriers {
  /** SIP port of each trunk. */
  readonly ports: ReadonlyMap<string, number>;
  readonly logFile: string;
  readonly #child: ChildProcess;
  readonly #wireFile: string;

  private constructor(child: ChildProcess, ports: ReadonlyMap<string, number>, folder: string) {
    this.#child = child;
    this.ports = ports;
    this.#wireFile = join(folder, 'wire.ndjson');
    this.logFile = join(folder, 'carrier.log');
  }

  static async start(folder: string, trunks: readonly string[]): Promise<Carriers> {
    let child: ChildProcess | undefined;
    const ports = await new Promise<readonly number[]>((resolve, reject) => {
      const args = [SCRIPT, join(folder, 'wire.ndjson'), ...trunks];
      child = startScript(args, join(folder, 'carrier.log'), (line) => resolve(JSON.parse(line) as number[]));
      child.once('exit', (code) => reject(new Error(`the carriers ended with ${code}`)));
    });
    const byTrunk = new Map(trunks.map((id, index) => [id, ports[index] ?? 0]));
    return new Carriers(child as ChildProcess, byTrunk, folder);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** All that has passed by now. */
  async wire(): Promise<readonly WireEntry[]> {
    const lines = (await readFile(this.#wireFile, 'utf8')).split('\n');
    // The last one may be about to be written.
    return lines.slice(0, -1).map((line) => JSON.parse(line) as WireEntry);
  }

  async close(): Promise<void> {
    await endProcess(this.#child, 'SIGKILL');
  }
}
