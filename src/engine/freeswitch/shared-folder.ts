import { createHash, randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, open, readdir, rm, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { codeOf, isAlive } from '../../system.ts';

export interface SharedFolderOptions {
  /** Made where it does not exist; best a tmpfs. */
  readonly folder: string;
  /** What the names of the files end with, without a dot; files with other ends are somebody else's. */
  readonly extension: 'wav' | 'r8';
  /** Mode of a file that FreeSWITCH opens as another user of the same group; 0600 where it does not. */
  readonly groupMode: number | undefined;
  /** Files of others that are older are taken for left behind; longer than any call. */
  readonly maxAgeMs: number;
  /** A file that cannot be removed, at once or by a sweep. */
  readonly onFault: (error: unknown) => void;
  /** Tells this host from others that share the folder, and is the same after a restart; its name if not given. */
  readonly instance?: string | undefined;
  /** Of this process, if not given. */
  readonly pid?: number | undefined;
}

/**
 * A folder in which FreeSWITCH opens files of ours, `otp-<instance>-<pid>-<random>.<extension>`. What a process that
 * died left behind goes when the next one on this host opens the folder. Several processes may share it, on one host
 * or on several.
 */
export class SharedFolder {
  readonly path: string;
  readonly #options: SharedFolderOptions;
  readonly #name: RegExp;
  readonly #instance: string;
  readonly #pid: number;
  /** Names of files that are there or being written. */
  readonly #held = new Set<string>();

  constructor(options: SharedFolderOptions) {
    this.#options = options;
    this.path = resolve(options.folder);
    this.#name = new RegExp(`^otp-([0-9a-f]{12})-(\\d{1,10})-[0-9a-f]{32}\\.${options.extension}$`);
    this.#pid = options.pid ?? process.pid;
    this.#instance = createHash('sha256')
      .update(options.instance ?? hostname())
      .digest('hex')
      .slice(0, 12);
  }

  /** Makes the folder ready and sweeps it. Rejects with the system's error where nothing can be written there. */
  async open(): Promise<void> {
    const probe = this.#newName();
    await this.#make();
    await this.#create(probe, new Uint8Array(1));
    // The file system's clock, which dated the files too: ours may differ from it.
    const nowMs = (await lstat(this.pathOf(probe))).mtimeMs;
    // Whoever sweeps the same folder at this moment may be first.
    await rm(this.pathOf(probe), { force: true });
    await this.sweep(nowMs);
  }

  /**
   * Makes a file, complete when this resolves with its name. A folder that was removed is made again. Rejects with the
   * system's error, and nothing is left of the file.
   */
  async create(bytes: Uint8Array): Promise<string> {
    const name = this.#newName();
    this.#held.add(name);
    try {
      await this.#create(name, bytes).catch(async (error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error;
        await this.#make();
        await this.#create(name, bytes);
      });
      return name;
    } catch (error) {
      this.#held.delete(name);
      throw error;
    }
  }

  /** Never rejects, and may be called again. */
  async remove(name: string): Promise<void> {
    try {
      await unlink(this.pathOf(name));
    } catch (error) {
      const code = codeOf(error);
      // ENOTDIR: the folder itself is gone, and something else has its name.
      if (code !== 'ENOENT' && code !== 'ENOTDIR') return this.#options.onFault(error);
    }
    this.#held.delete(name);
  }

  /** Whether files of ours are called like this, of whatever process. */
  names(name: string): boolean {
    return this.#name.test(name);
  }

  /** Absolute, as this process sees it. */
  pathOf(name: string): string {
    return join(this.path, name);
  }

  /** Files that are there, or being written. */
  held(): number {
    return this.#held.size;
  }

  /**
   * Removes what was left behind: files of this process that this object does not hold, those of processes of this
   * host that are gone, and old ones of others. Files with other names, links and folders stay. Never rejects.
   *
   * @param nowMs what the age of a file is counted from. One that seems to come from later is young, so that a
   *   clock that was set back costs nobody a file that is in use.
   */
  async sweep(nowMs = Date.now()): Promise<void> {
    try {
      for (const name of await readdir(this.path)) {
        const [, instance, pid] = this.#name.exec(name) ?? [];
        if (instance === undefined || this.#held.has(name)) continue;
        const orphaned = instance === this.#instance && (Number(pid) === this.#pid || !isAlive(Number(pid)));
        await this.#sweepOne(name, orphaned, nowMs);
      }
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  async #sweepOne(name: string, orphaned: boolean, nowMs: number): Promise<void> {
    const path = this.pathOf(name);
    try {
      const found = await lstat(path);
      const old = nowMs - found.mtimeMs > this.#options.maxAgeMs;
      if (found.isFile() && (old || orphaned)) await rm(path, { force: true });
    } catch (error) {
      // Its owner may have been faster.
      if (codeOf(error) !== 'ENOENT') this.#options.onFault(error);
    }
  }

  /** Random, so that nobody guesses it, and FreeSWITCH's log says nothing. */
  #newName(): string {
    const random = randomBytes(16).toString('hex');
    return `otp-${this.#instance}-${this.#pid}-${random}.${this.#options.extension}`;
  }

  /** A folder that is there already keeps its mode: it is its operator's. */
  async #make(): Promise<void> {
    const mode = this.#options.groupMode === undefined ? 0o700 : 0o750;
    const made = await mkdir(this.path, { recursive: true, mode });
    if (made === undefined) return;
    // The umask may have taken the group's rights away; which group it is may come from the folder above.
    const { mode: given } = await lstat(this.path);
    await chmod(this.path, (given & 0o2000) | mode);
  }

  /** All of the file, or none of it. */
  async #create(name: string, bytes: Uint8Array): Promise<void> {
    const path = this.pathOf(name);
    // `wx` takes neither a file nor a link that is there already.
    const file = await open(path, 'wx', 0o600);
    try {
      try {
        await file.writeFile(bytes);
        if (this.#options.groupMode !== undefined) await file.chmod(this.#options.groupMode);
      } finally {
        await file.close();
      }
    } catch (error) {
      await unlink(path).catch(this.#options.onFault);
      throw error;
    }
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOENT: 'the folder is gone',
  ENOTDIR: 'a part of the path is not a folder',
  EEXIST: 'it is not a folder',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
};

/** Why the system refused it, for people. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  const known = code === undefined ? undefined : REASONS[code];
  if (known !== undefined) return `${known} (${code})`;
  return error instanceof Error ? error.message : String(error);
}
