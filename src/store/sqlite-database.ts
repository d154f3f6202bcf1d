import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'libsql';
import { AppError } from '../errors.ts';
import type { Column, Row } from './sqlite-rows.ts';
import { migrate } from './sqlite-schema.ts';

export interface SqliteOptions {
  /** File of the database; it and its folder are made where they are missing. */
  readonly path: string;
  /**
   * `full`: what was answered survives a power cut. `normal`: it survives the end of the process, and a power
   * cut may take the last moments; faster on slow disks.
   */
  readonly synchronous: 'full' | 'normal';
  /** How long a write waits for other processes, milliseconds. Default 5000. */
  readonly lockTimeoutMs?: number;
}

interface Write {
  readonly work: () => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * SQLite's own wait blocks this whole process, so that it is short; the rest of the waiting is done beside
 * other work.
 */
const BLOCKING_WAIT_MS = 20;
const PAUSE_MS = 10;
const OPENING_WAIT_MS = 5000;
const DEFAULT_LOCK_TIMEOUT_MS = 5000;
/** Writes in one transaction; more of them would hold up the process and its neighbours. */
const MAX_BATCH = 200;

/** Conditions of the disk or of other processes, in which trying again later makes sense. The rest are bugs. */
const UNAVAILABLE =
  /^SQLITE_(?:BUSY|LOCKED|FULL|IOERR|CORRUPT|NOTADB|READONLY|CANTOPEN|NOMEM|INTERRUPT|PROTOCOL|PERM|AUTH)/;
const LOCKED = /^SQLITE_(?:BUSY|LOCKED)/;

/**
 * A SQLite file and its one connection. Writes that are asked for in the same turn of the event loop share a
 * transaction, and with it the flush to the disk, which is what a write costs. Each of them is still decided
 * by itself and answered only when the transaction is on disk.
 */
export class SqliteDatabase {
  readonly #database: Database.Database;
  readonly #path: string;
  /** Device and inode of the file that was opened. */
  readonly #identity: string;
  readonly #lockTimeoutMs: number;
  readonly #statements = new Map<string, Database.Statement>();
  #queue: Write[] = [];
  #flushing: Promise<void> | undefined;
  #closed = false;

  /** @throws AppError store_unavailable; Error where a newer program has written the file */
  constructor({ path, synchronous, lockTimeoutMs = DEFAULT_LOCK_TIMEOUT_MS }: SqliteOptions) {
    this.#path = path;
    this.#lockTimeoutMs = lockTimeoutMs;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      // SQLite would leave the file's rights to the umask; its WAL gets those of the file.
      closeSync(openSync(path, 'a', 0o600));
      this.#identity = identityOf(path);
      this.#database = new Database(path);
      this.#database.pragma(`busy_timeout = ${OPENING_WAIT_MS}`);
      this.#database.pragma('journal_mode = WAL');
      this.#database.pragma(`synchronous = ${synchronous}`);
      // A sealed code that is forgotten is overwritten too, which costs nothing within a page that is written anyway.
      this.#database.pragma('secure_delete = FAST');
      migrate(this.#database);
      this.#database.pragma(`busy_timeout = ${BLOCKING_WAIT_MS}`);
    } catch (error) {
      // Only what the disk or SQLite says has a code; the rest is for the operator as it is.
      throw error instanceof Error && 'code' in error
        ? new AppError('store_unavailable', {
            message: `The database ${path} cannot be opened.`,
            cause: error,
          })
        : error;
    }
  }

  /**
   * Does `work` in a transaction that nobody else can write beside. It may be done twice, so that it must
   * change nothing but the database.
   *
   * @throws AppError store_unavailable
   */
  write<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(unavailable(undefined));
        return;
      }
      this.#queue.push({ work, resolve: resolve as (result: unknown) => void, reject });
      this.#flushing ??= this.#flush();
    });
  }

  /** @throws AppError store_unavailable */
  async read<T>(work: () => T): Promise<T> {
    return this.#patiently(work);
  }

  /** First row of a query; inside `read` or `write`. */
  get(sql: string, ...values: readonly Column[]): Row | undefined {
    return this.#statement(sql).get(values) as Row | undefined;
  }

  /** All rows of a query; inside `read` or `write`. */
  all(sql: string, ...values: readonly Column[]): readonly Row[] {
    return this.#statement(sql).all(values) as Row[];
  }

  /** Number of rows that a statement changed; inside `write`. */
  run(sql: string, ...values: readonly Column[]): number {
    return this.#statement(sql).run(values).changes;
  }

  /** Ends what was asked for, and closes the file. */
  async close(): Promise<void> {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    await this.#flushing;
    try {
      this.#database.pragma('wal_checkpoint(TRUNCATE)');
    } finally {
      this.#statements.clear();
      this.#database.close();
    }
  }

  async #flush(): Promise<void> {
    // Whatever else this turn of the event loop wants to write comes along.
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    while (this.#queue.length > 0) {
      await this.#commit(this.#queue.splice(0, MAX_BATCH));
    }
    this.#flushing = undefined;
  }

  async #commit(batch: readonly Write[]): Promise<void> {
    try {
      const results = await this.#patiently(() => this.#transaction(batch));
      for (const [index, { resolve }] of batch.entries()) {
        resolve(results[index]);
      }
    } catch (error) {
      const [first] = batch;
      if (batch.length === 1 || error instanceof AppError) {
        for (const { reject } of batch) {
          reject(error);
        }
        return;
      }
      // One of them is at fault; alone, each gets what it deserves.
      if (first !== undefined) {
        await this.#commit([first]);
        await this.#commit(batch.slice(1));
      }
    }
  }

  #transaction(batch: readonly Write[]): readonly unknown[] {
    // SQLite would go on writing to a file that was deleted or replaced, and all of it would be lost.
    if (identityOf(this.#path) !== this.#identity)
      throw unavailable(new Error('the database file was replaced'));
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const results = batch.map(({ work }) => work());
      this.#database.exec('COMMIT');
      return results;
    } catch (error) {
      // A full disk makes SQLite roll back by itself.
      if (this.#database.inTransaction) {
        this.#database.exec('ROLLBACK');
      }
      throw error;
    }
  }

  /** Tries again while another process holds the lock. */
  async #patiently<T>(work: () => T): Promise<T> {
    const giveUpAt = performance.now() + this.#lockTimeoutMs;
    for (;;) {
      if (this.#closed && this.#flushing === undefined) {
        throw unavailable(undefined);
      }
      try {
        return work();
      } catch (error) {
        const code = codeOf(error);
        if (!LOCKED.test(code) || performance.now() >= giveUpAt) {
          throw UNAVAILABLE.test(code) ? unavailable(error) : error;
        }
      }
      await sleep(PAUSE_MS);
    }
  }

  #statement(sql: string): Database.Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function identityOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? 'gone' : `${found.dev} ${found.ino}`;
}

function unavailable(cause: unknown): AppError {
  return new AppError('store_unavailable', { cause });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
