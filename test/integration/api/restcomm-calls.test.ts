import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createKey } from '../../../src/clients/keys.ts';
import { NotingWeb } from '../../support/app/noting-web.ts';
import { eventually } from '../../support/eventually.ts';
import { HOST, RestcommClient, URL } from './restcomm-calls-client.ts';
import type { ScriptedLeg } from './scripted-engine.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const CODE = '482910';
const TRUNKS = [
  {
    id: 'carrier',
    host: 'sip.carrier.example',
    cli: '+447418340465',
    allowedClis: ['+447418340466', '9001'],
  },
];
const SAY = `<Response><Say voice="woman" language="en">Your code is ${[...CODE].join(' ')}</Say></Response>`;
const SHOP = createKey('shop', randomBytes);
const BANK = createKey('bank', randomBytes);

let web: NotingWeb;
let service: Service;
let client: RestcommClient;

beforeAll(async () => {
  web = await new NotingWeb().start();
});
afterAll(() => web.close());

async function start(settings: Parameters<typeof startService>[0] = {}): Promise<void> {
  const internalHosts = [{ host: HOST, address: '127.0.0.1', port: web.port }];
  service = await startService({ trunks: TRUNKS, speech: { urls: { internalHosts } }, ...settings });
  client = new RestcommClient(service, 'shop');
}

beforeEach(() => {
  web.requests.length = 0;
  web.pages.clear();
  web.pages.set('/start.xml', { body: SAY });
});
afterEach(() => service.close());

function leg(): Promise<ScriptedLeg> {
  return eventually(() => {
    const last = service.engine.legs.at(-1);
    expect(last).toBeDefined();
    return last as ScriptedLeg;
  });
}

async function becomes(sid: string, expected: object): Promise<Record<string, unknown>> {
  return eventually(async () => {
    const now = await client.read(sid);
    expect(now).toMatchObject(expected);
    return now;
  });
}

describe('POST …/Calls', () => {
  beforeEach(() => start());

  it('answers in JSON with all fields, and says what the document says', async () => {
    const answer = await client.call();
    expect([answer.status, answer.type]).toEqual([200, 'application/json; charset=utf-8']);
    const body = answer.json();
    const sid = String(body['sid']);
    const uri = `/restcomm/2012-04-24/Accounts/shop/Calls/${sid}`;
    expect(body).toEqual({
      sid: expect.stringMatching(/^CA[0-9a-f]{32}$/),
      date_created: expect.stringMatching(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000$/),
      date_updated: body['date_created'],
      account_sid: 'shop',
      to: '+447911123456',
      from: '+447418340465',
      status: 'queued',
      start_time: null,
      end_time: null,
      duration: null,
      price_unit: null,
      direction: 'outbound-api',
      answered_by: null,
      api_version: '2012-04-24',
      forwarded_from: null,
      caller_name: null,
      uri: `${uri}.json`,
      ring_duration: null,
      subresource_uris: { notifications: `${uri}/Notifications`, recordings: `${uri}/Recordings` },
    });
    const { leg: dialled } = await leg();
    expect(dialled.requestUri).toBe('sip:+447911123456@sip.carrier.example');
    expect(dialled.from.uri).toContain('+447418340465');
    expect(dialled.timeouts.ringMs).toBe(10_000);
    expect(await service.playlists()).toEqual([
      {
        items: [{ tts: `Your code is ${[...CODE].join(' ')}`, locale: 'en', gender: 'female' }],
        repeat: 1,
        repeatPauseMs: 0,
      },
    ]);
    expect(service.log()).not.toMatch(new RegExp([...CODE].join('\\W*')));
  });

  it('answers in XML without .json', async () => {
    const { status, type, text } = await client.call({}, '');
    expect([status, type]).toEqual([200, 'application/xml; charset=utf-8']);
    const [, sid] = /<Sid>(CA[0-9a-f]{32})<\/Sid>/.exec(text) ?? [];
    const uri = `/restcomm/2012-04-24/Accounts/shop/Calls/${sid}`;
    expect(text.replaceAll(/(<Date\w+>)[^<]+/g, '$1…')).toBe(
      `<?xml version="1.0" encoding="UTF-8"?>\n<RestcommResponse><Call><Sid>${sid}</Sid>` +
        '<DateCreated>…</DateCreated><DateUpdated>…</DateUpdated><AccountSid>shop</AccountSid>' +
        '<To>+447911123456</To><From>+447418340465</From><Status>queued</Status><StartTime/><EndTime/>' +
        '<Duration/><PriceUnit/><Direction>outbound-api</Direction><AnsweredBy/>' +
        '<ApiVersion>2012-04-24</ApiVersion><ForwardedFrom/><CallerName/><Ring_duration/>' +
        `<Uri>${uri}</Uri><SubresourceUris><Notifications>${uri}/Notifications</Notifications>` +
        `<Recordings>${uri}/Recordings</Recordings></SubresourceUris></Call></RestcommResponse>`,
    );
    const asked = await client.ask('GET', `/${sid}`, undefined, { accept: 'application/json' });
    expect([asked.status, asked.json()['sid']]).toEqual([200, sid]);
  });

  it.each(['GET', 'POST', undefined])(
    'tells the server of the document what it asks for, by %s',
    async (method) => {
      const sid = await client.started({ Method: method, Url: `${URL}?session=a%20b` });
      const [request] = web.requests;
      expect(request?.method).toBe(method ?? 'POST');
      expect(request?.fields).toEqual({
        session: 'a b',
        CallSid: sid,
        AccountSid: 'shop',
        From: '+447418340465',
        To: '+447911123456',
        CallStatus: 'queued',
        ApiVersion: '2012-04-24',
        Direction: 'outbound-api',
      });
    },
  );

  it('calls, and shows, numbers with and without a plus', async () => {
    for (const [From, To, from, to] of [
      ['+447418340466', '+447911123456', '+447418340466', '+447911123456'],
      [' 00447418340466', '00447911123456', '+447418340466', '+447911123456'],
      ['9001', ' 44 7911 123456', '9001', '+447911123456'],
      ['+44 (7418) 340-466', '44 (7911) 123-456', '+447418340466', '+447911123456'],
    ] as const) {
      expect((await client.call({ From, To })).json()).toMatchObject({ from, to });
      expect(web.requests.at(-1)?.fields).toMatchObject({ From: from, To: to });
    }
  });

  it('rings for a minute where no time is asked for, and knows no other bounds than ours', async () => {
    await client.started({ Timeout: undefined });
    expect((await leg()).leg.timeouts.ringMs).toBe(60_000);
    for (const Timeout of ['0', '181', '-1', '1.5', 'ten', '']) {
      const refused = await client.call({ Timeout });
      expect([refused.status, refused.json()['message']]).toEqual([
        400,
        'body.Timeout: expected 1 to 180 seconds',
      ]);
    }
  });

  it.each([
    [{ From: undefined }, 'From'],
    [{ To: undefined, Url: undefined }, 'To'],
    [{ Url: ' ' }, 'Url'],
    [{ From: undefined, To: undefined, Url: undefined, Timeout: 'x' }, 'From'],
  ])('tells what is missing as plain text: %j', async (change, field) => {
    for (const path of ['', '.json']) {
      const { status, type, text } = await client.call(change, path);
      expect([status, type, text]).toEqual([400, 'text/plain; charset=utf-8', `${field} can not be null.`]);
    }
    expect((await client.ask('POST', '')).text).toBe('From can not be null.');
  });

  it.each([
    [{ From: '441111111111' }, 'cli_not_allowed'],
    [{ To: '4479' }, 'invalid_number'],
    [{ To: 'client:alice' }, 'invalid_number'],
    [{ To: 'sip:alice@evil.example' }, 'target_not_allowed'],
    [{ Url: 'ftp://rcml.shop.example/' }, 'invalid_request'],
    [{ Url: `http://user:${CODE}@rcml.shop.example/` }, 'invalid_request'],
    [{ Method: 'PUT' }, 'invalid_request'],
    [{ StatusCallback: 'nowhere' }, 'invalid_request'],
    [{ StatusCallback: 'http://[shop.example/' }, 'invalid_request'],
    [{ StatusCallback: 'http://shop.example:99999/' }, 'invalid_request'],
    [{ StatusCallback: URL, StatusCallbackEvent: 'ringing, barked' }, 'invalid_request'],
  ])('refuses %j as %s', async (change, code) => {
    const json = await client.call(change);
    expect([json.status, json.json()]).toEqual([400, { status: 400, code, message: expect.any(String) }]);
    const xml = await client.call(change, '');
    expect([xml.status, xml.type]).toEqual([400, 'application/xml; charset=utf-8']);
    expect(xml.text).toMatch(
      new RegExp(
        `^<\\?xml[^>]*>\n<RestcommResponse><RestException><Status>400</Status><Code>${code}</Code><Message>[^<]+</Message></RestException></RestcommResponse>$`,
      ),
    );
    expect(json.text + xml.text).not.toContain(CODE);
    expect([service.engine.legs, web.requests]).toEqual([[], []]);
  });

  it('takes forms, and nothing else', async () => {
    const json = { 'content-type': 'application/json' };
    expect((await client.ask('POST', '.json', '{"From":"x"}', json)).json()).toMatchObject({
      status: 415,
      code: 'unsupported_media_type',
    });
    expect((await client.call({ To: '4'.repeat(70_000) })).json()).toMatchObject({
      status: 413,
      code: 'body_too_large',
    });
    expect((await client.ask('PUT', '.json', {})).json()).toMatchObject({ code: 'method_not_allowed' });
    expect((await client.ask('GET', '.json/x/y')).json()).toMatchObject({ code: 'not_found' });
    const ours = await service.api.inject({
      method: 'POST',
      url: '/v1/calls',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: 'to=x',
    });
    expect(ours.statusCode).toBe(415);
  });

  it('takes the first of two values, and fields that it does not know', async () => {
    const sid = await client.started({ To: ['447911123456', '447911999999'], IfMachine: 'Hangup' });
    expect(await client.read(sid)).toMatchObject({ to: '+447911123456' });
  });
});

describe('a call', () => {
  beforeEach(() => start());

  it('is read while it lasts and when it is over', async () => {
    const sid = await client.started();
    (await leg()).ring();
    await becomes(sid, { status: 'ringing', start_time: expect.any(String) });
    (await leg()).answer();
    await becomes(sid, { status: 'in-progress', duration: null, end_time: null });
    (await leg()).finishPrompt();
    const ended = await becomes(sid, {
      status: 'completed',
      duration: expect.any(Number),
      ring_duration: expect.any(Number),
    });
    expect(Date.parse(String(ended['end_time']))).toBeGreaterThanOrEqual(
      Date.parse(String(ended['start_time'])),
    );
    expect(Date.parse(String(ended['date_updated']))).not.toBeNaN();
    const paths = [`/${sid}`, `/${sid}.json`, `.json/${sid}`, `/${sid.toUpperCase()}`];
    for (const path of paths) expect((await client.ask('GET', path)).status).toBe(200);
  });

  it.each([
    [{ kind: 'rejected', sip: { status: 486, reason: 'Busy Here' } }, 'busy'],
    [{ kind: 'rejected', sip: { status: 603, reason: 'Decline' } }, 'busy'],
    [{ kind: 'rejected', sip: { status: 480, reason: 'Away' } }, 'no-answer'],
    [{ kind: 'rejected', sip: { status: 404, reason: 'Not Found' } }, 'failed'],
    [{ kind: 'ring_timeout' }, 'no-answer'],
    [{ kind: 'failed', reason: 'x' }, 'failed'],
  ] as const)('that ends as %j is %s', async (end, status) => {
    const sid = await client.started();
    (await leg()).end(end as Parameters<ScriptedLeg['end']>[0]);
    await becomes(sid, { status, duration: 0, end_time: expect.any(String) });
  });

  it('is canceled while it rings, in both forms', async () => {
    for (const [path, status] of [
      ['', 'canceled'],
      ['.json', 'Canceled'],
      ['', 'completed'],
    ] as const) {
      const before = service.engine.legs.length;
      const sid = await client.started();
      await eventually(() => expect(service.engine.legs).toHaveLength(before + 1));
      service.engine.legs.at(-1)?.ring();
      await becomes(sid, { status: 'ringing' });
      const answer = await client.ask('POST', `/${sid}${path}`, { Status: status });
      expect([answer.status, answer.type]).toEqual([
        200,
        `application/${path === '' ? 'xml' : 'json'}; charset=utf-8`,
      ]);
      await becomes(sid, { status: 'canceled' });
    }
  });

  it('that was answered is not canceled, but completed', async () => {
    const sid = await client.started();
    (await leg()).ring().answer();
    await becomes(sid, { status: 'in-progress' });
    const kept = await client.ask('POST', `/${sid}.json`, { Status: 'canceled' });
    expect([kept.status, kept.json()['status']]).toEqual([200, 'in-progress']);
    await client.ask('POST', `/${sid}.json`, { Status: 'completed' });
    await becomes(sid, { status: 'completed' });
    const again = await client.ask('POST', `/${sid}.json`, { Status: 'completed' });
    expect([again.status, again.json()['status']]).toEqual([200, 'completed']);
  });

  it('takes no other change', async () => {
    const sid = await client.started();
    for (const fields of [{}, { Status: 'ringing' }, { Url: URL }, { Status: 'completed', Url: URL }]) {
      const refused = await client.ask('POST', `/${sid}.json`, fields);
      expect([refused.status, refused.json()['code']]).toEqual([400, 'invalid_request']);
    }
    expect(await client.read(sid)).toMatchObject({ status: 'queued' });
  });

  it('that is none is not found', async () => {
    const reply = await service.api.inject({
      method: 'POST',
      url: '/v1/verifications',
      payload: { to: '+447911123456' },
    });
    const proving = String(reply.json<Record<string, unknown>>()['callId']).replace('call_', 'CA');
    for (const sid of [`CA${'0'.repeat(32)}`, 'CA1', 'x', '%3Cb%3E', proving]) {
      for (const method of ['GET', 'POST'] as const) {
        const answer = await client.ask(
          method,
          `/${sid}.json`,
          method === 'POST' ? { Status: 'completed' } : undefined,
        );
        expect([answer.status, answer.json()['code']], sid).toEqual([404, 'not_found']);
      }
    }
    expect((await client.ask('GET', '.json')).json()['calls']).toEqual([]);
  });
});

describe('the list', () => {
  beforeEach(() => start());

  it('is in pages, newest first, and can be filtered', async () => {
    const sids: string[] = [];
    for (const To of ['447911123451', '447911123452', '447911123453']) {
      sids.unshift(await client.started({ To }));
      await eventually(() => expect(service.engine.legs).toHaveLength(sids.length));
    }
    service.engine.legs[0]?.end({ kind: 'rejected', sip: { status: 486, reason: 'Busy' } });
    await becomes(String(sids[2]), { status: 'busy' });
    const uri = '/restcomm/2012-04-24/Accounts/shop/Calls.json';
    const first = (await client.ask('GET', '.json?PageSize=2')).json();
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
    const rest = (await client.ask('GET', String(first['next_page_uri']).slice(uri.length - 5))).json();
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
      const { calls } = (await client.ask('GET', `.json${query}`)).json() as { calls: { sid: string }[] };
      expect([query, calls.map(({ sid }) => sid)]).toEqual([query, found]);
    }
    const xml = (await client.ask('GET', '?PageSize=1&To=447911123451')).text;
    expect(xml).toMatch(
      /^<\?xml[^>]*>\n<RestcommResponse><Calls page="0" pagesize="1" start="0" end="0" uri="/,
    );
    expect(xml).toMatch(
      /firstpageuri="[^"]*To=447911123451&amp;Page=0&amp;PageSize=1" nextpageuri="null"><Call>/,
    );
    expect((await client.ask('GET', '?StartTime=x')).status).toBe(400);
    expect((await client.ask('GET', '?Status=x')).text).toContain('<RestException>');
  });
});

describe('clients', () => {
  it('see their own account and nothing else', async () => {
    const keys = [SHOP, BANK].map(({ id, hash }) => ({ id, keys: [{ hash }] }));
    await start({ trunks: TRUNKS, api: { clients: keys } });
    const shop = new RestcommClient(service, 'shop', SHOP.key);
    const bank = new RestcommClient(service, 'bank', BANK.key);
    const sid = await shop.started();
    expect((await shop.ask('GET', `/${sid}.json`)).status).toBe(200);
    expect((await bank.ask('GET', `/${sid}.json`)).json()).toMatchObject({ status: 404, code: 'not_found' });
    expect((await bank.ask('POST', `/${sid}.json`, { Status: 'completed' })).status).toBe(404);
    expect((await bank.ask('GET', '.json')).json()['calls']).toEqual([]);
    expect((await shop.ask('GET', '.json')).json()['calls']).toMatchObject([{ sid }]);
    const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
    const spaced = await client.ask('GET', '.json', undefined, basic(` shop:${SHOP.key}`));
    expect(spaced.status).toBe(200);
    const other = await client.ask('GET', '.json', undefined, basic(`bank:${BANK.key}`));
    expect(other.json()).toMatchObject({ status: 403, code: 'forbidden' });
    for (const headers of [
      {},
      basic(`shop:${BANK.key}`),
      basic('shop:wrong'),
      basic(`:${SHOP.key}`),
      { authorization: `Bearer ${SHOP.key}` },
    ]) {
      const json = await client.ask('POST', '.json', 'From=1', headers);
      expect([json.status, json.json()]).toEqual([
        401,
        { status: 401, code: 'unauthorized', message: expect.any(String) },
      ]);
      expect(json.headers['www-authenticate']).toMatch(/^Basic /);
      const xml = await client.ask('GET', '', undefined, headers);
      expect([xml.status, xml.text]).toEqual([
        401,
        expect.stringContaining('<RestException><Status>401</Status><Code>unauthorized</Code>'),
      ]);
    }
  });
});

describe('switched off', () => {
  it('has none of these paths, and errors of our own form', async () => {
    await start({ trunks: TRUNKS, api: { restcommCalls: false } });
    expect((await client.call()).json()).toMatchObject({ error: { code: 'not_found' } });
  });
});
