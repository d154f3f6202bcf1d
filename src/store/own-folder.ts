import { closeSync, openSync } from 'node:fs';
import { mkdir, open, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'libsql';

/** A process that ends, or one that only looks after a folder, lets go at once. */
const LOCK_TRIES = 11;
const LOCK_PAUSE_MS = 50;

/** Somebody else has the folder; the message is for people. */
export class FolderInUse extends Error {
  constructor(path: string, lockName: string, cause: unknown) {
    super(`${path} is in use by another process (${lockName} is locked)`, { cause });
    this.name = 'FolderInUse';
  }
}

/**
 * A folder in which nobody else writes, by a lock that the system drops with the process, however that ends. Node has
 * no locks on files, SQLite has: the lock is that of an empty database. Nothing is guessed from process ids, which mean
 * nothing in another container.
 */
export class OwnFolder {
  readonly path: string;
  readonly #lockPath: string;
  readonly #lock: Database.Database;
  /** Of the lock file that was locked. */
  readonly #identity: string;
  #syncing: Promise<void> | undefined;
  #nextSync: Promise<void> | undefined;

  private constructor(path: string, lockPath: string, lock: Database.Database, identity: string) {
    this.path = path;
    this.#lockPath = lockPath;
    this.#lock = lock;
    this.#identity = identity;
  }

  /**
   * Makes the folder where it is missing, for its owner only; one that is there keeps its mode.
   *
   * @param lockName the lock file in it: processes that use different ones may share the folder
   * @throws FolderInUse; what the file system says
   */
  static async open(path: string, lockName: string): Promise<OwnFolder> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await OwnFolder.#opened(path, lockName);
      } catch (error) {
        if (!(error instanceof FolderInUse) || tries >= LOCK_TRIES) throw error;
      }
      await sleep(LOCK_PAUSE_MS);
    }
  }

  static async #opened(path: string, lockName: string): Promise<OwnFolder> {
    await made(resolve(path));
    const lockPath = join(path, lockName);
    closeSync(openSync(lockPath, 'a', 0o600));
    const lock = new Database(lockPath);
    try {
      // A prepared statement, as of `pragma`, would keep the file open until memory is collected.
      lock.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      return new OwnFolder(path, lockPath, lock, await identityOf(lockPath));
    } catch (error) {
      lock.close();
      throw isLocked(error) ? new FolderInUse(path, lockName, error) : error;
    }
  }

  /** False where the folder or its lock was deleted or replaced: another process may have the new one. */
  async isOurs(): Promise<boolean> {
    return (await identityOf(this.#lockPath)) === this.#identity;
  }

  /** Resolves when names that were made, changed or deleted before are on disk; who comes meanwhile shares the next. */
  sync(): Promise<void> {
    if (this.#syncing === undefined) {
      this.#syncing = syncFolder(this.path).finally(() => {
        this.#syncing = undefined;
      });
      return this.#syncing;
    }
    this.#nextSync ??= this.#syncing
      .catch(() => undefined)
      .then(() => {
        this.#nextSync = undefined;
        return this.sync();
      });
    return this.#nextSync;
  }

  /** Lets others have it. */
  close(): void {
    this.#lock.close();
  }
}

/** Device and inode of what a path leads to. */
export async function identityOf(path: string): Promise<string> {
  try {
    const { dev, ino } = await stat(path);
    return `${dev} ${ino}`;
  } catch (error) {
    if (isMissing(error)) return 'gone';
    throw error;
  }
}

export function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

async function made(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let at = path; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at));
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isLocked(error: unknown): boolean {
  return /^SQLITE_(?:BUSY|LOCKED)/.test(codeOf(error));
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
