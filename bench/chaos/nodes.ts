import type { ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../test/support/eventually.ts';
import { freePorts, freeRtpPorts } from '../../test/support/free-ports.ts';
import type { TrunkTerms } from './judge-wire.ts';
import { endProcess, startScript } from './process.ts';

/** What all nodes have in common. */
export interface NodeTerms {
  /** The run's folder: each node has one of its own in it. */
  readonly folder: string;
  readonly sounds: string;
  readonly trunks: readonly (TrunkTerms & { readonly port: number })[];
  /** The server that they share; without it a node keeps its own SQLite file. */
  readonly redisPort: number | undefined;
  /** `src/main.ts`, or a compiled one. */
  readonly program: string;
  /** Calls of one node at a time. */
  readonly maxConcurrent: number;
  /** Codes are cut here, so that calls last as long as the channels are meant for. */
  readonly maxCallMs: number;
}

const READY_MS = 40_000;
const RING_TIMEOUT_MS = 6000;
const SETUP_TIMEOUT_MS = 4000;
export const SOURCE = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** One process of the service, which may be killed and started again as it was. */
export class ServiceNode {
  readonly name: string;
  readonly url: string;
  readonly sipPort: number;
  readonly folder: string;
  readonly logFile: string;
  /** Ends that nobody had asked for. */
  readonly faults: string[] = [];
  readonly #terms: NodeTerms;
  #child: ChildProcess | undefined;
  #expected = false;

  private constructor(name: string, port: number, terms: NodeTerms) {
    this.name = name;
    this.folder = join(terms.folder, name);
    this.logFile = join(terms.folder, `${name}.log`);
    this.url = `http://127.0.0.1:${port}`;
    this.sipPort = port + 1;
    this.#terms = terms;
  }

  static async create(name: string, terms: NodeTerms): Promise<ServiceNode> {
    const node = new ServiceNode(name, await freePorts(2), terms);
    await mkdir(node.folder, { recursive: true });
    const rtpMin = await freeRtpPorts(2 * terms.maxConcurrent);
    await writeFile(node.#configFile, JSON.stringify(node.#config(rtpMin), null, 2));
    return node;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get sinkFolder(): string {
    return join(this.folder, 'sink');
  }

  get #configFile(): string {
    return join(this.folder, 'config.yaml');
  }

  /** Resolves once it can carry calls. */
  async start(): Promise<void> {
    const child = startScript([this.#terms.program, 'serve', '--config', this.#configFile], this.logFile);
    this.#child = child;
    this.#expected = false;
    child.once('exit', (code, signal) => {
      if (!this.#expected) this.faults.push(`${this.name} ended by itself with ${code ?? signal}`);
    });
    await eventually(
      async () => {
        if (child.exitCode !== null) return;
        const { status } = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(2000) });
        if (status !== 200) throw new Error(`${this.name} is not ready: ${status}`);
      },
      { timeoutMs: READY_MS, intervalMs: 50 },
    );
    if (child.exitCode !== null) throw new Error(`${this.name} cannot start, see ${this.logFile}`);
  }

  /** SIGKILL, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#expected = true;
    if (this.#child !== undefined) await endProcess(this.#child, 'SIGKILL');
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name);
  }

  /** SIGTERM: it drains, and ends with 0. */
  async stop(timeoutMs: number): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    this.#expected = true;
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    await endProcess(child, 'SIGTERM');
    clearTimeout(timer);
    if (child.exitCode !== 0) {
      this.faults.push(`${this.name} ended on SIGTERM with ${child.exitCode ?? child.signalCode}`);
    }
  }

  #config(rtpMin: number): object {
    const { folder, sounds, trunks, redisPort, maxConcurrent, maxCallMs } = this.#terms;
    const shared =
      redisPort === undefined ? { store: {} } : sharedStore(redisPort, this.name, join(this.folder, 'spool'));
    return {
      api: { port: Number(new URL(this.url).port), rateLimit: { max: 1_000_000 } },
      destinations: { countries: 'all' },
      limits: {
        number: { perMinute: null, perHour: null, perDay: null, pausesSeconds: [] },
        prefix: { perHour: null },
      },
      sip: { host: '127.0.0.1', port: this.sipPort },
      rtp: { portMin: rtpMin, portMax: rtpMin + 2 * maxConcurrent - 1, drainMs: 0 },
      trunks: trunks.map(({ id, port, cps, channels }) => ({
        ...{ id, port, cps, channels, host: '127.0.0.1', cli: '+442079460999', codecs: ['PCMU'] },
        ringTimeoutMs: RING_TIMEOUT_MS,
        setupTimeoutMs: SETUP_TIMEOUT_MS,
      })),
      calls: { maxConcurrent, maxCallMs, lingerMs: 100 },
      sounds: { folder: sounds },
      speech: { providers: [], cache: { folder: join(this.folder, 'speech') } },
      ...shared,
      store: {
        path: join(this.folder, 'store.db'),
        // Codes are sealed and hashed alike at all nodes.
        keyFile: join(folder, 'master.key'),
        ...shared.store,
      },
      cdr: { sink: { folder: this.sinkFolder } },
      log: { level: 'info' },
    };
  }
}

function sharedStore(port: number, node: string, spoolFolder: string) {
  return {
    store: { kind: 'redis', redis: { url: `redis://127.0.0.1:${port}` } },
    cluster: { node, spoolFolder },
  };
}
