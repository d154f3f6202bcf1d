import pLimit from 'p-limit';
import type { Call } from '../../src/call/call.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type { Behaviour } from '../../src/lab/behaviour.ts';
import type { LabCarrier } from '../../src/lab/carrier.ts';
import { parseMessage, type SipRequest } from '../../src/sip/message.ts';
import type { WireMessage } from '../../src/sip/transport.ts';
import type { Trunk } from '../../src/trunk/definition.ts';
import type { TrunkStates } from '../../src/trunk/trunk-states.ts';
import { DialerRig } from './dialer-rig.ts';
import { LAB_CREDENTIALS, startCarrier } from './lab.ts';
import { someTrunk } from './records.ts';
import { routed } from './routed.ts';

/** INVITEs of a call at a carrier, one for each that left: what UDP sent again is not counted. */
export type Invites = readonly SipRequest[];

export interface Placed {
  readonly number: string;
  /** In its final state. */
  readonly call: Call;
  /** What had reached each of the carriers when the call was over. */
  readonly invites: readonly Invites[];
}

/** Trunks with states of their own, so that the results of one test are nothing to another. */
export interface Way {
  readonly states: TrunkStates;
  /** Calls a number that nobody else calls. */
  call(): Promise<Placed>;
}

const IDS = ['alpha', 'beta', 'gamma'] as const;

/** Calls under way at a time: more only makes them wait for the machine. */
const AT_A_TIME = 24;

/** Calls by a dialer over three trunks, each with a lab carrier behind it. */
export class RoutedCalls {
  readonly #engine: Engine;
  readonly #rig: DialerRig;
  readonly #carriers: LabCarrier[] = [];
  readonly #invites: Map<string, SipRequest[]>[] = IDS.map(() => new Map());
  readonly #behaviours = new Map<string, readonly Behaviour[]>();
  readonly #limit = pLimit(AT_A_TIME);
  readonly faults: unknown[] = [];
  #serial = 10_000;

  private constructor(engine: Engine, rig: DialerRig) {
    this.#engine = engine;
    this.#rig = rig;
  }

  static async open(engine: Engine): Promise<RoutedCalls> {
    const calls = new RoutedCalls(engine, await DialerRig.open());
    for (const index of IDS.keys()) await calls.#addCarrier(index);
    return calls;
  }

  async close(): Promise<void> {
    await this.#rig.close();
    await Promise.all(this.#carriers.map((carrier) => carrier.close()));
  }

  /**
   * @param behaviours of the phone, by carrier; the last one holds for those after it too
   * @param change of the trunks, by trunk; the last one holds for those after it too
   */
  way(behaviours: readonly Behaviour[], change: readonly Partial<Trunk>[] = []): Way {
    const trunks = this.#carriers.map(({ port }, index) =>
      someTrunk({
        id: IDS[index] ?? '',
        host: '127.0.0.1',
        port,
        ...LAB_CREDENTIALS,
        ...(change[index] ?? change.at(-1)),
      }),
    );
    const over = new Map<string, (call: Call) => void>();
    const ways = routed(trunks, this.#rig.results);
    const dialer = this.#rig.dialer(
      this.#engine,
      { ...ways, onEnded: (call) => over.get(call.id)?.(call) },
      { lingerMs: 0, maxConcurrent: 1 },
    );
    const place = async (): Promise<Placed> => {
      const number = `+44207${this.#serial++}`;
      this.#behaviours.set(number, behaviours);
      const id = await this.#rig.accept(number.slice(1), { to: number });
      const call = await new Promise<Call>((resolve) => {
        over.set(id, resolve);
        dialer.dial(id);
      });
      return { number, call, invites: this.invitesTo(number) };
    };
    return { states: ways.states, call: () => this.#limit(place) };
  }

  /** By carrier, as of now. */
  invitesTo(number: string): readonly Invites[] {
    return this.#invites.map((known) => [...(known.get(number) ?? [])]);
  }

  async #addCarrier(index: number): Promise<void> {
    const { carrier } = await startCarrier({
      t1Ms: 100,
      onWire: (message) => this.#take(index, message),
      behaviours: (number) => {
        const known = this.#behaviours.get(number);
        return known?.[index] ?? known?.at(-1);
      },
      onFault: (error) => this.faults.push(error),
    });
    this.#carriers.push(carrier);
  }

  #take(index: number, { direction, text }: WireMessage): void {
    const called = /^INVITE sip:([+\d]+)@/.exec(text)?.[1];
    if (direction !== 'in' || called === undefined) return;
    const message = parseMessage(Buffer.from(text));
    if (message.kind !== 'request') throw new Error('an INVITE that cannot be read');
    const known = this.#invites[index]?.get(called) ?? [];
    this.#invites[index]?.set(called, known);
    const repeats = known.some((one) => identityOf(one) === identityOf(message));
    if (!repeats) known.push(message);
  }
}

/** The same in what UDP sends again, and in nothing else (RFC 3261 §17.1.1.2). */
function identityOf({ headers }: SipRequest): string {
  return headers
    .filter(([name]) => name === 'Call-ID' || name === 'CSeq')
    .map(([, value]) => value)
    .join(' ');
}
