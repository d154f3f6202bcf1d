import type { Client } from './client.ts';

/** Who holds which key, as it is now. */
export interface KeyHolders {
  /** There were no clients when the service started: it runs without keys. */
  readonly open: boolean;
  /**
   * The client whose key was presented, unless the key has expired. The time that it takes tells nothing of the keys.
   *
   * @param id only this client's keys count
   */
  holderOf(presented: string, id?: string): Client | undefined;
}
