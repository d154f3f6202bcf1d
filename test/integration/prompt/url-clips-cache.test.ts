import type { RequestListener } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatWav } from '../../../src/media/wav.ts';
import { GuardedFetch } from '../../../src/outbound/guarded-fetch.ts';
import { UrlClips, type UrlClipsOptions } from '../../../src/prompt/url-clips.ts';
import { eventually } from '../../support/eventually.ts';
import { WebServer } from '../outbound/web-server.ts';

/** A signal of nobody's. */
const never = (): AbortSignal => new AbortController().signal;
const HOUR_MS = 3_600_000;

/** Half a second; each `seed` sounds different. */
function wav(seed: number): Uint8Array {
  return formatWav({
    sampleRate: 8000,
    samples: Int16Array.from({ length: 4000 }, (_, i) => (i * seed) % 999),
  });
}

let server: WebServer;
let fetch: GuardedFetch;
let answer: RequestListener;
let now: number;

beforeEach(async () => {
  now = 1_000_000;
  server = await WebServer.start((request, response) => answer(request, response));
  const here = { address: '127.0.0.1', port: server.port };
  fetch = new GuardedFetch({
    allowedHosts: [],
    internalHosts: ['a.test', 'b.test'].map((host) => ({ host, ...here })),
    timeoutMs: 10_000,
    maxBytes: 1_000_000,
    maxRedirects: 3,
  });
});
afterEach(async () => {
  fetch.close();
  await server.close();
});

function clips(options: Partial<UrlClipsOptions> = {}): UrlClips {
  return new UrlClips({ fetch, maxSeconds: 60, memoryBytes: 1_000_000, now: () => now, ...options });
}

/** A file with an ETag, as a web server keeps it. */
function file(seed: number, headers: Record<string, string> = { etag: `"${seed}"` }): RequestListener {
  return (request, response) => {
    const same = headers['etag'] !== undefined && request.headers['if-none-match'] === headers['etag'];
    const old = request.headers['if-modified-since'] === (headers['last-modified'] ?? '');
    if (same || old) response.writeHead(304, headers).end();
    else response.writeHead(200, { 'content-type': 'audio/wav', ...headers }).end(wav(seed));
  };
}

const conditions = (): (string | undefined)[] =>
  server.requests.map(({ headers }) => headers['if-none-match'] ?? headers['if-modified-since']);

describe('a clip of a URL', () => {
  it('is asked for again with its ETag, and stays the same object', async () => {
    answer = file(1);
    const kept = clips();
    const first = await kept.clip('http://a.test/x.wav', never());
    expect(first).toHaveLength(4000);
    expect(await kept.clip('http://a.test/x.wav', never())).toBe(first);
    expect(await kept.clip('http://a.test/x.wav', never())).toBe(first);
    expect(conditions()).toEqual([undefined, '"1"', '"1"']);
  });

  it('is asked for again with the time of its last change', async () => {
    answer = file(1, { 'last-modified': 'Wed, 21 Oct 2015 07:28:00 GMT' });
    const kept = clips();
    const first = await kept.clip('http://a.test/x.wav', never());
    expect(await kept.clip('http://a.test/x.wav', never())).toBe(first);
    expect(conditions()).toEqual([undefined, 'Wed, 21 Oct 2015 07:28:00 GMT']);
  });

  it('is a new sound when the file changed, and the old one again when it changed back', async () => {
    const kept = clips();
    answer = file(1);
    const first = await kept.clip('http://a.test/x.wav', never());
    answer = file(2);
    const second = await kept.clip('http://a.test/x.wav', never());
    expect(Array.from(second)).not.toEqual(Array.from(first));
    expect(await kept.clip('http://a.test/x.wav', never())).toBe(second);
    answer = file(1);
    expect(await kept.clip('http://a.test/x.wav', never())).toBe(first);
    expect(conditions()).toEqual([undefined, '"1"', '"2"', '"2"']);
  });

  it('is the same object for the same bytes, whatever the URL and without validators', async () => {
    answer = file(1, {});
    const kept = clips();
    const first = await kept.clip('http://a.test/x.wav?signed=1', never());
    expect(await kept.clip('http://b.test/x.wav?signed=2', never())).toBe(first);
    expect(await kept.clip('http://a.test/x.wav?signed=1', never())).toBe(first);
    expect(conditions()).toEqual([undefined, undefined, undefined]);
  });

  it.each(['no quotes', '"a"b"', `"${'x'.repeat(300)}"`, '"\u{e4}"'])(
    'does not repeat a strange ETag: %s',
    async (etag) => {
      answer = file(1, { etag });
      const kept = clips();
      await kept.clip('http://a.test/x.wav', never());
      await kept.clip('http://a.test/x.wav', never());
      expect(conditions()).toEqual([undefined, undefined]);
    },
  );

  it('fails when the file is gone, and is there again with it', async () => {
    answer = file(1);
    const kept = clips();
    const first = await kept.clip('http://a.test/x.wav', never());
    answer = (_request, response) => response.writeHead(404).end('not here');
    await expect(kept.clip('http://a.test/x.wav', never())).rejects.toMatchObject({ fault: 'url_failed' });
    answer = file(1);
    expect(await kept.clip('http://a.test/x.wav', never())).toBe(first);
  });
});

describe('Cache-Control', () => {
  it.each<[string, Record<string, string>, number, boolean]>([
    ['is fresh for max-age', { 'cache-control': 'public, max-age=60' }, 59_000, true],
    ['is stale after max-age', { 'cache-control': 'public, max-age=60' }, 60_000, false],
    ['is read in any case and with quotes', { 'cache-control': 'Max-Age="60"' }, 59_000, true],
    ['is fresh for an hour at most', { 'cache-control': 'max-age=31536000' }, HOUR_MS - 1, true],
    ['is stale after an hour', { 'cache-control': 'max-age=31536000' }, HOUR_MS, false],
    ['counts the time in other caches', { 'cache-control': 'max-age=60', age: '30' }, 29_000, true],
    ['counts no more than that', { 'cache-control': 'max-age=60', age: '30' }, 30_000, false],
    ['may want to be asked always', { 'cache-control': 'no-cache, max-age=60' }, 0, false],
    ['may say nothing', { 'cache-control': 'max-age=soon' }, 0, false],
    ['may be negative', { 'cache-control': 'max-age=-1' }, 0, false],
    ['may be left out', {}, 0, false],
  ])('%s', async (_name, headers, laterMs, fresh) => {
    answer = file(1, { etag: '"1"', ...headers });
    const kept = clips();
    const first = await kept.clip('http://a.test/x.wav', never());
    now += laterMs;
    expect(await kept.clip('http://a.test/x.wav', never())).toBe(first);
    expect(server.requests).toHaveLength(fresh ? 1 : 2);
  });

  it('may be bounded further', async () => {
    answer = file(1, { 'cache-control': 'max-age=60' });
    const kept = clips({ maxAgeMs: 1000 });
    await kept.clip('http://a.test/x.wav', never());
    now += 999;
    await kept.clip('http://a.test/x.wav', never());
    expect(server.requests).toHaveLength(1);
    now += 1;
    await kept.clip('http://a.test/x.wav', never());
    expect(server.requests).toHaveLength(2);
  });

  it('makes a clip fresh again with a 304', async () => {
    answer = file(1, { etag: '"1"', 'cache-control': 'max-age=60' });
    const kept = clips();
    for (const laterMs of [0, 60_000, 59_000, 1000]) {
      now += laterMs;
      await kept.clip('http://a.test/x.wav', never());
    }
    expect(conditions()).toEqual([undefined, '"1"', '"1"']);
  });

  it('keeps nothing of what is not to be stored', async () => {
    answer = file(1, { etag: '"1"', 'cache-control': 'no-store, max-age=60' });
    const kept = clips();
    const first = await kept.clip('http://a.test/x.wav', never());
    expect(await kept.clip('http://a.test/x.wav', never())).not.toBe(first);
    expect(conditions()).toEqual([undefined, undefined]);
  });

  it('lets go of what is not to be stored any more', async () => {
    const kept = clips();
    answer = file(1, { etag: '"1"' });
    await kept.clip('http://a.test/x.wav', never());
    answer = file(1, { etag: '"1"', 'cache-control': 'no-store' });
    await kept.clip('http://a.test/x.wav', never());
    await kept.clip('http://a.test/x.wav', never());
    expect(conditions()).toEqual([undefined, '"1"', undefined]);
  });

  it('is not that of a redirect', async () => {
    const target = file(1, { etag: '"1"', 'cache-control': 'max-age=60' });
    answer = (request, response) => {
      if (request.url === '/latest') response.writeHead(302, { location: '/1' }).end();
      else target(request, response);
    };
    const kept = clips();
    const first = await kept.clip('http://a.test/latest', never());
    expect(await kept.clip('http://a.test/latest', never())).toBe(first);
    expect(server.requests.map(({ url }) => url)).toEqual(['/latest', '/1', '/latest', '/1']);
  });

  it('of one file is not that of another with the same ETag', async () => {
    let place = '/1';
    answer = (request, response) => {
      if (request.url === '/latest') response.writeHead(302, { location: place }).end();
      else file(request.url === '/1' ? 1 : 2, { etag: '"v"' })(request, response);
    };
    const kept = clips();
    const first = await kept.clip('http://a.test/latest', never());
    place = '/2';
    const second = await kept.clip('http://a.test/latest', never());
    expect(Array.from(second)).not.toEqual(Array.from(first));
    expect(await kept.clip('http://a.test/latest', never())).toBe(second);
  });
});

describe('many who ask at once', () => {
  it('share one request', async () => {
    answer = file(1);
    const kept = clips();
    const all = await Promise.all(
      Array.from({ length: 20 }, () => kept.clip('http://a.test/x.wav', never())),
    );
    expect(new Set(all).size).toBe(1);
    expect(server.requests).toHaveLength(1);
  });

  it('get the same sound from URLs with the same file, while it is made', async () => {
    const go: (() => void)[] = [];
    // Ten seconds: it is made in many pieces, and all of them at the same time.
    const bytes = formatWav({ sampleRate: 8000, samples: new Int16Array(80_000).fill(7) });
    answer = (_request, response) => go.push(() => response.end(bytes));
    const kept = clips();
    const urls = Array.from({ length: 5 }, (_, index) => `http://a.test/${index}.wav`);
    const all = Promise.all(urls.map((url) => kept.clip(url, never())));
    await eventually(() => expect(go).toHaveLength(5));
    for (const one of go) one();
    expect(new Set(await all).size).toBe(1);
  });

  it('share the failure, and the next one tries again', async () => {
    answer = (_request, response) => response.writeHead(500).end();
    const kept = clips();
    const all = await Promise.allSettled([1, 2, 3].map(() => kept.clip('http://a.test/x.wav', never())));
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(server.requests).toHaveLength(1);
    answer = file(1);
    expect(await kept.clip('http://a.test/x.wav', never())).toHaveLength(4000);
  });

  it('go on when one leaves', async () => {
    let go: () => void = () => {};
    answer = (request, response) => (go = () => file(1)(request, response));
    const kept = clips();
    const stop = new AbortController();
    const leaver = Promise.allSettled([kept.clip('http://a.test/x.wav', stop.signal)]);
    const stayer = kept.clip('http://a.test/x.wav', never());
    await eventually(() => expect(server.requests).toHaveLength(1));
    stop.abort(new Error('left'));
    expect(await leaver).toMatchObject([{ status: 'rejected', reason: { message: 'left' } }]);
    go();
    expect(await stayer).toHaveLength(4000);
    expect(server.requests).toHaveLength(1);
  });

  it('are not stopped with those who leave in the moment in which they come', async () => {
    answer = () => {};
    const kept = clips();
    const stop = new AbortController();
    const leavers = Promise.allSettled([1, 2].map(() => kept.clip('http://a.test/x.wav', stop.signal)));
    await eventually(() => expect(server.requests).toHaveLength(1));
    answer = file(1);
    stop.abort(new Error('left'));
    const comer = kept.clip('http://a.test/x.wav', never());
    expect((await leavers).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await comer).toHaveLength(4000);
    expect(server.requests).toHaveLength(2);
  });

  it('end the request when all have left, and one who comes later has a new one', async () => {
    answer = () => {};
    const kept = clips();
    const stop = new AbortController();
    const leavers = Promise.allSettled([1, 2].map(() => kept.clip('http://a.test/x.wav', stop.signal)));
    await eventually(() => expect(server.requests).toHaveLength(1));
    stop.abort(new Error('left'));
    await leavers;
    answer = file(1);
    expect(await kept.clip('http://a.test/x.wav', never())).toHaveLength(4000);
    expect(server.requests).toHaveLength(2);
    await eventually(() => expect(server.open).toBe(0));
  });

  it('are not served who have left before', async () => {
    await expect(clips().clip('http://a.test/x.wav', AbortSignal.abort(new Error('left')))).rejects.toThrow(
      'left',
    );
    expect(server.requests).toEqual([]);
  });
});

describe('the memory', () => {
  it('lets the clips go that were not used for longest', async () => {
    answer = (request, response) => file(Number(request.url?.slice(1)))(request, response);
    // A clip of 4000 samples takes 16,000 bytes with what it is encoded to.
    const kept = clips({ memoryBytes: 33_000 });
    for (const path of [1, 2, 1, 3, 1, 2]) await kept.clip(`http://a.test/${path}`, never());
    expect(server.requests.map(({ url }, at) => [url, conditions()[at]])).toEqual([
      ['/1', undefined],
      ['/2', undefined],
      ['/1', '"1"'],
      ['/3', undefined],
      ['/1', '"1"'],
      ['/2', undefined],
    ]);
  });

  it('does not keep a clip that is larger than all of it, and gives it nevertheless', async () => {
    answer = file(1);
    const kept = clips({ memoryBytes: 10_000 });
    const first = await kept.clip('http://a.test/x.wav', never());
    expect(await kept.clip('http://a.test/x.wav', never())).toEqual(first);
    expect(conditions()).toEqual([undefined, undefined]);
  });
});
