import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { Client } from '../../src/clients/client.ts';
import { ConfigError, configFrom, loadConfig } from '../../src/config.ts';
import type { configSchema } from '../../src/config-schema.ts';

type Settings = z.input<typeof configSchema>;
type Api = NonNullable<Settings['api']>;
type ClientSettings = NonNullable<Api['clients']>[number];

const TRUNK = { id: 'carrier', host: 'sip.carrier.example', cli: '+4930123456' };
const hash = (digit: string): string => `sha256:${digit.repeat(64)}`;
const SECRET = `whsec_${randomBytes(24).toString('base64')}`;
const NEXT = `whsec_${randomBytes(64).toString('base64')}`;
const CALLBACK = { url: 'https://shop.example/hook', secret: SECRET };

let folder: string;
let files = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'voice-otp-clients-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(text: string): string {
  files += 1;
  const file = join(folder, String(files));
  writeFileSync(file, text);
  return file;
}

const clientsOf = (api: Api): readonly Client[] => configFrom({ api, trunks: [TRUNK] }).api.clients;

function problemsOf(api: unknown): readonly string[] {
  try {
    configFrom({ api: api as Api, trunks: [TRUNK] });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const COMMON = ['verifications', 'calls', 'records', 'webhooks'];

describe('api.clients', () => {
  it('has what is not said left open', () => {
    expect(clientsOf({ host: '0.0.0.0', clients: [{ id: 'shop', keys: [{ hash: hash('a') }] }] })).toEqual([
      {
        id: 'shop',
        keys: [{ hash: hash('a'), expiresAt: null }],
        scopes: COMMON,
        countries: null,
        clis: null,
        templates: null,
        callback: null,
        limits: { perSecond: null, perDay: null },
        spend: null,
      },
    ]);
  });

  it('has all that is said', () => {
    const [client] = clientsOf({
      clients: [
        {
          id: 'shop',
          keys: [
            { hash: hash('a'), expiresAt: '2027-03-31' },
            { hashFile: fileOf(`${hash('b')}\n`), expiresAt: '2027-03-31T12:00:00+02:00' },
          ],
          scopes: ['calls', 'operator'],
          countries: ['DE', 'AT'],
          clis: ['+4930123456'],
          templates: ['Your code is {code}.'],
          callback: { ...CALLBACK, nextSecretFile: fileOf(NEXT), events: ['call.answered'] },
          limits: { perSecond: 5, perDay: 1000 },
          spend: { perDay: '12.50', currency: 'EUR' },
        },
      ],
    });
    expect(client).toMatchObject({
      keys: [
        { hash: hash('a'), expiresAt: Date.UTC(2027, 2, 31) },
        { hash: hash('b'), expiresAt: Date.UTC(2027, 2, 31, 10) },
      ],
      scopes: ['calls', 'operator'],
      countries: ['DE', 'AT'],
      clis: ['+4930123456'],
      templates: ['Your code is {code}.'],
      callback: { url: 'https://shop.example/hook', events: ['call.answered'] },
      limits: { perSecond: 5, perDay: 1000 },
      spend: { currency: 'EUR', microsPerDay: 12_500_000 },
    });
    expect(client?.callback?.secrets.map((secret) => secret.reveal())).toEqual([SECRET, NEXT]);
    expect(inspect(client, { depth: 9 }) + JSON.stringify(client)).not.toContain('whsec_');
  });

  it('comes from YAML, where a date needs no quotes', () => {
    const file = fileOf(
      `trunks: [{ id: a, host: a.example, cli: '+4930123456' }]\napi:\n  clients:\n    - { id: shop, keys: [{ hash: '${hash('a')}', expiresAt: 2027-03-31 }] }\n`,
    );
    expect(loadConfig({ file, env: {} }).api.clients[0]?.keys[0]?.expiresAt).toBe(Date.UTC(2027, 2, 31));
  });

  it.each([
    ['0', 0],
    ['0.000001', 1],
    ['0.1', 100_000],
    ['19.99', 19_990_000],
    ['999999999.999999', 999_999_999_999_999],
  ])('reads %s as %i millionths', (perDay, micros) => {
    const [client] = clientsOf({
      clients: [{ id: 'a', keys: [{ hash: hash('a') }], spend: { perDay, currency: 'EUR' } }],
    });
    expect(client?.spend?.microsPerDay).toBe(micros);
  });

  it.each<[string, () => Partial<Record<keyof ClientSettings, unknown>>, RegExp]>([
    ['no key', () => ({ keys: [] }), /^keys: expected at least one key/],
    ['a key without its hash', () => ({ keys: [{}] }), /^keys\.0\.hash: required, unless `hashFile`/],
    ['the key itself', () => ({ keys: [{ hash: 'vok_hunter2' }] }), /^keys\.0\.hash: expected `sha256:`/],
    [
      'the key itself in a file',
      () => ({ keys: [{ hashFile: fileOf('vok_hunter2') }] }),
      /^keys\.0\.hashFile: expected `sha256:`/,
    ],
    [
      'one key twice',
      () => ({ keys: [{ hash: hash('a') }, { hash: hash('a') }] }),
      /^expected a key that is not there twice/,
    ],
    [
      'a day that is none',
      () => ({ keys: [{ hash: hash('a'), expiresAt: '2027-02-29' }] }),
      /^keys\.0\.expiresAt: expected a date/,
    ],
    [
      'a time of nowhere',
      () => ({ keys: [{ hash: hash('a'), expiresAt: '2027-03-31T12:00:00' }] }),
      /^keys\.0\.expiresAt: expected a date/,
    ],
    ['an unknown scope', () => ({ scopes: ['everything'] }), /^scopes\.0: .*"verifications"/],
    ['no scope', () => ({ scopes: [] }), /^scopes: /],
    [
      'an unknown country',
      () => ({ countries: ['DE', 'XX'] }),
      /^countries\.1: expected a country such as `DE`/,
    ],
    ['a country in small letters', () => ({ countries: ['de'] }), /^countries\.0: expected a country/],
    ['a number without quotes', () => ({ clis: [4930123456] }), /^clis\.0: .*in quotes/],
    [
      'a text without a code',
      () => ({ templates: ['hunter2'] }),
      /^templates\.0: expected a text of up to 1000/,
    ],
    [
      'a number for an amount',
      () => ({ spend: { perDay: 12.5, currency: 'EUR' } }),
      /^spend\.perDay: .*in quotes/,
    ],
    [
      'too many decimals',
      () => ({ spend: { perDay: '0.0000001', currency: 'EUR' } }),
      /^spend\.perDay: expected an amount/,
    ],
    ['an amount of nothing', () => ({ spend: { perDay: '5' } }), /^spend\.currency: required/],
    ['a limit of none', () => ({ limits: { perSecond: 0 } }), /^limits\.perSecond: /],
    [
      'a callback without a secret',
      () => ({ callback: { url: CALLBACK.url } }),
      /^callback\.secret: required, unless/,
    ],
    [
      'two first secrets',
      () => ({ callback: { ...CALLBACK, secretFile: fileOf(SECRET) } }),
      /^callback\.secretFile: expected either/,
    ],
    [
      'a secret without its prefix',
      () => ({ callback: { ...CALLBACK, secret: 'hunter2'.repeat(5) } }),
      /^callback\.secret: expected `whsec_`/,
    ],
    [
      'a short secret',
      () => ({ callback: { ...CALLBACK, secret: `whsec_${randomBytes(23).toString('base64')}` } }),
      /^callback\.secret: expected `whsec_`/,
    ],
    [
      'a long secret',
      () => ({ callback: { ...CALLBACK, nextSecret: `whsec_${randomBytes(65).toString('base64')}` } }),
      /^callback\.nextSecret: expected `whsec_`/,
    ],
    [
      'a secret in another alphabet',
      () => ({ callback: { ...CALLBACK, secret: `whsec_${'-_'.repeat(20)}` } }),
      /^callback\.secret: expected `whsec_`/,
    ],
    [
      'another text in its file',
      () => ({ callback: { url: CALLBACK.url, secretFile: fileOf('hunter2') } }),
      /^callback\.secretFile: expected `whsec_`/,
    ],
    [
      'an address that is none',
      () => ({ callback: { ...CALLBACK, url: 'ftp://hunter2.example' } }),
      /^callback\.url: expected an http/,
    ],
    [
      'a password in the address',
      () => ({ callback: { ...CALLBACK, url: 'https://a:hunter2@shop.example' } }),
      /^callback\.url: expected an http/,
    ],
    ['no events', () => ({ callback: { ...CALLBACK, events: [] } }), /^callback\.events: /],
  ])('refuses %s', (_what, make, problem) => {
    const problems = problemsOf({ clients: [{ id: 'shop', keys: [{ hash: hash('a') }], ...make() }] });
    const told = problems.map((line) => line.replace(/^api\.clients\.0[.:] ?/, ''));
    expect(told).toContainEqual(expect.stringMatching(problem));
    expect(told.join()).not.toMatch(/hunter2|whsec_[A-Za-z0-9+/]{20}/);
  });

  it('refuses one key of two clients, whichever form they have', () => {
    const one = { id: 'a', keys: [{ hash: hash('a') }] };
    expect(problemsOf({ clients: [one, { ...one, id: 'b' }], keys: [{ id: 'c', hash: hash('a') }] })).toEqual(
      [
        'api.clients.1: expected a key that is not there twice',
        'api.keys.0: expected a key that is not there twice',
      ],
    );
  });

  it('refuses two clients of one name, whichever form they have', () => {
    expect(
      problemsOf({
        clients: [{ id: 'a', keys: [{ hash: hash('a') }] }],
        keys: [{ id: 'a', hash: hash('b') }],
      }),
    ).toEqual(['api.keys.0.id: expected an id that no other client has']);
  });
});

describe('api.keys', () => {
  it('are clients too', () => {
    const clients = clientsOf({
      keys: [
        { id: 'shop', hashFile: fileOf(`${hash('a')}\n`) },
        { id: 'boss', hash: hash('b'), operator: true },
      ],
    });
    expect(clients).toMatchObject([
      { id: 'shop', keys: [{ hash: hash('a'), expiresAt: null }], scopes: COMMON, callback: null },
      { id: 'boss', keys: [{ hash: hash('b') }], scopes: [...COMMON, 'operator'] },
    ]);
  });

  it.each<[string, () => { hash?: string; hashFile?: string }, string]>([
    ['no hash', () => ({}), 'hash: required, unless `hashFile` names a file that holds it'],
    [
      'two hashes',
      () => ({ hash: hash('a'), hashFile: fileOf(hash('a')) }),
      'hashFile: expected either `hash` or `hashFile`, not both',
    ],
    [
      'a file that is not there',
      () => ({ hashFile: '/nowhere' }),
      'hashFile: expected a file that can be read',
    ],
    [
      'a file with the key itself',
      () => ({ hashFile: fileOf('vok_hunter2') }),
      'hashFile: expected `sha256:` and 64 hexadecimal digits, as `voice-otp client add` prints them',
    ],
    [
      'two lines',
      () => ({ hashFile: fileOf(`${hash('a')}\n\n`) }),
      'hashFile: expected a file that holds one line',
    ],
  ])('refuse %s', (_what, make, problem) => {
    expect(problemsOf({ host: '0.0.0.0', keys: [{ id: 'shop', ...make() }] })).toEqual([
      `api.keys.0.${problem}`,
    ]);
  });
});
