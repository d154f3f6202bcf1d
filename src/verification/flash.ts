import { AppError } from '../errors.ts';
import { Secret } from '../secret.ts';
import type { Store } from '../store/store.ts';
import type { CliGroup } from '../trunk/cli-pool.ts';
import { cliGroups, guessProbability, numbersNeeded } from '../trunk/cli-pool.ts';
import type { Trunk } from '../trunk/definition.ts';
import type { Vault } from './vault.ts';
import type { FlashDetails } from './verification.ts';

/** What a client asks for of a flash call. */
export interface FlashRequest {
  /** From the first ringing to our hang-up, 500–8000 ms. */
  readonly ringHoldMs?: number | undefined;
  /** Hard limit of the attempt, 3–30. */
  readonly maxRingSeconds?: number | undefined;
  /** What is said where somebody answers; without it the call is hung up at once. */
  readonly fallbackText?: string | undefined;
}

export interface FlashSettings {
  /** How many digits of the calling number are compared, from the end: 3–8. */
  readonly hiddenDigits: number;
  readonly ringHoldMs: number;
  readonly maxRingSeconds: number;
  /** Numbers that are compared at most. */
  readonly maxChecks: number;
  /** No flash call where a guess would be likelier. */
  readonly maxGuessProbability: number;
  /** How long a callee is not shown the same number again. */
  readonly reuseWindowSeconds: number;
}

export interface FlashPorts {
  readonly store: Pick<Store, 'takeCli'>;
  readonly vault: Pick<Vault, 'digest'>;
  readonly trunks: readonly Trunk[];
  /**
   * Ids of the trunks that a call to a number may go by, in the order in which they are to be tried; without it, all
   * of them as they are configured.
   */
  readonly order?: (to: string) => readonly string[];
  /** Cryptographic, 0 to 1 (exclusive). */
  readonly random: () => number;
  /** Until when no flash call may go to a number, epoch milliseconds; undefined where it may go now. */
  readonly pausedUntil: (to: string) => number | undefined;
}

/** A flash call that can be placed. */
export interface FlashChoice {
  readonly trunkId: string;
  /** The number that the phone will be shown: what is to be proven. */
  readonly cli: Secret;
  readonly details: FlashDetails;
}

/** A callee gets another number when the oldest one may be shown again; nobody is told when exactly that is. */
const EXHAUSTED_RETRY_SECONDS = 3600;

/** Under what the digests of calling numbers are made; no verification has this id. */
const CLI_USES = 'cli uses';

/**
 * Takes the calling number for a flash call: of the first trunk that has enough of them for this callee.
 *
 * @param checks how many submitted numbers will be compared
 * @throws AppError invalid_request, flash_paused, flash_unavailable, flash_exhausted, store_unavailable
 */
export async function chooseFlash(
  to: string,
  request: FlashRequest,
  checks: number,
  settings: FlashSettings,
  { store, vault, trunks, order, random, pausedUntil }: FlashPorts,
  now: number,
): Promise<FlashChoice> {
  const { ringHoldMs, maxRingMs } = ringOf(request, settings);
  if (ringHoldMs >= maxRingMs) {
    throw new AppError('invalid_request', {
      message: `ringHoldMs must be less than maxRingSeconds: ${ringHoldMs} ms are not less than ${maxRingMs}.`,
    });
  }
  const paused = pausedUntil(to);
  if (paused !== undefined) {
    throw new AppError('flash_paused', { retryAfterSeconds: Math.max(1, Math.ceil((paused - now) / 1000)) });
  }
  const fewest = numbersNeeded(checks, settings.maxGuessProbability);
  let best = 0;
  for (const trunk of inOrder(trunks, order?.(to))) {
    for (const group of shuffled(cliGroups(trunk, to, settings.hiddenDigits), random)) {
      best = Math.max(best, group.clis.length);
      if (group.clis.length < fewest) continue;
      // Who reads the store must not read there which number a callee was shown.
      const digests = group.clis.map((one) => vault.digest(CLI_USES, new Secret(one)));
      const { cli: digest, choices } = await store.takeCli({
        clis: digests,
        callee: to,
        now,
        reuseWindowMs: settings.reuseWindowSeconds * 1000,
        fewest,
        random: random(),
      });
      const cli = digest === undefined ? undefined : group.clis[digests.indexOf(digest)];
      if (cli === undefined) continue;
      const details = detailsOf(request, settings, group.prefix, guessProbability(checks, choices));
      return { trunkId: trunk.id, cli: new Secret(cli), details };
    }
  }
  throw best < fewest ? tooFew(checks, best, settings.maxGuessProbability) : exhausted(settings);
}

function inOrder(trunks: readonly Trunk[], ids: readonly string[] | undefined): readonly Trunk[] {
  return ids === undefined ? trunks : ids.flatMap((id) => trunks.filter((trunk) => trunk.id === id));
}

function detailsOf(
  request: FlashRequest,
  settings: FlashSettings,
  prefix: string,
  probability: number,
): FlashDetails {
  return {
    prefix,
    hiddenDigits: settings.hiddenDigits,
    guessProbability: probability,
    ...ringOf(request, settings),
    fallbackText: request.fallbackText ?? null,
  };
}

function ringOf(
  request: FlashRequest,
  settings: FlashSettings,
): Pick<FlashDetails, 'ringHoldMs' | 'maxRingMs'> {
  return {
    ringHoldMs: request.ringHoldMs ?? settings.ringHoldMs,
    maxRingMs: (request.maxRingSeconds ?? settings.maxRingSeconds) * 1000,
  };
}

function tooFew(checks: number, numbers: number, bound: number): AppError {
  if (numbers === 0) return new AppError('flash_unavailable');
  const guess = guessProbability(checks, numbers).toPrecision(2);
  return new AppError('flash_unavailable', {
    message: `There are too few calling numbers: ${checks} checks of ${numbers} numbers could be guessed with a probability of ${guess}, and the configuration allows ${bound}.`,
  });
}

function exhausted({ reuseWindowSeconds }: FlashSettings): AppError {
  const retryAfterSeconds = Math.min(EXHAUSTED_RETRY_SECONDS, reuseWindowSeconds);
  return new AppError('flash_exhausted', { retryAfterSeconds });
}

/**
 * The hidden digits of a number as somebody's phone reports it: with or without plus, country code, spaces and
 * dashes. Undefined where it has too few digits to compare, or is no number.
 */
export function hiddenPart(callerId: string, hiddenDigits: number): Secret | undefined {
  if (!/^\+?\(?[0-9][0-9 ().-]{1,38}$/.test(callerId)) return undefined;
  const digits = callerId.replaceAll(/\D/g, '');
  return digits.length < hiddenDigits || digits.length > 17
    ? undefined
    : new Secret(digits.slice(-hiddenDigits));
}

/** In an order in which each number of all has the same chance to be in the first group. */
function shuffled(groups: readonly CliGroup[], random: () => number): readonly CliGroup[] {
  return groups
    .map((group) => ({ group, at: random() ** (1 / group.clis.length) }))
    .toSorted((a, b) => b.at - a.at)
    .map(({ group }) => group);
}
