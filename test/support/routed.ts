import type { Trunk } from '../../src/trunk/definition.ts';
import { HealthProbes } from '../../src/trunk/health.ts';
import { LocalCapacity } from '../../src/trunk/local-capacity.ts';
import { Registrations } from '../../src/trunk/registrations.ts';
import { TrunkResults } from '../../src/trunk/results.ts';
import { Routing } from '../../src/trunk/routing.ts';
import { TrunkStates } from '../../src/trunk/trunk-states.ts';

export interface Routed {
  readonly routing: Routing;
  readonly states: TrunkStates;
  readonly results: TrunkResults;
  readonly capacity: LocalCapacity;
  /** Not started: nothing is asked. */
  readonly health: HealthProbes;
  readonly registrations: Registrations;
}

/**
 * What a dialer and the API need to find their way over these trunks, as the service has it.
 *
 * @param results what is known of trunks with these ids: they take long to make, and some tests need many ways
 */
export function routed(
  trunks: readonly Trunk[],
  results = new TrunkResults({ now: Date.now, trunks: () => trunks }),
): Routed {
  const clock = { now: Date.now, elapsed: () => performance.now() };
  const states = new TrunkStates({ clock });
  const routing = new Routing(trunks, { states, results, random: Math.random });
  const silence = { clock, random: Math.random, wait: async () => undefined };
  return {
    routing,
    states,
    results,
    capacity: new LocalCapacity(trunks, { elapsed: clock.elapsed }),
    health: new HealthProbes({ ...silence, probe: async () => null }),
    registrations: new Registrations({
      ...silence,
      engine: { request: async () => ({ kind: 'no_response' }) },
    }),
  };
}
