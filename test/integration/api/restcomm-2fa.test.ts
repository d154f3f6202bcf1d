import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { createKey } from '../../../src/clients/keys.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const TO = '+442071234567';
const SENDING = { service: 'Restcomm', from: '+13216549878', to: TO, body: 'Your code is {code}.' };

let service: Service;
afterEach(() => service.close());

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Record<string, unknown>;
}

async function post(
  path: string,
  payload: object | string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const type = typeof payload === 'string' ? { 'content-type': 'application/json' } : {};
  const reply = await service.api.inject({
    method: 'POST',
    url: path,
    payload,
    headers: { ...type, ...headers },
  });
  return { status: reply.statusCode, headers: reply.headers, body: reply.json() };
}

const basic = (name: string, key: string) => ({
  authorization: `Basic ${Buffer.from(`${name}:${key}`).toString('base64')}`,
});

/** The verification in our own API. */
async function ours(id: unknown): Promise<Record<string, unknown>> {
  return (await service.api.inject(`/v1/verifications/${String(id)}`)).json();
}

/** What is answered for a code that is not the one: how many are left. */
async function checksLeft(wish: object, headers: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const { status, body } = await post('/2fa/verify', { code: '000000', ...wish }, headers);
  return status === 422 ? body['checksLeft'] : body['code'];
}

describe('/2fa/send', () => {
  it('takes what the article sends, with more keys, and numbers with and without plus', async () => {
    service = await startService();
    for (const to of [TO, TO.slice(1), `00${TO.slice(1)}`, '+44 (20) 7123 4567']) {
      const { status, body } = await post('/2fa/send', {
        ...SENDING,
        to,
        unheardOf: [1],
        email: 'a@b.example',
      });
      expect([status, body]).toEqual([
        200,
        {
          status: 'sent',
          id: expect.stringMatching(/^ver_/),
          service: 'Restcomm',
          to: TO,
          channel: 'call',
          expires: expect.stringMatching(/Z$/),
        },
      ]);
      expect(await ours(body['id'])).toMatchObject({ to: TO, channel: 'voice', repeat: 2 });
    }
  });

  it('has the language and the repetitions that are asked for', async () => {
    service = await startService();
    for (const [language, repeat] of [
      ['en', 1],
      ['en-US', '3'],
      ['en_US', 5],
    ] as const) {
      const { body } = await post('/2fa/send', { ...SENDING, channel: 'call', language, repeat });
      expect(await ours(body['id'])).toMatchObject({ locale: 'en-US', repeat: Number(repeat) });
    }
  });

  it('says what is missing or cannot be done', async () => {
    service = await startService();
    for (const [wish, status, code, about] of [
      [{ service: undefined }, 400, 'invalid_request', /^body\.service: required$/],
      [{ to: undefined }, 400, 'invalid_request', /^body\.to: required$/],
      [{ to: '12' }, 400, 'invalid_number', /./],
      [{ to: 'sip:a@b.example' }, 400, 'target_not_allowed', /./],
      [{ body: 'no place for it' }, 400, 'invalid_request', /^body\.body: .*\{code\}/],
      [{ channel: 'email' }, 400, 'invalid_request', /email is not sent here/],
      [{ channel: 'sms' }, 422, 'sms_unavailable', /./],
      [{ language: 'zz' }, 400, 'unsupported_locale', /./],
      [{ repeat: 6 }, 400, 'invalid_request', /^body\.repeat: /],
    ] as const) {
      const reply = await post('/2fa/send', { ...SENDING, ...wish });
      expect([wish, reply.status, reply.body]).toEqual([
        wish,
        status,
        { status, code, message: expect.stringMatching(about) },
      ]);
    }
    expect((await post('/2fa/send', '{')).body).toMatchObject({ status: 400, code: 'invalid_request' });
    expect((await post('/2fa/nothing', {})).body).toMatchObject({ status: 404, code: 'not_found' });
    const get = await service.api.inject('/2fa/send');
    expect(get.json()).toMatchObject({ status: 405, code: 'method_not_allowed' });
  });
});

describe('/2fa/verify', () => {
  it('compares with the latest code of the same account, service and number', async () => {
    const [shop, bank] = [createKey('shop', randomBytes), createKey('bank', randomBytes)];
    service = await startService({
      api: { clients: [shop, bank].map(({ id, hash }) => ({ id, keys: [{ hash }] })) },
    });
    const [asShop, asBank] = [basic(' shop', shop.key), basic('bank', bank.key)];
    const of = { service: 'Restcomm', number: TO };
    expect(await checksLeft(of, asShop)).toBe('not_found');
    await post('/2fa/send', SENDING, asShop);
    expect(await checksLeft(of, asShop)).toBe(4);
    expect(await checksLeft({ ...of, number: TO.slice(1) }, asShop)).toBe(3);
    expect(await checksLeft({ ...of, service: 'Other' }, asShop)).toBe('not_found');
    expect(await checksLeft({ ...of, number: '+442071234568' }, asShop)).toBe('not_found');
    expect(await checksLeft(of, asBank)).toBe('not_found');
    await post('/2fa/send', SENDING, asBank);
    expect(await checksLeft(of, asBank)).toBe(4);
    await post('/2fa/send', SENDING, asShop);
    expect(await checksLeft(of, asShop)).toBe(4);
    expect(await checksLeft(of, asBank)).toBe(3);
  });

  it('takes a code once, as a text or a number, and none that is late', async () => {
    service = await startService();
    const of = { service: 'Restcomm', number: TO };
    await post('/2fa/send', SENDING);
    for (const code of ['', 'x', '12345678901', {}]) {
      expect(await checksLeft({ ...of, code })).toBe('invalid_request');
    }
    expect([await checksLeft({ ...of, code: 123456 }), await checksLeft(of)]).toEqual([4, 3]);
    service.passTime(601_000);
    const { status, body } = await post('/2fa/verify', { ...of, code: '000000' });
    expect([status, body]).toEqual([
      409,
      { status: 409, code: 'not_pending', message: expect.stringContaining('expired') },
    ]);
  });

  it('is closed after the last check', async () => {
    service = await startService({ verification: { maxChecks: 2 } });
    await post('/2fa/send', SENDING);
    const of = { service: 'Restcomm', number: TO };
    expect([await checksLeft(of), await checksLeft(of), await checksLeft(of)]).toEqual([1, 0, 'not_pending']);
  });
});

describe('credentials', () => {
  it('are the id of a client and its key; others are told so as JSON', async () => {
    const [shop, bank] = [createKey('shop', randomBytes), createKey('bank', randomBytes)];
    service = await startService({
      api: { clients: [shop, bank].map(({ id, hash }) => ({ id, keys: [{ hash }] })) },
    });
    for (const headers of [
      {},
      basic('shop', bank.key),
      basic('', shop.key),
      basic('shop', 'wrong'),
      { authorization: `Bearer ${shop.key}` },
    ]) {
      const reply = await post('/2fa/send', SENDING, headers);
      expect([reply.status, reply.body]).toEqual([
        401,
        { status: 401, code: 'unauthorized', message: expect.stringMatching(/./) },
      ]);
      expect(reply.headers['www-authenticate']).toMatch(/^Basic realm=/);
    }
    expect((await post('/2fa/send', SENDING, basic(' shop', shop.key))).status).toBe(200);
  });
});

describe('switched off', () => {
  it('has none of these paths', async () => {
    service = await startService({ api: { restcomm2fa: false } });
    expect((await post('/2fa/send', SENDING)).body).toMatchObject({ error: { code: 'not_found' } });
    expect((await service.api.inject('/openapi.json')).body).not.toMatch(/"\/2fa|Restcomm2fa[A-Z]/);
  });
});
