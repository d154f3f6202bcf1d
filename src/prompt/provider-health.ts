import type { PromptFault } from './prompt-error.ts';

export interface ProviderHealthOptions {
  /** Epoch ms. */
  readonly now: () => number;
  /** How long a provider rests when it has become unhealthy; twice as long after each probe that fails. */
  readonly firstRestMs: number;
  readonly longestRestMs: number;
  /** After each change of `healthy`. */
  readonly onChange: () => void;
}

/** Permission for one request; its outcome is told by the same object. */
export interface Pass {
  readonly probe: boolean;
}

/** So many in a row: one may be the network's, or the text's. */
const FAILURES = 3;

/**
 * Whether a provider is of use: unhealthy before its start and after three failures in a row. Then nobody waits for
 * it any more, but for one request at a time after each rest.
 */
export class ProviderHealth {
  readonly #options: ProviderHealthOptions;
  #healthy = false;
  #since: number;
  #lastFault: PromptFault | undefined;
  #failures = 0;
  /** The length of the last rest since it was healthy; 0 where there was none. */
  #restMs = 0;
  #restUntil = 0;
  #probe: Pass | undefined;

  constructor(options: ProviderHealthOptions) {
    this.#options = options;
    this.#since = options.now();
  }

  get healthy(): boolean {
    return this.#healthy;
  }

  /** Of the last change of `healthy`, epoch ms. */
  get since(): number {
    return this.#since;
  }

  /** The last failure, also of a provider that is healthy again. */
  get lastFault(): PromptFault | undefined {
    return this.#lastFault;
  }

  /** How long no probe is let through; 0 when one is. */
  restsMs(): number {
    if (this.#healthy) return 0;
    const now = this.#options.now();
    // The clock was set back: the rest begins anew, and is no longer than it was.
    if (this.#restUntil - now > this.#restMs) this.#restUntil = now + this.#restMs;
    return Math.max(0, this.#restUntil - now);
  }

  /** Whether a request would be refused now. */
  refuses(): boolean {
    return !this.#healthy && (this.#probe !== undefined || this.restsMs() > 0);
  }

  /** Lets a request through, or does not. Whoever gets a pass tells what came of it. */
  admit(): Pass | undefined {
    if (this.refuses()) return undefined;
    const pass: Pass = { probe: !this.#healthy };
    if (pass.probe) this.#probe = pass;
    return pass;
  }

  /** Whether one more failure would make it unhealthy. */
  get wavers(): boolean {
    return this.#healthy && this.#failures === FAILURES - 1;
  }

  succeeded(pass: Pass): void {
    this.left(pass);
    this.#failures = 0;
    if (this.#healthy) return;
    this.#restMs = 0;
    this.#turn(true);
  }

  failed(pass: Pass, fault: PromptFault): void {
    const probed = pass === this.#probe;
    this.left(pass);
    this.#lastFault = fault;
    if (this.#healthy) {
      this.#failures++;
      if (this.#failures < FAILURES) return;
      this.#rest();
      this.#turn(false);
    } else if (probed) {
      // Stragglers that were let through in better days do not make it worse.
      this.#rest();
    }
  }

  /** Neither good nor bad: the request was given up, or the fault is the client's. */
  left(pass: Pass): void {
    if (pass === this.#probe) this.#probe = undefined;
  }

  #rest(): void {
    const { firstRestMs, longestRestMs } = this.#options;
    this.#restMs = this.#restMs === 0 ? firstRestMs : Math.min(this.#restMs * 2, longestRestMs);
    this.#restUntil = this.#options.now() + this.#restMs;
  }

  #turn(healthy: boolean): void {
    this.#healthy = healthy;
    this.#since = this.#options.now();
    this.#options.onChange();
  }
}
