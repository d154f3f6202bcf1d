import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { eventually } from './eventually.ts';
import { freePorts } from './free-ports.ts';
import { mortal } from './peers.ts';
import { RedisServer } from './redis-server.ts';

const HOST = '127.0.0.1';
const NAME = 'main';
/** How long a master may be silent before a sentinel takes it for dead, milliseconds. */
const DOWN_AFTER_MS = 1000;
const READY_MS = 30_000;

interface Wishes {
  /** From 1 to 3; most of them must agree. */
  readonly sentinels?: number;
  /** What the sentinels ask for. */
  readonly password?: string;
}

/** A master, its replica, and sentinels that make the replica the master where the master is away. */
export class RedisSentinels {
  /** What the sentinels call the master. */
  readonly name = NAME;
  /** The one that began as master, and the one that began as its replica. */
  readonly servers: readonly [RedisServer, RedisServer];
  readonly #sentinels: Sentinel[] = [];

  private constructor(servers: readonly [RedisServer, RedisServer]) {
    this.servers = servers;
  }

  static async start({ sentinels = 1, password }: Wishes = {}): Promise<RedisSentinels> {
    const master = await RedisServer.start('--repl-diskless-sync-delay', '0');
    const replica = await RedisServer.start('--replicaof', HOST, String(master.port));
    const all = new RedisSentinels([master, replica]);
    try {
      const quorum = Math.floor(sentinels / 2) + 1;
      for (let i = 0; i < sentinels; i++) {
        all.#sentinels.push(await Sentinel.start({ port: master.port, quorum, password }));
      }
      await all.#ready();
      return all;
    } catch (error) {
      await all.remove();
      throw error;
    }
  }

  get nodes(): readonly { readonly host: string; readonly port: number }[] {
    return this.#sentinels.map(({ port }) => ({ host: HOST, port }));
  }

  /** Kills the master, and waits until the sentinels have made the other one the master. */
  async failover(): Promise<void> {
    const before = await this.masterPort();
    const master = this.servers.find(({ port }) => port === before);
    await master?.stop('SIGKILL');
    await this.promoted(before);
  }

  /** Waits until another than the one of this port is the master. */
  async promoted(before: number): Promise<void> {
    await eventually(
      async () => {
        const now = await this.masterPort();
        if (now === before) throw new Error('the sentinels still name the old master');
      },
      { timeoutMs: READY_MS },
    );
  }

  /** Port of the master, as all sentinels see it. */
  async masterPort(): Promise<number> {
    const named = await Promise.all(this.#sentinels.map((sentinel) => sentinel.masterPort()));
    const [first = 0] = named;
    if (named.some((port) => port !== first)) throw new Error('the sentinels do not agree');
    return first;
  }

  /** Ends all of them and removes what they wrote. */
  async remove(): Promise<void> {
    await Promise.all(this.#sentinels.map((sentinel) => sentinel.remove()));
    await Promise.all(this.servers.map((server) => server.remove()));
  }

  /** They know the replica, and each other: nothing could be done about a dead master before. */
  async #ready(): Promise<void> {
    await eventually(
      async () => {
        for (const sentinel of this.#sentinels) {
          const known = await sentinel.state();
          const expected = { replicas: 1, others: this.#sentinels.length - 1 };
          if (known.replicas !== expected.replicas || known.others !== expected.others) {
            throw new Error(`a sentinel does not know all of them yet: ${JSON.stringify(known)}`);
          }
        }
        const info = await this.servers[1].ask((client) => client.info('replication'));
        if (!info.includes('master_link_status:up')) throw new Error('the replica has no data yet');
      },
      { timeoutMs: READY_MS },
    );
  }
}

class Sentinel {
  readonly port: number;
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #password: string | undefined;

  private constructor(port: number, folder: string, child: ChildProcess, password: string | undefined) {
    this.port = port;
    this.#folder = folder;
    this.#child = child;
    this.#password = password;
  }

  static async start(master: {
    port: number;
    quorum: number;
    password: string | undefined;
  }): Promise<Sentinel> {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-sentinel-'));
    const port = await freePorts(1);
    // It writes what it learns into the file.
    const file = join(folder, 'sentinel.conf');
    const lines = [
      `port ${port}`,
      `bind ${HOST}`,
      `dir ${folder}`,
      `sentinel monitor ${NAME} ${HOST} ${master.port} ${master.quorum}`,
      `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${NAME} 2000`,
      ...(master.password === undefined
        ? []
        : [`requirepass ${master.password}`, `sentinel sentinel-pass ${master.password}`]),
    ];
    await writeFile(file, `${lines.join('\n')}\n`, { mode: 0o600 });
    const [command = '', ...rest] = mortal(['redis-server', file, '--sentinel']);
    const child = spawn(command, rest, { stdio: 'ignore' });
    child.on('error', () => undefined);
    const sentinel = new Sentinel(port, folder, child, master.password);
    await eventually(() => sentinel.state(), { timeoutMs: READY_MS });
    return sentinel;
  }

  async masterPort(): Promise<number> {
    const address = await this.#ask((client) => client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME));
    return Number((address as readonly string[])[1]);
  }

  async state(): Promise<{ readonly replicas: number; readonly others: number }> {
    const list = (what: string) => this.#ask((client) => client.call('SENTINEL', what, NAME));
    const [replicas, others] = await Promise.all([list('REPLICAS'), list('SENTINELS')]);
    return { replicas: (replicas as unknown[]).length, others: (others as unknown[]).length };
  }

  async remove(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise((resolve) => {
        this.#child.once('exit', resolve);
      });
      this.#child.kill('SIGKILL');
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #ask<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    const password = this.#password === undefined ? {} : { password: this.#password };
    const options = { host: HOST, port: this.port, ...password, retryStrategy: () => null };
    const client = new Redis({ ...options, lazyConnect: true, enableReadyCheck: false });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await work(client);
    } finally {
      client.disconnect();
    }
  }
}
