import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LabCall, LabCarrier } from '../../../src/lab/carrier.ts';
import { eventually } from '../eventually.ts';
import { freePorts } from '../free-ports.ts';
import { startCarrier } from '../lab.ts';
import { RedisServer } from '../redis-server.ts';
import type { CommandOptions, Served } from './process.ts';
import { serve } from './process.ts';
import type { Settings } from './site.ts';
import { LAB_TRUNK, testSettings } from './site.ts';

/** How long a node may stand still in these tests before the others give it up. */
export const LEASE_MS = 2000;

type Change = Partial<Pick<Settings, 'calls' | 'trunks' | 'cluster' | 'api' | 'engine' | 'freeswitch'>>;

/** Several nodes of the service as processes of their own, over one Redis and one lab carrier. */
export class Nodes {
  readonly redis: RedisServer;
  readonly carrier: LabCarrier;
  readonly folder: string;
  readonly #sounds: string;
  readonly #change: Change;
  readonly #running: Served[] = [];

  private constructor(
    redis: RedisServer,
    carrier: LabCarrier,
    folder: string,
    sounds: string,
    change: Change,
  ) {
    this.redis = redis;
    this.carrier = carrier;
    this.folder = folder;
    this.#sounds = sounds;
    this.#change = change;
  }

  /** @param change what differs from the settings of other tests, for all nodes */
  static async prepare(sounds: string, change: Change = {}): Promise<Nodes> {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-nodes-'));
    const redis = await RedisServer.start();
    const { carrier } = await startCarrier();
    return new Nodes(redis, carrier, folder, sounds, change);
  }

  /** Starts a node; one of a name that was there before goes on where that stopped. */
  async start(name: string, options: CommandOptions = {}): Promise<Served> {
    const folder = join(this.folder, name);
    await mkdir(folder, { recursive: true });
    const defaults = testSettings(folder);
    const {
      trunks = [{ ...LAB_TRUNK, port: this.carrier.port }],
      calls,
      cluster,
      api,
      ...more
    } = this.#change;
    const served = await serve(
      folder,
      {
        ...defaults,
        ...more,
        api: { ...defaults.api, ...api },
        sip: { ...defaults.sip, port: await freePorts(1) },
        calls: { ...defaults.calls, ...calls },
        sounds: { folder: this.#sounds },
        store: {
          kind: 'redis',
          keyFile: join(this.folder, 'master.key'),
          redis: { url: `redis://127.0.0.1:${this.redis.port}` },
        },
        cluster: { node: name, leaseMs: LEASE_MS, spoolFolder: join(this.folder, 'spool'), ...cluster },
        cdr: { sink: { folder: join(this.folder, 'records') } },
        log: { level: 'info' },
        trunks: trunks.map((trunk) => ({ ...trunk, port: this.carrier.port })),
      },
      options,
    );
    this.#running.push(served);
    return served;
  }

  /** The calls that a lab phone got, in their order. */
  phones(number: string): readonly LabCall[] {
    return this.carrier.calls.filter((call) => call.number === number);
  }

  /** The last call of a lab phone, as soon as it rings. */
  phone(number: string): Promise<LabCall> {
    return eventually(() => {
      const call = this.phones(number).at(-1);
      if (call === undefined) throw new Error(`${number} has not been rung`);
      return call;
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.map((served) => served.kill()));
    await this.redis.remove();
    await this.carrier.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
