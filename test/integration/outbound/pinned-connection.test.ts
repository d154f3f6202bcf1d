import { Client } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { pinnedConnector } from '../../../src/outbound/pinned-connection.ts';
import type { Target } from '../../../src/outbound/url-guard.ts';
import { eventually } from '../../support/eventually.ts';
import { certificateFor } from './certificate.ts';
import { WebServer } from './web-server.ts';

/** Addresses of this machine where nobody listens. */
const CLOSED = ['127.0.0.2', '127.0.0.3'];

let server: WebServer | undefined;
afterEach(async () => {
  await server?.close();
});

async function ask(target: Target, addresses: readonly string[], ca?: string): Promise<string> {
  const signal = new AbortController().signal;
  const client = new Client(target.url.origin, {
    connect: pinnedConnector(target, { addresses, ca, signal }),
  });
  try {
    const { body } = await client.request({ method: 'GET', path: '/' });
    return await body.text();
  } finally {
    await client.destroy();
  }
}

describe('pinnedConnector', () => {
  it('tries the addresses that it was given, one after the other', async () => {
    server = await WebServer.start((_request, response) => response.end('here'));
    // A name that leads nowhere: no look-up of it can have helped.
    const target = { url: new URL(`http://nowhere.test:${server.port}/`), host: 'nowhere.test' };
    expect(await ask(target, [...CLOSED, '127.0.0.1'])).toBe('here');
    expect(await ask(target, ['127.0.0.1', ...CLOSED])).toBe('here');
    await expect(ask(target, CLOSED)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(ask(target, [])).rejects.toThrow('no address');
    expect(server.connections).toBe(2);
  });

  it('connects over TLS to the addresses, and asks for the name', async () => {
    const certificate = certificateFor('nowhere.test');
    server = await WebServer.start((_request, response) => response.end('here'), certificate);
    const target = { url: new URL(`https://nowhere.test:${server.port}/`), host: 'nowhere.test' };
    expect(await ask(target, [...CLOSED, '127.0.0.1'], certificate.cert)).toBe('here');
    await expect(ask(target, CLOSED, certificate.cert)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('ends with its signal, connected or not', async () => {
    const stop = new AbortController();
    server = await WebServer.startRaw(() => {});
    const target = { url: new URL(`https://nowhere.test:${server.port}/`), host: 'nowhere.test' };
    const client = new Client(target.url.origin, {
      connect: pinnedConnector(target, { addresses: ['127.0.0.1'], signal: stop.signal }),
    });
    const ended = Promise.allSettled([client.request({ method: 'GET', path: '/' })]);
    await eventually(() => expect(server?.open).toBe(1));
    stop.abort();
    expect(await ended).toMatchObject([{ status: 'rejected' }]);
    await eventually(() => expect(server?.open).toBe(0));
    await client.destroy();
  });
});
