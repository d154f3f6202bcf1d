import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { eventually } from './eventually.ts';
import { freePorts } from './free-ports.ts';
import { mortal } from './peers.ts';

/** Loading what it had written, on a machine that is busy. */
const READY_MS = 20_000;

/** PEM texts of a server that speaks TLS only. */
export interface ServerTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Whether clients must show a certificate of `ca`. */
  readonly mutual?: boolean;
}

interface ClientOptions {
  readonly host: string;
  readonly port: number;
  readonly tls?: { ca: string; cert: string; key: string };
}

interface Wishes {
  /** More options, such as `--maxmemory`, `3mb`. */
  readonly args?: readonly string[];
  readonly tls?: ServerTls;
  /** Port, where it must be known before. */
  readonly port?: number;
}

/** A redis-server of its own, with a folder of its own, that a test starts, stops and starts again. */
export class RedisServer {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly folder: string;
  readonly #args: readonly string[];
  readonly #tls: ServerTls | undefined;
  #child: ChildProcess | undefined;

  private constructor(port: number, folder: string, args: readonly string[], tls: ServerTls | undefined) {
    this.port = port;
    this.folder = folder;
    this.#args = args;
    this.#tls = tls;
  }

  /** @param args more options, such as `--maxmemory 3mb` as two texts */
  static async start(...args: string[]): Promise<RedisServer> {
    return RedisServer.with({ args });
  }

  static async with({ args = [], tls, port }: Wishes): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-redis-'));
    const server = new RedisServer(port ?? (await freePorts(1)), folder, args, tls);
    try {
      await server.again();
      return server;
    } catch (error) {
      await server.remove();
      throw error;
    }
  }

  /** Its process id, for signals. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** For a connection of the test's own, which sees and does what an operator would. */
  get clientOptions(): ClientOptions {
    const at = { host: this.host, port: this.port };
    if (this.#tls === undefined) return at;
    const { ca, cert, key } = this.#tls;
    return { ...at, tls: { ca, cert, key } };
  }

  /**
   * Starts it on the same port, with what it had written to its append-only file.
   *
   * @param more options for this time only
   */
  async again(...more: string[]): Promise<void> {
    await this.launch(...more);
    await eventually(() => this.ask((client) => client.ping()), { timeoutMs: READY_MS });
  }

  /**
   * Starts it, and does not wait until it has loaded what it had written.
   *
   * @param more options for this time only
   */
  async launch(...more: string[]): Promise<void> {
    const ports = this.#tls === undefined ? ['--port', String(this.port)] : await this.#tlsOptions(this.#tls);
    const options = [...ports, '--bind', this.host, '--dir', this.folder];
    const files = ['--save', '', '--appendonly', 'yes', '--daemonize', 'no'];
    const [command = '', ...rest] = mortal(['redis-server', ...options, ...files, ...this.#args, ...more]);
    const child = spawn(command, rest, { stdio: 'ignore' });
    // That it is missing shows where it does not answer.
    child.on('error', () => undefined);
    this.#child = child;
  }

  /** Runs commands over a connection of their own. */
  async ask<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis({
      ...this.clientOptions,
      retryStrategy: () => null,
      lazyConnect: true,
      // One that loads or is busy is asked all the same.
      enableReadyCheck: false,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await work(client);
    } finally {
      client.disconnect();
    }
  }

  /** From now on it neither answers nor refuses anything, until `resume`. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Ends it: `SIGTERM` lets it write what it has, `SIGKILL` does not. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => {
      child.once('exit', resolve);
    });
    child.kill(signal);
    await ended;
  }

  /** Ends it and removes what it wrote. */
  async remove(): Promise<void> {
    await this.stop('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }

  async #tlsOptions({ ca, cert, key, mutual = false }: ServerTls): Promise<readonly string[]> {
    const files = { 'tls-ca-cert-file': ca, 'tls-cert-file': cert, 'tls-key-file': key };
    const options = await Promise.all(
      Object.entries(files).map(async ([option, text]) => {
        const file = join(this.folder, `${option}.pem`);
        await writeFile(file, text, { mode: 0o600 });
        return [`--${option}`, file];
      }),
    );
    const ports = ['--port', '0', '--tls-port', String(this.port)];
    return [...ports, '--tls-auth-clients', mutual ? 'yes' : 'no', ...options.flat()];
  }
}
