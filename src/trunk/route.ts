import type { AttemptChannel } from '../call/call.ts';
import { billableSeconds, priceMicros } from '../cdr/billing.ts';
import type { Approvals } from './approval.ts';
import { approvalScores, bestRate, failsToApprove } from './approval.ts';
import type { ServedPrefix, Trunk } from './definition.ts';
import { carriesChannel, mayShow } from './definition.ts';
import { servedPrefix } from './prefix.ts';
import type { TrunkCondition, TrunkState } from './trunk-states.ts';

export interface RouteInput {
  /** E.164 with plus, or a `sip:` address. */
  readonly to: string;
  /** In the order of the configuration. */
  readonly trunks: readonly Trunk[];
  /** The only trunk that may be used; null: any. It is used whatever its state is. */
  readonly carrierId: string | null;
  /** Calling number that has to be shown; null: the trunk's own. */
  readonly cli: string | null;
  /** What the trunk is to carry; `voice` unless told. */
  readonly channel?: AttemptChannel | undefined;
  readonly stateOf: (trunkId: string) => TrunkState;
  /** Verifications of the trunk that became final, for numbers like this one. */
  readonly approvalsOf: (trunkId: string) => Approvals;
  /** 0, inclusive, to 1, exclusive. Asked the same number of times, it gives the same route. */
  readonly random: () => number;
  readonly settings?: RouteSettings;
}

export interface RouteSettings {
  /** Share of calls that go first by a trunk whose verifications fail, to see whether it is better now: 0 to 1. */
  readonly probeShare: number;
  /** How long a call is taken to last when prices are compared. */
  readonly typicalTalkMs: number;
}

export const ROUTE_SETTINGS: RouteSettings = { probeShare: 0.02, typicalTalkMs: 30_000 };

/**
 * Why a trunk has its place: asked for by the request; by prefix, priority, weight, price and approvals; as a probe of
 * one whose verifications fail; after all others, since it wants to rest, or its verifications fail; or since there is
 * no better one.
 */
export type RouteGround = 'carrier_id' | 'order' | 'probe' | 'resting' | 'unapproved' | 'last_resort';

/** Why a trunk has none. */
export type RouteObstacle =
  | 'other_carrier_id'
  | 'channel_not_carried'
  | 'prefix_not_served'
  | 'cli_not_allowed'
  | 'out_of_service';

interface Examined {
  readonly trunkId: string;
  readonly condition: TrunkCondition;
  /** What speaks against it, for the operator; see `TrunkState.reasons`. */
  readonly reasons: readonly string[];
  /** The longest one by which it carries the number, and what it charges; null where it does not carry it. */
  readonly served: ServedPrefix | null;
  readonly priority: number;
  readonly weight: number;
  readonly approvals: Approvals;
}

/** A trunk that the call may go by. */
export interface Candidate extends Examined {
  /** From 1. */
  readonly place: number;
  readonly why: RouteGround;
  /**
   * How likely it was to come before the others of its prefix length and priority, 0 to 1: its weight by the rate of
   * its approvals. Null where nothing was drawn.
   */
  readonly share: number | null;
}

export interface Excluded extends Examined {
  readonly place: null;
  readonly why: RouteObstacle;
}

/** Trunks for one number: an explanation of each, the candidates first and in their order. */
export type Route = readonly (Candidate | Excluded)[];

/** A candidate, and what decides about its place. */
interface Ranked {
  readonly examined: Examined;
  readonly why: RouteGround;
  readonly score: number;
  /** What a typical call costs, in millionths; null where it has no price. */
  readonly cost: number | null;
  readonly share: number | null;
}

/** Grounds in the order in which they are tried. */
const BANDS: readonly RouteGround[] = [
  'carrier_id',
  'probe',
  'order',
  'resting',
  'unapproved',
  'last_resort',
];

/** Rates of approval nearer to one another than this are the same. */
const SCORE_STEP = 0.05;

/**
 * The trunks for a number, in the order in which they are to be tried, and why each is where it is. Of the trunks that
 * are in service: those with the longest prefix, of these those with the lowest priority, of these one after the other
 * at random by weight (times the rate of approved verifications), and those without a weight after them, the cheapest
 * first, then the one that approves more, then as they are configured.
 *
 * A trunk that asked for a rest comes after those, and one whose verifications fail (`failsToApprove`) after that,
 * save for a small share of calls that try it first. One that is down or open is left out, unless there is no other:
 * then a call is better tried than failed unseen.
 */
export function route(input: RouteInput): Route {
  const examined = input.trunks.map((trunk, index) => examine(trunk, index, input));
  const excluded: Excluded[] = [];
  const usable: Examined[] = [];
  for (const [index, one] of examined.entries()) {
    const why = obstacle(one, input.trunks[index], input);
    if (why === undefined) usable.push(one);
    else excluded.push({ ...one, place: null, why });
  }
  const inService = usable.filter((one) => isInService(one, input));
  const last = inService.length === 0;
  if (!last) {
    for (const one of usable) {
      if (!inService.includes(one)) excluded.push({ ...one, place: null, why: 'out_of_service' });
    }
  }
  const ranked = rank(last ? usable : inService, last, input);
  const ordered = BANDS.flatMap((why) =>
    inTiers(
      ranked.filter((one) => one.why === why),
      input.random,
    ),
  );
  return [
    ...ordered.map(({ examined: one, why, share }, i): Candidate => ({ ...one, place: i + 1, why, share })),
    ...excluded,
  ];
}

/** The trunks that a call may go by, in their order, from what `route` said. */
export function candidates(found: Route): readonly Candidate[] {
  return found.filter((one): one is Candidate => one.place !== null);
}

/** In one line, for records: `place 1 by order: prefix +49, priority 1, weight 70 (share 0.64), up, 41/60 approved`. */
export function routeReason(one: Candidate | Excluded): string {
  const { served, priority, weight, condition, approvals, place, why } = one;
  const price = served?.price === undefined ? [] : [`${served.price.amount} ${served.currency ?? ''}`.trim()];
  const share = one.place === null || one.share === null ? '' : ` (share ${one.share.toFixed(2)})`;
  const facts = [
    `prefix ${served?.prefix ?? 'none'}`,
    `priority ${priority}`,
    `weight ${weight}${share}`,
    ...price,
    condition,
    `${approvals.approved}/${approvals.of} approved`,
  ];
  return `${place === null ? 'not used' : `place ${place}`} by ${why}: ${facts.join(', ')}`;
}

function examine(trunk: Trunk, index: number, { to, stateOf, approvalsOf }: RouteInput): Examined {
  const { condition, reasons } = stateOf(trunk.id);
  return {
    trunkId: trunk.id,
    condition,
    reasons: reasons.map(({ detail }) => detail),
    served: servedPrefix(trunk, to) ?? null,
    priority: trunk.priority ?? index + 1,
    weight: trunk.weight ?? 0,
    approvals: approvalsOf(trunk.id),
  };
}

function obstacle(one: Examined, trunk: Trunk | undefined, input: RouteInput): RouteObstacle | undefined {
  if (input.carrierId !== null && one.trunkId !== input.carrierId) return 'other_carrier_id';
  if (trunk !== undefined && !carriesChannel(trunk, input.channel)) return 'channel_not_carried';
  if (input.cli !== null && trunk !== undefined && !mayShow(trunk, input.cli)) return 'cli_not_allowed';
  // Whoever asks for a trunk by its name knows better.
  return one.served === null && input.carrierId === null ? 'prefix_not_served' : undefined;
}

function isInService({ trunkId, condition }: Examined, { carrierId, stateOf }: RouteInput): boolean {
  if (carrierId !== null) return true;
  switch (condition) {
    case 'up':
    case 'resting':
      return true;
    case 'half_open':
      return stateOf(trunkId).trial;
    case 'open':
    case 'down':
      return false;
  }
}

function rank(usable: readonly Examined[], last: boolean, input: RouteInput): readonly Ranked[] {
  const { carrierId, random, settings = ROUTE_SETTINGS } = input;
  const all = usable.map(({ approvals }) => approvals);
  const scores = approvalScores(all);
  const best = bestRate(all);
  const ranked = usable.map((examined, i): Ranked => {
    const { approvals, condition, served } = examined;
    const fails = failsToApprove(approvals, best);
    const ground = last ? 'last_resort' : groundOf(condition, fails);
    const cost = costOf(served, settings.typicalTalkMs);
    return {
      examined,
      why: carrierId === null ? ground : 'carrier_id',
      score: scores[i] ?? 0,
      cost,
      share: null,
    };
  });
  const probed = probeOf(ranked, settings.probeShare, random);
  return ranked.map((one) => (one === probed ? { ...one, why: 'probe' } : one));
}

/** An increment counts as well: a short call at 60/60 may cost more than one with a higher price at 1/1. */
function costOf(served: ServedPrefix | null, talkMs: number): number | null {
  if (served?.price === undefined) return null;
  const { amount, increment } = served.price;
  return priceMicros(billableSeconds(talkMs, increment), amount);
}

function groundOf(condition: TrunkCondition, fails: boolean): RouteGround {
  if (fails) return 'unapproved';
  return condition === 'resting' ? 'resting' : 'order';
}

/** Where all are as bad as one another there is nothing to probe. */
function probeOf(ranked: readonly Ranked[], probeShare: number, random: () => number): Ranked | undefined {
  const failing = ranked.filter(
    ({ why, examined }) => why === 'unapproved' && examined.condition !== 'resting',
  );
  const others = ranked.some(({ why }) => why === 'order' || why === 'resting');
  if (failing.length === 0 || !others || random() >= probeShare) return undefined;
  return failing[Math.floor(random() * failing.length)];
}

/** By prefix and priority; within those that have both in common, by weight and price. */
function inTiers(band: readonly Ranked[], random: () => number): readonly Ranked[] {
  const tiers = new Map<string, Ranked[]>();
  for (const one of band.toSorted(byPrefixAndPriority)) {
    const key = `${prefixLength(one)} ${one.examined.priority}`;
    const tier = tiers.get(key) ?? [];
    tiers.set(key, tier);
    tier.push(one);
  }
  return [...tiers.values()].flatMap((tier) => {
    const drawn = drawByWeight(
      tier.filter(({ examined }) => examined.weight > 0),
      random,
    );
    return [...drawn, ...byPrice(tier.filter(({ examined }) => examined.weight <= 0))];
  });
}

function byPrefixAndPriority(a: Ranked, b: Ranked): number {
  return prefixLength(b) - prefixLength(a) || a.examined.priority - b.examined.priority;
}

function prefixLength({ examined }: Ranked): number {
  return examined.served?.prefix.length ?? 0;
}

/** One after the other, each with the probability of its share in what is left (as RFC 2782 has it). */
function drawByWeight(tier: readonly Ranked[], random: () => number): readonly Ranked[] {
  if (tier.length < 2) return tier;
  const bounty = ({ examined, score }: Ranked): number => examined.weight * score;
  const total = tier.reduce((sum, one) => sum + bounty(one), 0);
  const left = tier.map((one) => ({ ...one, share: bounty(one) / total }));
  const drawn: Ranked[] = [];
  while (left.length > 0) {
    const sum = left.reduce((whole, { share }) => whole + share, 0);
    let mark = random() * sum;
    const index = left.findIndex(({ share }) => (mark -= share) < 0);
    drawn.push(...left.splice(index < 0 ? left.length - 1 : index, 1));
  }
  return drawn;
}

/** Prices in several currencies cannot be compared, and then none of them counts. */
function byPrice(tier: readonly Ranked[]): readonly Ranked[] {
  const currencies = new Set(
    tier.flatMap(({ cost, examined }) => (cost === null ? [] : [examined.served?.currency])),
  );
  const level = ({ score }: Ranked): number => Math.round(score / SCORE_STEP);
  return tier.toSorted(
    (a, b) => (currencies.size > 1 ? 0 : compareCosts(a.cost, b.cost)) || level(b) - level(a),
  );
}

/** Without a price last. */
function compareCosts(a: number | null, b: number | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return a - b;
}
