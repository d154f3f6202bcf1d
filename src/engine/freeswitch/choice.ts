/**
 * The server for the next call: the one with the fewest calls for its weight once it has this one too
 * (weighted least connections). Equals are drawn by weight, so that many processes that start together do not
 * all take the same one. Undefined where there is none.
 *
 * @param servers `weight` above 0; `load` is the number of calls that it carries now
 * @param random gives numbers from 0 to below 1
 */
export function leastLoaded<T extends { readonly weight: number; readonly load: number }>(
  servers: readonly T[],
  random: () => number,
): T | undefined {
  let best: T[] = [];
  for (const server of servers) {
    const [first] = best;
    const difference = first === undefined ? -1 : compareFill(server, first);
    if (difference < 0) best = [server];
    else if (difference === 0) best.push(server);
  }
  let drawn = random() * best.reduce((sum, { weight }) => sum + weight, 0);
  return best.find(({ weight }) => (drawn -= weight) < 0) ?? best.at(-1);
}

/** Multiplied out, since equal fractions of whole numbers need not be equal as quotients. */
function compareFill(
  a: { readonly weight: number; readonly load: number },
  b: { readonly weight: number; readonly load: number },
): number {
  return (a.load + 1) * b.weight - (b.load + 1) * a.weight;
}
