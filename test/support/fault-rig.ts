import { readdir } from 'node:fs/promises';
import { expect } from 'vitest';
import type { CallEvent, Leg, LegEnd } from '../../src/engine/engine.ts';
import type {
  FreeswitchEngine,
  FreeswitchEngineOptions,
} from '../../src/engine/freeswitch/freeswitch-engine.ts';
import type { LabCall, LabCarrier } from '../../src/lab/carrier.ts';
import { eventually } from './eventually.ts';
import { type ServerRef, type ServerSite, startFreeswitchEngine, startServers } from './freeswitch.ts';
import { channelsOf, type TestServer } from './freeswitch-servers.ts';
import { startCarrier } from './lab.ts';
import { endOf, eventsOf, type LegOverrides, legTo } from './legs.ts';

/** For `beforeAll`: FreeSWITCH takes two seconds to start, and far longer on a busy machine. */
export const START_MS = 90_000;
const NUMBER = '+442079460';

/** A leg that is under way. */
export interface RunningLeg {
  readonly events: readonly CallEvent[];
  readonly abort: AbortController;
  /** The end, and how long ago it was asked for. */
  readonly over: Promise<LegEnd>;
  /** Resolves when an event of this type was told. */
  reached(type: CallEvent['type']): Promise<void>;
  /** The phone's side of it. */
  phone(): Promise<LabCall['phone']>;
  /** Resolves when the phone has heard so many packets of sound, 20 ms each. */
  speaking(packets?: number): Promise<LabCall['phone']>;
}

/** Servers, an engine and a carrier, to break things between them. */
export class FaultRig {
  readonly site: ServerSite;
  readonly carrier: LabCarrier;
  readonly engine: FreeswitchEngine;
  readonly faults: unknown[];
  readonly changes: string[];
  readonly #uncaught: unknown[] = [];
  readonly #carrierFaults: unknown[];
  readonly #onUncaught = (error: unknown): void => void this.#uncaught.push(error);

  private constructor(
    site: ServerSite,
    { carrier, faults }: Awaited<ReturnType<typeof startCarrier>>,
    { engine, ...said }: { engine: FreeswitchEngine; faults: unknown[]; changes: string[] },
  ) {
    this.site = site;
    this.carrier = carrier;
    this.#carrierFaults = faults;
    this.engine = engine;
    this.faults = said.faults;
    this.changes = said.changes;
    process.on('uncaughtException', this.#onUncaught);
    process.on('unhandledRejection', this.#onUncaught);
  }

  /**
   * @param reach where the engine is to look for these servers, if not at their own ports
   */
  static async start(
    counts: Parameters<typeof startServers>[0] = {},
    reach: (site: ServerSite) => Promise<{
      readonly drachtio?: readonly ServerRef[];
      readonly freeswitch?: readonly ServerRef[];
      readonly options?: Partial<FreeswitchEngineOptions>;
    }> = async () => ({}),
  ): Promise<FaultRig> {
    const site = await startServers(counts);
    const reached = await reach(site);
    const faults: unknown[] = [];
    const changes: string[] = [];
    const engine = await startFreeswitchEngine(
      reached.drachtio ?? site.drachtio,
      reached.freeswitch ?? site.freeswitch,
      {
        promptFolder: site.folder,
        onFault: (error) => faults.push(error),
        onChange: (text) => changes.push(text),
        ...reached.options,
      },
    );
    return new FaultRig(site, await startCarrier({ t1Ms: 100 }), { engine, faults, changes });
  }

  drachtio(index = 0): TestServer {
    return this.site.drachtio[index] as TestServer;
  }

  freeswitch(index = 0): TestServer {
    return this.site.freeswitch[index] as TestServer;
  }

  leg(suffix: string, overrides: LegOverrides = {}): Leg {
    // Longer than a busy machine is late.
    const timeouts = { lingerMs: 200, ...overrides.timeouts };
    return legTo(this.carrier.port, `${NUMBER}${suffix}`, { ...overrides, timeouts });
  }

  /** Starts a leg and reads its events; `on` sees each before the next one is asked for. */
  call(
    suffix: string,
    overrides: LegOverrides = {},
    options: { readonly engine?: FreeswitchEngine; readonly on?: (event: CallEvent) => unknown } = {},
  ): RunningLeg {
    const events: CallEvent[] = [];
    const abort = new AbortController();
    const before = this.carrier.calls.length;
    const waiting: { type: CallEvent['type']; resolve: () => void; reject: (error: Error) => void }[] = [];
    const on = (event: CallEvent): void => {
      events.push(event);
      options.on?.(event);
      for (const { type, resolve, reject } of waiting) {
        if (event.type === type) resolve();
        else if (event.type === 'ended') reject(new Error(`the leg ended: ${JSON.stringify(event.end)}`));
      }
    };
    const running = eventsOf(options.engine ?? this.engine, this.leg(suffix, overrides), {
      signal: abort.signal,
      on,
    });
    const over = running.then((all) => endOf(all).end);
    over.catch(() => undefined);
    const phone = () =>
      eventually(() => {
        const call = this.carrier.calls[before];
        if (call === undefined) throw new Error('no INVITE has come');
        return call.phone;
      });
    return {
      events,
      abort,
      over,
      reached: (type) =>
        new Promise((resolve, reject) => {
          if (events.some((event) => event.type === type)) resolve();
          else if (events.at(-1)?.type === 'ended') reject(new Error('the leg has ended'));
          else waiting.push({ type, resolve, reject });
        }),
      phone,
      speaking: async (packets = 10) => {
        const answering = await phone();
        await eventually(() => expect(answering.record.packets).toBeGreaterThan(packets));
        return answering;
      },
    };
  }

  /** Waits until the engine has said of every FreeSWITCH that it is connected. */
  async allConnected(): Promise<void> {
    await eventually(
      () => {
        for (const server of this.site.freeswitch)
          expect(this.changes.findLast((text) => text.includes(`:${server.port}:`))).toMatch(/ connected$/);
      },
      { timeoutMs: 15_000 },
    );
  }

  /** A call that goes well, to see that all is there again. */
  async expectCallWorks(): Promise<void> {
    await eventually(() => expect(this.engine.missing()).toEqual([]), { timeoutMs: 15_000 });
    const call = this.call('200');
    expect(await call.over).toEqual({ kind: 'hung_up', by: 'us', why: 'prompt_finished' });
    expect((await call.phone()).record.end).toBe('they_hung_up');
  }

  /** Nothing is held, no channel is up and no file is left, at us and at the servers that run. */
  async expectNothingHeld(servers: readonly TestServer[] = this.site.freeswitch): Promise<void> {
    await eventually(
      async () => {
        expect(this.engine.held()).toEqual({ legs: 0, endpoints: 0, dialogs: 0, files: 0 });
        expect(await readdir(this.site.folder)).toEqual([]);
        for (const server of servers) expect(await channelsOf(server)).toBe(0);
      },
      { timeoutMs: 10_000, intervalMs: 100 },
    );
    expect(this.#uncaught).toEqual([]);
    expect(this.#carrierFaults).toEqual([]);
  }

  async close(): Promise<void> {
    await this.engine.close(AbortSignal.timeout(2000));
    await this.carrier.close();
    await this.site.close();
    process.off('uncaughtException', this.#onUncaught);
    process.off('unhandledRejection', this.#onUncaught);
    expect(this.#uncaught).toEqual([]);
  }
}

/** The result of this work, and how long it took. */
export async function timed<T>(work: Promise<T>): Promise<readonly [result: T, ms: number]> {
  const startMs = performance.now();
  const result = await work;
  return [result, Math.round(performance.now() - startMs)];
}
