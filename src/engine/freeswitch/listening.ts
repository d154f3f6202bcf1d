import { AnswerDetector, type AnswerFinding } from '../../media/answer-detector.ts';
import type { ListenFolder } from './listen-folder.ts';
import { Recording } from './recording.ts';
import type { Allocated } from './servers.ts';

export interface ListeningOptions {
  readonly folder: ListenFolder;
  /** Whether we say something now. */
  readonly sending: () => boolean;
  /** Whether the phone may be heard now: not on hold. */
  readonly hearing: () => boolean;
  /** What is found, in its order; only after `answered`. */
  readonly onFinding: (finding: AnswerFinding) => void;
}

/**
 * What the phone of one leg says, for who answered, on one endpoint after the other if need be. The time between two
 * endpoints does not count, nor does that on hold: what was heard before and after is one to the detector. Where
 * nothing can be heard, the verdict is `unknown` at once, and the call goes on.
 */
export class Listening {
  readonly #options: ListeningOptions;
  readonly #detector = new AnswerDetector();
  #recording: Recording | undefined;
  #answered = false;
  #deaf = false;
  #closed = false;

  constructor(options: ListeningOptions) {
    this.#options = options;
  }

  /** Listens at this endpoint, in place of the one before. */
  at(allocated: Allocated): void {
    void this.#recording?.close();
    this.#recording = undefined;
    if (this.#closed || this.#deaf) return;
    const { folder, hearing } = this.#options;
    const recording = new Recording({
      at: allocated,
      folder,
      expects: () => hearing() && allocated.endpoint.alive,
      onSamples: (samples) => this.#heard(samples),
      onStopped: (detail) => {
        // The loss of an endpoint is told in another way, and brings another one.
        if (allocated.endpoint.alive && recording === this.#recording) this.#deafened(detail);
      },
    });
    this.#recording = recording;
    if (this.#answered) recording.listen();
    recording.start();
  }

  /** What is heard from now on counts. Nothing is found before this has returned. */
  answered(): void {
    this.#answered = true;
    this.#recording?.listen();
    if (this.#deaf) queueMicrotask(() => this.#tellUnknown());
  }

  /** Lets go of all; may be called again. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#recording?.close();
  }

  #heard(samples: Int16Array): void {
    const { folder, sending, onFinding } = this.#options;
    folder.heard();
    for (const finding of this.#detector.push(samples, sending())) {
      if (!this.#closed) onFinding(finding);
    }
    // Nothing that comes later makes a machine of a person. Of others a tone is still of use.
    if (this.#detector.done && this.#detector.verdict === 'human') this.#stop();
  }

  #stop(): void {
    this.#closed = true;
    void this.#recording?.stop();
  }

  #deafened(detail: string): void {
    if (this.#closed) return;
    this.#deaf = true;
    this.#options.folder.troubled(detail);
    if (this.#answered) this.#tellUnknown();
  }

  #tellUnknown(): void {
    const { reason, heardMs } = this.#detector;
    if (this.#closed || reason !== undefined) return;
    this.#options.onFinding({ type: 'verdict', verdict: 'unknown', reason: 'silence', atMs: heardMs });
  }
}
