import type { AnswerFinding } from '../../media/answer-detector.ts';
import type { DetectionTerms, GateTerms, RepeatTerms } from '../engine.ts';
import { AnswerWatch } from './answer-watch.ts';
import { Gate } from './gate.ts';
import { KeyPresses, type KeyWay } from './key-presses.ts';
import type { LegProgress } from './leg-progress.ts';
import { RepeatKey } from './repeat-key.ts';

/** What can be said in a leg; `nothing` is silence that is sent, as after the prompt. */
export type Said = 'ask' | 'prompt' | 'nothing';

export interface LegSpeechOptions {
  readonly gate: GateTerms | undefined;
  readonly repeat?: RepeatTerms | undefined;
  /** Whoever sets it passes on what is found, to `finding`. */
  readonly detection?: DetectionTerms | undefined;
  /** See LegTimeouts. */
  readonly lingerMs: number;
  readonly progress: LegProgress;
  /** Says it from its beginning, at once, in place of what is being said. */
  readonly say: (what: Said) => void;
  readonly hangUp: (why: 'prompt_finished' | 'no_key' | 'machine') => void;
}

/**
 * What the callee of an answered leg hears, and when: the prompt, or a gate's question and, for the right keys, the
 * prompt; and where a machine may have answered, the prompt when that is settled. It tells the keys, who answered, and
 * what comes of them; its timers are those of the leg's progress.
 */
export class LegSpeech {
  readonly #options: LegSpeechOptions;
  readonly #gate: Gate | undefined;
  readonly #repeat: RepeatKey | undefined;
  readonly #answer: AnswerWatch | undefined;
  readonly #presses = new KeyPresses();
  #state: 'before' | 'on' | 'over' = 'before';
  /** What is being said now. */
  #saying: Said = 'nothing';

  constructor(options: LegSpeechOptions) {
    const { gate, repeat, detection } = options;
    this.#options = options;
    this.#gate = gate === undefined ? undefined : new Gate(gate);
    this.#repeat = repeat === undefined ? undefined : new RepeatKey(repeat);
    this.#answer = detection === undefined ? undefined : this.#watch(detection);
  }

  /** The call is answered: what is to be said first. Nothing, where the prompt waits for who answered. */
  begin(): Said {
    this.#state = 'on';
    this.#answer?.begin();
    if (this.#gate !== undefined) this.#saying = 'ask';
    else if (this.#answer?.waiting !== true) this.#saying = 'prompt';
    return this.#saying;
  }

  /** What was said last is said to its end. Not for speech in whose place something else was said. */
  finished(): void {
    const said = this.#saying;
    if (this.#state !== 'on' || said === 'nothing') return;
    this.#saying = 'nothing';
    if (said === 'ask') return this.#wait();
    const { lingerMs, progress, hangUp } = this.#options;
    progress.tell({ type: 'prompt_finished' });
    progress.timers.start('linger', lingerMs, () => hangUp('prompt_finished'));
  }

  /** A key was pressed; it is told and counts once, though it may come in two ways. */
  key(digit: string, durationMs: number, way: KeyWay): void {
    const { progress } = this.#options;
    if (!this.#presses.isNew(digit, way, durationMs, performance.now())) return;
    progress.tell({ type: 'dtmf', digit, durationMs });
    if (this.#state !== 'on') return;
    if (this.#gate?.open === false) this.#pressAt(this.#gate, digit);
    else if (this.#repeat !== undefined) this.#pressAgain(this.#repeat, digit);
  }

  /** What is heard says something of who answered. Only with detection, in the order in which it was found. */
  finding(finding: AnswerFinding): void {
    if (this.#state === 'on') this.#answer?.found(finding);
  }

  /** The leg ends: nothing is said any more, whatever is pressed. */
  close(): void {
    this.#state = 'over';
  }

  #watch(terms: DetectionTerms): AnswerWatch {
    const { gate, progress, hangUp } = this.#options;
    return new AnswerWatch({
      terms,
      gated: gate !== undefined,
      progress,
      say: () => this.#say('prompt'),
      hush: () => this.#say('nothing'),
      hangUp: () => hangUp('machine'),
    });
  }

  #pressAt(gate: Gate, digit: string): void {
    const effect = gate.press(digit);
    if (effect === 'opens') {
      this.#answer?.pressed();
      this.#options.progress.tell({ type: 'gate_opened' });
      this.#say('prompt');
    } else if (effect === 'begins' && this.#saying === 'ask') {
      this.#say('nothing');
      this.#wait();
    }
  }

  /** A prompt that still waits is said at once, and not once more. */
  #pressAgain(repeat: RepeatKey, digit: string): void {
    const waits = this.#answer?.waiting === true;
    if (!(waits ? repeat.is(digit) : repeat.press(digit))) return;
    this.#answer?.pressed();
    this.#say('prompt');
  }

  #say(what: Said): void {
    const { progress, say } = this.#options;
    progress.timers.stop('wait');
    progress.timers.stop('linger');
    // Silence is not interrupted by silence.
    if (what === 'nothing' && this.#saying === 'nothing') return;
    this.#saying = what;
    say(what);
  }

  #wait(): void {
    const { gate, progress } = this.#options;
    progress.timers.start('wait', gate?.waitMs ?? 0, () => this.#waited());
  }

  #waited(): void {
    if (this.#gate?.waited() === 'ask') this.#say('ask');
    else this.#options.hangUp('no_key');
  }
}
