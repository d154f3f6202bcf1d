import { z } from 'zod';
import type { HealthState } from '../trunk/health.ts';
import type { RegistrationState } from '../trunk/registrations.ts';
import type { RouteGround, RouteObstacle } from '../trunk/route.ts';
import type { TrunkCondition } from '../trunk/trunk-states.ts';
import { callee, count, named, timestamp } from './schemas.ts';

const condition = z
  .enum(['up', 'half_open', 'resting', 'open', 'down'] as const satisfies readonly TrunkCondition[])
  .describe(
    '`up`: calls go by it; `half_open`: one at a time, to see whether it is back; `resting`: it asked for a rest (Retry-After); `open`: its calls failed; `down`: no sign of life (OPTIONS), or not registered',
  );
const ratio = z.number().min(0).max(1);
const approvals = z.object({ approved: count, of: count });

export const trunkAnswer = named(
  'Trunk',
  z.object({
    id: z.string().describe('What a request names by `carrierId`'),
    condition,
    since: timestamp,
    reasons: z
      .array(z.object({ condition, since: timestamp, until: timestamp.nullable(), detail: z.string() }))
      .describe('What speaks against it, the gravest first'),
    health: z
      .object({
        state: z.enum(['unknown', 'up', 'down'] as const satisfies readonly HealthState[]),
        since: timestamp,
        detail: z.string().nullable().describe('What came of the last OPTIONS'),
      })
      .describe('By OPTIONS; `unknown` where none is sent, and before the first'),
    registration: z
      .object({
        state: z.enum([
          'none',
          'pending',
          'registered',
          'failed',
        ] as const satisfies readonly RegistrationState['state'][]),
        since: timestamp,
        until: timestamp.nullable().describe('The end of what was granted; it is renewed long before'),
        detail: z.string().nullable().describe('What came of the last REGISTER'),
      })
      .describe('By REGISTER; `none` where the trunk wants none'),
    use: z.object({
      cps: count.nullable().describe('INVITEs in any second; null: no limit'),
      channels: count.nullable().describe('Calls at a time; null: no limit'),
      inUse: count.describe('Calls by it now'),
      invites: count.describe('INVITEs of the last second'),
      waiting: count.describe('Calls that wait for it'),
    }),
    figures: z
      .object({
        attempts: count,
        answered: count,
        asr: ratio.nullable().describe('Answered voice calls by attempted ones'),
        acdMs: z.number().min(0).nullable().describe('Average length of answered voice calls'),
        pddMs: z.object({ p50: z.number(), p95: z.number() }).nullable().describe('Post-dial delay'),
        approvals: approvals.extend({ rate: ratio.nullable() }).describe('Verifications by its calls'),
      })
      .describe('Of its last calls, a day old at most'),
  }),
);

export const routeQuery = z.strictObject({
  to: callee,
  carrierId: z.string().min(1).max(64).optional(),
  from: z.string().min(1).max(64).optional(),
  channel: z.enum(['voice', 'flash', 'sms']).default('voice').describe('What is to prove the number'),
});

export const routeAnswer = named(
  'Route',
  z.object({
    to: z.string(),
    trunks: z
      .array(
        z.object({
          trunkId: z.string(),
          place: count.nullable().describe('In which it would be tried, from 1; null: not at all'),
          why: z.enum([
            'carrier_id',
            'order',
            'probe',
            'resting',
            'unapproved',
            'last_resort',
            'other_carrier_id',
            'channel_not_carried',
            'prefix_not_served',
            'cli_not_allowed',
            'out_of_service',
          ] as const satisfies readonly (RouteGround | RouteObstacle)[]),
          reason: z.string().describe('The same for people, with all that counted'),
          condition,
          prefix: z.string().nullable().describe('The longest by which it carries the number'),
          price: z.string().nullable().describe('A minute, with its currency'),
          increment: z
            .string()
            .nullable()
            .describe('Seconds that are charged at least, and the steps after them'),
          approvals,
        }),
      )
      .describe('Candidates first, in their order'),
  }),
);

export type TrunkAnswer = z.output<typeof trunkAnswer>;
export type RouteAnswer = z.output<typeof routeAnswer>;
