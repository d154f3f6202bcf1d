import type { Logger } from 'pino';
import { type Config, ConfigError } from './config.ts';
import { Secret } from './secret.ts';

/** What another configuration changes: keys such as `log.level`, and trunks by their ids; never a value. */
export interface ConfigChanges {
  /** What holds at once. */
  readonly applied: readonly string[];
  /** What holds after a restart, and not before. */
  readonly waiting: readonly string[];
}

/** These hold at once; the timeouts are part of each trunk that has none of its own. */
const LIVE: readonly string[] = ['api.clients', 'log.level', 'calls.setupTimeoutMs', 'calls.ringTimeoutMs'];

/** What of `next` is new to a service that goes by `running`, and what it goes by once that is applied. */
export function compare(running: Config, next: Config): ConfigChanges & { readonly running: Config } {
  const changed = changedKeys(running, next);
  // Whether there are clients at all decides who may ask: that is settled at the start.
  const opens = (running.api.clients.length === 0) !== (next.api.clients.length === 0);
  const isLive = (key: string): boolean => LIVE.includes(key) && !(opens && key === 'api.clients');
  const { setupTimeoutMs, ringTimeoutMs } = next.calls;
  return {
    applied: [...changedTrunks(running, next), ...changed.filter(isLive)],
    waiting: changed.filter((key) => !isLive(key)),
    running: {
      ...running,
      trunks: next.trunks,
      api: { ...running.api, clients: opens ? running.api.clients : next.api.clients },
      log: next.log,
      calls: { ...running.calls, setupTimeoutMs, ringTimeoutMs },
    },
  };
}

/** Sections are looked into once: what is in a deeper one changes as a whole. */
function changedKeys(before: Config, after: Config): readonly string[] {
  return keysOf(before, after)
    .filter((section) => section !== 'trunks')
    .flatMap((section) => {
      const [one, other]: unknown[] = [before[section as keyof Config], after[section as keyof Config]];
      if (!isRecord(one) || !isRecord(other)) return same(one, other) ? [] : [section];
      return keysOf(one, other)
        .filter((key) => !same(one[key], other[key]))
        .map((key) => `${section}.${key}`);
    });
}

function changedTrunks({ trunks: before }: Config, { trunks: after }: Config): readonly string[] {
  const ids = [...new Set([...before, ...after].map(({ id }) => id))];
  const changes = ids.flatMap((id) => {
    const [one, other] = [before, after].map((trunks) => trunks.find((trunk) => trunk.id === id));
    if (one === undefined) return [`trunks.${id} (new)`];
    if (other === undefined) return [`trunks.${id} (gone)`];
    return same(one, other) ? [] : [`trunks.${id}`];
  });
  const stay = before.length === after.length && before.every(({ id }, index) => id === after[index]?.id);
  return stay || changes.length > 0 ? changes : ['trunks (order)'];
}

/** Deep, and secrets by what they hide. */
function same(one: unknown, other: unknown): boolean {
  if (one instanceof Secret || other instanceof Secret) {
    return one instanceof Secret && other instanceof Secret && one.reveal() === other.reveal();
  }
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => same(item, other[index]));
  }
  if (!isRecord(one) || !isRecord(other)) return Object.is(one, other);
  return keysOf(one, other).every((key) => same(one[key], other[key]));
}

function keysOf(one: object, other: object): readonly string[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A service that can go by another configuration while it runs. Never rejects what was checked. */
interface Reloadable {
  reload(next: Config): ConfigChanges;
}

type ReloadLog = Pick<Logger, 'info' | 'warn' | 'error'>;

/**
 * Reads the configuration again whenever that is asked for, and has a service go by it. One that cannot be used
 * changes nothing. What is asked for before the service is up is done then, and once.
 */
export class Reload {
  readonly #load: () => Config;
  #target: { readonly service: Reloadable; readonly logger: ReloadLog } | undefined;
  #wanted = false;

  /** @param load throws a ConfigError where the configuration cannot be used */
  constructor(load: () => Config) {
    this.#load = load;
  }

  /** The service is up. */
  begin(service: Reloadable, logger: ReloadLog): void {
    this.#target = { service, logger };
    if (this.#wanted) this.now();
  }

  /** The service is about to stop: nothing is read any more. */
  end(): void {
    this.#target = undefined;
  }

  /** Never throws. It is done when this returns: there are never two at a time. */
  readonly now = (): void => {
    this.#wanted = true;
    if (this.#target === undefined) return;
    const { service, logger } = this.#target;
    try {
      const { applied, waiting } = service.reload(this.#load());
      logger.info({ applied }, 'the configuration was read again');
      if (waiting.length > 0) {
        logger.warn({ waiting }, 'these keys of the configuration hold after a restart, and not before');
      }
    } catch (error) {
      const said = error instanceof ConfigError ? { problems: error.problems } : { err: error };
      logger.error(said, 'the configuration cannot be used: the service goes on with the one that it has');
    }
  };
}
