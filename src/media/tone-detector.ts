import { isTonePair, pureToneHz, TONE_WINDOW } from './pure-tone.ts';

/** Audio of one call of `push`. */
const FRAME_MS = 10;
const WINDOW_MS = TONE_WINDOW / 8;
/** Windows with less than this of the tone in them are no longer pure. */
const EDGE_MS = 5;
/** Steady: what a whistle or a voice cannot hold. */
const DRIFT_HZ = 8;
const DRIFT_SHARE = 0.015;
/** A lost packet of 20 ms spoils every window that it lies in. */
const BRIDGED_MS = 60;

/** A tone, or a pair of tones, from its beginning to its end. Times are of the audio that was pushed. */
export interface Tone {
  /** Undefined for a pair. */
  readonly hz: number | undefined;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

/** Finds steady tones in audio that comes frame by frame, each of 10 ms. */
export class ToneDetector {
  #nowMs = 0;
  #window = new Float64Array(TONE_WINDOW);
  #hz: number | undefined;
  #startedAtMs = 0;
  /** When it was last heard; undefined while there is none. */
  #heardAtMs: number | undefined;

  /** Whether this frame is part of a tone, be it ever so short. */
  get heard(): boolean {
    return this.#heardAtMs === this.#nowMs;
  }

  /** The tone that sounds or may go on behind a gap, as long as it is by now. */
  get current(): Tone | undefined {
    if (this.#heardAtMs === undefined) return undefined;
    return { hz: this.#hz, startedAtMs: this.#startedAtMs, endedAtMs: this.#heardAtMs };
  }

  /**
   * Takes 80 samples at 8000 Hz without a constant; a frame that is not `loud` holds no tone.
   *
   * @returns the tone that is known to be over since this frame; it ended 60 ms ago, or another one began
   */
  push(frame: Float64Array, loud: boolean): Tone | undefined {
    this.#nowMs += FRAME_MS;
    this.#window.copyWithin(0, frame.length);
    this.#window.set(frame, TONE_WINDOW - frame.length);
    const hz = loud ? pureToneHz(this.#window) : undefined;
    if (hz === undefined && !(loud && isTonePair(this.#window))) {
      if (this.#heardAtMs === undefined || this.#nowMs - this.#heardAtMs <= BRIDGED_MS) return undefined;
      return this.#end();
    }
    const over = this.#goesOn(hz) ? undefined : this.#end();
    if (this.#heardAtMs === undefined) {
      this.#hz = hz;
      this.#startedAtMs = Math.max(0, this.#nowMs - WINDOW_MS + EDGE_MS);
    }
    this.#heardAtMs = this.#nowMs;
    return over;
  }

  #goesOn(hz: number | undefined): boolean {
    if (hz === undefined || this.#hz === undefined) return hz === this.#hz;
    return Math.abs(hz - this.#hz) <= Math.max(DRIFT_HZ, DRIFT_SHARE * this.#hz);
  }

  #end(): Tone | undefined {
    const tone = this.current;
    this.#heardAtMs = undefined;
    return tone;
  }
}
