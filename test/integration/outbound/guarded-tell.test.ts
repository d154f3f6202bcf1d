import { describe, expect, it } from 'vitest';
import { errorOf, fetcher, noneOpen, serve } from './fetch-rig.ts';

describe('telling', () => {
  it('posts a body with its headers, and hears the status only', async () => {
    const bodies: string[] = [];
    const server = await serve((request, response) => {
      let body = '';
      request.on('data', (piece: Buffer) => void (body += piece.toString()));
      request.on('end', () => {
        bodies.push(`${request.method} ${request.headers['content-type']} ${body}`);
        response.writeHead(418, { 'retry-after': '7' }).end('not for us');
      });
    });
    const answer = await fetcher([server]).tell('POST', 'http://a.test/x', {
      headers: { 'content-type': 'text/plain', 'content-length': '999', host: 'b.test' },
      body: 'größe',
    });
    expect(answer).toMatchObject({ status: 418, headers: { 'retry-after': '7' } });
    expect(answer.body).toHaveLength(0);
    expect(bodies).toEqual(['POST text/plain größe']);
    expect(server.requests[0]?.headers.host).toBe('a.test');
  });

  it('follows no redirect, wherever that leads', async () => {
    const inside = await serve((_request, response) => void response.end());
    for (const location of ['http://b.test/', '/elsewhere', 'http://169.254.169.254/', 'nonsense://']) {
      const server = await serve((_request, response) => void response.writeHead(302, { location }).end());
      const fetch = fetcher([server, inside]);
      const error = await errorOf(fetch.tell('POST', 'http://a.test/', { body: 'x' }));
      expect(['failed', 'refused']).toContain(error.reason);
      expect(server.connections).toBe(1);
    }
    expect(inside.connections).toBe(0);
  });

  it('asks no private address', async () => {
    const server = await serve((_request, response) => void response.end());
    const fetch = fetcher([], { resolve: async () => ['127.0.0.1'] });
    for (const host of ['127.0.0.1', '[::1]', 'localhost', 'inside.example.org']) {
      const asked = fetch.tell('POST', `http://${host}:${server.port}/`, { body: 'x' });
      expect((await errorOf(asked)).reason).toBe('refused');
    }
    expect(server.connections).toBe(0);
  });

  it('counts as taken whatever the rest of the answer is, soon', async () => {
    const endless = await serve((_request, response) => {
      response.writeHead(200);
      const more = setInterval(() => response.write('x'.repeat(10_000)), 1);
      response.on('close', () => clearInterval(more));
    });
    const stuck = await serve((_request, response) => void response.writeHead(200).write('x'));
    const cut = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('x', () => response.destroy());
    });
    for (const server of [endless, stuck, cut]) {
      const startedAt = performance.now();
      expect((await fetcher([server]).tell('POST', 'http://a.test/', { body: 'x' })).status).toBe(200);
      expect(performance.now() - startedAt).toBeLessThan(5000);
    }
    await noneOpen();
  });

  it('ends after its time, and by a signal', async () => {
    const server = await serve(() => undefined);
    const late = await errorOf(
      fetcher([server], { timeoutMs: 100 }).tell('POST', 'http://a.test/', { body: 'x' }),
    );
    expect(late.reason).toBe('timeout');
    const stop = new AbortController();
    const asked = fetcher([server]).tell('GET', 'http://a.test/', { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
  });
});
