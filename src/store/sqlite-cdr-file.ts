import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import Database from 'libsql';
import type { CdrLedger } from './cdr-ledger.ts';
import { SqliteCdrs } from './sqlite-cdrs.ts';
import type { Row } from './sqlite-rows.ts';

/** How long a read waits for a service that writes, milliseconds. */
const LOCK_TIMEOUT_MS = 5000;
const TABLES = "SELECT COUNT(*) AS found FROM sqlite_schema WHERE name IN ('cdrs', 'cdr_ends')";

/** The file holds no call detail records, or cannot be opened; the message is for people. */
export class NoCdrFile extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'NoCdrFile';
  }
}

/** The file is a database of ours, and parts of it cannot be read. */
export class DamagedCdrFile extends Error {
  constructor(cause: unknown) {
    super(`the database is damaged: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = 'DamagedCdrFile';
  }
}

export interface CdrFile {
  /** Its methods throw DamagedCdrFile. */
  readonly cdrs: Pick<CdrLedger, 'ends' | 'span' | 'page'>;
  close(): void;
}

/**
 * The call detail records in the database file of a service that runs or does not. The file is neither made nor
 * migrated nor written to.
 *
 * @throws NoCdrFile; DamagedCdrFile
 */
export function openCdrFile(path: string): CdrFile {
  const database = opened(path);
  const cdrs = new SqliteCdrs({
    read: async (work) => readable(work),
    get: (sql, ...values) => database.prepare(sql).get(values) as Row | undefined,
    all: (sql, ...values) => database.prepare(sql).all(values) as Row[],
    write: () => Promise.reject(new Error('it is only read')),
    run: () => {
      throw new Error('it is only read');
    },
  });
  return { cdrs, close: () => void database.close() };
}

function opened(path: string): Database.Database {
  // SQLite would take a missing file for an empty database.
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) throw new NoCdrFile(`${path} is no file`);
  let database: Database.Database;
  try {
    // The option `readonly` of libsql lets it write; the mode of SQLite's own addresses does not.
    database = new Database(`${pathToFileURL(resolve(path)).href}?mode=ro`);
    database.pragma(`busy_timeout = ${LOCK_TIMEOUT_MS}`);
  } catch (error) {
    throw new NoCdrFile(`${path} cannot be opened`, error);
  }
  try {
    const found = readable(() => database.prepare(TABLES).get() as Row);
    if (Number(found['found']) === 2) return database;
    throw new NoCdrFile(`${path} holds no call detail records`);
  } catch (error) {
    database.close();
    if (error instanceof DamagedCdrFile && codeOf(error.cause) === 'SQLITE_NOTADB') {
      throw new NoCdrFile(`${path} is no database`, error);
    }
    throw error;
  }
}

function readable<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new DamagedCdrFile(error);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
