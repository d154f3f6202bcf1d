import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Call } from '../call/call.ts';
import { OwnFolder } from './own-folder.ts';

/** The end of a call that a store could not take: what `Store.finishCall` is to be given. */
export interface SpoolEntry {
  readonly call: Call;
  readonly failVerification: boolean;
  readonly now: number;
}

const LOCK = 'spool.lock';
const REJECTED = 'rejected';
const ENTRY = /\.json$/;
const PART = /\.part$/;
const PLAIN_ID = /^[A-Za-z0-9_-]{1,100}$/;

/**
 * Ends of calls on the local disk, a file for each call, with nothing in it but the call as a store keeps it. A file
 * gets its name when all of it is on disk, so that one with a name is whole.
 */
export class SpoolFolder {
  #folder: OwnFolder;
  #reopening: Promise<void> | undefined;

  private constructor(folder: OwnFolder) {
    this.#folder = folder;
  }

  /** @throws FolderInUse; what the file system says */
  static async open(path: string): Promise<SpoolFolder> {
    const folder = await OwnFolder.open(path, LOCK);
    try {
      // What a crash has torn was never promised.
      for (const name of await readdir(path)) if (PART.test(name)) await rm(join(path, name));
      return new SpoolFolder(folder);
    } catch (error) {
      folder.close();
      throw error;
    }
  }

  /** Names of the entries. */
  async names(): Promise<readonly string[]> {
    return (await readdir(this.#folder.path)).filter((name) => ENTRY.test(name));
  }

  /** @throws SyntaxError where it is none */
  async read(name: string): Promise<SpoolEntry> {
    return entryOf(await readFile(join(this.#folder.path, name), 'utf8'));
  }

  /** Resolves with its name when the entry is on disk. Where it fails, nothing is left of it. */
  async put(entry: SpoolEntry): Promise<string> {
    await this.#reopenIfLost();
    const { path } = this.#folder;
    const name = nameOf(entry.call.id);
    const part = join(path, `${name}.part`);
    try {
      const handle = await open(part, 'w', 0o600);
      try {
        await handle.writeFile(JSON.stringify(entry));
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(part, join(path, name));
      await this.#folder.sync();
    } catch (error) {
      await Promise.all([part, join(path, name)].map((left) => rm(left, { force: true }))).catch(
        () => undefined,
      );
      throw error;
    }
    if (await this.#folder.isOurs()) return name;
    throw new Error('the folder was moved or replaced');
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#folder.path, name), { force: true });
  }

  /** Lays an entry aside for people to look at. */
  async reject(name: string): Promise<void> {
    const aside = join(this.#folder.path, REJECTED);
    await mkdir(aside, { recursive: true, mode: 0o700 });
    await rename(join(this.#folder.path, name), join(aside, name));
  }

  close(): void {
    this.#folder.close();
  }

  /** Once for all who find it lost. */
  async #reopenIfLost(): Promise<void> {
    if (await this.#folder.isOurs()) return;
    this.#reopening ??= this.#reopen().finally(() => {
      this.#reopening = undefined;
    });
    await this.#reopening;
  }

  async #reopen(): Promise<void> {
    // Somebody else may have done so meanwhile.
    if (await this.#folder.isOurs()) return;
    const folder = await OwnFolder.open(this.#folder.path, LOCK);
    this.#folder.close();
    this.#folder = folder;
  }
}

/** Ids are ours and plain; whatever another one holds, it leads nowhere else. */
function nameOf(callId: string): string {
  const plain = PLAIN_ID.test(callId) ? callId : createHash('sha256').update(callId).digest('hex');
  return `${plain}.json`;
}

function entryOf(text: string): SpoolEntry {
  const entry = JSON.parse(text) as Partial<SpoolEntry> | null;
  const { call, failVerification, now } = entry ?? {};
  if (typeof call?.id !== 'string' || typeof failVerification !== 'boolean' || typeof now !== 'number') {
    throw new SyntaxError('not the end of a call');
  }
  return { call, failVerification, now };
}
