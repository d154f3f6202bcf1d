import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { createKey } from '../../../src/clients/keys.ts';
import { MessageBirdHost } from '../../support/app-messagebird/host.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const TO = '442071234567';
const NONE = '0'.repeat(32);

let service: Service;
afterEach(() => service.close());

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Record<string, unknown>;
}

async function ask(
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  url: string,
  payload?: string | object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const reply = await service.api.inject({
    method,
    url,
    headers,
    ...(payload === undefined ? {} : { payload }),
  });
  return {
    status: reply.statusCode,
    headers: reply.headers,
    body: reply.body === '' ? {} : reply.json<Record<string, unknown>>(),
  };
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const JSON_TYPE = { 'content-type': 'application/json' };
const errors = (
  code: number,
  parameter: string | null,
  description: unknown = expect.stringMatching(/./),
) => ({
  errors: [{ code, description, parameter }],
});

describe('POST /verify', () => {
  it('takes JSON and forms, numbers as texts, and empty texts as nothing', async () => {
    service = await startService();
    const form = `recipient=%2B${TO}&type=tts&tokenLength=8&timeout=45&maxAttempts=3&reference=&dataCoding=&voice=male`;
    const { status, body } = await ask('POST', '/verify', form, FORM);
    expect([status, body]).toMatchObject([201, { recipient: Number(TO), type: 'tts', reference: null }]);
    const ours = await ask('GET', `/v1/verifications/ver_${String(body['id'])}`);
    expect(ours.body).toMatchObject({ to: `+${TO}`, codeLength: 8, maxChecks: 3, channel: 'voice' });
    const { createdAt, expiresAt } = ours.body as Record<string, string>;
    expect(Date.parse(expiresAt ?? '') - Date.parse(createdAt ?? '')).toBe(45_000);

    for (const recipient of [Number(TO), `+${TO}`, `00${TO}`, ` ${TO}`, '+44 (20) 7123-4567']) {
      const wish = { recipient, type: 'tts', subject: 'of an email', unheardOf: { of: 1 } };
      expect([recipient, await ask('POST', '/verify', wish)]).toMatchObject([
        recipient,
        { status: 201, body: { recipient: Number(TO) } },
      ]);
    }
  });

  it('speaks the language and has the voice that are asked for', async () => {
    service = await startService();
    for (const [language, locale] of [
      ['en-us', 'en-US'],
      ['EN-US', 'en-US'],
      [undefined, 'en-US'],
    ]) {
      const { body } = await ask('POST', '/verify', { recipient: TO, type: 'tts', language });
      const ours = await ask('GET', `/v1/verifications/ver_${String(body['id'])}`);
      expect(ours.body).toMatchObject({ locale });
    }
    const unheard = await ask('POST', '/verify', { recipient: TO, type: 'tts', language: 'zz-zz' });
    expect([unheard.status, unheard.body]).toEqual([422, errors(10, 'language')]);
  });

  it('has a text message refused where no trunk carries any', async () => {
    service = await startService();
    for (const type of [undefined, '', 'sms']) {
      const { status, body } = await ask('POST', '/verify', { recipient: TO, type });
      expect([status, body]).toEqual([422, errors(10, 'type')]);
    }
  });
});

describe('GET /verify/{id}?token=', () => {
  it('tells an expired token from a wrong one, over HTTP as by both SDKs', async () => {
    const shop = createKey('shop', randomBytes);
    service = await startService({ api: { clients: [{ id: 'shop', keys: [{ hash: shop.hash }] }] } });
    const url = await service.api.listen({ host: '127.0.0.1', port: 0 });
    const host = await MessageBirdHost.start(url);
    const sdks = ['messagebird-2', 'messagebird-4'].map((name) => host.sdk(name, shop.key));
    try {
      for (const sdk of sdks) {
        const { response } = await sdk.ask('create', TO, { type: 'tts', timeout: 30 });
        const id = String((response as Record<string, unknown>)['id']);
        service.passTime(31_000);
        for (const token of ['123456', '654321']) {
          expect((await sdk.ask('verify', id, token)).error).toMatchObject({
            statusCode: 422,
            message: 'api error(s): The token has expired (code: 10, parameter: token)',
          });
        }
        expect((await sdk.ask('read', id)).response).toMatchObject({ status: 'expired' });
        expect(await sdk.ask('delete', id)).toEqual({ error: null, response: true });
        expect((await sdk.ask('read', id)).response).toMatchObject({ status: 'expired' });
      }
    } finally {
      await Promise.all(sdks.map((sdk) => sdk.stop()));
      await host.close();
    }
  });

  it('is answered as a reading by nothing that has another query', async () => {
    service = await startService();
    const { body } = await ask('POST', '/verify', { recipient: TO, type: 'tts' });
    const url = `/verify/${String(body['id'])}`;
    expect((await ask('GET', url)).body).toEqual(body);
    for (const [query, parameter] of [
      ['token=', 'token'],
      ['token=12', 'token'],
      ['token=1&token=2', 'token'],
      ['Token=123456', null],
      ['?token=123456', null],
      ['x', null],
    ] as const) {
      const { status, body: told } = await ask('GET', `${url}?${query}`);
      expect([query, status, told]).toMatchObject([query, 422, { errors: [{ parameter }] }]);
    }
  });
});

describe('every error on these paths', () => {
  it('has the form of that API', async () => {
    service = await startService();
    for (const [method, url, payload, headers, status, expected] of [
      ['POST', '/verify', '{', JSON_TYPE, 422, errors(21, null)],
      ['POST', '/verify', '', JSON_TYPE, 422, errors(21, null)],
      ['POST', '/verify', '[]', JSON_TYPE, 422, errors(21, null)],
      ['POST', '/verify', '{"recipient":"","type":"tts"}', JSON_TYPE, 422, errors(9, 'recipient')],
      ['POST', '/verify', 'type=tts', FORM, 422, errors(9, 'recipient')],
      ['POST', '/verify', 'x', { 'content-type': 'text/plain' }, 415, errors(21, null)],
      ['POST', '/verify', `{"recipient":"${'1'.repeat(70_000)}"}`, JSON_TYPE, 413, errors(21, null)],
      ['GET', '/verify', undefined, {}, 405, errors(21, null)],
      ['PUT', `/verify/${NONE}`, '{}', JSON_TYPE, 405, errors(21, null)],
      ['GET', `/verify/${NONE}`, undefined, {}, 404, errors(20, null, 'Verify object could not be found')],
      ['GET', `/verify/${NONE}/x`, undefined, {}, 404, errors(20, null)],
      ['GET', '/verify/%E0%A4%A', undefined, {}, 422, errors(21, null)],
    ] as const) {
      const reply = await ask(method, url, payload, headers);
      expect([url, payload, reply.status, reply.body]).toEqual([url, payload, status, expected]);
      expect(reply.headers['content-type']).toBe('application/json; charset=utf-8');
    }
    expect((await ask('GET', '/verifications')).body).toMatchObject({ error: { code: 'not_found' } });
  });

  it('is so without a key, with one of another API, and of a client of whom it is not', async () => {
    const [shop, bank] = [createKey('shop', randomBytes), createKey('bank', randomBytes)];
    service = await startService({
      api: {
        clients: [shop, bank].map(({ id, hash }) => ({ id, keys: [{ hash }] })),
        rateLimit: { max: 7, windowSeconds: 60 },
      },
    });
    const wish = { recipient: TO, type: 'tts' };
    const told = errors(2, 'access_key', 'Request not allowed (incorrect access_key)');
    for (const authorization of [undefined, `Bearer ${shop.key}`, 'AccessKey x', 'AccessKey']) {
      const reply = await ask('POST', '/verify', wish, authorization === undefined ? {} : { authorization });
      expect([authorization, reply.status, reply.body]).toEqual([authorization, 401, told]);
      expect(reply.headers['www-authenticate']).toBe('AccessKey');
    }
    const as = ({ key }: { key: string }) => ({ authorization: `AccessKey ${key}` });
    const { status, body } = await ask('POST', '/verify', wish, as(shop));
    expect(status).toBe(201);
    const url = `/verify/${String(body['id'])}`;
    expect((await ask('GET', url, undefined, as(shop))).status).toBe(200);
    for (const [method, query] of [
      ['GET', ''],
      ['GET', '?token=123456'],
      ['DELETE', ''],
    ] as const) {
      expect((await ask(method, url + query, undefined, as(bank))).body).toMatchObject(errors(20, null));
    }
    await Promise.all(Array.from({ length: 5 }, () => ask('GET', url, undefined, as(shop))));
    const limited = await ask('GET', url, undefined, as(shop));
    expect([limited.status, limited.body]).toEqual([429, errors(21, null)]);
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('switched off', () => {
  it('has none of these paths, and errors of our own form', async () => {
    service = await startService({ api: { messageBird: false } });
    for (const [method, url] of [
      ['POST', '/verify'],
      ['GET', `/verify/${NONE}`],
    ] as const) {
      const { status, body } = await ask(method, url, method === 'POST' ? {} : undefined);
      expect([status, body]).toMatchObject([404, { error: { code: 'not_found' } }]);
    }
    expect((await service.api.inject('/openapi.json')).body).not.toMatch(/"\/verify|MessageBird[A-Z]/);
  });
});
