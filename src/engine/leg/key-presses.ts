/** How a key came: as telephone-event (RFC 4733), or in SIP INFO. */
export type KeyWay = 'rtp' | 'info';

interface Counted {
  readonly key: string;
  readonly way: KeyWay;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Presses that come by both ways lie no further apart than this. */
const SAME_PRESS_MS = 500;
/** Longer than anybody holds a key down. */
const FORGOTTEN_MS = 60_000;

/** Counts a press once that the network tells in two ways. A key that comes twice in the same way is two presses. */
export class KeyPresses {
  /** Presses that came in one way so far. */
  #counted: Counted[] = [];

  /**
   * Whether the press is a new one. It is told when it is over, or when it begins, which is what some phones do in
   * SIP INFO: so the whole time that the key was down is compared.
   *
   * @param atMs of any one clock: when it was told; the key was down for `durationMs` before
   */
  isNew(key: string, way: KeyWay, durationMs: number, atMs: number): boolean {
    const press: Counted = { key, way, fromMs: atMs - durationMs, toMs: atMs };
    this.#counted = this.#counted.filter(({ toMs }) => toMs > atMs - FORGOTTEN_MS);
    const twin = this.#counted.find(
      (one) => one.key === key && one.way !== way && apartMs(one, press) <= SAME_PRESS_MS,
    );
    if (twin === undefined) this.#counted.push(press);
    else this.#counted = this.#counted.filter((one) => one !== twin);
    return twin === undefined;
  }
}

function apartMs(one: Counted, other: Counted): number {
  return Math.max(one.fromMs, other.fromMs) - Math.min(one.toMs, other.toMs);
}
