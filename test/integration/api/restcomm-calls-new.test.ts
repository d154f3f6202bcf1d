import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { URL } from './restcomm-calls-client.ts';
import { CODE, RestcommSite, SAY, TRUNKS } from './restcomm-calls-site.ts';

const site = new RestcommSite();

beforeAll(() => site.open());
afterAll(() => site.remove());
beforeEach(() => site.renew(SAY));
afterEach(() => site.close());

describe('POST …/Calls', () => {
  beforeEach(() => site.start());

  it('answers in JSON with all fields, and says what the document says', async () => {
    const answer = await site.client.call();
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
    const { leg: dialled } = await site.lastLeg();
    expect(dialled.requestUri).toBe('sip:+447911123456@sip.carrier.example');
    expect(dialled.from.uri).toContain('+447418340465');
    expect(dialled.timeouts.ringMs).toBe(10_000);
    expect(await site.service.playlists()).toEqual([
      {
        items: [{ tts: `Your code is ${[...CODE].join(' ')}`, locale: 'en', gender: 'female' }],
        repeat: 1,
        repeatPauseMs: 0,
      },
    ]);
    expect(site.service.log()).not.toMatch(new RegExp([...CODE].join('\\W*')));
  });

  it('answers in XML without .json', async () => {
    const { status, type, text } = await site.client.call({}, '');
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
    const asked = await site.client.ask('GET', `/${sid}`, undefined, { accept: 'application/json' });
    expect([asked.status, asked.json()['sid']]).toEqual([200, sid]);
  });

  it.each(['GET', 'POST', undefined])(
    'tells the server of the document what it asks for, by %s',
    async (method) => {
      const sid = await site.client.started({ Method: method, Url: `${URL}?session=a%20b` });
      const [request] = site.web.requests;
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
      expect((await site.client.call({ From, To })).json()).toMatchObject({ from, to });
      expect(site.web.requests.at(-1)?.fields).toMatchObject({ From: from, To: to });
    }
  });

  it('rings for a minute where no time is asked for, and knows no other bounds than ours', async () => {
    await site.client.started({ Timeout: undefined });
    expect((await site.lastLeg()).leg.timeouts.ringMs).toBe(60_000);
    for (const Timeout of ['0', '181', '-1', '1.5', 'ten', '']) {
      const refused = await site.client.call({ Timeout });
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
      const { status, type, text } = await site.client.call(change, path);
      expect([status, type, text]).toEqual([400, 'text/plain; charset=utf-8', `${field} can not be null.`]);
    }
    expect((await site.client.ask('POST', '')).text).toBe('From can not be null.');
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
    const json = await site.client.call(change);
    expect([json.status, json.json()]).toEqual([400, { status: 400, code, message: expect.any(String) }]);
    const xml = await site.client.call(change, '');
    expect([xml.status, xml.type]).toEqual([400, 'application/xml; charset=utf-8']);
    expect(xml.text).toMatch(
      new RegExp(
        `^<\\?xml[^>]*>\n<RestcommResponse><RestException><Status>400</Status><Code>${code}</Code><Message>[^<]+</Message></RestException></RestcommResponse>$`,
      ),
    );
    expect(json.text + xml.text).not.toContain(CODE);
    expect([site.service.engine.legs, site.web.requests]).toEqual([[], []]);
  });

  it('takes forms, and nothing else', async () => {
    const json = { 'content-type': 'application/json' };
    expect((await site.client.ask('POST', '.json', '{"From":"x"}', json)).json()).toMatchObject({
      status: 415,
      code: 'unsupported_media_type',
    });
    expect((await site.client.call({ To: '4'.repeat(70_000) })).json()).toMatchObject({
      status: 413,
      code: 'body_too_large',
    });
    expect((await site.client.ask('PUT', '.json', {})).json()).toMatchObject({ code: 'method_not_allowed' });
    expect((await site.client.ask('GET', '.json/x/y')).json()).toMatchObject({ code: 'not_found' });
    const ours = await site.service.api.inject({
      method: 'POST',
      url: '/v1/calls',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: 'to=x',
    });
    expect(ours.statusCode).toBe(415);
  });

  it('takes the first of two values, and fields that it does not know', async () => {
    const sid = await site.client.started({ To: ['447911123456', '447911999999'], IfMachine: 'Hangup' });
    expect(await site.client.read(sid)).toMatchObject({ to: '+447911123456' });
  });
});

describe('switched off', () => {
  it('has none of these paths, and errors of our own form', async () => {
    await site.start({ trunks: TRUNKS, api: { restcommCalls: false } });
    expect((await site.client.call()).json()).toMatchObject({ error: { code: 'not_found' } });
  });
});
