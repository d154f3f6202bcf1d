import type { Trunk } from '../../src/trunk/definition.ts';
import { LocalCapacity } from '../../src/trunk/local-capacity.ts';
import { TrunkResults } from '../../src/trunk/results.ts';
import { Routing } from '../../src/trunk/routing.ts';
import { TrunkStates } from '../../src/trunk/trunk-states.ts';

export interface Routed {
  readonly routing: Routing;
  readonly states: TrunkStates;
  readonly results: TrunkResults;
  readonly capacity: LocalCapacity;
}

/** What a dialer and the API need to find their way over these trunks, as the service has it. */
export function routed(trunks: readonly Trunk[]): Routed {
  const clock = { now: Date.now, elapsed: () => performance.now() };
  const states = new TrunkStates({ clock });
  const results = new TrunkResults({ now: Date.now, trunks: () => trunks });
  const routing = new Routing(trunks, { states, results, random: Math.random });
  return { routing, states, results, capacity: new LocalCapacity(trunks, { elapsed: clock.elapsed }) };
}
