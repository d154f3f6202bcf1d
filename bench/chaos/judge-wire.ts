import type { CallSeen } from './records.ts';
import { none, same, type Verdict, within } from './verdict.ts';
import { legsOf, mostAtATime, mostInASecond, openLegs, type WireEntry, type WireLeg } from './wire.ts';

/** What was bought of a trunk. */
export interface TrunkTerms {
  readonly id: string;
  readonly cps: number;
  readonly channels: number;
}

const legName = ({ number, trunkId }: WireLeg): string => `${number} by ${trunkId}`;

/**
 * What the carrier saw, against what the records say.
 *
 * @param numbers whom somebody asked to be called
 */
export function judgeWire(
  wire: readonly WireEntry[],
  calls: readonly CallSeen[],
  numbers: ReadonlySet<string>,
): readonly Verdict[] {
  const legs = legsOf(wire);
  const attempts = new Map<string, number>();
  for (const { to, attempts: made } of calls) {
    for (const { trunkId } of made) {
      const key = `${to} by ${trunkId}`;
      attempts.set(key, (attempts.get(key) ?? 0) + 1);
    }
  }
  const dialled = new Map<string, number>();
  for (const leg of legs) dialled.set(legName(leg), (dialled.get(legName(leg)) ?? 0) + 1);
  const undialled = calls.filter((call) => call.attempts.length === 0).map(({ to }) => to);
  const called = new Set(legs.map(({ number }) => number));
  const heard = calls.flatMap(({ to, attempts: made }) =>
    made
      .filter(({ ringingAt, answeredAt }) => ringingAt !== null || answeredAt !== null)
      .map(({ trunkId }) => `${to} by ${trunkId}`),
  );
  return [
    none(
      'legs with a second INVITE',
      legs.filter(({ invites }) => invites.length > 1).map(legName),
      legs.length,
    ),
    none(
      'numbers that a trunk was asked for twice',
      [...dialled].filter(([, times]) => times > 1).map(([name]) => name),
      dialled.size,
    ),
    none(
      'legs beyond the attempts of the records',
      [...dialled].filter(([name, times]) => times > (attempts.get(name) ?? 0)).map(([name]) => name),
      dialled.size,
    ),
    none(
      'calls without an attempt that had an INVITE',
      undialled.filter((number) => called.has(number)),
      calls.length,
    ),
    none(
      'attempts that heard something without a leg',
      heard.filter((name) => !dialled.has(name)),
      heard.length,
    ),
    none(
      'legs to numbers that nobody asked for',
      legs.filter(({ number }) => !numbers.has(number)).map(legName),
      legs.length,
    ),
    none('legs that are up, or ring, at the end', openLegs(legs).map(legName), legs.length),
  ];
}

/** No second with more INVITEs, and no moment with more calls, than were bought. */
export function judgeLimits(wire: readonly WireEntry[], trunks: readonly TrunkTerms[]): readonly Verdict[] {
  const legs = legsOf(wire);
  return trunks.flatMap(({ id, cps, channels }) => {
    const own = legs.filter(({ trunkId }) => trunkId === id);
    const invites = own.flatMap((leg) => leg.invites.map(({ at }) => at));
    return [
      within(`INVITEs in the worst second, trunk ${id}`, mostInASecond(invites), cps),
      within(`channels at the worst moment, trunk ${id}`, mostAtATime(own), channels),
    ];
  });
}

/** Whether two records of the same wire have the same INVITEs: what one of them lost is in neither's figures. */
export function judgeRecords(wire: readonly WireEntry[], other: readonly WireEntry[]): Verdict {
  const count = (entries: readonly WireEntry[]): number =>
    new Set(
      entries.flatMap(({ number, direction, trunkId, branch }) =>
        number === null || direction === 'out' ? [] : [`${trunkId} ${branch}`],
      ),
    ).size;
  return same("INVITEs of the capture, against the carrier's log", count(other), count(wire));
}
