import { afterEach, expect } from 'vitest';
import { GuardedFetch, type GuardedFetchOptions } from '../../../src/outbound/guarded-fetch.ts';
import { OutboundError } from '../../../src/outbound/outbound-error.ts';
import { eventually } from '../../support/eventually.ts';
import { WebServer } from './web-server.ts';

const servers: WebServer[] = [];

/** A server until the end of the test. */
export async function serve(...args: Parameters<typeof WebServer.start>): Promise<WebServer> {
  const server = await WebServer.start(...args);
  servers.push(server);
  return server;
}

/** The same with `startRaw`. */
export async function serveRaw(act: Parameters<typeof WebServer.startRaw>[0]): Promise<WebServer> {
  const server = await WebServer.startRaw(act);
  servers.push(server);
  return server;
}

/** Knows the servers as `a.test`, `b.test` and so on. */
export function fetcher(to: readonly WebServer[], options: Partial<GuardedFetchOptions> = {}): GuardedFetch {
  return new GuardedFetch({
    allowedHosts: [],
    internalHosts: to.map(({ port }, index) => ({
      host: `${String.fromCharCode(97 + index)}.test`,
      address: '127.0.0.1',
      port,
    })),
    timeoutMs: 10_000,
    maxBytes: 100_000,
    maxRedirects: 3,
    resolve: () => Promise.reject(new Error('no name is looked up here')),
    ...options,
  });
}

/** Of a request that fails for a reason. */
export async function errorOf(request: Promise<unknown>): Promise<OutboundError> {
  const error = await request.then(
    (value) => value,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(OutboundError);
  return error as OutboundError;
}

export const text = (body: Uint8Array): string => Buffer.from(body).toString();
/** Resolves when the servers of this test have no connection any more. */
export const noneOpen = (): Promise<void> =>
  eventually(() => expect(servers.map(({ open }) => open)).toEqual(servers.map(() => 0)));

afterEach(async () => {
  try {
    // Nothing stays open, whatever became of a request.
    await noneOpen();
  } finally {
    await Promise.all(servers.splice(0).map((server) => server.close()));
  }
});
