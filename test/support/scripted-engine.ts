import { once } from 'node:events';
import type {
  CallEvent,
  Engine,
  Leftover,
  Leg,
  LegEnd,
  LegWire,
  PlainAnswer,
  PlainRequest,
  TextLeg,
} from '../../src/engine/engine.ts';

type Timeless<T> = T extends unknown ? Omit<T, 'at'> : never;

/** An event without its time; `wait` stays where it is until the leg is aborted; an error is a bug of the engine. */
export type Step = Timeless<CallEvent> | 'wait' | Error;

export const TRYING: Step = { type: 'trying', leftover: { step: 'trying' } };
export const SENT: Step = { type: 'sent', leftover: { step: 'sent' } };
export const RINGING: Step = { type: 'ringing', leftover: { step: 'ringing' } };
export const ANSWERED: Step = { type: 'answered', codec: 'PCMU', leftover: { step: 'answered' } };
export const PROMPT_FINISHED: Step = { type: 'prompt_finished' };

export function ended(end: LegEnd): Step {
  return { type: 'ended', end };
}

export function refused(status: number, more: { q850?: number; retryAfterSeconds?: number } = {}): Step {
  return ended({ kind: 'rejected', sip: { status, reason: 'No', ...more } });
}

export const GOODBYE = ended({ kind: 'hung_up', by: 'us', why: 'prompt_finished' });

/** An engine that plays what a test wrote for each host. */
export class ScriptedEngine implements Engine {
  readonly name = 'embedded';
  /** Legs whose INVITE left. */
  readonly invited: Leg[] = [];
  /** Text messages that left. */
  readonly texts: TextLeg[] = [];
  /** Legs that are up. */
  up = 0;
  readonly leftovers: Leftover[] = [];
  /** What `endLeftover` does. */
  ending: () => Promise<boolean> = async () => true;
  /** What was asked outside of calls. */
  readonly requests: PlainRequest[] = [];
  /** What `request` does. */
  answering: (request: PlainRequest, signal: AbortSignal) => Promise<PlainAnswer> = async () => ({
    kind: 'response',
    sip: { status: 200, reason: 'OK' },
  });
  readonly #scripts: Readonly<Record<string, readonly Step[]>>;

  constructor(scripts: Readonly<Record<string, readonly Step[]>>) {
    this.#scripts = scripts;
  }

  async start(): Promise<void> {}

  missing(): readonly string[] {
    return [];
  }

  originate(leg: Leg, signal: AbortSignal, wire?: LegWire): AsyncGenerator<CallEvent, void, undefined> {
    return this.#play(leg, signal, wire, () => this.invited.push(leg));
  }

  message(text: TextLeg, signal: AbortSignal, wire?: LegWire): AsyncGenerator<CallEvent, void, undefined> {
    return this.#play(text, signal, wire, () => this.texts.push(text));
  }

  async *#play(
    leg: Pick<Leg, 'nextHop'>,
    signal: AbortSignal,
    wire: LegWire | undefined,
    left: () => void,
  ): AsyncGenerator<CallEvent, void, undefined> {
    let at = Date.now();
    let answered = false;
    this.up += 1;
    try {
      for (const step of this.#scripts[leg.nextHop.host] ?? []) {
        if (step instanceof Error) {
          throw step;
        }
        if (step === 'wait') {
          if (!signal.aborted) {
            await once(signal, 'abort');
          }
          const end: LegEnd = answered ? { kind: 'hung_up', by: 'us', why: 'aborted' } : { kind: 'canceled' };
          yield { type: 'ended', at: Date.now(), end };
          return;
        }
        at = Math.max(at + 1, Date.now());
        answered ||= step.type === 'answered';
        yield { ...step, at };
        if (step.type === 'trying' || step.type === 'again') wire?.sent();
        if (step.type === 'trying') {
          left();
        }
      }
    } finally {
      this.up -= 1;
      wire?.over();
    }
  }

  async request(request: PlainRequest, signal: AbortSignal): Promise<PlainAnswer> {
    this.requests.push(request);
    return this.answering(request, signal);
  }

  async endLeftover(leftover: Leftover): Promise<boolean> {
    this.leftovers.push(leftover);
    return this.ending();
  }

  async close(): Promise<void> {}
}
