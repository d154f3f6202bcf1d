import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { certificateFor } from './certificate.ts';
import { errorOf, fetcher, noneOpen, serve, serveRaw, text } from './fetch-rig.ts';
import { WebServer } from './web-server.ts';

describe('GuardedFetch', () => {
  it('gives status, headers, body and address', async () => {
    const server = await serve((request, response) => {
      response.writeHead(203, { 'X-One': '1', 'Set-Cookie': ['a=1', 'b=2'] }).end(`got ${request.url}`);
    });
    const { body, ...answer } = await fetcher([server]).get('http://A.test./x/../y?z#f');
    expect(text(body)).toBe('got /y?z');
    expect(answer).toMatchObject({
      status: 203,
      url: 'http://a.test/y?z',
      headers: { 'x-one': '1', 'set-cookie': 'a=1, b=2' },
    });
    expect(server.requests[0]?.headers).toMatchObject({ host: 'a.test', 'accept-encoding': 'identity' });
  });

  it('sends what it is given, but not what is its own', async () => {
    const server = await serve((_request, response) => response.end());
    const headers = {
      'X-Key': 'k',
      Host: 'evil.test',
      'Accept-Encoding': 'gzip',
      'content-length': '7',
      Expect: 'x',
    };
    await fetcher([server]).get('http://a.test/', { headers });
    const got = server.requests[0]?.headers;
    expect(got).toMatchObject({ 'x-key': 'k', host: 'a.test', 'accept-encoding': 'identity' });
    expect(got).not.toHaveProperty('content-length');
    expect(got).not.toHaveProperty('expect');
  });

  it.each([204, 304, 300, 404, 500])('leaves status %i to its caller', async (status) => {
    const server = await serve((_request, response) => response.writeHead(status).end());
    expect((await fetcher([server]).get('http://a.test/')).status).toBe(status);
  });

  it('reads bodies of many sizes whole', async () => {
    const server = await serve((request, response) => {
      const bytes = Buffer.alloc(Number(request.url?.slice(1)), 7);
      // In two parts, and so without a content-length.
      response.write(bytes.subarray(0, 1000));
      response.end(bytes.subarray(1000));
    });
    for (const size of [1, 1000, 65_535, 65_536, 65_537, 99_999, 100_000]) {
      const { body } = await fetcher([server]).get(`http://a.test/${size}`);
      expect(Buffer.compare(body, Buffer.alloc(size, 7))).toBe(0);
    }
    expect((await errorOf(fetcher([server]).get('http://a.test/100001'))).reason).toBe('too_large');
  });

  it('takes many requests at once', async () => {
    const server = await serve((request, response) => response.end(request.url));
    const guarded = fetcher([server]);
    const paths = Array.from({ length: 50 }, (_, index) => `/${index}`);
    const answers = await Promise.all(paths.map((path) => guarded.get(`http://a.test${path}`)));
    expect(answers.map(({ body }) => text(body))).toEqual(paths);
    expect(server.connections).toBe(50);
  });

  it('connects to internal hosts at the port of the URL where none is set', async () => {
    const server = await serve((_request, response) => response.end('yes'));
    const guarded = fetcher([], { internalHosts: [{ host: '127.0.0.1', address: '127.0.0.1' }] });
    expect(text((await guarded.get(`http://127.0.0.1:${server.port}/`)).body)).toBe('yes');
  });
});

describe('redirects', () => {
  const to =
    (location: string, status = 302): RequestListener =>
    (request, response) => {
      if (request.url === '/end') response.end('end');
      else response.writeHead(status, { location }).end('a body that nobody reads');
    };

  it.each([301, 302, 303, 307, 308])('follows %i', async (status) => {
    const a = await serve(to('http://b.test/end', status));
    const b = await serve(to('/'));
    const answer = await fetcher([a, b]).get('http://a.test/');
    expect({ url: answer.url, body: text(answer.body) }).toEqual({ url: 'http://b.test/end', body: 'end' });
  });

  it('ends a loop', async () => {
    const server = await serve(to('/again'));
    const error = await errorOf(fetcher([server]).get('http://a.test/'));
    expect({ reason: error.reason, requests: server.requests.length }).toEqual({
      reason: 'failed',
      requests: 4,
    });
    await errorOf(fetcher([server], { maxRedirects: 0 }).get('http://a.test/'));
    expect(server.requests).toHaveLength(5);
  });

  it('gives the answer where no place is named, and fails where two are', async () => {
    const server = await serve((request, response) => {
      if (request.url === '/two') response.setHeader('location', ['/end', '/end']);
      response.writeHead(302).end();
    });
    expect((await fetcher([server]).get('http://a.test/none')).status).toBe(302);
    expect((await errorOf(fetcher([server]).get('http://a.test/two'))).reason).toBe('failed');
  });

  it('shows credentials to the origin that they are for, and never again after another one', async () => {
    const a = await serve(to('/same'));
    const b = await serve(to('http://a.test/end'));
    const start = await serve((request, response) => {
      response.writeHead(302, { location: request.url === '/' ? '/2' : 'http://b.test/' }).end();
    });
    const headers = {
      Authorization: 'secret',
      Cookie: 'secret',
      'X-Api-Key': 'secret',
      'If-None-Match': '"1"',
    };
    await fetcher([a, b, start]).get('http://c.test/', { headers });
    const seen = [start, b, a].map(({ requests }) => requests.map(({ headers: got }) => JSON.stringify(got)));
    expect(seen.map((each) => each.map((got) => got.split('secret').length - 1))).toEqual([[3, 3], [0], [0]]);
    expect(a.requests[0]?.headers).toMatchObject({ 'if-none-match': '"1"', 'accept-encoding': 'identity' });
  });
});

describe('an end before the end', () => {
  it('gives the reason of the signal', async () => {
    const server = await serve(() => {});
    const stop = new AbortController();
    const request = fetcher([server]).get('http://a.test/', { signal: stop.signal });
    await eventually(() => expect(server.requests).toHaveLength(1));
    stop.abort(new Error('enough'));
    await expect(request).rejects.toThrow('enough');
    await expect(fetcher([server]).get('http://a.test/', { signal: stop.signal })).rejects.toThrow('enough');
    expect(server.requests).toHaveLength(1);
  });

  it('comes with close, and nothing after it', async () => {
    const server = await serve((_request, response) => response.write('x'));
    const guarded = fetcher([server]);
    const requests = [1, 2, 3].map(() => errorOf(guarded.get('http://a.test/')));
    await eventually(() => expect(server.requests).toHaveLength(3));
    guarded.close();
    expect((await Promise.all(requests)).map(({ reason }) => reason)).toEqual(['failed', 'failed', 'failed']);
    expect((await errorOf(guarded.get('http://a.test/'))).reason).toBe('failed');
    expect(server.requests).toHaveLength(3);
  });

  it.each<[string, (socket: Socket) => void]>([
    ['a closed connection', (socket) => socket.end()],
    ['a reset', (socket) => socket.resetAndDestroy()],
    ['something else than HTTP', (socket) => socket.end('220 mail.test ESMTP\r\n')],
    ['a request', (socket) => socket.end('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')],
    [
      'chunks that are none',
      (socket) => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'),
    ],
    ['another protocol', (socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n')],
  ])('is a failure: %s', async (_name, act) => {
    const error = await errorOf(fetcher([await serveRaw(act)]).get('http://a.test/'));
    expect(error.reason).toBe('failed');
  });

  it('is a failure where nobody listens', async () => {
    const server = await WebServer.start(() => {});
    const { port } = server;
    await server.close();
    const gone = fetcher([], { internalHosts: [{ host: 'a.test', address: '127.0.0.1', port }] });
    expect((await errorOf(gone.get('http://a.test/'))).reason).toBe('failed');
  });
});

describe('https', () => {
  const certificate = certificateFor('a.test');

  it('checks the certificate against the name, not against the address', async () => {
    const server = await serve((_request, response) => response.end('safe'), certificate);
    const guarded = fetcher([server], { ca: certificate.cert });
    expect(text((await guarded.get('https://a.test/')).body)).toBe('safe');
  });

  it('takes no certificate of another name, and none that nobody vouches for', async () => {
    const server = await serve((_request, response) => response.end('safe'), certificate);
    const misnamed = fetcher([server, server], { ca: certificate.cert });
    expect((await errorOf(misnamed.get('https://b.test/'))).reason).toBe('failed');
    expect((await errorOf(fetcher([server]).get('https://a.test/'))).reason).toBe('failed');
    expect(server.requests).toEqual([]);
  });

  it('is never left for http', async () => {
    const plain = await serve((_request, response) => response.end('plain'));
    const secure = await serve(
      (_request, response) => response.writeHead(302, { location: 'http://b.test/' }).end(),
      certificate,
    );
    const error = await errorOf(fetcher([secure, plain], { ca: certificate.cert }).get('https://a.test/'));
    expect({ reason: error.reason, connections: plain.connections }).toEqual({
      reason: 'refused',
      connections: 0,
    });
  });

  it('may come after http', async () => {
    const secure = await serve((_request, response) => response.end('safe'), certificate);
    const plain = await serve((_request, response) =>
      response.writeHead(302, { location: 'https://a.test/' }).end(),
    );
    const answer = await fetcher([secure, plain], { ca: certificate.cert }).get('http://b.test/');
    expect(answer.url).toBe('https://a.test/');
  });
});

describe('sockets', () => {
  const tcp = (): number =>
    process.getActiveResourcesInfo().filter((kind) => /TCPSocket|TLS/.test(kind)).length;

  it('are all closed after requests of every kind', async () => {
    const server = await serve((request, response) => {
      if (request.url === '/ok') response.end('ok');
      else if (request.url === '/redirect') response.writeHead(302, { location: '/ok' }).end('x');
      else if (request.url === '/away') response.writeHead(302, { location: 'http://127.0.0.1/' }).end('x');
      else if (request.url === '/large') response.end(Buffer.alloc(1_000_000));
      else if (request.url === '/gzip')
        response.setHeader('content-encoding', 'gzip').end(Buffer.alloc(1_000_000));
      else if (request.url === '/broken') request.socket.destroy();
      else response.write('and then nothing');
    });
    const guarded = fetcher([server], { timeoutMs: 500 });
    const stop = new AbortController();
    const paths = ['ok', 'redirect', 'away', 'large', 'gzip', 'broken', 'stall'].flatMap((path) => [
      path,
      path,
    ]);
    const requests = paths.map((path) => guarded.get(`http://a.test/${path}`));
    const aborted = guarded.get('http://a.test/stall', { signal: stop.signal });
    const ended = Promise.allSettled([...requests, aborted]);
    await eventually(() => expect(server.requests.filter(({ url }) => url === '/stall')).toHaveLength(3));
    stop.abort();
    expect((await ended).filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
    await noneOpen();
    await eventually(() => expect(tcp()).toBe(0));
  });
});
