import { read } from 'node:fs';
import { join } from 'node:path';
import type { ListenFile, ListenFolder } from './listen-folder.ts';
import type { Allocated } from './servers.ts';
import { reasonOf } from './shared-folder.ts';

export interface RecordingOptions {
  readonly at: Allocated;
  readonly folder: ListenFolder;
  /** Whether something has to come: FreeSWITCH writes silence where no RTP comes, but nothing on hold. */
  readonly expects: () => boolean;
  /** What was heard next, at 8000 Hz; to be read at once, the memory is used again. */
  readonly onSamples: (samples: Int16Array) => void;
  /** It does not begin, or does not go on; once, and not after `close`. */
  readonly onStopped: (detail: string) => void;
}

/** Longer than the two packets of 20 ms that FreeSWITCH may be late. */
const TICK_MS = 40;
const BYTES_PER_SAMPLE = 2;
/** Half a second of sound in one read: what has piled up, FreeSWITCH's first half second among it, is soon read. */
const READ_SAMPLES = 4096;
/** What was read, or is not wanted, is given back so often: a second of sound is 16 kB. */
const CUT_MS = 4000;
/** FreeSWITCH writes nothing in the first half second, and everything then. */
const STALL_MS = 2500;

/**
 * What one endpoint hears, by way of a file that FreeSWITCH writes and we read at the same time. The file has no name
 * from the moment that both have it open, and holds some seconds at most: it is cut off at its begin while it grows
 * at its end. What FreeSWITCH writes just then is lost, and reads as 20 ms of silence.
 */
export class Recording {
  readonly #options: RecordingOptions;
  readonly #samples = new Int16Array(READ_SAMPLES);
  readonly #bytes = new Uint8Array(this.#samples.buffer);
  #starting: Promise<void> = Promise.resolve();
  #file: ListenFile | undefined;
  /** Of the file, as FreeSWITCH sees it. */
  #path = '';
  /** Of the next byte to be read; until `listen`, all that was written so far. */
  #position = 0;
  #ticking: NodeJS.Timeout | undefined;
  #grownMs = 0;
  #cutMs = 0;
  #wanted = false;
  #reading = false;
  #closed = false;
  #closing: Promise<void> | undefined;
  #markRead: () => void = () => {};

  constructor(options: RecordingOptions) {
    this.#options = options;
  }

  /** Begins to record; nothing is passed on before `listen`. To be called once. */
  start(): void {
    this.#starting = this.#start().catch((error: unknown) => this.#stopped(reasonOf(error)));
  }

  /** Passes on what comes from now on. */
  listen(): void {
    this.#wanted = true;
    const file = this.#file;
    // Where it has not begun yet, `start` goes on with it.
    if (file === undefined || this.#ticking === undefined || this.#closed) return;
    this.#begin(file).catch((error: unknown) => this.#stopped(reasonOf(error)));
  }

  /** Has the endpoint record no more, where that lives on. Never rejects. */
  async stop(): Promise<void> {
    await this.close();
    await this.#options.at.endpoint.stopRecording(this.#path).catch(() => undefined);
  }

  /** Lets go of the file. Never rejects. */
  close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#ticking);
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#starting;
    // A descriptor that is closed while it is read from may be another file by then.
    if (this.#reading)
      await new Promise<void>((resolve) => {
        this.#markRead = resolve;
      });
    await this.#file?.close();
  }

  async #start(): Promise<void> {
    const file = await this.#options.folder.make();
    this.#file = file;
    if (this.#closed) return file.unlink();
    await this.#record(file);
    if (this.#closed) return;
    if (this.#wanted) await this.#begin(file);
    else this.#ticking = setInterval(() => void this.#discard(file), CUT_MS);
  }

  async #record(file: ListenFile): Promise<void> {
    const { endpoint, server } = this.#options.at;
    this.#path = server.listenFolder === undefined ? file.path : join(server.listenFolder, file.name);
    try {
      await endpoint.record(this.#path);
    } catch (error) {
      // It may have begun all the same.
      await endpoint.stopRecording(this.#path).catch(() => undefined);
      throw error;
    } finally {
      await file.unlink();
    }
  }

  async #begin(file: ListenFile): Promise<void> {
    clearInterval(this.#ticking);
    const { size } = await file.handle.stat();
    if (this.#closed) return;
    this.#position = Math.max(this.#position, size);
    this.#grownMs = this.#cutMs = performance.now();
    this.#ticking = setInterval(() => this.#tick(file), TICK_MS);
  }

  /** A phone may ring for minutes. */
  async #discard(file: ListenFile): Promise<void> {
    try {
      const { size } = await file.handle.stat();
      this.#position = Math.max(this.#position, size);
      await this.#cut(file);
    } catch (error) {
      this.#stopped(reasonOf(error));
    }
  }

  /** The rest of the file is where it was: what lies before it is a hole, which takes no room. */
  async #cut(file: ListenFile): Promise<void> {
    if (!this.#closed) await file.handle.truncate(0);
  }

  #tick(file: ListenFile): void {
    if (this.#reading) return;
    this.#reading = true;
    const bytes = this.#bytes;
    // Five times cheaper than the method of the handle.
    read(file.handle.fd, bytes, 0, bytes.length, this.#position, (error, length) => {
      this.#reading = false;
      if (this.#closed) return this.#markRead();
      if (error !== null) return this.#stopped(reasonOf(error));
      this.#take(file, Math.floor(length / BYTES_PER_SAMPLE));
    });
  }

  #take(file: ListenFile, samples: number): void {
    const nowMs = performance.now();
    if (samples > 0) {
      this.#position += samples * BYTES_PER_SAMPLE;
      this.#grownMs = nowMs;
      this.#options.onSamples(this.#samples.subarray(0, samples));
    } else if (!this.#options.expects()) this.#grownMs = nowMs;
    else if (nowMs - this.#grownMs > STALL_MS) return this.#stopped('FreeSWITCH writes nothing');
    if (samples === READ_SAMPLES || nowMs - this.#cutMs < CUT_MS) return;
    this.#cutMs = nowMs;
    this.#cut(file).catch((error: unknown) => this.#stopped(reasonOf(error)));
  }

  #stopped(detail: string): void {
    if (this.#closed) return;
    void this.close();
    this.#options.onStopped(detail);
  }
}
