import type { RedisClient } from '../../redis/script.ts';

/** Members that are taken at a time: other commands get their turn in between. */
const MEMBERS = 500;

/**
 * Takes the members of a sorted set up to a score until none is left, each of which has to be out of it then.
 *
 * @param upTo with `(` in front: only those below it
 * @returns the sum of what `take` answered
 */
export async function drain(
  client: RedisClient,
  set: string,
  upTo: string,
  take: (member: string) => Promise<number>,
): Promise<number> {
  for (let total = 0; ; ) {
    const members = await client.zrangebyscore(set, '-inf', upTo, 'LIMIT', 0, MEMBERS);
    for (const taken of await Promise.all(members.map(take))) total += taken;
    if (members.length < MEMBERS) return total;
  }
}
