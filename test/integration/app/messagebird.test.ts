import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey } from '../../../src/clients/keys.ts';
import { type Site, startSite } from '../../support/app/site.ts';
import type { Application, Sdk } from '../../support/app-messagebird/host.ts';
import { MessageBirdHost } from '../../support/app-messagebird/host.ts';
import { eventually } from '../../support/eventually.ts';

const shop = createKey('shop', randomBytes);
const OTHER_KEY = createKey('nobody', randomBytes).key;
const OWN_NUMBER = '+442079460999';
const SHOWN = '+442079460111';

let site: Site;
let host: MessageBirdHost;
let numbers = 0;

/** The queries of all reports so far; it is too busy for each of them at first. */
const reports: URLSearchParams[] = [];
const busyFor = new Set<string>();
const receiver = createServer((request, response) => {
  const { searchParams } = new URL(request.url ?? '/', 'http://reports.example');
  const first = !busyFor.has(String(request.url));
  busyFor.add(String(request.url));
  if (!first) reports.push(searchParams);
  response.writeHead(first ? 503 : 200).end();
});

/** A number of its own for each call, without its plus; the last three digits say what its phone does. */
function number(suffix = '200'): string {
  numbers += 1;
  return `4420${10_000 + numbers}${suffix}`;
}

/** The code that the phone was told, when the call is over: it is said twice, and a busy machine may lose a digit. */
async function codeHeard(to: string, length = 6): Promise<string> {
  const call = await site.phone(`+${to}`);
  await call.phone.over;
  const heard = site.heard(call);
  const code = heard.find((digits) => digits.length === length);
  if (code === undefined)
    throw new Error(`no code of ${length} digits in what was heard: ${heard.join(' ')}`);
  return code;
}

/** The text message that the number got, as soon as it is there. */
function textOf(to: string): Promise<string> {
  return eventually(() => {
    const found = site.carrier.texts.find((one) => one.number === `+${to}`);
    if (found === undefined) throw new Error('no text has come');
    return found.text;
  });
}

/** The code in it, in our own words. */
async function codeRead(to: string): Promise<string> {
  return /^(\d{6}) is your code\.$/.exec(await textOf(to))?.[1] ?? '';
}

const otherThan = (code: string): string => code.replace(/\d/g, (digit) => String((Number(digit) + 1) % 10));

beforeAll(async () => {
  await once(receiver.listen(0, '127.0.0.1'), 'listening');
  const { port: reportPort } = receiver.address() as AddressInfo;
  site = await startSite({
    settings: {
      api: { clients: [{ id: 'shop', keys: [{ hash: shop.hash }] }] },
      webhooks: {
        internalHosts: [{ host: 'reports.example', address: '127.0.0.1', port: reportPort }],
        firstPauseMs: 20,
        lookMs: 100,
      },
    },
    trunks: (port) => [
      {
        id: 'lab',
        host: '127.0.0.1',
        port,
        username: 'lab',
        password: 'lab-secret',
        cli: OWN_NUMBER,
        allowedClis: [SHOWN],
        sms: {},
      },
    ],
  });
  host = await MessageBirdHost.start(site.app.url);
});

afterAll(async () => {
  const faults = site.faults();
  await host.close();
  await site.close();
  receiver.closeAllConnections();
  receiver.close();
  expect(faults).toEqual([]);
});

describe.concurrent.each([['messagebird-2'], ['messagebird-4']])(
  'the SDK %s, as it was published',
  (name) => {
    let sdk: Sdk;
    beforeAll(() => {
      sdk = host.sdk(name, shop.key);
    });
    afterAll(() => sdk.stop());

    /** A verification that has to be accepted, by voice unless it says otherwise; its id. */
    async function created(to: string, more: object = {}): Promise<string> {
      const { error, response } = await sdk.ask('create', to, { type: 'tts', ...more });
      if (error !== null || response === null || response === true) throw new Error(error?.message);
      return String(response['id']);
    }

    async function refused(
      method: 'read' | 'verify' | 'delete' | 'create',
      ...args: readonly unknown[]
    ): Promise<unknown> {
      const { error, response } = await sdk.ask(method, ...args);
      expect(response).toBeNull();
      return [error?.statusCode, ...(error?.errors ?? [error])];
    }

    const about = (parameter: string | null, code: number, description: string) => ({
      code,
      description,
      parameter,
    });
    const token = (description: string) => [422, about('token', 10, description)];

    it('creates, hears, reads and verifies, and does so once', async () => {
      const to = number();
      const began = Date.now();
      const { error, response } = await sdk.ask('create', to, {
        type: 'tts',
        template: 'Your account security code is %token.',
        reference: 'order17',
        originator: SHOWN,
        language: 'en-us',
        voice: 'female',
        timeout: 120,
        tokenLength: 7,
        maxAttempts: 2,
        datacoding: 'plain',
      });
      expect(error).toBeNull();
      const phone = await site.phone(`+${to}`);
      expect(phone.phone.record.answeredAt).toBeNull();
      const verification = response as Record<string, unknown>;
      const { id, createdDatetime, validUntilDatetime } = verification;
      expect(verification).toEqual({
        id: expect.stringMatching(/^[0-9a-f]{32}$/),
        href: `http://rest.messagebird.com/verify/${String(id)}`,
        recipient: Number(to),
        originator: SHOWN,
        reference: 'order17',
        type: 'tts',
        messages: {
          id: expect.stringMatching(/^[0-9a-f]{32}$/),
          href: expect.stringMatching(/^http:\/\/rest\.messagebird\.com\/v1\/calls\/call_[0-9a-f]{32}$/),
        },
        status: 'sent',
        createdDatetime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
        validUntilDatetime: expect.stringMatching(/\+00:00$/),
      });
      expect(Math.abs(Date.parse(String(createdDatetime)) - began)).toBeLessThan(5000);
      expect(Date.parse(String(validUntilDatetime)) - Date.parse(String(createdDatetime))).toBe(120_000);
      expect(phone.invite.headers.find(([header]) => header === 'From')?.[1]).toContain(SHOWN);
      expect(await sdk.ask('read', id)).toEqual({ error: null, response: verification });

      const code = await codeHeard(to, 7);
      expect(await refused('verify', id, otherThan(code))).toEqual(token('The token is invalid'));
      expect(await sdk.ask('verify', id, code)).toEqual({
        error: null,
        response: { ...verification, status: 'verified' },
      });
      expect(await refused('verify', id, code)).toEqual(token('The token has already been processed'));
      expect((await sdk.ask('read', id)).response).toMatchObject({ status: 'verified' });
    });

    it('sends a text message where nothing is said of the type', async () => {
      const to = number();
      const { response } = await sdk.ask('create', to, {
        template: 'Use %token at the shop.',
        originator: SHOWN,
      });
      const { id, ...verification } = response as Record<string, unknown>;
      expect(verification).toMatchObject({ type: 'sms', status: 'sent', originator: SHOWN });
      const code = /^Use (\d{6}) at the shop\.$/.exec(await textOf(to))?.[1] ?? '';
      expect(await refused('verify', id, otherThan(code))).toEqual(token('The token is invalid'));
      expect((await sdk.ask('verify', id, code)).response).toMatchObject({ type: 'sms', status: 'verified' });
    });

    it('compares no more tokens than were to be compared', async () => {
      const to = number();
      const id = await created(to, { type: 'sms', maxAttempts: 2 });
      const code = await codeRead(to);
      expect(await refused('verify', id, otherThan(code))).toEqual(token('The token is invalid'));
      expect(await refused('verify', id, otherThan(code))).toEqual(token('The token is invalid'));
      expect(await refused('verify', id, code)).toEqual(token('The token has already been processed'));
      expect((await sdk.ask('read', id)).response).toMatchObject({ status: 'failed' });
    });

    it('does not count what has not the form of a token, and never takes it for reading', async () => {
      const to = number();
      const id = await created(to, { type: 'sms', maxAttempts: 1 });
      for (const nothing of ['', ' ', 'abc', '12', undefined, ['123456', '123456']]) {
        expect(await refused('verify', id, nothing)).toEqual(token('The token is invalid'));
      }
      for (const trick of [`${id}?x`, `${id}?token=123456&x=1`, `${id}#`, `${id}?#`]) {
        expect(await refused('verify', trick, '')).toMatchObject([422, {}]);
      }
      expect((await sdk.ask('verify', id, await codeRead(to))).response).toMatchObject({
        status: 'verified',
      });
    });

    it('deletes, which hangs up', async () => {
      const to = number();
      const id = await created(to);
      const phone = await site.phone(`+${to}`);
      expect(await sdk.ask('delete', id)).toEqual({ error: null, response: true });
      await eventually(() => expect(phone.phone.record.end).toMatch(/^(they_hung_up|canceled)$/));
      expect((await sdk.ask('read', id)).response).toMatchObject({ status: 'deleted' });
      expect(await refused('verify', id, '123456')).toEqual(token('The token has already been processed'));
      expect(await sdk.ask('delete', id)).toEqual({ error: null, response: true });
    });

    it('hears of a call that nobody took', async () => {
      const id = await created(number('486'));
      await eventually(async () =>
        expect((await sdk.ask('read', id)).response).toMatchObject({ status: 'failed' }),
      );
    });

    it('has every status told to its reportUrl', async () => {
      const to = number();
      const reportUrl = `http://reports.example/told?shop=${name}`;
      const id = await created(to, { type: 'sms', reportUrl, reference: 'order 18' });
      await sdk.ask('verify', id, await codeRead(to));
      const told = await eventually(() => {
        const found = reports.filter((query) => query.get('id') === id);
        expect(found.map((query) => query.get('status'))).toEqual(['sent', 'verified']);
        return found;
      });
      for (const query of told) {
        expect(Object.fromEntries(query)).toEqual({
          shop: name,
          id,
          reference: 'order 18',
          recipient: to,
          status: query.get('status'),
          statusDatetime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
        });
      }
    });

    it('is told what does not exist', async () => {
      const none = [404, about(null, 20, 'Verify object could not be found')];
      for (const id of ['0'.repeat(32), 'x', `ver_${'0'.repeat(32)}`, 'messages/email/1']) {
        expect([id, await refused('read', id)]).toEqual([id, none]);
        expect([id, await refused('delete', id)]).toEqual([id, none]);
      }
      expect(await refused('verify', '0'.repeat(32), '123456')).toEqual(none);
    });

    it('is told that a key is wrong', async () => {
      const stranger = host.sdk(name, OTHER_KEY);
      try {
        const { error } = await stranger.ask('create', number(), { type: 'tts' });
        expect(error).toMatchObject({
          statusCode: 401,
          message:
            'api error(s): Request not allowed (incorrect access_key) (code: 2, parameter: access_key)',
        });
        expect((await stranger.ask('read', '0'.repeat(32))).error).toMatchObject({ statusCode: 401 });
      } finally {
        await stranger.stop();
      }
    });

    it('is told what is missing, and what is not valid', async () => {
      expect(await refused('create', '', { type: 'tts' })).toEqual([
        422,
        about('recipient', 9, 'recipient is required'),
      ]);
      for (const [parameter, value] of [
        ['type', 'flash'],
        ['type', 'email'],
        ['template', 'no place for it'],
        ['tokenLength', 5],
        ['tokenLength', 11],
        ['timeout', 29],
        ['maxAttempts', 0],
        ['voice', 'robot'],
        ['language', 'tlh-001'],
        ['language', '!'],
        ['reportUrl', 'ftp://example.com/'],
        ['datacoding', 'morse'],
        ['reference', 'two\nlines'],
      ] as const) {
        expect(await refused('create', number(), { type: 'tts', [parameter]: value })).toEqual([
          422,
          about(parameter, 10, expect.stringMatching(/./)),
        ]);
      }
      for (const recipient of ['12', '999123456789', '+', 'sip:a@b.example', '4420x']) {
        expect([recipient, await refused('create', recipient, { type: 'tts' })]).toEqual([
          recipient,
          [422, about('recipient', 10, expect.stringMatching(/./))],
        ]);
      }
    });

    it('has a sender that may not be shown replaced, and a longer time shortened', async () => {
      const to = number();
      const { response } = await sdk.ask('create', `00${to}`, {
        type: 'tts',
        originator: 'Bank',
        timeout: 7200,
      });
      const { id, originator, createdDatetime, validUntilDatetime } = response as Record<string, string>;
      expect([originator, Date.parse(validUntilDatetime ?? '') - Date.parse(createdDatetime ?? '')]).toEqual([
        'Code',
        600_000,
      ]);
      const { invite } = await site.phone(`+${to}`);
      expect(invite.headers.find(([header]) => header === 'From')?.[1]).toContain(OWN_NUMBER);
      await sdk.ask('delete', id);
    });
  },
);

describe.concurrent('an application that was written after the guide', () => {
  let application: Application;
  beforeAll(async () => {
    application = await host.application(shop.key);
  });
  afterAll(() => application.stop());

  /** What the second page has in its hidden field. */
  const idIn = (page: string): string => /name="id" value="([0-9a-f]{32})"/.exec(page)?.[1] ?? '';

  it('proves the number of somebody who writes it with a leading zero, and shows an error for any other code', async () => {
    const to = number();
    expect(await application.page('/')).toContain('<option value="+44" selected>');
    const second = await application.page('/verify', {
      country_code: '+44',
      phone_number: `0${to.slice(2)}`,
    });
    const [id, code] = [idIn(second), await codeHeard(to)];
    for (const [wrong, of] of [
      [otherThan(code), id],
      ['', id],
      ['', `${id}?`],
      ['', `${id}#`],
      [code, '0'.repeat(32)],
    ] as const) {
      const page = await application.page('/confirm', { id: of, token: wrong });
      expect(page).toContain('<p class="error">This was not the code.');
      expect(page).not.toContain('This number is yours.');
    }
    const last = await application.page('/confirm', { id, token: code });
    expect(last).toContain('This number is yours.');
    expect(last).not.toContain('class="error"');
  });

  it('shows an error for a number that is none', async () => {
    expect(await application.page('/verify', { country_code: '+44', phone_number: '12' })).toContain(
      '<p class="error">The call could not be placed.',
    );
  });
});
