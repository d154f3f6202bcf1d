import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { HOST } from './restcomm-calls-client.ts';
import { CODE, RestcommSite } from './restcomm-calls-site.ts';

const site = new RestcommSite();

beforeAll(() => site.open());
afterAll(() => site.remove());
beforeEach(async () => {
  site.renew();
  const trunks = [{ id: 'carrier', host: 'sip.carrier.example', cli: '+447418340465' }];
  await site.start({ trunks });
});
afterEach(() => site.close());

describe('the document', () => {
  it('may redirect, play what is beside it, and say nothing', async () => {
    site.web.pages.set('/start.xml', {
      body: '<Response><Say>a</Say><Redirect>next/2.xml</Redirect></Response>',
    });
    site.web.pages.set('/next/2.xml', {
      body: '<Response><Pause/><Redirect method="GET">3.xml?x=1</Redirect></Response>',
    });
    site.web.pages.set('/next/3.xml', { body: '<Response><Say loop="2">b</Say></Response>' });
    const sid = await site.client.started();
    expect(site.web.requests.map(({ method, path }) => [method, path])).toEqual([
      ['POST', '/start.xml'],
      ['POST', '/next/2.xml'],
      ['GET', '/next/3.xml'],
    ]);
    expect(site.web.requests.every(({ fields }) => fields['CallSid'] === sid)).toBe(true);
    expect((await site.service.playlists())[0]?.items).toEqual([
      { tts: 'a' },
      { pauseMs: 1000 },
      { tts: 'b' },
      { tts: 'b' },
    ]);
    site.web.pages.set('/start.xml', { body: '<Response><Hangup/></Response>' });
    await site.client.started();
    const scripted = await eventually(() => {
      expect(site.service.engine.legs).toHaveLength(2);
      return site.service.engine.legs[1];
    });
    expect(scripted?.leg.prompt).not.toBeNull();
  });

  it.each([
    ['is not there', { status: 404 }, /^Url: .*status 404/],
    ['is no RCML', { body: '<html></html>' }, /^Url: .*it is no <Response>/],
    ['is no XML', { body: `Your code is ${CODE}` }, /^Url: .*not well-formed/],
    ['has a verb that is not known', { body: '<Response><Dial>1</Dial></Response>' }, /<Dial> is not known/],
    ['leads to itself', { body: '<Response><Redirect>start.xml</Redirect></Response>' }, /more than 3 times/],
    [
      'is too large',
      { body: `<Response><Say>${'a'.repeat(1_000_000)}</Say></Response>` },
      /more than 65536 bytes/,
    ],
    ['declares entities', { body: '<!DOCTYPE a [<!ENTITY b "c">]><Response/>' }, /document type/],
    ['is elsewhere', { status: 307, headers: { location: '/other.xml' } }, /redirects|404/],
    [
      'redirects inside',
      { status: 302, headers: { location: 'http://169.254.169.254/latest/meta-data/' } },
      /not public|redirects/,
    ],
    [
      'redirects to this machine',
      { status: 302, headers: { location: 'http://127.0.0.1:8080/' } },
      /not public|redirects/,
    ],
    [
      'redirects to a name of this machine',
      { status: 307, headers: { location: 'http://localhost/' } },
      /no public host/,
    ],
    [
      'redirects there in RCML',
      { body: '<Response><Redirect>http://[::1]/</Redirect></Response>' },
      /not public/,
    ],
  ])('that %s is refused', async (_what, page, message) => {
    site.web.pages.set('/start.xml', page);
    for (const Method of ['GET', 'POST']) {
      const { status, json } = await site.client.call({ Method });
      expect([status, json()]).toEqual([
        400,
        { status: 400, code: 'invalid_request', message: expect.stringMatching(message) },
      ]);
      expect(String(json()['message'])).not.toContain(CODE);
    }
    expect(site.service.engine.legs).toEqual([]);
    expect((await site.client.ask('GET', '.json')).json()['calls']).toEqual([]);
  });

  it.each([
    'http://127.0.0.1/',
    'http://127.0.0.1:8080/',
    'http://[::1]/',
    'http://169.254.169.254/latest/meta-data/',
    'http://2130706433/',
    'http://10.0.0.1/',
    'http://localhost/',
    'http://metadata.internal/',
  ])('at %s is never asked for', async (Url) => {
    const { status, json } = await site.client.call({ Url });
    expect([status, json()['code']]).toEqual([400, 'invalid_request']);
    expect(site.web.requests).toEqual([]);
  });

  it('is that of FallbackUrl where nothing can be made of the first', async () => {
    site.web.pages.set('/start.xml', { status: 500 });
    site.web.pages.set('/other.xml', { body: '<Response><Say>b</Say></Response>' });
    const FallbackUrl = `http://${HOST}/other.xml`;
    await site.client.started({ FallbackUrl, FallbackMethod: 'GET' });
    expect(site.web.requests.map(({ method, path }) => [method, path])).toEqual([
      ['POST', '/start.xml'],
      ['GET', '/other.xml'],
    ]);
    expect((await site.service.playlists())[0]?.items).toEqual([{ tts: 'b' }]);
    site.web.pages.set('/other.xml', { body: '<Response>' });
    const refused = (await site.client.call({ FallbackUrl })).json();
    expect(refused['message']).toMatch(/^Url: .*status 500\. FallbackUrl: .*not well-formed XML\.$/);
  });

  it('that does not come in time is that of FallbackUrl too', async () => {
    site.web.pages.set('/start.xml', 'never');
    site.web.pages.set('/other.xml', { body: '<Response><Say>b</Say></Response>' });
    await site.client.started({ FallbackUrl: `http://${HOST}/other.xml` });
    expect((await site.service.playlists())[0]?.items).toEqual([{ tts: 'b' }]);
  });
});
