import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Peer } from './transport.ts';

const KEEP_MS = 60_000;
const MAX_KEPT = 1000;

/** Whether an address to bind stands for all of this host's addresses. */
export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** Which of our addresses a peer reaches: the configured one, the bound one, or the one that the system would send from. */
export class LocalAddresses {
  readonly #fixed: string | undefined;
  readonly #known = new Map<string, { address: string; until: number }>();

  constructor(bound: string, external: string | undefined) {
    this.#fixed = external ?? (isWildcard(bound) ? undefined : bound);
  }

  async towards(peer: Peer): Promise<string> {
    if (this.#fixed !== undefined) return this.#fixed;
    const now = performance.now();
    const known = this.#known.get(peer.address);
    if (known !== undefined && known.until > now) return known.address;
    const address = await sourceAddress(peer);
    // Kept for a while only: routes change. Bounded: redirected calls may go to many peers.
    if (this.#known.size >= MAX_KEPT) this.#known.clear();
    this.#known.set(peer.address, { address, until: now + KEEP_MS });
    return address;
  }
}

/** A connected UDP socket sends nothing, but the system has to choose its source address. Rejects where there is no way. */
function sourceAddress(peer: Peer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(peer.address) ? 'udp6' : 'udp4');
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.once('connect', () => {
      const { address } = socket.address();
      socket.close();
      resolve(address);
    });
    // A callback would be given the error, and there would be no event.
    socket.connect(peer.port, peer.address);
  });
}
