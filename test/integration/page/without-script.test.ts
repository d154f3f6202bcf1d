import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Page } from '../../support/app/browser-without-script.ts';
import { PlainBrowser } from '../../support/app/browser-without-script.ts';
import type { RunningLab } from '../../support/app/lab-site.ts';
import { startLab } from '../../support/app/lab-site.ts';
import { eventually } from '../../support/eventually.ts';

let lab: RunningLab;
let browser: PlainBrowser;

beforeAll(async () => {
  lab = await startLab();
  browser = new PlainBrowser(lab.app.url);
});

afterAll(async () => {
  await lab?.close();
});

/** Fills in the form as a person does. */
async function begin(one: PlainBrowser, number: string, channel: string): Promise<Page> {
  return one.submit(await one.open('/try'), '/try', { country: 'GB', number, channel });
}

async function until(one: PlainBrowser, path: string, text: string, timeoutMs = 15_000): Promise<Page> {
  return eventually(
    async () => {
      const page = await one.open(path);
      if (!page.text.includes(text)) throw new Error(`not there: ${text} in ${page.text}`);
      return page;
    },
    { timeoutMs, intervalMs: 100 },
  );
}

/** A busy machine may swallow a digit of one time, so that the other one has to do. */
function codeOf(page: Page): string {
  const heard =
    /Heard (?<times>(?:<span class="mono">\d+<\/span>)+)/.exec(page.text)?.groups?.['times'] ?? '';
  const times = [...heard.matchAll(/\d+/g)].map(([digits]) => digits);
  return times.find((digits) => digits.length % 6 === 0)?.slice(0, 6) ?? '';
}
const otherThan = (code: string): string => (code === '000000' ? '111111' : '000000');

describe('the page without script', () => {
  it('proves a number by the code that the phone heard, after a wrong one', async () => {
    const calling = await begin(browser, '020 7946 0200', 'voice');
    expect(calling.path).toMatch(/^\/try\/ver_[0-9a-f]+$/);
    expect(calling.text).toContain('+44 20 7946 0200');
    const heard = await until(browser, calling.path, 'Heard <span');
    const code = codeOf(heard);
    expect(code).toMatch(/^\d{6}$/);
    const action = `${calling.path}/check`;
    const wrong = await browser.submit(heard, action, { code: otherThan(code) });
    expect(wrong.text).toContain('That was not right.');
    expect(wrong.text).toContain('<b>4</b> tries left');
    const right = await browser.submit(wrong, action, { code: ` ${code} ` });
    expect(right.text).toContain('<strong>OK</strong>');
    expect(right.text).not.toContain(action);
    expect(lab.faults()).toEqual([]);
  });

  it('does not count what is no code at all', async () => {
    const calling = await begin(browser, '+442079460180', 'voice');
    const complaint = await browser.submit(calling, `${calling.path}/check`, { code: 'twelve' });
    expect(complaint.status).toBe(400);
    expect(complaint.text).toContain('A code has 4 to 10 digits and nothing else.');
    expect(complaint.text).toContain('<b>5</b> tries left');
    const canceled = await browser.submit(complaint, `${calling.path}/cancel`);
    expect(canceled.text).toContain('<strong>Not OK</strong><p>It was canceled.');
  });

  it('says not OK when the tries are used up', async () => {
    let page = await begin(browser, '+442079460180', 'voice');
    const action = `${page.path}/check`;
    for (let i = 0; i < 5; i++) page = await browser.submit(page, action, { code: '1234' });
    expect(page.text).toContain('<strong>Not OK</strong><p>There were too many wrong entries.');
  });

  it('succeeds by itself after a flash call, since the lab sees who called', async () => {
    const calling = await begin(browser, '20 7946 0180', 'flash');
    expect(calling.text).toContain('http-equiv="refresh"');
    const done = await until(browser, calling.path, '<strong>OK</strong>');
    expect(done.text).toContain('The number that called was right.');
    expect(done.text).not.toContain('http-equiv="refresh"');
    expect(done.text).toContain('CANCEL');
  });

  it('shows a phone that rings, answers it, presses keys, hangs up, and plays what it heard', async () => {
    const calling = await begin(browser, '020 7946 0701', 'voice');
    const ringing = await until(browser, calling.path, '>Answer</button>');
    const id = /lab\/phones\/([\w-]+)\/answer/.exec(ringing.text)?.[1] ?? '';
    const phone = `/try/lab/phones/${id}`;
    expect((await browser.open(`${phone}/recording.wav`)).status).toBe(404);
    await browser.submit(ringing, `${phone}/answer`);
    const talking = await until(browser, calling.path, 'name="keys"');
    const pressed = await browser.submit(talking, `${phone}/press`, { keys: '5' });
    expect(pressed.path).toBe(calling.path);
    expect(pressed.text).toContain('Keys pressed: <span class="mono">5</span>');
    await browser.submit(pressed, `${phone}/hang-up`);
    const over = await until(browser, calling.path, 'Hung up here');
    expect(over.text).toContain('<b>5</b> tries left');
    const recording = await browser.open(`${phone}/recording.wav`);
    expect(recording.headers.get('content-type')).toBe('audio/wav');
    expect(recording.text.slice(0, 4)).toBe('RIFF');
    // Once more, when it is over: nothing happens.
    await browser.submit(talking, `${phone}/hang-up`);
    await browser.submit(ringing, `${phone}/answer`);
    expect(lab.faults()).toEqual([]);
  });

  it('declines, and tells that the call was declined', async () => {
    const calling = await begin(browser, '020 7946 0702', 'voice');
    const ringing = await until(browser, calling.path, '>Decline</button>');
    const phone = /\/try\/lab\/phones\/[\w-]+/.exec(ringing.text)?.[0] ?? '';
    await browser.submit(ringing, `${phone}/hang-up`);
    const over = await until(browser, calling.path, '<strong>Not OK</strong>');
    expect(over.text).toContain('The call was declined.');
    expect(over.text).toContain('603 Decline');
  });

  it('shows a text message that has arrived', async () => {
    const sending = await begin(browser, '020 7946 0200', 'sms');
    const arrived = await until(browser, sending.path, 'class="bubble"');
    const code = /class="bubble">[^<]*?(\d{6})/.exec(arrived.text)?.[1] ?? '';
    const done = await browser.submit(arrived, `${sending.path}/check`, { code });
    expect(done.text).toContain('<strong>OK</strong>');
  });

  it('lists phones that others have called', async () => {
    const number = '+442079460703';
    const answer = await fetch(`${lab.app.url}/v1/verifications`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ to: number }),
    });
    expect(answer.status).toBe(201);
    const desk = await until(browser, '/try/lab', `Answer ${number}`);
    const [, phone = ''] =
      new RegExp(`(/try/lab/phones/[\\w-]+)/hang-up"(?:(?!form).)*?Decline \\${number}`, 's').exec(
        desk.text,
      ) ?? [];
    const back = await browser.submit(desk, `${phone}/hang-up`);
    expect(back.path).toBe('/try/lab');
  });

  it('keeps what was typed when the number is none, and marks it', async () => {
    const page = await begin(browser, '12', 'flash');
    expect(page.status).toBe(400);
    expect(page.text).toContain('This is not a possible phone number.');
    expect(page.text).toContain('value="12"');
    expect(page.text).toMatch(/value="flash" checked/);
  });

  it('fills in a number of the lab that is chosen', async () => {
    const page = await browser.open('/try?number=%2B442079460180');
    expect(page.text).toContain('value="020 7946 0180"');
    expect((await browser.open('/try?number=%22%3E%3Cscript%3E')).text).not.toContain('"><script>');
  });
});

describe('who is let in', () => {
  it('refuses forms without the token, and those of other sites', async () => {
    const page = await browser.open('/try');
    const fields = { country: 'GB', number: '020 7946 0180', channel: 'flash' };
    const before = lab.carrier.calls.length;
    for (const token of ['', 'x', 'a-b']) {
      const refused = await browser.post('/try', { ...fields, _csrf: token });
      expect(refused.status).toBe(403);
      expect(refused.text).toContain('This form is too old');
    }
    const token = /name="_csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    const foreign: readonly Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'https://elsewhere.example' },
      { origin: 'null' },
    ];
    for (const headers of foreign) {
      const refused = await browser.post('/try', { ...fields, _csrf: token }, headers);
      expect(refused.status).toBe(403);
    }
    // A token is of no use in another browser.
    expect((await new PlainBrowser(lab.app.url).post('/try', { ...fields, _csrf: token })).status).toBe(403);
    expect(lab.carrier.calls.length).toBe(before);
  });

  it('shows a verification to whoever began it, and to nobody else', async () => {
    const mine = await begin(browser, '+442079460180', 'voice');
    const other = new PlainBrowser(lab.app.url);
    const theirs = await begin(other, '+442079460180', 'voice');
    for (const path of [mine.path, `${mine.path}/events`]) expect((await other.open(path)).status).toBe(404);
    const token = /name="_csrf" value="([^"]+)"/.exec(theirs.text)?.[1] ?? '';
    for (const action of ['check', 'cancel']) {
      const refused = await other.post(`${mine.path}/${action}`, { _csrf: token, code: '123456' });
      expect(refused.status).toBe(404);
    }
    // A cookie with another id in it is not signed.
    const forged = new PlainBrowser(lab.app.url, {
      cookie: `voice_otp_try=${mine.path.slice('/try/'.length)}.${'A'.repeat(43)}`,
    });
    expect((await forged.open(mine.path)).status).toBe(404);
    expect((await browser.open(mine.path)).text).toContain('<b>5</b> tries left');
    for (const page of [mine, theirs]) {
      await (page === mine ? browser : other).submit(page, `${page.path}/cancel`);
    }
  });

  it('has a strict policy, cookies that no script reads, and nothing personal in caches', async () => {
    const fresh = new PlainBrowser(lab.app.url);
    const answer = await fetch(`${lab.app.url}/try`);
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("form-action 'self'");
    expect(policy).not.toContain('unsafe');
    expect(policy).not.toMatch(/https?:|\*/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('referrer-policy')).toBe('same-origin');
    for (const cookie of answer.headers.getSetCookie()) {
      expect(cookie).toMatch(/; Path=\/try; HttpOnly; SameSite=Strict$/);
    }
    const page = await fresh.open('/try');
    const files = [...page.text.matchAll(/(?:href|src)="(\/try\/files\/[^"]+)"/g)].map(
      ([, file = '']) => file,
    );
    expect(new Set(files).size).toBe(3);
    for (const file of files) {
      const { status, headers } = await fresh.open(file);
      expect([status, headers.get('cache-control')]).toEqual([200, 'public, max-age=31536000, immutable']);
    }
    const missing = await fresh.open('/try/files/other.js');
    expect(missing.status).toBe(404);
    expect(missing.headers.get('content-security-policy')).toBe(policy);
  });
});
