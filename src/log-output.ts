import { writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';

/** What waits for a reader that is slow; lines beyond it are lost. */
const WAITING_BYTES = 1_000_000;
const AGAIN_MS = 50;

/**
 * A file descriptor that log lines go to. A log that cannot be written must stop no call and no process: what a full
 * disk or a closed pipe does not take is lost, what a slow reader does not take yet waits. pino's own destination
 * throws there, or tries for ever while the process ends.
 */
export class LogOutput implements DestinationStream {
  readonly #fd: number;
  #waiting: Buffer = Buffer.alloc(0);
  #timer: NodeJS.Timeout | undefined;

  constructor(fd: number) {
    this.#fd = fd;
    process.once('exit', () => this.#write());
  }

  write(line: string): void {
    if (this.#waiting.length < WAITING_BYTES)
      this.#waiting = Buffer.concat([this.#waiting, Buffer.from(line)]);
    if (this.#timer === undefined) this.#write();
  }

  #write(): void {
    this.#timer = undefined;
    try {
      while (this.#waiting.length > 0) {
        this.#waiting = this.#waiting.subarray(writeSync(this.#fd, this.#waiting));
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        this.#timer = setTimeout(() => this.#write(), AGAIN_MS).unref();
      } else this.#waiting = Buffer.alloc(0);
    }
  }
}
