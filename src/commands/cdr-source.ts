import { cdrExportQuery, END_OF_TIME } from '../api/cdr-schemas.ts';
import type { CdrRange } from '../cdr/export.ts';
import { ConfigError, loadConfig } from '../config.ts';
import type { CdrLedger } from '../store/cdr-ledger.ts';
import { DamagedCdrFile, NoCdrFile, openCdrFile } from '../store/sqlite-cdr-file.ts';
import { UsageError } from './command.ts';
import type { ServiceAccess } from './service-access.ts';
import { SERVICE_NOTE, SERVICE_OPTIONS, ServiceError, serviceAccess } from './service-access.ts';

/** From where call detail records are read. */
export const SOURCE_OPTIONS = {
  store: { type: 'string', value: 'FILE', gist: 'reads the database of a service, which may be stopped' },
  config: { type: 'string', value: 'FILE', gist: 'the same, the one that a configuration names' },
  ...SERVICE_OPTIONS,
} as const;

export const SOURCE_NOTE = `Without --store and --config a running service is asked; its key needs the scope \`operator\`. ${SERVICE_NOTE}`;

export const RANGE_OPTIONS = {
  from: {
    type: 'string',
    value: 'TIME',
    gist: 'written from then on: 2026-11-01 (UTC), 2026-11-01T00:00:00+01:00',
  },
  to: { type: 'string', value: 'TIME', gist: 'and before then' },
} as const;

interface SourceValues {
  readonly store: string | undefined;
  readonly config: string | undefined;
  readonly url: string | undefined;
}

export type CdrSource =
  | { readonly kind: 'service'; readonly access: ServiceAccess }
  | { readonly kind: 'store'; readonly path: string };

/** @throws UsageError; ServiceError where the configuration cannot be used */
export function cdrSource({ store, config, url }: SourceValues): CdrSource {
  if ([store, config, url].filter((value) => value !== undefined).length > 1) {
    throw new UsageError('--store, --config and --url say three different things');
  }
  if (store !== undefined) return { kind: 'store', path: store };
  if (config === undefined) return { kind: 'service', access: serviceAccess(url, process.env) };
  try {
    return { kind: 'store', path: loadConfig({ file: config, env: process.env }).store.path };
  } catch (error) {
    throw error instanceof ConfigError ? new ServiceError(error.message, error) : error;
  }
}

/** @throws UsageError */
export function readRange(values: {
  readonly from: string | undefined;
  readonly to: string | undefined;
}): CdrRange {
  const { data, error } = cdrExportQuery.safeParse({ from: values.from, to: values.to });
  if (data !== undefined) return { from: data.from ?? -END_OF_TIME, to: data.to ?? END_OF_TIME };
  const [issue] = error?.issues ?? [];
  throw new UsageError(`--${issue?.path.join('.')}: ${issue?.message}`);
}

/**
 * Reads the records in a database file.
 *
 * @throws ServiceError where there are none; DamagedCdrFile; what `work` throws
 */
export async function withCdrFile<T>(
  path: string,
  work: (cdrs: Pick<CdrLedger, 'ends' | 'span' | 'page'>) => Promise<T>,
): Promise<T> {
  try {
    const file = openCdrFile(path);
    try {
      return await work(file.cdrs);
    } finally {
      file.close();
    }
  } catch (error) {
    throw error instanceof NoCdrFile ? new ServiceError(error.message, error) : error;
  }
}

/** Whether a failure is one of the records that are read, and not ours. */
export function isDamage(error: unknown): error is DamagedCdrFile {
  return error instanceof DamagedCdrFile;
}
