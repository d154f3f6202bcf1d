import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { GuardedFetch } from '../../../src/outbound/guarded-fetch.ts';
import { RcmlSource } from '../../../src/rcml/rcml-source.ts';
import { NotingWeb } from '../../support/app/noting-web.ts';
import { eventually } from '../../support/eventually.ts';

const HOST = 'rcml.shop.example';
const BASE = `http://${HOST}`;
const TIMEOUT_MS = 400;

let web: NotingWeb;
let fetch: GuardedFetch;

beforeAll(async () => {
  web = await new NotingWeb().start();
  web.pages.set('/a', { body: '<Response><Say>a</Say></Response>' });
  web.pages.set('/never', 'never');
  web.pages.set('/latin', {
    headers: { 'content-type': 'text/xml; charset=iso-8859-1' },
    body: Buffer.from('<Response><Say>é</Say></Response>', 'latin1'),
  });
  web.pages.set('/broken', { body: Buffer.from('<Response><Say>é</Say></Response>', 'latin1') });
  web.pages.set('/moved', { status: 302, headers: { location: '/a' } });
  fetch = new GuardedFetch({
    allowedHosts: [],
    internalHosts: [{ host: HOST, address: '127.0.0.1', port: web.port }],
    timeoutMs: 10_000,
    maxBytes: 65_536,
    maxRedirects: 3,
  });
});
afterAll(async () => {
  fetch.close();
  await web.close();
});

function source(maxConcurrent = 10): RcmlSource {
  return new RcmlSource({ fetch, timeoutMs: TIMEOUT_MS, maxConcurrent });
}

async function refusal(work: Promise<unknown>): Promise<AppError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof AppError) return error;
  throw new Error('this was not refused', { cause: error });
}

describe('what a call is to say', () => {
  it.each([
    ['/a', 'a'],
    ['/latin', 'é'],
    ['/moved', 'a'],
  ])('is at %s', async (path, tts) => {
    const asked = { url: BASE + path, method: 'GET', fields: { CallSid: 'CA1' } } as const;
    expect((await source().playlist(asked)).items).toEqual([{ tts }]);
    expect(web.requests.findLast((one) => one.path === path)?.fields).toEqual({ CallSid: 'CA1' });
  });

  it('is no other than its bytes say', async () => {
    const error = await refusal(source().playlist({ url: `${BASE}/broken`, method: 'POST', fields: {} }));
    expect([error.code, error.message]).toEqual([
      'invalid_request',
      'Url: that is no RCML that can be used: its bytes are not what its encoding says.',
    ]);
  });

  it('is not waited for longer than all of it may take', async () => {
    const url = `${BASE}/never`;
    const alone = await refusal(source().playlist({ url, method: 'POST', fields: {} }));
    expect(alone.message).toBe('Url: no whole document came in time.');
    const both = source().playlist({ url, method: 'GET', fallback: { url, method: 'POST' }, fields: {} });
    expect((await refusal(both)).message).toBe(
      'Url: no whole document came in time. FallbackUrl: no whole document came in time.',
    );
    const rescued = source().playlist({
      url,
      method: 'GET',
      fallback: { url: `${BASE}/a`, method: 'POST' },
      fields: {},
    });
    expect((await rescued).items).toEqual([{ tts: 'a' }]);
  });

  it('is not asked for by more calls at the same time than may be', async () => {
    const one = source(1);
    web.requests.length = 0;
    const waiting = refusal(one.playlist({ url: `${BASE}/never`, method: 'GET', fields: {} }));
    await eventually(() => expect(web.requests).toHaveLength(1));
    const request = { url: `${BASE}/a`, method: 'GET', fields: {} } as const;
    expect(await refusal(one.playlist(request))).toMatchObject({
      code: 'too_many_requests',
      retryAfterSeconds: 1,
    });
    await waiting;
    expect((await one.playlist(request)).items).toEqual([{ tts: 'a' }]);
  });

  it('is asked for although another client has all that it may have under way', async () => {
    const four = source(4);
    web.requests.length = 0;
    const never = { url: `${BASE}/never`, method: 'GET', fields: {}, clientId: 'slow' } as const;
    const waiting = [refusal(four.playlist(never)), refusal(four.playlist(never))];
    await eventually(() => expect(web.requests).toHaveLength(2));
    expect(await refusal(four.playlist(never))).toMatchObject({ code: 'too_many_requests' });
    const request = { url: `${BASE}/a`, method: 'GET', fields: {} } as const;
    for (const clientId of ['shop', null]) {
      expect((await four.playlist({ ...request, clientId })).items).toEqual([{ tts: 'a' }]);
    }
    await Promise.all(waiting);
    expect((await four.playlist({ ...request, clientId: 'slow' })).items).toEqual([{ tts: 'a' }]);
  });
});
