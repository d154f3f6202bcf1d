import type { TextPrice } from '../trunk/definition.ts';
import { AMOUNT, INCREMENT } from '../trunk/definition.ts';

/** What a trunk charged for a number when an attempt began. */
export interface Rate {
  /** Per minute, decimal, such as `0.0125`; see `AMOUNT`. */
  readonly amount: string;
  /** `first/next` seconds, such as `60/60`; see `INCREMENT`. */
  readonly increment: string;
  /** ISO 4217, such as `EUR`. */
  readonly currency: string;
}

/** What a trunk charged for a text message when its attempt began: how long it was, and nothing of what it said. */
export interface TextCharge {
  /** Messages that it was sent as. */
  readonly segments: number;
  /** For each of them; null where the trunk had no price. */
  readonly price: TextPrice | null;
}

/** How seconds are counted where no trunk says it: each one that began. */
export const WHOLE_SECONDS = '1/1';

/** Decimals that an amount per minute may have. */
const AMOUNT_DECIMALS = 9;
const NANOS_PER_MICRO = 1000n;
/** Nano-units and sixtieths: an amount per minute times seconds, divided by this, is in micro-units. */
const MICROS_DIVISOR = 60n * NANOS_PER_MICRO;
const MICRO_DECIMALS = 6;

/**
 * Seconds that are charged of an answered call: the first part of the increment, and then as many steps of the second
 * as have begun. An answer costs the first part however soon the BYE follows it.
 *
 * @param talkMs from the answer to the BYE, whole milliseconds, not negative
 * @throws RangeError for what is no increment
 */
export function billableSeconds(talkMs: number, increment: string): number {
  const parts = INCREMENT.exec(increment);
  if (parts === null) throw new RangeError(`not an increment of the form 60/60: ${increment}`);
  const [first, next] = [Number(parts[1]), Number(parts[2])];
  const beyondMs = talkMs - first * 1000;
  return beyondMs <= 0 ? first : first + Math.ceil(beyondMs / (next * 1000)) * next;
}

/**
 * What so many seconds cost, in millionths of the currency, half a millionth rounded up. Counted in whole numbers:
 * no floating point.
 *
 * @throws RangeError for what is no amount
 */
export function priceMicros(seconds: number, amount: string): number {
  return Number((nanosOf(amount) * BigInt(seconds) + MICROS_DIVISOR / 2n) / MICROS_DIVISOR);
}

/**
 * What a text message costs that is sent as so many, in millionths of the currency, half a millionth rounded up.
 *
 * @param amount for each of them
 * @throws RangeError for what is no amount
 */
export function textPriceMicros(segments: number, amount: string): number {
  return Number((nanosOf(amount) * BigInt(segments) + NANOS_PER_MICRO / 2n) / NANOS_PER_MICRO);
}

function nanosOf(amount: string): bigint {
  if (!AMOUNT.test(amount)) throw new RangeError(`not a decimal amount: ${amount}`);
  const [whole = '0', fraction = ''] = amount.split('.');
  return BigInt(whole + fraction.padEnd(AMOUNT_DECIMALS, '0'));
}

/** `12300` → `0.012300`. @param micros a whole number, not negative */
export function formatMicros(micros: number): string {
  const digits = String(micros).padStart(MICRO_DECIMALS + 1, '0');
  return `${digits.slice(0, -MICRO_DECIMALS)}.${digits.slice(-MICRO_DECIMALS)}`;
}

/** `12.50` → 12,500,000: exact, since an amount has at most 15 digits. */
export function microsOf(amount: string): number {
  const [units = '', fraction = ''] = amount.split('.');
  return Number(units) * 1_000_000 + Number(fraction.padEnd(6, '0'));
}
