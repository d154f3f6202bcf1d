import { isIPv6 } from 'node:net';

interface Tally {
  count: number;
  /** Epoch milliseconds: when it begins anew. */
  readonly until: number;
}

/** Addresses that are remembered; the ones that were wrong first are forgotten first. */
const MAX_ADDRESSES = 10_000;
/** Groups of an IPv6 address that name a site: whoever has one address of a /64 has all of them. */
const SITE_GROUPS = 4;

/**
 * Counts wrong keys by the address that they came from. It refuses nobody whose key is right: many share an address
 * behind a NAT, and a key of 256 random bits is guessed by no number of attempts.
 */
export class WrongKeys {
  readonly #max: number;
  readonly #windowMs: number;
  readonly #now: () => number;
  readonly #tallies = new Map<string, Tally>();

  /** @param now milliseconds from any beginning */
  constructor(
    { max, windowSeconds }: { readonly max: number; readonly windowSeconds: number },
    now: () => number,
  ) {
    this.#max = max;
    this.#windowMs = windowSeconds * 1000;
    this.#now = now;
  }

  /** Notes a wrong key. Answers how many there were beyond the limit, and how long it holds. */
  note(address: string): { readonly beyond: number; readonly retryAfterMs: number } {
    const now = this.#now();
    const site = siteOf(address);
    let tally = this.#tallies.get(site);
    if (tally === undefined || tally.until <= now) {
      this.#tallies.delete(site);
      tally = { count: 0, until: now + this.#windowMs };
      this.#tallies.set(site, tally);
      this.#forget();
    }
    tally.count += 1;
    return { beyond: Math.max(0, tally.count - this.#max), retryAfterMs: tally.until - now };
  }

  #forget(): void {
    if (this.#tallies.size <= MAX_ADDRESSES) return;
    for (const site of this.#tallies.keys()) {
      this.#tallies.delete(site);
      return;
    }
  }
}

/** The address, or of IPv6 the /64; an IPv4 address in IPv6 is the IPv4 address. */
function siteOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address;
  const [head = '', tail] = address.toLowerCase().replace(/%.*$/, '').split('::');
  const [first, last] = [head, tail ?? ''].map((part) => part.split(':').filter((group) => group !== ''));
  const missing = 8 - (first?.length ?? 0) - (last?.length ?? 0);
  const groups = [...(first ?? []), ...Array<string>(Math.max(0, missing)).fill('0'), ...(last ?? [])];
  return groups
    .slice(0, SITE_GROUPS)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
