import type { Count, GrowingPause } from './limit-store.ts';

/**
 * A sliding window as it is kept: what was counted in each twelfth of it. A twelfth counts until all of it is outside the
 * window, so that with the one that is under way there are thirteen. The scripts of Redis (limit-scripts.ts) do the same.
 */
export interface Slots {
  /** Number of the latest twelfth, counted from 1970 on. */
  readonly latest: number;
  /** What was counted in the latest, in the one before, and so on; what is missing at the end is 0. */
  readonly amounts: readonly number[];
}

/** Parts of a window. */
const PARTS = 12;

export function slotAt(at: number, windowMs: number): number {
  return Math.floor((at * PARTS) / windowMs);
}

/** When what was counted in a slot counts no more, epoch milliseconds. */
export function slotEnd(slot: number, windowMs: number): number {
  return Math.ceil(((slot + PARTS + 1) * windowMs) / PARTS);
}

/** As they are at a slot. One that is behind the latest by more than a window: the clock was set, and they go with it. */
export function slotsAt(slots: Slots | undefined, slot: number): Slots {
  if (slots === undefined) return { latest: slot, amounts: [] };
  const ahead = slot - slots.latest;
  if (ahead > PARTS) return { latest: slot, amounts: [] };
  if (ahead > 0) {
    const amounts = [...Array.from({ length: ahead }, () => 0), ...slots.amounts];
    return { latest: slot, amounts: amounts.slice(0, PARTS + 1) };
  }
  return ahead < -PARTS ? { latest: slot, amounts: slots.amounts } : slots;
}

/** How long an amount has to wait until there is room for it; 0: there is. */
export function waitFor(
  { latest, amounts }: Slots,
  { windowMs, max, amount }: Pick<Count, 'windowMs' | 'max' | 'amount'>,
  now: number,
): number {
  let excess = amounts.reduce((sum, one) => sum + one, 0) + amount - max;
  if (excess <= 0) return 0;
  for (let age = amounts.length - 1; age >= 0; age--) {
    excess -= amounts[age] ?? 0;
    if (excess <= 0) return Math.max(1, slotEnd(latest - age, windowMs) - now);
  }
  // More than there ever is room for.
  return windowMs;
}

export function plus({ latest, amounts: [last = 0, ...older] }: Slots, amount: number): Slots {
  return { latest, amounts: [last + amount, ...older] };
}

/** Without so much of what was counted in a slot. */
export function minus({ latest, amounts }: Slots, slot: number, amount: number): Slots {
  return {
    latest,
    amounts: amounts.map((one, age) => (latest - age === slot ? Math.max(0, one - amount) : one)),
  };
}

/** How often there was one, and when the last was. */
export interface Pauses {
  readonly times: number;
  readonly lastAt: number;
}

/** As they are at a time: undefined where there is none that is not forgotten. */
export function pausesAt(
  pauses: Pauses | undefined,
  { forgetMs }: Pick<GrowingPause, 'forgetMs'>,
  now: number,
): Pauses | undefined {
  return pauses === undefined || Math.abs(now - pauses.lastAt) >= forgetMs ? undefined : pauses;
}

/** How long the next has to wait. A last one that is further ahead than its pause is long: the clock was set. */
export function pauseLeft(pauses: Pauses | undefined, { pausesMs }: GrowingPause, now: number): number {
  if (pauses === undefined) return 0;
  const { times, lastAt } = pauses;
  const pauseMs = pauseAfter(times, pausesMs);
  return lastAt - now > pauseMs ? 0 : Math.max(0, lastAt + pauseMs - now);
}

/** Without one that began at `at`. The pause before it was over then, and is: what came to nothing begins none anew. */
export function withoutPause(
  { times, lastAt }: Pauses,
  { pausesMs }: Pick<GrowingPause, 'pausesMs'>,
  at: number,
): Pauses | undefined {
  if (times <= 1) return undefined;
  return { times: times - 1, lastAt: lastAt === at ? at - pauseAfter(times - 1, pausesMs) : lastAt };
}

function pauseAfter(times: number, pausesMs: readonly number[]): number {
  return pausesMs[Math.min(times, pausesMs.length) - 1] ?? 0;
}

/** `<latest>:<amounts>`, without zeros at the end. */
export function slotsText({ latest, amounts }: Slots): string {
  return `${latest}:${amounts.join(',').replace(/(?:^|,)0(?:,0)*$/, '')}`;
}

/** What `slotsText` wrote. */
export function slotsOf(text: string): Slots {
  const [latest, amounts = ''] = text.split(':');
  return { latest: Number(latest), amounts: amounts === '' ? [] : amounts.split(',').map(Number) };
}
