import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createKey } from '../../../src/clients/keys.ts';
import { eventually } from '../../support/eventually.ts';
import { RestcommClient, URL } from './restcomm-calls-client.ts';
import { RestcommSite, SAY, TRUNKS } from './restcomm-calls-site.ts';
import type { ScriptedLeg } from './scripted-engine.ts';

const SHOP = createKey('shop', randomBytes);
const BANK = createKey('bank', randomBytes);

const site = new RestcommSite();

beforeAll(() => site.open());
afterAll(() => site.remove());
beforeEach(() => site.renew(SAY));
afterEach(() => site.close());

describe('a call', () => {
  beforeEach(() => site.start());

  it('is read while it lasts and when it is over', async () => {
    const sid = await site.client.started();
    (await site.lastLeg()).ring();
    await site.client.becomes(sid, { status: 'ringing', start_time: expect.any(String) });
    (await site.lastLeg()).answer();
    await site.client.becomes(sid, { status: 'in-progress', duration: null, end_time: null });
    (await site.lastLeg()).finishPrompt();
    const ended = await site.client.becomes(sid, {
      status: 'completed',
      duration: expect.any(Number),
      ring_duration: expect.any(Number),
    });
    expect(Date.parse(String(ended['end_time']))).toBeGreaterThanOrEqual(
      Date.parse(String(ended['start_time'])),
    );
    expect(Date.parse(String(ended['date_updated']))).not.toBeNaN();
    const paths = [`/${sid}`, `/${sid}.json`, `.json/${sid}`, `/${sid.toUpperCase()}`];
    for (const path of paths) expect((await site.client.ask('GET', path)).status).toBe(200);
  });

  it.each([
    [{ kind: 'rejected', sip: { status: 486, reason: 'Busy Here' } }, 'busy'],
    [{ kind: 'rejected', sip: { status: 603, reason: 'Decline' } }, 'busy'],
    [{ kind: 'rejected', sip: { status: 480, reason: 'Away' } }, 'no-answer'],
    [{ kind: 'rejected', sip: { status: 404, reason: 'Not Found' } }, 'failed'],
    [{ kind: 'ring_timeout' }, 'no-answer'],
    [{ kind: 'failed', reason: 'x' }, 'failed'],
  ] as const)('that ends as %j is %s', async (end, status) => {
    const sid = await site.client.started();
    (await site.lastLeg()).end(end as Parameters<ScriptedLeg['end']>[0]);
    await site.client.becomes(sid, { status, duration: 0, end_time: expect.any(String) });
  });

  it('is canceled while it rings, in both forms', async () => {
    for (const [path, status] of [
      ['', 'canceled'],
      ['.json', 'Canceled'],
      ['', 'completed'],
    ] as const) {
      const before = site.service.engine.legs.length;
      const sid = await site.client.started();
      await eventually(() => expect(site.service.engine.legs).toHaveLength(before + 1));
      site.service.engine.legs.at(-1)?.ring();
      await site.client.becomes(sid, { status: 'ringing' });
      const answer = await site.client.ask('POST', `/${sid}${path}`, { Status: status });
      expect([answer.status, answer.type]).toEqual([
        200,
        `application/${path === '' ? 'xml' : 'json'}; charset=utf-8`,
      ]);
      await site.client.becomes(sid, { status: 'canceled' });
    }
  });

  it('that was answered is not canceled, but completed', async () => {
    const sid = await site.client.started();
    (await site.lastLeg()).ring().answer();
    await site.client.becomes(sid, { status: 'in-progress' });
    const kept = await site.client.ask('POST', `/${sid}.json`, { Status: 'canceled' });
    expect([kept.status, kept.json()['status']]).toEqual([200, 'in-progress']);
    await site.client.ask('POST', `/${sid}.json`, { Status: 'completed' });
    await site.client.becomes(sid, { status: 'completed' });
    const again = await site.client.ask('POST', `/${sid}.json`, { Status: 'completed' });
    expect([again.status, again.json()['status']]).toEqual([200, 'completed']);
  });

  it('takes no other change', async () => {
    const sid = await site.client.started();
    for (const fields of [{}, { Status: 'ringing' }, { Url: URL }, { Status: 'completed', Url: URL }]) {
      const refused = await site.client.ask('POST', `/${sid}.json`, fields);
      expect([refused.status, refused.json()['code']]).toEqual([400, 'invalid_request']);
    }
    expect(await site.client.read(sid)).toMatchObject({ status: 'queued' });
  });

  it('that is none is not found', async () => {
    const reply = await site.service.api.inject({
      method: 'POST',
      url: '/v1/verifications',
      payload: { to: '+447911123456' },
    });
    const proving = String(reply.json<Record<string, unknown>>()['callId']).replace('call_', 'CA');
    for (const sid of [`CA${'0'.repeat(32)}`, 'CA1', 'x', '%3Cb%3E', proving]) {
      for (const method of ['GET', 'POST'] as const) {
        const answer = await site.client.ask(
          method,
          `/${sid}.json`,
          method === 'POST' ? { Status: 'completed' } : undefined,
        );
        expect([answer.status, answer.json()['code']], sid).toEqual([404, 'not_found']);
      }
    }
    expect((await site.client.ask('GET', '.json')).json()['calls']).toEqual([]);
  });
});

describe('the list', () => {
  beforeEach(() => site.start());

  it('is in pages, newest first, and can be filtered', async () => {
    const sids: string[] = [];
    for (const To of ['447911123451', '447911123452', '447911123453']) {
      sids.unshift(await site.client.started({ To }));
      await eventually(() => expect(site.service.engine.legs).toHaveLength(sids.length));
    }
    site.service.engine.legs[0]?.end({ kind: 'rejected', sip: { status: 486, reason: 'Busy' } });
    await site.client.becomes(String(sids[2]), { status: 'busy' });
    const uri = '/restcomm/2012-04-24/Accounts/shop/Calls.json';
    const first = (await site.client.ask('GET', '.json?PageSize=2')).json();
    expect({ ...first, calls: (first['calls'] as { sid: string }[]).map(({ sid }) => sid) }).toEqual({
      page: 0,
      page_size: 2,
      start: 0,
      end: 1,
      uri,
      first_page_uri: `${uri}?Page=0&PageSize=2`,
      next_page_uri: `${uri}?Page=1&PageSize=2&AfterSid=${sids[1]}`,
      calls: sids.slice(0, 2),
    });
    const rest = (await site.client.ask('GET', String(first['next_page_uri']).slice(uri.length - 5))).json();
    expect(rest).toMatchObject({ page: 1, start: 2, end: 2, next_page_uri: null, calls: [{ sid: sids[2] }] });
    for (const [query, found] of [
      ['?Status=busy', [sids[2]]],
      ['?Status=completed', []],
      ['?To=447911123452', [sids[1]]],
      ['?To=%2B447911123453', [sids[0]]],
      ['?To=+447911123453', [sids[0]]],
      ['?From=447418340465', sids],
      ['?From=447418340466', []],
    ] as const) {
      const { calls } = (await site.client.ask('GET', `.json${query}`)).json() as {
        calls: { sid: string }[];
      };
      expect([query, calls.map(({ sid }) => sid)]).toEqual([query, found]);
    }
    const xml = (await site.client.ask('GET', '?PageSize=1&To=447911123451')).text;
    expect(xml).toMatch(
      /^<\?xml[^>]*>\n<RestcommResponse><Calls page="0" pagesize="1" start="0" end="0" uri="/,
    );
    expect(xml).toMatch(
      /firstpageuri="[^"]*To=447911123451&amp;Page=0&amp;PageSize=1" nextpageuri="null"><Call>/,
    );
    expect((await site.client.ask('GET', '?StartTime=x')).status).toBe(400);
    expect((await site.client.ask('GET', '?Status=x')).text).toContain('<RestException>');
  });
});

describe('clients', () => {
  it('see their own account and nothing else', async () => {
    const keys = [SHOP, BANK].map(({ id, hash }) => ({ id, keys: [{ hash }] }));
    await site.start({ trunks: TRUNKS, api: { clients: keys } });
    const shop = new RestcommClient(site.service, 'shop', SHOP.key);
    const bank = new RestcommClient(site.service, 'bank', BANK.key);
    const sid = await shop.started();
    expect((await shop.ask('GET', `/${sid}.json`)).status).toBe(200);
    expect((await bank.ask('GET', `/${sid}.json`)).json()).toMatchObject({ status: 404, code: 'not_found' });
    expect((await bank.ask('POST', `/${sid}.json`, { Status: 'completed' })).status).toBe(404);
    expect((await bank.ask('GET', '.json')).json()['calls']).toEqual([]);
    expect((await shop.ask('GET', '.json')).json()['calls']).toMatchObject([{ sid }]);
    const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
    const spaced = await site.client.ask('GET', '.json', undefined, basic(` shop:${SHOP.key}`));
    expect(spaced.status).toBe(200);
    const other = await site.client.ask('GET', '.json', undefined, basic(`bank:${BANK.key}`));
    expect(other.json()).toMatchObject({ status: 403, code: 'forbidden' });
    for (const headers of [
      {},
      basic(`shop:${BANK.key}`),
      basic('shop:wrong'),
      basic(`:${SHOP.key}`),
      { authorization: `Bearer ${SHOP.key}` },
    ]) {
      const json = await site.client.ask('POST', '.json', 'From=1', headers);
      expect([json.status, json.json()]).toEqual([
        401,
        { status: 401, code: 'unauthorized', message: expect.any(String) },
      ]);
      expect(json.headers['www-authenticate']).toMatch(/^Basic /);
      const xml = await site.client.ask('GET', '', undefined, headers);
      expect([xml.status, xml.text]).toEqual([
        401,
        expect.stringContaining('<RestException><Status>401</Status><Code>unauthorized</Code>'),
      ]);
    }
  });
});
