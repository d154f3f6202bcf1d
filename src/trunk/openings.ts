import type { BreakerPass } from './breaker.ts';
import type { Capacity, CapacityRefusal, Permit } from './capacity.ts';
import type { Candidate, Route } from './route.ts';
import { candidates } from './route.ts';
import type { TrunkStates } from './trunk-states.ts';

export interface OpeningPorts {
  readonly capacity: Pick<Capacity, 'acquire'>;
  readonly states: Pick<TrunkStates, 'begin'>;
}

/** Another process got room for the call first, and carries it now. */
export class Moved extends Error {
  constructor() {
    super('another process carries the call');
    this.name = 'Moved';
  }
}

export interface OpeningTerms {
  readonly callId: string;
  /** See `CapacityWish.priority`. */
  readonly priority: number;
  /** How long a trunk is waited for as long as there is another one, in ms. */
  readonly nextTrunkMs: number;
  /** How long the call may still wait for its next attempt, in ms; asked before each of them. */
  readonly leftMs: () => number;
}

/** A trunk that has room for the call now. Both parts of it are ended when the next one is asked for. */
export interface Opening {
  readonly way: Candidate;
  /** To be told of the INVITE. */
  readonly permit: Permit;
  /** To be told of what the call says of the trunk: of `carries` as soon as it is known. */
  readonly pass: BreakerPass;
}

/** Why a trunk of the route was passed over: no room (see `CapacityRefusal`), or its calls fail meanwhile. */
export interface Passed {
  readonly trunkId: string;
  readonly why: CapacityRefusal | 'out_of_service';
}

/**
 * The trunks of a route one after the other, each once, as soon as it has room. Those that had none in a short time
 * are waited for at the end, all at the same time, for as long as the call may wait. Whoever asks for the next one,
 * or for no more, gives the one before back.
 *
 * @returns the trunks that were passed over to the end; none was left out for want of time where it is empty
 * @throws Moved
 */
export async function* openings(
  found: Route,
  terms: OpeningTerms,
  ports: OpeningPorts,
  signal: AbortSignal,
): AsyncGenerator<Opening, readonly Passed[], undefined> {
  const ways = candidates(found);
  let passed: (Passed & { readonly way: Candidate })[] = [];
  let opened = false;
  for (const [index, way] of ways.entries()) {
    const only = index === ways.length - 1 && passed.length === 0;
    const waitMs = Math.max(0, only ? terms.leftMs() : Math.min(terms.nextTrunkMs, terms.leftMs()));
    const opening = await open([way], waitMs, !opened && only, terms, ports, signal);
    if ('why' in opening) {
      passed.push({ trunkId: way.trunkId, why: opening.why, way });
      continue;
    }
    opened = true;
    yield* lent(opening);
  }
  while (passed.length > 0 && terms.leftMs() > 0 && !signal.aborted) {
    const waiting = passed.map(({ way }) => way);
    const opening = await open(waiting, terms.leftMs(), !opened, terms, ports, signal);
    if ('why' in opening) break;
    opened = true;
    passed = passed.filter(({ way }) => way !== opening.way);
    yield* lent(opening);
  }
  return passed.map(({ trunkId, why }) => ({ trunkId, why }));
}

/** Gives back what was lent, however the borrower goes on. */
async function* lent(opening: Opening): AsyncGenerator<Opening, void, undefined> {
  try {
    yield opening;
  } finally {
    opening.pass.end('silent');
    opening.permit.release();
  }
}

/** Room on whichever of these has it first. @throws Moved */
async function open(
  ways: readonly Candidate[],
  waitMs: number,
  anyway: boolean,
  { callId, priority }: OpeningTerms,
  { capacity, states }: OpeningPorts,
  signal: AbortSignal,
): Promise<Opening | Pick<Passed, 'why'>> {
  const others = new AbortController();
  const end = (): void => others.abort();
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  let opening: Opening | undefined;
  let why: Passed['why'] = 'deadline';
  let moved = false;
  await Promise.all(
    ways.map(async (way) => {
      const { trunkId } = way;
      const answer = await capacity.acquire({ trunkId, callId, priority, waitMs }, others.signal);
      if (answer.kind === 'moved') {
        moved = true;
        end();
        return;
      }
      if (answer.kind === 'refused') {
        if (opening === undefined) why = answer.why;
        return;
      }
      const { permit } = answer;
      const forced = anyway || way.why === 'last_resort' || way.why === 'carrier_id';
      const pass =
        opening === undefined && !moved && !signal.aborted ? states.begin(trunkId, forced) : undefined;
      if (pass === undefined) {
        permit.release();
        if (opening === undefined) why = signal.aborted ? 'aborted' : 'out_of_service';
        return;
      }
      opening = { way, permit, pass };
      end();
    }),
  );
  signal.removeEventListener('abort', end);
  if (!moved) return opening ?? { why };
  opening?.pass.end('silent');
  opening?.permit.release();
  throw new Moved();
}
