import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { GuardedFetch } from '../../../src/outbound/guarded-fetch.ts';
import { flood } from '../../support/hostile-server.ts';
import { errorOf, fetcher, noneOpen, serve, serveRaw, text } from './fetch-rig.ts';
import type { WebServer } from './web-server.ts';

describe('what is too much', () => {
  const tooMuch = async (server: WebServer): Promise<string> =>
    (await errorOf(fetcher([server], { maxBytes: 10_000 }).get('http://a.test/'))).reason;

  it('is not read when it is announced', async () => {
    const server = await serve((_request, response) =>
      response.writeHead(200, { 'content-length': 1e12 }).write('x'),
    );
    expect(await tooMuch(server)).toBe('too_large');
  });

  it.each([
    ['without content-length', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['of HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\n'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n'],
    ['with a content-length that is no number', 'HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n'],
    ['with two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 11\r\n\r\n'],
  ])('is cut off: a body that never ends, %s', async (_name, head) => {
    let taken = 0;
    const server = await serveRaw((socket) => {
      socket.on('close', () => (taken = socket.bytesWritten));
      socket.write(head);
      flood(socket, 'a', 100_000_000);
    });
    expect(await tooMuch(server)).toMatch(/^(too_large|failed)$/);
    await noneOpen();
    // What was under way in the buffers of the system is lost, and no more.
    expect(taken).toBeLessThan(50_000_000);
  });

  it('is work: a body in pieces of one byte is given up after a few hundred', async () => {
    let taken = 0;
    const server = await serveRaw((socket) => {
      socket.on('close', () => (taken = socket.bytesWritten));
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      flood(socket, '1\r\na\r\n', 100_000_000);
    });
    const error = await errorOf(fetcher([server], { maxBytes: 5_000_000 }).get('http://a.test/'));
    expect(error.reason).toBe('failed');
    expect(error.message).toBe('http://a.test gave its answer in pieces that are too small');
    await noneOpen();
    expect(taken).toBeLessThan(50_000_000);
  });

  it('is not a body in many pieces, as sound comes when it is made', async () => {
    const server = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      socket.end(`${`a0\r\n${'a'.repeat(160)}\r\n`.repeat(5000)}0\r\n\r\n`);
    });
    const { body } = await fetcher([server], { maxBytes: 1_000_000 }).get('http://a.test/');
    expect(body).toHaveLength(800_000);
  });

  it('takes what a content-length says that is too short, and nothing more', async () => {
    const server = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n');
      flood(socket, 'a', 10_000_000);
    });
    expect(text((await fetcher([server]).get('http://a.test/')).body)).toBe('aaaaa');
  });

  it('fails where less comes than was said', async () => {
    const server = await serveRaw((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc'));
    expect((await errorOf(fetcher([server]).get('http://a.test/'))).reason).toBe('failed');
  });

  it('is not unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const server = await serve((_request, response) =>
      response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(bomb),
    );
    expect((await errorOf(fetcher([server]).get('http://a.test/'))).reason).toBe('failed');
    const plain = await serve((_request, response) => response.end(bomb));
    const { body } = await fetcher([plain]).get('http://a.test/');
    expect(Buffer.compare(body, bomb)).toBe(0);
  });

  it.each(['br', 'deflate', 'x-gzip', 'identity, gzip', 'zstd'])('does not take %s', async (encoding) => {
    const server = await serve((_request, response) =>
      response.setHeader('content-encoding', encoding).end('x'),
    );
    expect((await errorOf(fetcher([server]).get('http://a.test/'))).reason).toBe('failed');
  });

  it('is refused in headers too', async () => {
    const server = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      flood(socket, 'X-A: b\r\n', 10_000_000);
    });
    expect((await errorOf(fetcher([server]).get('http://a.test/'))).reason).toBe('failed');
  });

  it.each([
    ['asks', (guarded: GuardedFetch) => guarded.get('http://a.test/')],
    ['tells', (guarded: GuardedFetch) => guarded.tell('POST', 'http://a.test/', { body: 'x' })],
  ] as const)('is work: hints that never end are not read on by whoever %s', async (_what, ask) => {
    let taken = 0;
    const server = await serveRaw((socket) => {
      socket.on('close', () => (taken = socket.bytesWritten));
      flood(socket, 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', 100_000_000);
    });
    const error = await errorOf(ask(fetcher([server], { timeoutMs: 2000 })));
    expect(error.reason).toBe('failed');
    await noneOpen();
    expect(taken).toBeLessThan(50_000_000);
  });
});

describe('what is too slow', () => {
  /** Sends on and on, a little at a time. */
  const drip = (head: string, drop: string) => (socket: Socket) => {
    socket.write(head);
    const timer = setInterval(() => socket.write(drop), 5);
    socket.on('close', () => clearInterval(timer));
  };

  it.each<[string, (socket: Socket) => void]>([
    ['an answer that never comes', () => {}],
    ['a header that never ends', drip('HTTP/1.1 200 OK\r\nX-A: ', 'a')],
    ['headers one by one', drip('HTTP/1.1 200 OK\r\n', 'X-A: a\r\n')],
    ['hints that an answer will come', drip('', 'HTTP/1.1 103 Early Hints\r\n\r\n')],
    ['a body that stops', drip('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc', '')],
    ['a body byte by byte', drip('HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n', 'a')],
    ['chunks of one byte', drip('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', '1\r\na\r\n')],
  ])('ends at the limit: %s', async (_name, act) => {
    const server = await serveRaw(act);
    const error = await errorOf(fetcher([server], { timeoutMs: 250 }).get('http://a.test/'));
    expect(error.reason).toBe('timeout');
  });

  it('ends at one limit for all redirects', async () => {
    const server = await serve((_request, response) => {
      setTimeout(() => response.writeHead(302, { location: '/' }).end(), 100);
    });
    const guarded = fetcher([server], { timeoutMs: 250, maxRedirects: 1000 });
    expect((await errorOf(guarded.get('http://a.test/'))).reason).toBe('timeout');
  });

  it('does not wait for a look-up', async () => {
    const never = fetcher([], { timeoutMs: 50, resolve: () => new Promise(() => {}) });
    expect((await errorOf(never.get('http://files.test/'))).reason).toBe('timeout');
  });

  it('does not wait for TLS', async () => {
    const server = await serveRaw(() => {});
    expect((await errorOf(fetcher([server], { timeoutMs: 250 }).get('https://a.test/'))).reason).toBe(
      'timeout',
    );
  });
});
