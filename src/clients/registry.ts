import type { Client, Clients } from './client.ts';
import type { KeyHolders } from './key-holders.ts';
import { digestIn, digestOf, sameDigest } from './keys.ts';

interface HeldKey {
  readonly digest: Buffer;
  readonly expiresAt: number;
  readonly client: Client;
}

/** Longest key that is looked at; ours have 47 characters. */
const MAX_KEY_LENGTH = 256;

/** The clients that the configuration has at the moment. */
export class ClientRegistry implements Clients, KeyHolders {
  readonly open: boolean;
  readonly #now: () => number;
  #byId: ReadonlyMap<string, Client> = new Map();
  #keys: readonly HeldKey[] = [];

  /** @param now epoch milliseconds */
  constructor(clients: readonly Client[], now: () => number) {
    this.open = clients.length === 0;
    this.#now = now;
    this.replace(clients);
  }

  /** From the next request on, there are these. Whether the service runs without keys stays as it was. */
  replace(clients: readonly Client[]): void {
    this.#byId = new Map(clients.map((client) => [client.id, client]));
    this.#keys = clients.flatMap((client) =>
      client.keys.map(({ hash, expiresAt }) => ({
        digest: digestIn(hash),
        expiresAt: expiresAt ?? Number.POSITIVE_INFINITY,
        client,
      })),
    );
  }

  get(id: string): Client | undefined {
    return this.#byId.get(id);
  }

  /**
   * Looks at every key of every client, whichever fits, so that the time tells neither how many keys there are before a
   * fitting one, nor whether there is a client of that name, nor how much of a key was right.
   */
  holderOf(presented: string, id?: string): Client | undefined {
    const given = digestOf(presented.slice(0, MAX_KEY_LENGTH + 1));
    const now = this.#now();
    let found: Client | undefined;
    for (const { digest, expiresAt, client } of this.#keys) {
      const fits = sameDigest(digest, given);
      if (fits && now < expiresAt && (id === undefined || id === client.id)) found = client;
    }
    return presented.length > MAX_KEY_LENGTH ? undefined : found;
  }
}
