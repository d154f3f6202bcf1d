import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, rename, unlink, utimes } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Pcm } from '../media/pcm.ts';
import { codeOf, isAlive } from '../system.ts';
import { clipFileName, formatClipFile, parseClipFile } from './clip-file.ts';

export interface ClipCacheOptions {
  /** Made where it does not exist. Several processes may share it. */
  readonly folder: string;
  /**
   * Of all clips together; files of others in the folder do not count. A clip that another process has replaced by
   * a longer one counts with its old length for up to 100 writes.
   */
  readonly maxBytes: number;
  /** Epoch ms; of days only. */
  readonly now: () => number;
  /** The disk does not do what it should. For people, and at most once a minute; no clip is named. */
  readonly onFault: (error: Error) => void;
}

interface KnownFile {
  readonly bytes: number;
  /** Of its last use, since 1970. */
  readonly day: number;
}

const DAY_MS = 86_400_000;
const FAULT_INTERVAL_MS = 60_000;
/** A writer needs milliseconds: an older temporary file is nobody's, even where another process has its number. */
const TEMPORARY_MS = 3_600_000;
/** Clips that wait for a slow disk; what is more is not kept. */
const MAX_WAITING_BYTES = 32_000_000;
/** How full the folder is after an eviction: it reads the state of every file, so it must not come each time. */
const EVICTED_SHARE = 0.9;
/** Others may have replaced a file by one of another length: so often all are looked at anew. */
const WRITES_PER_SURVEY = 100;
/** More than all processes write between two looks of one. Where so much is free, nobody has to look closely. */
const PLENTY_BYTES = 32_000_000;

const CLIP_NAME = /^[0-9a-f]{64}\.wav$/;
const TEMPORARY_NAME = /^[0-9a-f]{64}\.wav\.tmp-(\d{1,10})-[0-9a-f]{16}$/;
/** Neither links nor pipes are ours. And no time of reading may be written: it would tell which digits were read. */
const READ_FLAGS =
  constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0) | (constants.O_NOATIME ?? 0);

/** Names of temporary files that this process is writing, in whatever folder. */
const beingWritten = new Set<string>();

/**
 * Clips on disk, least recently used evicted first. Nothing that a disk does makes a method reject: a clip that
 * cannot be read is a miss, one that cannot be written is not kept.
 *
 * When a digit was said is nobody's business: of a clip's use only the day is written, after that day is over and
 * for all clips at once, by name. Not even the time at which the file system saw the change (ctime) tells more. A
 * process that ends before its day does leaves no note of it.
 */
export class ClipCache {
  readonly #options: ClipCacheOptions;
  readonly #folder: string;
  /** Clip files that were there when last looked at. */
  readonly #known = new Map<string, KnownFile>();
  /** When the folder was changed last, as far as it is known here. */
  #folderTime: number | undefined;
  /** Names of the clips used on `#notedDay`. */
  #noted = new Set<string>();
  #notedDay: number;
  #waitingBytes = 0;
  #writes = 0;
  #writing: Promise<void> = Promise.resolve();
  #lastFaultAt: number | undefined;
  #closed = false;

  constructor(options: ClipCacheOptions) {
    this.#options = options;
    this.#folder = resolve(options.folder);
    this.#notedDay = this.#today();
  }

  /** Makes the folder, removes what killed writers left, and evicts what is too much. A fault is told, not thrown. */
  open(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#make();
      await this.#sweep();
      await this.#makeRoom(0);
    });
  }

  /** What was put under this key, if it is there and whole; what is broken is removed. */
  async get(key: string): Promise<Pcm | undefined> {
    if (this.#closed) return undefined;
    const name = clipFileName(key);
    try {
      const bytes = await this.#read(name);
      if (bytes === undefined) return undefined;
      const pcm = parseClipFile(name, bytes);
      if (pcm === undefined) await this.#remove(name);
      else this.#note(name);
      return pcm;
    } catch (error) {
      // Not there; or another process was faster to remove it; or something that is not ours has this name.
      if (!isGone(error) && codeOf(error) !== 'ELOOP') this.#fault('read from', error);
      return undefined;
    }
  }

  /** Keeps a clip; at least one sample. Resolves when it is there or cannot be kept. */
  async put(key: string, pcm: Pcm): Promise<void> {
    if (this.#closed || pcm.samples.length === 0) return;
    const name = clipFileName(key);
    const bytes = formatClipFile(name, pcm);
    if (bytes.length > this.#options.maxBytes) return;
    if (this.#waitingBytes + bytes.length > MAX_WAITING_BYTES) {
      return this.#fault('written to', new Error('the disk is too slow'));
    }
    this.#waitingBytes += bytes.length;
    await this.#inTurn(() => this.#write(name, bytes));
    this.#waitingBytes -= bytes.length;
  }

  /** The clip of this key was used from memory: it is as recently used as one that was read. */
  noteUse(key: string): void {
    if (!this.#closed) this.#note(clipFileName(key));
  }

  /** Writes what waits. Afterwards nothing is found and nothing kept. */
  async close(): Promise<void> {
    if (!this.#closed) this.#turnDay();
    this.#closed = true;
    await this.#writing;
  }

  #today(): number {
    return Math.floor(this.#options.now() / DAY_MS);
  }

  /** One after the other, in the order in which they were asked for. */
  #inTurn(task: () => Promise<void>): Promise<void> {
    this.#writing = this.#writing.then(task).catch((error: unknown) => this.#fault('written to', error));
    return this.#writing;
  }

  /** The system's own errors name the file, and who knows the key of a digit would know the digit. */
  #fault(doing: 'read from' | 'written to', error: unknown): void {
    const now = this.#options.now();
    const last = this.#lastFaultAt;
    if (last !== undefined && now >= last && now - last < FAULT_INTERVAL_MS) return;
    this.#lastFaultAt = now;
    const reason = codeOf(error) ?? (error instanceof Error ? error.message : 'unknown');
    this.#options.onFault(new Error(`clips cannot be ${doing} ${this.#folder}: ${reason}`));
  }

  /** A folder that is there already keeps its mode: it is its operator's. */
  async #make(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  async #read(name: string): Promise<Uint8Array | undefined> {
    const file = await open(join(this.#folder, name), READ_FLAGS);
    try {
      const found = await file.stat();
      if (!found.isFile() || found.size > this.#options.maxBytes) return undefined;
      return await file.readFile();
    } finally {
      await file.close();
    }
  }

  /** All of the file or none of it is seen under its name. */
  async #write(name: string, bytes: Uint8Array): Promise<void> {
    await this.#makeRoom(bytes.length);
    const temporaryName = `${name}.tmp-${process.pid}-${randomBytes(8).toString('hex')}`;
    const temporary = join(this.#folder, temporaryName);
    beingWritten.add(temporaryName);
    try {
      await this.#fill(temporary, bytes);
      await rename(temporary, join(this.#folder, name));
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw error;
    } finally {
      beingWritten.delete(temporaryName);
    }
    this.#known.set(name, { bytes: bytes.length, day: this.#today() });
    if (++this.#writes % WRITES_PER_SURVEY === 0) this.#forgetAll();
    // Another process may have taken the same room in the meantime: whoever comes last sees all.
    else if (this.#total() + PLENTY_BYTES > this.#options.maxBytes) await this.#makeRoom(0, name);
    else this.#folderTime = await this.#timeOfFolder();
  }

  async #fill(path: string, bytes: Uint8Array): Promise<void> {
    const file = await this.#create(path);
    try {
      await file.writeFile(bytes);
      const day = secondsOf(this.#today());
      await file.utimes(day, day);
    } finally {
      await file.close();
    }
  }

  /** `wx` takes neither a file nor a link that is there already. A folder that was removed is made again. */
  #create(path: string): Promise<FileHandle> {
    return open(path, 'wx', 0o600).catch(async (error: unknown) => {
      if (!isGone(error)) throw error;
      await this.#make();
      return open(path, 'wx', 0o600);
    });
  }

  /**
   * Evicts until so many bytes fit in; `kept` stays. Clips of one day go by name, so that what is missing tells
   * nothing of what was used together, and processes that evict at once choose the same ones.
   *
   * @throws where clips cannot be removed
   */
  async #makeRoom(bytes: number, kept?: string): Promise<void> {
    const { maxBytes } = this.#options;
    const changed = (await this.#timeOfFolder()) !== this.#folderTime;
    if (changed || kept !== undefined) await this.#survey();
    if (this.#total() + bytes <= maxBytes) return;
    // Others may have noted uses.
    this.#forgetAll();
    await this.#survey();
    let total = this.#total();
    const goal = Math.max(maxBytes * EVICTED_SHARE, bytes);
    for (const [name, file] of this.#oldestFirst()) {
      if (total + bytes <= goal) return;
      if (name === kept) continue;
      await this.#remove(name);
      total -= file.bytes;
    }
    // A clip that is alone and fits in stays, however large it is.
  }

  #oldestFirst(): [string, KnownFile][] {
    const today = this.#today();
    const lastUse = (name: string, { day }: KnownFile): number => {
      const noted = this.#noted.has(name) ? Math.max(day, this.#notedDay) : day;
      // A day that has not come yet is a wrong clock's. Tomorrow may be that of a neighbour's clock.
      return noted > today + 1 ? 0 : noted;
    };
    return [...this.#known].toSorted(
      ([a, fileA], [b, fileB]) => lastUse(a, fileA) - lastUse(b, fileB) || (a < b ? -1 : 1),
    );
  }

  #total(): number {
    let total = 0;
    for (const { bytes } of this.#known.values()) total += bytes;
    return total;
  }

  #forgetAll(): void {
    this.#known.clear();
    this.#folderTime = undefined;
  }

  /** Changed by each file that comes or goes, whoever does it. */
  async #timeOfFolder(): Promise<number | undefined> {
    return (await this.#look('.'))?.mtimeMs;
  }

  /** Brings `#known` up to date. */
  async #survey(): Promise<void> {
    this.#folderTime = await this.#timeOfFolder();
    const present = new Set((await this.#names()).filter((name) => CLIP_NAME.test(name)));
    for (const name of this.#known.keys()) if (!present.has(name)) this.#known.delete(name);
    const unknown = [...present].filter((name) => !this.#known.has(name));
    const found = await Promise.all(unknown.map((name) => this.#look(name)));
    for (const [index, name] of unknown.entries()) {
      const stats = found[index];
      if (stats?.isFile()) this.#known.set(name, { bytes: stats.size, day: dayOf(stats) });
    }
  }

  async #names(): Promise<string[]> {
    return readdir(this.#folder).catch((error: unknown) => {
      if (isGone(error)) return [];
      throw error;
    });
  }

  /** Undefined where there is nothing of this name any more. */
  async #look(name: string): Promise<Stats | undefined> {
    return lstat(join(this.#folder, name)).catch((error: unknown) => {
      if (isGone(error)) return undefined;
      throw error;
    });
  }

  async #remove(name: string): Promise<void> {
    await unlink(join(this.#folder, name)).catch((error: unknown) => {
      if (!isGone(error)) throw error;
    });
    this.#known.delete(name);
  }

  /** Temporary files of writers that are gone. */
  async #sweep(): Promise<void> {
    for (const name of await this.#names()) {
      const pid = TEMPORARY_NAME.exec(name)?.[1];
      if (pid === undefined) continue;
      const found = await this.#look(name);
      if (!found?.isFile()) continue;
      // Its mtime may be a whole day; what the file system saw is not.
      const old = Date.now() - found.ctimeMs > TEMPORARY_MS;
      // What has our number may be of an earlier process, before a container was started anew.
      const alive = Number(pid) === process.pid ? beingWritten.has(name) : isAlive(Number(pid));
      if (old || !alive) await this.#remove(name);
    }
  }

  #note(name: string): void {
    this.#turnDay();
    this.#noted.add(name);
  }

  /** Writes the notes of a day that is over. A clock that was set back ends a day too. */
  #turnDay(): void {
    const today = this.#today();
    const day = this.#notedDay;
    if (today === day) return;
    const names = [...this.#noted].toSorted();
    this.#notedDay = today;
    this.#noted = new Set();
    void this.#inTurn(async () => {
      for (const name of names) await this.#touch(name, day);
      await this.#sweep();
    });
  }

  async #touch(name: string, day: number): Promise<void> {
    const found = await this.#look(name);
    if (!found?.isFile() || (dayOf(found) >= day && dayOf(found) <= this.#today() + 1)) return;
    await utimes(join(this.#folder, name), secondsOf(day), secondsOf(day)).catch((error: unknown) => {
      if (!isGone(error)) throw error;
    });
  }
}

function dayOf({ mtimeMs }: Stats): number {
  return Math.floor(mtimeMs / DAY_MS);
}

function secondsOf(day: number): number {
  return (day * DAY_MS) / 1000;
}

/** The file, or the folder itself. */
function isGone(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}
