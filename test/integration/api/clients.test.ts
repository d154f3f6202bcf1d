import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Door } from '../../../src/api/auth.ts';
import { clientOf, requireScope } from '../../../src/api/auth.ts';
import type { Scope } from '../../../src/clients/client.ts';
import { SCOPES } from '../../../src/clients/client.ts';
import { createKey } from '../../../src/clients/keys.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const HOUR = 3_600_000;
const shop = createKey('shop', randomBytes);
const bank = createKey('bank', randomBytes);
const clients = [shop, bank].map(({ id, hash }) => ({ id, keys: [{ hash }] }));

type Headers = Record<string, string>;

let service: Service;
afterEach(() => service.close());

const bearer = (key: string): Headers => ({ authorization: `Bearer ${key}` });
const accessKey = (key: string): Headers => ({ authorization: `AccessKey ${key}` });
const basic = (name: string, key: string): Headers => ({
  authorization: `Basic ${Buffer.from(`${name}:${key}`).toString('base64')}`,
});

async function statusOf(url: string, headers: Headers, method: 'GET' | 'POST' = 'GET'): Promise<number> {
  return (await service.api.inject({ method, url, headers })).statusCode;
}

describe('scopes', () => {
  /** Of each group one request that needs nothing but the right key to be anything but 401 or 403. */
  const GROUPS: readonly (readonly [scope: Scope | 'any', method: 'GET' | 'POST', url: string])[] = [
    ['verifications', 'GET', '/v1/verifications/ver_x'],
    ['verifications', 'POST', '/v1/verifications'],
    ['calls', 'GET', '/v1/calls'],
    ['calls', 'POST', '/v1/calls'],
    ['calls', 'GET', '/v1/calls/call_x/sip'],
    ['calls', 'POST', '/v1/prompts/preview'],
    ['calls', 'POST', '/voice/call/play'],
    ['calls', 'GET', '/status/carrier/carrier'],
    ['records', 'GET', '/v1/cdrs'],
    ['operator', 'GET', '/v1/cdrs/verify'],
    ['any', 'GET', '/v1/trunks'],
    ['any', 'GET', '/metrics'],
  ];

  it.each(SCOPES)('%s opens its own routes, and none beside them', async (scope) => {
    service = await startService({
      api: { clients: [{ id: 'shop', keys: [{ hash: shop.hash }], scopes: [scope] }] },
    });
    const found: unknown[] = [];
    const due: unknown[] = [];
    for (const [needed, method, url] of GROUPS) {
      const opens = needed === 'any' || needed === scope || scope === 'operator';
      due.push([method, url, opens ? 'open' : 403]);
      const status = await statusOf(url, bearer(shop.key), method);
      found.push([method, url, status === 401 || status === 403 ? status : 'open']);
    }
    expect(found).toEqual(due);
  });

  it('are told as the API of the path tells errors', async () => {
    service = await startService({
      api: { clients: [{ id: 'shop', keys: [{ hash: shop.hash }], scopes: ['records'] }] },
    });
    const headers = bearer(shop.key);
    expect((await service.api.inject({ url: '/v1/calls', headers })).json()).toMatchObject({
      error: { code: 'forbidden', message: 'This key does not open that.' },
    });
    expect((await service.api.inject({ url: '/status/carrier/carrier', headers })).json()).toEqual({
      code: 2002,
      status: 403,
      data: 'This key does not open that.',
    });
  });
});

describe('the keys of a client', () => {
  it('are as good as one another, until one expires while the service runs', async () => {
    const [old, next] = [createKey('shop', randomBytes), createKey('shop', randomBytes)];
    const expiresAt = new Date(Date.now() + HOUR).toISOString();
    service = await startService({
      api: { clients: [{ id: 'shop', keys: [{ hash: old.hash, expiresAt }, { hash: next.hash }] }] },
    });
    const statuses = async () => [
      await statusOf('/v1/calls', bearer(old.key)),
      await statusOf('/v1/calls', bearer(next.key)),
    ];
    expect(await statuses()).toEqual([200, 200]);
    service.passTime(HOUR);
    expect(await statuses()).toEqual([401, 200]);
  });
});

describe('credentials', () => {
  async function open(door: Door, settings: Parameters<typeof startService>[0]): Promise<void> {
    service = await startService(settings);
    await service.api.register(async (scope) => {
      requireScope(scope, 'verifications', door);
      scope.route({
        method: 'GET',
        url: '/there',
        handler: async (request) => ({ client: clientOf(request) }),
      });
    });
  }

  async function whoIs(headers: Headers): Promise<unknown> {
    const reply = await service.api.inject({ url: '/there', headers });
    if (reply.statusCode === 200) return reply.json<{ client: string }>().client;
    return [reply.statusCode, reply.headers['www-authenticate']];
  }

  const CHALLENGE = {
    bearer: 'Bearer',
    basic: 'Basic realm="voice-otp API", charset="UTF-8"',
    accesskey: 'AccessKey',
    password: 'Basic realm="voice-otp", charset="UTF-8"',
  } as const;
  const ALL: readonly (readonly [string, Headers])[] = [
    ['bearer', bearer(shop.key)],
    ['accesskey', accessKey(shop.key)],
    ['basic', basic('shop', shop.key)],
    ['another name', basic('anybody', shop.key)],
  ];

  it.each<[keyof typeof CHALLENGE, readonly string[]]>([
    ['bearer', ['bearer']],
    ['accesskey', ['accesskey']],
    ['basic', ['basic']],
    ['password', ['basic', 'another name']],
  ])('%s: those, and no others', async (credentials, counting) => {
    await open({ credentials }, { api: { clients } });
    const refused = [401, CHALLENGE[credentials]];
    expect(await whoIs({})).toEqual(refused);
    for (const [kind, headers] of ALL) {
      expect([kind, await whoIs(headers)]).toEqual([kind, counting.includes(kind) ? 'shop' : refused]);
    }
  });

  it('basic: the name is that of the client, with spaces around it or without', async () => {
    await open({ credentials: 'basic', challenge: 'Basic realm="Restcomm"' }, { api: { clients } });
    const refused = [401, 'Basic realm="Restcomm"'];
    const tried = [' shop', 'shop  ', '\tshop'].map((name) => whoIs(basic(name, shop.key)));
    expect(await Promise.all(tried)).toEqual(['shop', 'shop', 'shop']);
    for (const headers of [
      basic('bank', shop.key),
      basic('Shop', shop.key),
      basic('sh op', shop.key),
      basic('', shop.key),
      basic('shop', ` ${shop.key}`),
      basic('shop', ''),
      basic('nobody', 'nothing'),
      { authorization: 'Basic ***' },
      { authorization: `Basic ${Buffer.from('shop').toString('base64')}` },
      { authorization: 'Basic' },
    ]) {
      expect([headers, await whoIs(headers)]).toEqual([headers, refused]);
    }
  });

  it.each<[string, Headers, boolean]>([
    ['a program', {}, true],
    ['a page of ours', { 'sec-fetch-site': 'same-origin', origin: 'http://otp.example' }, true],
    ['a person', { 'sec-fetch-site': 'none' }, true],
    ['a page of another site', { 'sec-fetch-site': 'cross-site' }, false],
    ['a page beside ours', { 'sec-fetch-site': 'same-site' }, false],
    ['an old browser, on a page of ours', { origin: 'http://otp.example' }, true],
    ['an old browser, on another page', { origin: 'http://evil.example' }, false],
    ['a page of nowhere', { origin: 'null' }, false],
  ])('basic: sent for %s', async (_who, said, counts) => {
    await open({ credentials: 'basic' }, { api: { clients } });
    const headers = { ...basic('shop', shop.key), host: 'otp.example', ...said };
    expect(await whoIs(headers)).toEqual(counts ? 'shop' : [401, CHALLENGE.basic]);
  });

  it('several: each of them, and the challenge of the first', async () => {
    await open({ credentials: ['accesskey', 'bearer'] }, { api: { clients } });
    expect([await whoIs(accessKey(bank.key)), await whoIs(bearer(bank.key))]).toEqual(['bank', 'bank']);
    expect(await whoIs(basic('bank', bank.key))).toEqual([401, 'AccessKey']);
  });

  it('none where the service runs without clients', async () => {
    await open({ credentials: 'basic' }, {});
    expect([await whoIs({}), await whoIs(bearer('anything'))]).toEqual([null, null]);
  });

  it('count for the rate limit of the client', async () => {
    await open({ credentials: 'basic' }, { api: { clients, rateLimit: { max: 2, windowSeconds: 60 } } });
    const statuses: number[] = [];
    for (let n = 0; n < 3; n++) statuses.push(await statusOf('/there', basic('shop', shop.key)));
    statuses.push(await statusOf('/there', basic('bank', bank.key)));
    expect(statuses).toEqual([200, 200, 429, 200]);
  });
});

describe('wrong keys', () => {
  const wrong = (): Headers => bearer(createKey('x', randomBytes).key);

  beforeEach(async () => {
    service = await startService({
      api: { clients, trustProxy: ['127.0.0.0/8'], wrongKeys: { max: 3, windowSeconds: 60 } },
    });
  });

  it('are refused another way when there are too many, each API in its own words', async () => {
    for (let n = 0; n < 3; n++) expect(await statusOf('/v1/calls', wrong())).toBe(401);
    const refused = await service.api.inject({ url: '/v1/calls', headers: wrong() });
    expect([refused.statusCode, refused.json()]).toMatchObject([
      429,
      { error: { code: 'too_many_requests', message: 'Too many wrong API keys came from this address.' } },
    ]);
    const wait = Number(refused.headers['retry-after']);
    expect(wait).toBeGreaterThan(50);
    expect(wait).toBeLessThanOrEqual(60);
    const other = await service.api.inject({ url: '/status/carrier/carrier', headers: wrong() });
    expect(other.json()).toMatchObject({ code: 4001, status: 429 });
    expect(Number(other.headers['retry-after'])).toBeGreaterThan(50);
    expect(service.log().split('too many wrong API keys from an address')).toHaveLength(2);
    expect(service.log()).not.toContain('vok_');
  });

  it('shut nobody else of the address out, and no other address', async () => {
    for (let n = 0; n < 5; n++) await statusOf('/v1/calls', wrong());
    expect(await statusOf('/v1/calls', bearer(shop.key))).toBe(200);
    expect(await statusOf('/v1/calls', { ...wrong(), 'x-forwarded-for': '192.0.2.1' })).toBe(401);
    expect(await statusOf('/v1/calls', wrong())).toBe(429);
  });

  it('are keys that were presented: a request without one is no guess', async () => {
    for (let n = 0; n < 5; n++) expect(await statusOf('/v1/calls', {})).toBe(401);
    for (let n = 0; n < 5; n++) expect(await statusOf('/v1/calls', basic('shop', 'x'))).toBe(401);
    expect(await statusOf('/v1/calls', wrong())).toBe(401);
  });
});
