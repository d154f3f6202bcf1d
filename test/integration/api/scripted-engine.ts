import type {
  CallEvent,
  Engine,
  Leg,
  LegEnd,
  LegWire,
  MediaStats,
  PlainAnswer,
  TextLeg,
} from '../../../src/engine/engine.ts';

type Step = CallEvent extends infer Event ? (Event extends CallEvent ? Omit<Event, 'at'> : never) : never;

const MEDIA: MediaStats = { packetsSent: 50, packetsReceived: 40, jitterMs: 1.5, promptSentMs: 1000 };

/** A leg whose far end is the test. */
export class ScriptedLeg {
  readonly leg: Leg;
  readonly #steps: Step[] = [{ type: 'trying', leftover: { callId: 'leftover-secret' } }];
  #wake: () => void = () => undefined;
  #answered = false;

  constructor(leg: Leg, signal: AbortSignal) {
    this.leg = leg;
    const hangUp = (): void => {
      this.end(this.#answered ? { kind: 'hung_up', by: 'us', why: 'aborted' } : { kind: 'canceled' });
    };
    if (signal.aborted) {
      hangUp();
    } else {
      signal.addEventListener('abort', hangUp, { once: true });
    }
  }

  ring(): this {
    return this.#push({ type: 'ringing', leftover: {} });
  }

  answer(): this {
    this.#answered = true;
    return this.#push({ type: 'answered', codec: 'PCMU', leftover: {} });
  }

  press(digit: string): this {
    return this.#push({ type: 'dtmf', digit, durationMs: 100 });
  }

  /** The right keys were pressed. */
  openGate(): this {
    return this.#push({ type: 'gate_opened' });
  }

  finishPrompt(): this {
    return this.#push({ type: 'prompt_finished' }).end({ kind: 'hung_up', by: 'us', why: 'prompt_finished' });
  }

  /** @param media where it differs from that of a call that said something */
  end(end: LegEnd, media: Partial<MediaStats> = {}): this {
    return this.#push({ type: 'ended', end, ...(this.#answered ? { media: { ...MEDIA, ...media } } : {}) });
  }

  async *events(): AsyncGenerator<CallEvent, void, undefined> {
    for (;;) {
      const step = this.#steps.shift();
      if (step === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      yield { ...step, at: Date.now() };
      if (step.type === 'ended') {
        return;
      }
    }
  }

  #push(step: Step): this {
    this.#steps.push(step);
    this.#wake();
    return this;
  }
}

/** An engine without a network: each leg waits for the test, or does at once what `script` says. */
export class ScriptedEngine implements Engine {
  readonly name = 'embedded';
  readonly legs: ScriptedLeg[] = [];
  script: (leg: ScriptedLeg) => void = () => undefined;
  /** Text messages that left. */
  readonly texts: TextLeg[] = [];
  /** What becomes of each. */
  textEnd: LegEnd = { kind: 'taken', sip: { status: 200, reason: 'OK' } };
  lacks: readonly string[] = [];

  async start(): Promise<void> {}

  missing(): readonly string[] {
    return this.lacks;
  }

  async *originate(
    leg: Leg,
    signal: AbortSignal,
    wire?: LegWire,
  ): AsyncGenerator<CallEvent, void, undefined> {
    const scripted = new ScriptedLeg(leg, signal);
    this.legs.push(scripted);
    this.script(scripted);
    try {
      yield* scripted.events();
    } finally {
      wire?.over();
    }
  }

  async *message(
    text: TextLeg,
    signal: AbortSignal,
    wire?: LegWire,
  ): AsyncGenerator<CallEvent, void, undefined> {
    try {
      yield { type: 'trying', at: Date.now(), leftover: {} };
      this.texts.push(text);
      wire?.sent();
      yield { type: 'ended', at: Date.now(), end: signal.aborted ? { kind: 'canceled' } : this.textEnd };
    } finally {
      wire?.over();
    }
  }

  async request(): Promise<PlainAnswer> {
    return { kind: 'response', sip: { status: 200, reason: 'OK' } };
  }

  async endLeftover(): Promise<boolean> {
    return true;
  }

  async close(): Promise<void> {}
}
