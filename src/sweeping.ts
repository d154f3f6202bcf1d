import type { Logger } from 'pino';
import { finishAbandoned } from './cdr/sink-abandoned.ts';
import type { Config } from './config.ts';
import type { Store } from './store/store.ts';

const INTERVAL_MS = 60_000;
const DAY_MS = 86_400_000;

/** Deletes what is past its retention, now and every minute. @returns what stops it */
export function sweepRegularly(
  store: Pick<Store, 'sweep'>,
  config: Pick<Config, 'store' | 'flash' | 'cdr'>,
  logger: Logger,
  { node, time }: { readonly node: string; readonly time: () => number },
): () => void {
  const sweep = (): void => {
    const now = time();
    store
      .sweep(now, limitsOf(config, now))
      .catch((err: unknown) => logger.error({ err }, 'sweeping the store failed'));
    if (config.cdr.sink !== undefined) {
      finishAbandoned({ ...config.cdr.sink, node, now: Date.now }).catch((err: unknown) =>
        logger.warn({ err }, 'files of records that other nodes have left are not finished'),
      );
    }
  };
  sweep();
  const timer = setInterval(sweep, INTERVAL_MS);
  return () => clearInterval(timer);
}

/** Before which times what is kept is deleted. */
export function limitsOf(
  { store: { retentionDays }, flash }: Pick<Config, 'store' | 'flash'>,
  now: number,
): Parameters<Store['sweep']>[1] {
  return {
    verificationsBefore: now - retentionDays.verifications * DAY_MS,
    callsBefore: now - retentionDays.calls * DAY_MS,
    cliUsesBefore: now - flash.reuseWindowSeconds * 1000,
    ...(retentionDays.cdrs === undefined ? {} : { cdrsBefore: now - retentionDays.cdrs * DAY_MS }),
  };
}
