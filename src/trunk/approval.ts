/** Verifications that became final, of one trunk and prefix. */
export interface Approvals {
  readonly approved: number;
  /** All of them: not fewer than `approved`. */
  readonly of: number;
}

/** Two-sided 99 %: one trunk in two hundred that is as good as the others is taken for a worse one. */
const Z = 2.576;

/** Whoever stays below this approves nothing that is worth a call, whatever the others do. */
const HOPELESS = 0.1;

/** Worse than the best other trunk by more than this share of its rate is no accident of who was called. */
const FAR_BELOW = 0.5;

/** What the rate of all is mixed into that of each: so many verifications, of which the half was approved. */
const POOL = 10;
/** How many verifications at the rate of all a trunk is credited with before its own count. */
const CREDIT = 20;

/**
 * Between which rates the true one lies, by Wilson's score interval at 99 %: 0 to 1 where there is nothing to judge by.
 * It stays within 0 and 1 and holds for few cases and for rates near 0, where the plain mean does not: of none in 3
 * the upper end is 0.69, in 30 it is 0.18, in 60 it is 0.1.
 */
export function wilson({ approved, of }: Approvals): { readonly lower: number; readonly upper: number } {
  if (of === 0) return { lower: 0, upper: 1 };
  const rate = approved / of;
  const z2 = Z * Z;
  const middle = rate + z2 / (2 * of);
  const spread = Z * Math.sqrt((rate * (1 - rate)) / of + z2 / (4 * of * of));
  const scale = 1 + z2 / of;
  return { lower: Math.max(0, (middle - spread) / scale), upper: Math.min(1, (middle + spread) / scale) };
}

/** What the best of all trunks approves at the least, 0 to 1. */
export function bestRate(all: readonly Approvals[]): number {
  return Math.max(0, ...all.map((one) => wilson(one).lower));
}

/**
 * Whether a trunk's verifications fail by the trunk: even at the best that its results allow it approves less than a
 * tenth, or less than half of what the best one does (`bestRate`). Few results never say so: with none
 * approved it takes 60 of them, or about 20 beside a trunk that is known to be good.
 */
export function failsToApprove(own: Approvals, best: number): boolean {
  const { upper } = wilson(own);
  return upper < HOPELESS || upper < best * FAR_BELOW;
}

/**
 * The rate of each for sharing calls, 0 to 1, exclusive: its own, drawn towards that of all (a Beta prior of 20
 * verifications at the pooled rate), so that those with few results are taken for average.
 */
export function approvalScores(all: readonly Approvals[]): readonly number[] {
  const approved = all.reduce((sum, one) => sum + one.approved, POOL / 2);
  const of = all.reduce((sum, one) => sum + one.of, POOL);
  const pooled = approved / of;
  return all.map((one) => (one.approved + CREDIT * pooled) / (one.of + CREDIT));
}
