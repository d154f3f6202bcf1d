import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { createKey } from '../../../src/clients/keys.ts';
import { DataTechLabsClient, TRUNKS, TTS_BODY } from './datatechlabs-client.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const CODE = '123456';

let service: Service;
let client: DataTechLabsClient;
afterEach(() => service.close());

async function start(settings: Parameters<typeof startService>[0]): Promise<void> {
  service = await startService(settings);
  client = new DataTechLabsClient(service);
}

describe('every error on these paths', () => {
  const shop = createKey('shop', randomBytes);
  const bank = createKey('bank', randomBytes);
  const as = ({ key }: { key: string }) => ({ authorization: `Bearer ${key}` });
  const keys = [shop, bank].map(({ id, hash }) => ({ id, hash }));

  it('is in the envelope', async () => {
    await start({ trunks: TRUNKS });
    for (const [method, url, payload, type, http, code] of [
      ['GET', '/voice/call/play', undefined, undefined, 405, 3002],
      ['PUT', '/voice/call/play', TTS_BODY, 'application/json', 405, 3002],
      ['POST', '/status/carrier/carrier', undefined, undefined, 405, 3002],
      ['GET', `/voice/call/${CODE}`, undefined, undefined, 404, 3001],
      ['GET', '/voice/call?x=1', undefined, undefined, 404, 3001],
      ['GET', '/status/carrier', undefined, undefined, 404, 3001],
      ['GET', '/voice/call/status/%E0%A4%A', undefined, undefined, 400, 1001],
      ['POST', '/voice/call/play?x=1', TTS_BODY, 'text/plain', 415, 1010],
      ['POST', '/voice/call/play', `{"to":"${CODE.repeat(12_000)}"}`, 'application/json', 413, 1009],
      ['POST', '/voice/call/play', '', 'application/json', 400, 1001],
      ['POST', '/voice/call/play', '{"__proto__":{}}', 'application/json', 400, 1001],
    ] as const) {
      const reply = await client.ask(
        method,
        url,
        payload,
        type === undefined ? {} : { 'content-type': type },
      );
      expect([url, reply.status, reply.headers['content-type'], reply.body]).toEqual([
        url,
        http,
        'application/json; charset=utf-8',
        { code, status: http, data: expect.stringMatching(/./) },
      ]);
      expect(reply.headers['x-request-id']).toMatch(/^req_/);
      expect(JSON.stringify(reply.body)).not.toContain(CODE);
    }
    const rebound = await client.ask('GET', '/status/carrier/carrier', undefined, { host: 'evil.example' });
    expect(rebound.body).toMatchObject({ code: 1001, status: 400 });
  });

  it('is not on paths beside them', async () => {
    await start({ trunks: TRUNKS });
    for (const url of ['/voice/callers', '/status', '/v1/voice/call', '/status/carriers/x']) {
      expect((await client.ask('GET', url)).body).toMatchObject({ error: { code: 'not_found' } });
    }
  });

  it('is in the envelope without a key and over the rate limit, and clients see their own calls only', async () => {
    await start({ trunks: TRUNKS, api: { keys, rateLimit: { max: 4, windowSeconds: 60 } } });
    const refused = await client.play(TTS_BODY);
    expect([refused.headers['www-authenticate'], refused.body]).toEqual([
      'Bearer',
      { code: 2001, status: 401, data: 'A valid API key is required.' },
    ]);
    const { request_id: id } = (await client.play(TTS_BODY, as(shop))).body;
    const url = `/voice/call/status/${String(id)}`;
    expect((await client.ask('GET', url, undefined, as(shop))).status).toBe(200);
    expect((await client.ask('GET', url, undefined, as(bank))).body).toMatchObject({
      code: 3001,
      status: 404,
    });
    expect((await client.ask('GET', url)).status).toBe(401);
    expect((await client.ask('GET', '/status/carrier/carrier')).status).toBe(401);
    const second = await client.play(TTS_BODY, { ...as(shop), 'idempotency-key': 'k' });
    const third = await client.play(TTS_BODY, { ...as(bank), 'idempotency-key': 'k' });
    expect(third.body['request_id']).not.toBe(second.body['request_id']);
    await client.play(TTS_BODY, as(shop));
    const limited = await client.play(TTS_BODY, as(shop));
    expect(limited.body).toEqual({ code: 4001, status: 429, data: 'Too many requests.' });
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('switched off', () => {
  it('has none of these paths, and errors of our own form', async () => {
    await start({ trunks: TRUNKS, api: { dataTechLabs: false } });
    for (const [method, url] of [
      ['POST', '/voice/call/play'],
      ['GET', '/voice/call/status/01234567-89ab-cdef-0123-456789abcdef'],
      ['GET', '/status/carrier/carrier'],
    ] as const) {
      const reply = await client.ask(method, url, method === 'POST' ? TTS_BODY : undefined);
      expect([reply.status, reply.body]).toMatchObject([404, { error: { code: 'not_found' } }]);
    }
    const document = (await service.api.inject('/openapi.json')).body;
    expect(document).not.toMatch(/"\/voice|DataTechLabs[A-Z]/);
  });
});
