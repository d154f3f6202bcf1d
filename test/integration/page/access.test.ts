import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey } from '../../../src/clients/keys.ts';
import { configFrom } from '../../../src/config.ts';
import { PlainBrowser } from '../../support/app/browser-without-script.ts';
import type { Site } from '../../support/app/site.ts';
import { startSite } from '../../support/app/site.ts';

const TRUNK = { id: 'lab', host: '127.0.0.1', cli: '+442079460999' } as const;
const web = createKey('web', randomBytes);
const shop = createKey('shop', randomBytes);
const ops = createKey('ops', randomBytes);
const NUMBER = '+442079460180';

describe('the page where the API has keys', () => {
  let site: Site;

  beforeAll(async () => {
    site = await startSite({
      settings: {
        api: {
          port: 0,
          keys: [
            { id: web.id, hash: web.hash },
            { id: shop.id, hash: shop.hash },
            { id: ops.id, hash: ops.hash, operator: true },
          ],
          page: { enabled: true, client: 'web' },
        },
        destinations: { countries: ['GB'] },
      },
    });
  });

  afterAll(async () => {
    await site?.close();
  });

  const browserWith = (password: string): PlainBrowser =>
    new PlainBrowser(site.app.url, {
      authorization: `Basic ${Buffer.from(`anybody:${password}`).toString('base64')}`,
    });

  it('asks for a password, and takes a key of its client or of an operator', async () => {
    const nobody = await new PlainBrowser(site.app.url).open('/try');
    expect(nobody.status).toBe(401);
    expect(nobody.headers.get('www-authenticate')).toMatch(/^Basic realm="voice-otp"/);
    expect(nobody.text).toContain('This page wants an API key as the password');
    expect((await browserWith('vok_wrong').open('/try')).status).toBe(401);
    expect((await browserWith(shop.key).open('/try')).status).toBe(403);
    expect((await browserWith(ops.key).open('/try')).status).toBe(200);
    const bearer = new PlainBrowser(site.app.url, { authorization: `Bearer ${web.key}` });
    expect((await bearer.open('/try')).status).toBe(401);
    expect((await browserWith(web.key).open('/try')).status).toBe(200);
  });

  it('calls for its client, whoever came in, and never shows a key', async () => {
    const browser = browserWith(ops.key);
    const form = await browser.open('/try');
    const page = await browser.submit(form, '/try', { country: 'GB', number: NUMBER, channel: 'voice' });
    expect(page.text).toContain('Look again');
    const id = page.path.slice('/try/'.length);
    const read = (key: string): Promise<Response> =>
      fetch(`${site.app.url}/v1/verifications/${id}`, { headers: { authorization: `Bearer ${key}` } });
    expect((await read(web.key)).status).toBe(200);
    expect((await read(shop.key)).status).toBe(404);
    for (const text of [form.text, page.text, [...browser.cookies.values()].join()]) {
      expect(text).not.toContain('vok_');
    }
    const canceled = await browser.submit(page, `${page.path}/cancel`);
    expect(canceled.text).toContain('It was canceled.');
  });

  it('has nothing of the lab, and no text messages without a trunk for them', async () => {
    const browser = browserWith(web.key);
    const form = await browser.open('/try');
    expect(form.text).not.toMatch(/Lab numbers|class="badge"|\/try\/lab/);
    expect(form.text).not.toContain('value="sms"');
    for (const path of ['/try/lab', '/try/lab/events', '/try/lab/phones/x/recording.wav']) {
      expect((await browser.open(path)).status).toBe(404);
    }
    const refused = await browser.submit(form, '/try', { country: 'GB', number: NUMBER, channel: 'sms' });
    expect(refused.status).toBe(422);
    expect(refused.text).toContain('No trunk carries text messages');
  });

  it('tells what the configuration does not allow', async () => {
    const browser = browserWith(web.key);
    expect((await browser.open('/try')).text.match(/<option[^]*?<\/option>/g)).toEqual([
      '<option value="GB">United Kingdom (+44)</option>',
    ]);
    const page = await browser.submit(await browser.open('/try'), '/try', {
      country: 'DE',
      number: '030 1234567',
      channel: 'voice',
    });
    expect(page.status).toBe(403);
    expect(page.text).toContain('role="alert"');
  });
});

describe('the configuration of the page', () => {
  const keys = [{ id: web.id, hash: web.hash }];

  it.each([
    ['a client that there is not', { keys, page: { enabled: true, client: 'shop' } }],
    ['no client where there are some', { keys, page: { enabled: true } }],
    ['a client where there are none', { page: { enabled: true, client: 'web' } }],
  ])('refuses %s', (_what, api) => {
    expect(() => configFrom({ trunks: [TRUNK], api })).toThrow(/api\.page\.client: expected the id/);
  });

  it('is off by default, and there is no page then', async () => {
    expect(configFrom({ trunks: [TRUNK] }).api.page.enabled).toBe(false);
    const site = await startSite();
    try {
      expect((await fetch(`${site.app.url}/try`)).status).toBe(404);
    } finally {
      await site.close();
    }
  });
});
