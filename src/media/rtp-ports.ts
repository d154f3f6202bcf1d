/**
 * What an offer names where no media is wanted: RFC 3264 has no way to say so in a call that is to ring, since port 0
 * rejects the stream. No call of ours is ever given it, nobody listens there, and systems that choose ports by themselves
 * hardly come so far (Linux ends at 60999). What is sent to it comes to nobody.
 */
export const NOBODYS_PORT = 65_534;

/**
 * The pairs of a port range: an even port for RTP and the odd one above it for RTCP (RFC 3550 §11). They are given out
 * in a random order, which makes the next port hard to guess, and one that comes back rests for a while, so that late
 * packets of its last call do not reach the next one. Times are milliseconds of any one clock.
 */
export class RtpPorts {
  readonly #drainMs: number;
  readonly #free: number[] = [];
  /** In the order of their release. */
  readonly #draining: { readonly port: number; readonly until: number }[] = [];
  readonly #taken = new Set<number>();

  /** `min` and `max` are the first and the last port that may be used, 1 to 65535; `random` gives 0 to below 1. */
  constructor(min: number, max: number, drainMs: number, random: () => number) {
    if (!(Number.isInteger(min) && Number.isInteger(max) && min >= 1 && max <= 65_535)) {
      throw new RangeError('RTP ports are whole numbers from 1 to 65535.');
    }
    this.#drainMs = drainMs;
    for (let port = min + (min % 2); port < max && port !== NOBODYS_PORT; port += 2) this.#free.push(port);
    if (this.#free.length === 0)
      throw new RangeError('The RTP port range has no pair of an even and an odd port.');
    for (let index = this.#free.length - 1; index > 0; index--) {
      const other = Math.floor(random() * (index + 1));
      const port = this.#free[index] ?? 0;
      this.#free[index] = this.#free[other] ?? 0;
      this.#free[other] = port;
    }
  }

  /** The even port of a pair, or undefined when all are taken or resting. */
  take(nowMs: number): number | undefined {
    this.#wake(nowMs);
    const port = this.#free.shift();
    if (port !== undefined) this.#taken.add(port);
    return port;
  }

  /** Gives a pair back, after a call or because the operating system refused it; it rests first. */
  release(port: number, nowMs: number): void {
    if (!this.#taken.delete(port)) return;
    this.#draining.push({ port, until: nowMs + this.#drainMs });
  }

  /** Pairs that `take` could give now. */
  available(nowMs: number): number {
    this.#wake(nowMs);
    return this.#free.length;
  }

  #wake(nowMs: number): void {
    for (let first = this.#draining[0]; first && first.until <= nowMs; first = this.#draining[0]) {
      this.#draining.shift();
      this.#free.push(first.port);
    }
  }
}
