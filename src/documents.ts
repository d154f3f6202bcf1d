import type { Config } from './config.ts';
import { GuardedFetch } from './outbound/guarded-fetch.ts';
import { RcmlSource } from './rcml/rcml-source.ts';

/** Documents that clients name, and that say what their calls say. */
export interface Documents {
  readonly rcml: RcmlSource;
  close(): void;
}

/** Documents of calls, at the same time, half of them of one client; a program that asks for a call waits for them. */
const MAX_DOCUMENTS = 100;
const TIMEOUT_MS = 5000;
const MAX_BYTES = 65_536;
const MAX_REDIRECTS = 3;

/** Fetches from the hosts that sounds are fetched from. */
export function documentsOf({ allowedHosts, internalHosts }: Config['speech']['urls']): Documents {
  const fetch = new GuardedFetch({
    allowedHosts,
    internalHosts,
    timeoutMs: TIMEOUT_MS,
    maxBytes: MAX_BYTES,
    maxRedirects: MAX_REDIRECTS,
  });
  const rcml = new RcmlSource({
    fetch,
    timeoutMs: TIMEOUT_MS,
    maxConcurrent: MAX_DOCUMENTS,
  });
  return { rcml, close: () => fetch.close() };
}
