import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Load } from '../../../bench/chaos/load.ts';

interface Asked {
  readonly key: string;
  readonly to: string;
}

describe('the load of the chaos run', () => {
  const servers: Server[] = [];

  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await once(server.close(), 'close');
    }
  });

  async function node(listener: RequestListener): Promise<string> {
    const server = createServer(listener).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Accepts everything, and keeps what it was asked. */
  async function accepting(asked: Asked[]): Promise<string> {
    return node((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => void (text += chunk.toString()));
      request.on('end', () => {
        const { to } = JSON.parse(text) as { to: string };
        const key = String(request.headers['idempotency-key']);
        asked.push({ key, to });
        const body = { id: `ver_${key}`, callId: `call_${key}`, to, createdAt: new Date().toISOString() };
        response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
    });
  }

  it('asks the next node, with the same key, where one refuses, is away, or says nothing', async () => {
    const asked: Asked[] = [];
    const refused: string[] = [];
    const silent: string[] = [];
    const refusing = await node((request, response) => {
      refused.push(String(request.headers['idempotency-key']));
      const headers = { 'content-type': 'application/json', 'retry-after': '1' };
      response.writeHead(503, headers).end('{"error":{"code":"store_unavailable"}}');
    });
    const mute = await node((request) => void silent.push(String(request.headers['idempotency-key'])));
    const gone = await node(() => undefined);
    await once((servers.pop() as Server).close(), 'close');
    const urls = [refusing, mute, gone, await accepting(asked)];
    const load = new Load({ calls: 8, ratePerSecond: 200, seed: 3, urls });
    const reached: number[] = [];
    const half = load.reached(0.5).then(() => reached.push(load.accepted.length));
    await load.run();
    await half;
    expect(load.accepted).toHaveLength(8);
    expect(new Set(asked.map(({ key }) => key)).size).toBe(8);
    expect(load.accepted.map(({ number }) => number).toSorted()).toEqual(
      asked.map(({ to }) => to).toSorted(),
    );
    expect(new Set([...refused, ...silent].filter((key) => !asked.some((one) => one.key === key)))).toEqual(
      new Set(),
    );
    expect(load.failures).toEqual(
      new Map([
        ['503 store_unavailable', 2],
        ['TimeoutError', 4],
        ['ECONNREFUSED', 6],
      ]),
    );
    expect(load.withoutRetryAfter).toBe(0);
    expect(load.refusedAfterMs).toHaveLength(2);
    expect(reached[0]).toBeGreaterThanOrEqual(4);
    expect(load.codes.size).toBe(8);
  });

  it('notices an answer 503 without Retry-After', async () => {
    const asked: Asked[] = [];
    const rude = await node((_request, response) => void response.writeHead(503).end('{}'));
    const load = new Load({ calls: 2, ratePerSecond: 200, seed: 3, urls: [rude, await accepting(asked)] });
    await load.run();
    expect(load.withoutRetryAfter).toBe(1);
  });
});
