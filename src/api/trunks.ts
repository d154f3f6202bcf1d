import { z } from 'zod';
import type { Capacity, CapacityUse } from '../trunk/capacity.ts';
import type { HealthProbes } from '../trunk/health.ts';
import type { Registrations } from '../trunk/registrations.ts';
import type { TrunkResults } from '../trunk/results.ts';
import type { Route } from '../trunk/route.ts';
import { routeReason } from '../trunk/route.ts';
import type { Routing } from '../trunk/routing.ts';
import type { TrunkStates } from '../trunk/trunk-states.ts';
import type { CalleeRules } from '../verification/callee.ts';
import { readCallee } from '../verification/callee.ts';
import { iso, isoOrNull } from './answers.ts';
import { answer, errorAnswers } from './schemas.ts';
import type { Api } from './server.ts';
import type { RouteAnswer, TrunkAnswer } from './trunk-schemas.ts';
import { routeAnswer, routeQuery, trunkAnswer } from './trunk-schemas.ts';

export interface TrunkPorts {
  readonly routing: Pick<Routing, 'find' | 'trunks'>;
  readonly capacity: Pick<Capacity, 'use'>;
  readonly states: Pick<TrunkStates, 'of'>;
  readonly results: Pick<TrunkResults, 'figures'>;
  readonly health: Pick<HealthProbes, 'of'>;
  readonly registrations: Pick<Registrations, 'of'>;
  readonly callees: CalleeRules;
}

const tags = ['trunks'];
const NO_USE: Omit<CapacityUse, 'trunkId'> = { cps: null, channels: null, inUse: 0, invites: 0, waiting: 0 };

/** How the trunks are, and which way a call would go. */
export function trunkRoutes(api: Api, ports: TrunkPorts): void {
  api.route({
    method: 'GET',
    url: '/v1/trunks',
    schema: {
      tags,
      summary: 'State, use and figures of the trunks',
      response: {
        200: answer('In the order of the configuration', z.object({ trunks: z.array(trunkAnswer) })),
        ...errorAnswers('unauthorized'),
      },
    },
    handler: async () => {
      const uses = await ports.capacity.use();
      return { trunks: ports.routing.trunks.map(({ id }) => trunkAnswerOf(id, uses, ports)) };
    },
  });

  api.route({
    method: 'GET',
    url: '/v1/routes',
    schema: {
      tags,
      summary: 'Which trunks a call to a number would try, and why',
      description: 'Nothing is dialled. Where trunks have weights, the next call may find another order.',
      querystring: routeQuery,
      response: {
        200: answer('Each trunk with its place', routeAnswer),
        ...errorAnswers('invalid_number', 'target_not_allowed', 'unauthorized'),
      },
    },
    handler: async (request) => {
      const { carrierId, from, channel } = request.query;
      const to = readCallee(request.query.to, ports.callees);
      const found = ports.routing.find({ to, carrierId: carrierId ?? null, cli: from ?? null, channel });
      return { to, trunks: found.map(wayOf) };
    },
  });
}

function trunkAnswerOf(
  id: string,
  uses: readonly CapacityUse[],
  { states, results, health, registrations }: TrunkPorts,
): TrunkAnswer {
  const [life, registration] = [health.of(id), registrations.of(id)];
  const state = states.of(id);
  const { cps, channels, inUse, invites, waiting } = uses.find(({ trunkId }) => trunkId === id) ?? NO_USE;
  const { attempts, answered, asr, acdMs, pddMs, approvals } = results.figures(id);
  return {
    id,
    condition: state.condition,
    since: iso(state.since),
    reasons: state.reasons.map(({ condition, since, until, detail }) => ({
      condition,
      since: iso(since),
      until: isoOrNull(until),
      detail,
    })),
    health: { state: life.state, since: iso(life.since), detail: life.detail },
    registration: {
      state: registration.state,
      since: iso(registration.since),
      until: isoOrNull(registration.until),
      detail: registration.detail,
    },
    use: { cps, channels, inUse, invites, waiting },
    figures: { attempts, answered, asr, acdMs, pddMs, approvals },
  };
}

function wayOf(way: Route[number]): RouteAnswer['trunks'][number] {
  const { trunkId, place, why, condition, served, approvals } = way;
  const { price, currency } = served ?? {};
  return {
    trunkId,
    place,
    why,
    reason: routeReason(way),
    condition,
    prefix: served?.prefix ?? null,
    price: price === undefined ? null : `${price.amount} ${currency}`,
    increment: price?.increment ?? null,
    approvals: { approved: approvals.approved, of: approvals.of },
  };
}
