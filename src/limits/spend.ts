import type { Call } from '../call/call.ts';
import { billableSeconds, priceMicros, textPriceMicros } from '../cdr/billing.ts';
import { cdrsOf } from '../cdr/cdr.ts';
import type { Trunk } from '../trunk/definition.ts';
import { carriesChannel, textPriceOf } from '../trunk/definition.ts';
import { servedPrefix } from '../trunk/prefix.ts';

/** Millionths by currency (ISO 4217): amounts of several currencies never add up. */
export type Cost = ReadonlyMap<string, number>;

/**
 * What a call may cost: of each currency, what the dearest of the trunks charges that may carry it. Trunks without a price
 * count as free.
 */
export function estimatedCost(to: string, trunks: readonly Trunk[], assumedSeconds: number): Cost {
  const cost = new Map<string, number>();
  for (const trunk of trunks) {
    const { price, currency } = servedPrefix(trunk, to) ?? {};
    if (price === undefined || currency === undefined || !carriesChannel(trunk)) continue;
    const micros = priceMicros(billableSeconds(assumedSeconds * 1000, price.increment), price.amount);
    cost.set(currency, Math.max(cost.get(currency) ?? 0, micros));
  }
  return cost;
}

/**
 * The same of a text message, as long as each of the trunks would carry: what it says is not known when it is asked for.
 * Trunks without a price for texts count as free.
 */
export function estimatedTextCost(to: string, trunks: readonly Trunk[]): Cost {
  const cost = new Map<string, number>();
  for (const trunk of trunks) {
    const price = textPriceOf(trunk, to);
    if (trunk.sms === undefined || price === null || servedPrefix(trunk, to) === undefined) continue;
    const micros = textPriceMicros(trunk.sms.maxSegments, price.amount);
    cost.set(price.currency, Math.max(cost.get(price.currency) ?? 0, micros));
  }
  return cost;
}

/** What a call that has ended cost, as its records say it. @throws Error where an attempt has not ended */
export function actualCost(call: Call): Cost {
  const cost = new Map<string, number>();
  for (const { priceMicros: micros, currency } of cdrsOf(call)) {
    if (micros !== null && currency !== null) cost.set(currency, (cost.get(currency) ?? 0) + micros);
  }
  return cost;
}
