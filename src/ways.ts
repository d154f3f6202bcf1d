import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Engine } from './engine/engine.ts';
import type { Capacity } from './trunk/capacity.ts';
import type { Trunk } from './trunk/definition.ts';
import { HealthProbes } from './trunk/health.ts';
import { optionsProbe } from './trunk/options-probe.ts';
import { Registrations } from './trunk/registrations.ts';
import { TrunkResults } from './trunk/results.ts';
import { Routing } from './trunk/routing.ts';
import { TrunkStates } from './trunk/trunk-states.ts';

/** Limits of trunks that can be changed while calls wait for them. */
export interface TrunkCapacity extends Capacity {
  limit(trunks: readonly Trunk[]): void;
  /** Refuses those who wait. */
  close(): Promise<void>;
}

export interface WaysOptions {
  readonly engine: Pick<Engine, 'request'>;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  readonly capacity: TrunkCapacity;
  /** 0, inclusive, to 1, exclusive. */
  readonly random: () => number;
}

/** The ways of the service into the telephone network: its trunks, what is known of them and how much they may get. */
export class Ways {
  readonly routing: Routing;
  readonly capacity: TrunkCapacity;
  readonly states: TrunkStates;
  readonly results: TrunkResults;
  readonly health: HealthProbes;
  readonly registrations: Registrations;

  constructor(trunks: readonly Trunk[], { engine, logger, capacity, random }: WaysOptions) {
    const clock = { now: Date.now, elapsed: () => performance.now() };
    const life = { clock, random, wait: untilPassed };
    this.health = new HealthProbes({
      ...life,
      probe: optionsProbe(engine),
      onChange: (trunkId, { state, detail }) =>
        logger[state === 'down' ? 'warn' : 'info']({ trunkId, state, detail }, 'signs of life of a trunk'),
    });
    this.registrations = new Registrations({
      ...life,
      engine,
      onChange: (trunkId, { state, detail }) =>
        logger[state === 'failed' ? 'warn' : 'info']({ trunkId, state, detail }, 'registration with a trunk'),
    });
    this.states = new TrunkStates({
      clock,
      health: (id) => this.health.of(id),
      registration: (id) => this.registrations.of(id),
    });
    this.results = new TrunkResults({ now: Date.now, trunks: () => this.routing.trunks });
    this.routing = new Routing(trunks, { states: this.states, results: this.results, random });
    this.capacity = capacity;
  }

  /** Asks trunks for signs of life and registers with them from now on: the engine has to be started. */
  start(): void {
    this.health.watch(this.routing.trunks);
    this.registrations.watch(this.routing.trunks);
  }

  /** New definitions, for attempts that begin from now on. To be started already. */
  replace(trunks: readonly Trunk[]): void {
    this.routing.replace(trunks);
    this.capacity.limit(trunks);
    this.states.keep(trunks.map(({ id }) => id));
    this.start();
  }

  /** Refuses whoever waits for a trunk, and takes registrations back: the engine has to be there still. */
  async close(): Promise<void> {
    await Promise.all([this.capacity.close(), this.health.close(), this.registrations.close()]);
  }
}

async function untilPassed(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
