import { createHash, randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, open, readdir, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { joined, type Speech, speechMs } from '../../media/speech.ts';
import { formatWav } from '../../media/wav.ts';
import { codeOf, isAlive } from '../../system.ts';

export interface PromptFolderOptions {
  /** Made where it does not exist; best a tmpfs, since the files hold codes as sound. */
  readonly folder: string;
  /** Mode 0640 instead of 0600, for a FreeSWITCH that runs as another user of the same group. */
  readonly groupReadable: boolean;
  /** Files of others that are older are taken for left behind; longer than any call. */
  readonly maxAgeMs: number;
  /** A file that cannot be removed, at once or by a sweep. */
  readonly onFault: (error: unknown) => void;
  /** Tells this host from others that share the folder, and is the same after a restart; its name if not given. */
  readonly instance?: string;
  /** Of this process, if not given. */
  readonly pid?: number;
}

/** What is to be heard in one call, as a file. */
export interface PromptFile {
  /** `otp-<instance>-<pid>-<random>.wav`; it says nothing of what the file holds. */
  readonly name: string;
  /** Absolute, as this process sees it. */
  readonly path: string;
  readonly durationMs: number;
  /** Never rejects, and may be called again. */
  remove(): Promise<void>;
}

const NAME = /^otp-([0-9a-f]{12})-(\d{1,10})-[0-9a-f]{32}\.wav$/;

/**
 * The folder that FreeSWITCH reads prompts from. A file is there from `write` to its `remove`; what a process
 * that died left behind goes when the next one on this host opens the folder. Several processes may share it, on
 * one host or on several.
 */
export class PromptFolder {
  readonly #folder: string;
  readonly #options: PromptFolderOptions;
  readonly #instance: string;
  readonly #pid: number;
  /** Names of files that are there or being written. */
  readonly #held = new Set<string>();

  constructor(options: PromptFolderOptions) {
    this.#options = options;
    this.#folder = resolve(options.folder);
    this.#pid = options.pid ?? process.pid;
    this.#instance = createHash('sha256')
      .update(options.instance ?? hostname())
      .digest('hex')
      .slice(0, 12);
  }

  /** Makes the folder ready and sweeps it. Rejects where nothing can be written there. */
  async open(): Promise<void> {
    const probe = this.#newName();
    let nowMs: number;
    try {
      await this.#make();
      await this.#create(probe, new Uint8Array(1));
      // The file system's clock, which dated the files too: ours may differ from it.
      nowMs = (await lstat(join(this.#folder, probe))).mtimeMs;
      await unlink(join(this.#folder, probe));
    } catch (error) {
      throw new Error(`prompts cannot be written to ${this.#folder}: ${reasonOf(error)}`, { cause: error });
    }
    await this.sweep(nowMs);
  }

  /**
   * Writes a 16-bit mono WAV file, complete when this resolves. A folder that was removed is made again.
   * Rejects with an Error for people, and nothing is left of the file.
   */
  async write(speech: Speech): Promise<PromptFile> {
    const name = this.#newName();
    const path = join(this.#folder, name);
    const wav = formatWav(joined(speech));
    this.#held.add(name);
    try {
      await this.#create(name, wav).catch(async (error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error;
        await this.#make();
        await this.#create(name, wav);
      });
    } catch (error) {
      this.#held.delete(name);
      throw new Error(`a prompt cannot be written to ${this.#folder}: ${reasonOf(error)}`, { cause: error });
    }
    return { name, path, durationMs: speechMs(speech), remove: () => this.#remove(name) };
  }

  /** Files that are written, or being written, and not removed. */
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
      for (const name of await readdir(this.#folder)) {
        const [, instance, pid] = NAME.exec(name) ?? [];
        if (instance === undefined || this.#held.has(name)) continue;
        const orphaned = instance === this.#instance && (Number(pid) === this.#pid || !isAlive(Number(pid)));
        await this.#sweepOne(name, orphaned, nowMs);
      }
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  async #sweepOne(name: string, orphaned: boolean, nowMs: number): Promise<void> {
    const path = join(this.#folder, name);
    try {
      const found = await lstat(path);
      const old = nowMs - found.mtimeMs > this.#options.maxAgeMs;
      if (found.isFile() && (old || orphaned)) await unlink(path);
    } catch (error) {
      // Its owner may have been faster.
      if (codeOf(error) !== 'ENOENT') this.#options.onFault(error);
    }
  }

  /** Random, so that nobody guesses it, and FreeSWITCH's log says nothing. */
  #newName(): string {
    return `otp-${this.#instance}-${this.#pid}-${randomBytes(16).toString('hex')}.wav`;
  }

  /** A folder that is there already keeps its mode: it is its operator's. */
  async #make(): Promise<void> {
    const mode = this.#options.groupReadable ? 0o750 : 0o700;
    const made = await mkdir(this.#folder, { recursive: true, mode });
    if (made === undefined) return;
    // The umask may have taken the group's rights away; which group it is may come from the folder above.
    const { mode: given } = await lstat(this.#folder);
    await chmod(this.#folder, (given & 0o2000) | mode);
  }

  /** All of the file, or none of it. */
  async #create(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.#folder, name);
    // `wx` takes neither a file nor a link that is there already.
    const file = await open(path, 'wx', 0o600);
    try {
      try {
        await file.writeFile(bytes);
        if (this.#options.groupReadable) await file.chmod(0o640);
      } finally {
        await file.close();
      }
    } catch (error) {
      await unlink(path).catch(this.#options.onFault);
      throw error;
    }
  }

  async #remove(name: string): Promise<void> {
    try {
      await unlink(join(this.#folder, name));
    } catch (error) {
      const code = codeOf(error);
      // ENOTDIR: the folder itself is gone, and something else has its name.
      if (code !== 'ENOENT' && code !== 'ENOTDIR') return this.#options.onFault(error);
    }
    this.#held.delete(name);
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

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  const known = code === undefined ? undefined : REASONS[code];
  if (known !== undefined) return `${known} (${code})`;
  return error instanceof Error ? error.message : String(error);
}
