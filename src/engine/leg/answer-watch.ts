import type { AnswerFinding, AnswerVerdict } from '../../media/answer-detector.ts';
import type { DetectionTerms } from '../engine.ts';
import type { LegProgress } from './leg-progress.ts';

/** What is said of who answered, and what that does to the prompt; the watch itself says nothing. */
export interface AnswerWatchOptions {
  readonly terms: DetectionTerms;
  /** Something is asked first: nothing waits for the verdict, and there is no waiting for a tone. */
  readonly gated: boolean;
  readonly progress: LegProgress;
  /** Says the prompt from its beginning. */
  readonly say: () => void;
  /** Says nothing any more, until the tone. */
  readonly hush: () => void;
  readonly hangUp: () => void;
}

/** So many tones of a call count: two beeps may follow one another, and an engaged tone is beep after beep. */
const MOST_TONES = 3;

/**
 * Who answered one call, and whether its prompt waits for that or for a machine's tone. Its timers are those of the
 * leg's progress.
 */
export class AnswerWatch {
  readonly #options: AnswerWatchOptions;
  #waitsFor: 'verdict' | 'tone' | undefined;
  #verdict: AnswerVerdict | undefined;
  #tones = 0;
  #isPerson = false;

  constructor(options: AnswerWatchOptions) {
    this.#options = options;
  }

  /** Whether the prompt waits. */
  get waiting(): boolean {
    return this.#waitsFor !== undefined;
  }

  /** The call is answered: the time to decide runs. */
  begin(): void {
    const { terms, gated, progress } = this.#options;
    if (terms.onMachine !== 'speak' && !gated) this.#waitsFor = 'verdict';
    progress.timers.start('decide', terms.decideMs, () => this.#judge('unknown', 'undecided'));
  }

  /** A right key was pressed, which machines do not do: what is found from now on is told, and does nothing. */
  pressed(): void {
    this.#isPerson = true;
    this.#waitsFor = undefined;
    this.#options.progress.timers.stop('tone');
  }

  found(finding: AnswerFinding): void {
    if (finding.type === 'tone_ended') this.#tone();
    else this.#judge(finding.verdict, finding.reason);
  }

  #judge(verdict: AnswerVerdict, reason: string): void {
    const { terms, progress, say, hangUp } = this.#options;
    progress.timers.stop('decide');
    if (verdict === this.#verdict) return;
    this.#verdict = verdict;
    progress.tell({ type: 'detected', verdict, reason });
    if (this.#isPerson) return;
    if (verdict === 'machine') {
      if (terms.onMachine === 'hangup') hangUp();
      else if (this.#wantsTone) this.#awaitTone();
    } else if (this.#waitsFor === 'verdict') {
      this.#waitsFor = undefined;
      say();
    }
  }

  #awaitTone(): void {
    const { terms, progress, hush, hangUp } = this.#options;
    this.#waitsFor = 'tone';
    progress.timers.start('tone', terms.toneMs, hangUp);
    hush();
  }

  /** After the time to decide, a tone comes without a verdict: who was not known for a person is a machine then. */
  #tone(): void {
    if (this.#tones >= MOST_TONES) return;
    this.#tones++;
    const { progress, say } = this.#options;
    progress.tell({ type: 'tone_heard' });
    if (this.#isPerson || this.#verdict === 'human' || !this.#wantsTone) return;
    progress.timers.stop('tone');
    this.#waitsFor = undefined;
    say();
  }

  get #wantsTone(): boolean {
    return this.#options.terms.onMachine === 'wait_for_tone' && !this.#options.gated;
  }
}
