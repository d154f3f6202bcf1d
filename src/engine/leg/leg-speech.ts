import type { GateTerms } from '../engine.ts';
import { Gate } from './gate.ts';
import { KeyPresses, type KeyWay } from './key-presses.ts';
import type { LegProgress } from './leg-progress.ts';

/** What can be said in a leg. */
export type Said = 'ask' | 'prompt';

export interface LegSpeechOptions {
  readonly gate: GateTerms | undefined;
  /** See LegTimeouts. */
  readonly lingerMs: number;
  readonly progress: LegProgress;
  /** Says it from its beginning, at once, in place of what is being said. */
  readonly say: (what: Said) => void;
  readonly hangUp: (why: 'prompt_finished' | 'no_key') => void;
}

/**
 * What the callee of an answered leg hears, and when: the prompt, or a gate's question and, for the right keys, the
 * prompt. It tells the keys and what comes of them; its timers are those of the leg's progress.
 */
export class LegSpeech {
  readonly #options: LegSpeechOptions;
  readonly #gate: Gate | undefined;
  readonly #presses = new KeyPresses();
  #state: 'before' | 'on' | 'over' = 'before';

  constructor(options: LegSpeechOptions) {
    this.#options = options;
    this.#gate = options.gate === undefined ? undefined : new Gate(options.gate);
  }

  /** The call is answered: what is to be said first. */
  begin(): Said {
    this.#state = 'on';
    return this.#gate === undefined ? 'prompt' : 'ask';
  }

  /** What was said last is said to its end. Not for speech in whose place something else was said. */
  finished(): void {
    if (this.#state !== 'on') return;
    const { gate, lingerMs, progress, hangUp } = this.#options;
    if (gate !== undefined && this.#gate?.open === false) {
      progress.timers.start('wait', gate.waitMs, () => this.#waited());
      return;
    }
    progress.tell({ type: 'prompt_finished' });
    progress.timers.start('linger', lingerMs, () => hangUp('prompt_finished'));
  }

  /** A key was pressed; it is told and counts once, though it may come in two ways. */
  key(digit: string, durationMs: number, way: KeyWay): void {
    const { progress, say } = this.#options;
    if (!this.#presses.isNew(digit, way, durationMs, performance.now())) return;
    progress.tell({ type: 'dtmf', digit, durationMs });
    const effect = this.#state === 'on' ? this.#gate?.press(digit) : 'nothing';
    if (effect === undefined || effect === 'nothing') return;
    progress.timers.stop('wait');
    progress.timers.stop('linger');
    if (effect === 'opens') progress.tell({ type: 'gate_opened' });
    say('prompt');
  }

  /** The leg ends: nothing is said any more, whatever is pressed. */
  close(): void {
    this.#state = 'over';
  }

  #waited(): void {
    if (this.#gate?.waited() === 'ask') this.#options.say('ask');
    else this.#options.hangUp('no_key');
  }
}
