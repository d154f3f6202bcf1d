import { mkdir } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunningLab } from '../../support/app/lab-site.ts';
import { startLab } from '../../support/app/lab-site.ts';
import { describeWithPeer } from '../../support/peers.ts';

const SCREENS = fileURLToPath(new URL('../../../test-output/screens/', import.meta.url));
const PATIENCE_MS = 30_000;

/** How somebody looks at it. */
interface Eyes {
  readonly name: string;
  readonly width: 390 | 1280;
  readonly scheme: 'light' | 'dark';
  readonly script?: boolean;
}

describeWithPeer('chromium', 'the page in Chromium', () => {
  let lab: RunningLab;
  let browser: Browser;

  beforeAll(async () => {
    await mkdir(SCREENS, { recursive: true });
    lab = await startLab();
    browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      // Its sandbox does not work for root.
      args: userInfo().uid === 0 ? ['--no-sandbox'] : [],
    });
  });

  afterAll(async () => {
    await browser?.close();
    await lab?.close();
  });

  /** Opens the page in a browser of its own, and expects nothing to be complained of there. */
  async function checkPage(
    { name, width, scheme, script = true }: Eyes,
    visit: (page: Page, shoot: (what: string) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const context = await browser.newContext({
      viewport: { width, height: 850 },
      colorScheme: scheme,
      javaScriptEnabled: script,
      reducedMotion: 'reduce',
    });
    const complaints: string[] = [];
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    const shoot = async (what: string): Promise<void> => {
      const path = `${SCREENS}${name}-${what}-${width}-${scheme}.png`;
      await page.screenshot({ path, fullPage: true });
      const beyond = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
      if (script) expect(await page.evaluate(beyond), `${what} is wider than the screen`).toBe(0);
    };
    try {
      await page.goto(`${lab.app.url}/try`);
      await visit(page, shoot);
      expect(complaints).toEqual([]);
      expect(lab.faults()).toEqual([]);
    } finally {
      await context.close();
    }
  }

  async function ask(page: Page, number: string, channel: string): Promise<void> {
    await page.getByLabel('Country').selectOption('GB');
    await page.getByRole('textbox', { name: 'Phone number' }).fill(number);
    await page.getByRole('radio', { name: new RegExp(`^${channel}`) }).check();
    await page.getByRole('button', { name: 'Verify' }).click();
  }

  async function heardCode(page: Page): Promise<string> {
    // A busy machine may swallow a digit of one time, so that the other one has to do.
    const times = await page.locator('.heard .mono').allTextContents();
    const whole = times.find((digits) => digits.length % 6 === 0) ?? '';
    expect(whole).toMatch(/^\d{6}/);
    return whole.slice(0, 6);
  }

  const status = (page: Page) => page.getByRole('status');
  const otherThan = (code: string): string => (code === '000000' ? '111111' : '000000');

  it('proves a number by a code: answered, keys pressed and heard on the page, a wrong code, the right one', () =>
    checkPage({ name: 'voice', width: 1280, scheme: 'light' }, async (page, shoot) => {
      await shoot('1-start');
      await ask(page, '020 7946 0700', 'Voice call');
      await page.getByRole('button', { name: 'Answer +442079460700' }).waitFor();
      await expect.poll(() => status(page).textContent()).toContain('Ringing. Please answer.');
      await shoot('2-ringing');
      await page.getByRole('textbox', { name: /^Code/ }).fill('12');
      await page.getByRole('button', { name: 'Answer +442079460700' }).click();
      await page.getByRole('button', { name: '5', exact: true }).click();
      await page.getByRole('button', { name: 'star' }).click();
      await page.getByText('Keys pressed: 5*').waitFor();
      await page.locator('.steps').getByText('Key', { exact: true }).first().waitFor();
      await shoot('3-talking');
      // Nothing was loaded anew.
      expect(await page.getByRole('textbox', { name: /^Code/ }).inputValue()).toBe('12');
      await page.locator('.heard').waitFor();
      const code = await heardCode(page);
      await page.getByRole('textbox', { name: /^Code/ }).fill(otherThan(code));
      await page.getByRole('button', { name: 'Check' }).click();
      await page.getByText('That was not right.').waitFor();
      await page.getByText('4 tries left').waitFor();
      await page.locator('#rung-0 summary').click();
      await page.getByText('Max-Forwards').first().waitFor();
      await shoot('4-wrong');
      await page.getByRole('textbox', { name: /^Code/ }).fill(code);
      await page.getByRole('textbox', { name: /^Code/ }).press('Enter');
      await status(page).getByText('OK', { exact: true }).waitFor();
      await shoot('5-ok');
      const audio = page.getByLabel('What +442079460700 heard');
      const seconds = await audio.evaluate(async (element) => {
        const sound = element as unknown as { muted: boolean; duration: number; play(): Promise<void> };
        sound.muted = true;
        await sound.play();
        return sound.duration;
      });
      expect(seconds).toBeGreaterThan(1);
    }));

  it('proves a number by a flash call, with the keyboard alone', () =>
    checkPage({ name: 'flash', width: 390, scheme: 'dark' }, async (page, shoot) => {
      await shoot('1-start');
      await page.getByRole('textbox', { name: 'Phone number' }).focus();
      await page.keyboard.type('2079460180');
      await page.keyboard.press('Tab');
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      await page.getByText('Ringing. Do not answer.').waitFor();
      await shoot('2-ringing');
      await status(page).getByText('OK', { exact: true }).waitFor();
      await page.getByText('487 Request Terminated', { exact: true }).waitFor();
      await shoot('3-ok');
    }));

  it('says not OK when the phone declines', () =>
    checkPage({ name: 'declined', width: 390, scheme: 'light' }, async (page, shoot) => {
      await ask(page, '+44 20 7946 0701', 'Voice call');
      await page.getByRole('button', { name: 'Decline +442079460701' }).click();
      await page.getByText('The call was declined.').waitFor();
      await shoot('not-ok');
      await page.goto(`${lab.page}/lab`);
      await page.getByRole('heading', { name: 'Lab phones' }).waitFor();
      await shoot('phones');
    }));

  it('shows a text message', () =>
    checkPage({ name: 'text', width: 1280, scheme: 'dark' }, async (page, shoot) => {
      await ask(page, '020 7946 0200', 'Text message');
      const text = (await page.locator('.bubble').textContent()) ?? '';
      await shoot('1-arrived');
      await page.getByRole('textbox', { name: /^Code/ }).fill(/\d{6}/.exec(text)?.[0] ?? '');
      await page.getByRole('button', { name: 'Check' }).click();
      await status(page).getByText('OK', { exact: true }).waitFor();
    }));

  it('without script: a flash call, and the page reloads by itself', () =>
    checkPage({ name: 'plain-flash', width: 390, scheme: 'light', script: false }, async (page, shoot) => {
      await ask(page, '020 7946 0180', 'Flash call');
      await page.getByText('The lab reads the number').waitFor();
      await shoot('1-ringing');
      await page.getByText('OK', { exact: true }).waitFor();
      await shoot('2-ok');
    }));

  it('without script: a phone that is answered, keyed and hung up by forms, and a code by text message', () =>
    checkPage({ name: 'plain-voice', width: 1280, scheme: 'dark', script: false }, async (page, shoot) => {
      await ask(page, '020 7946 0702', 'Voice call');
      const look = async (text: string): Promise<void> => {
        await expect
          .poll(
            async () => {
              await page.getByRole('link', { name: 'Look again' }).click();
              return page.getByText(text).count();
            },
            { timeout: PATIENCE_MS, interval: 250 },
          )
          .toBeGreaterThan(0);
      };
      await look('Decline');
      await page.getByRole('button', { name: 'Answer +442079460702' }).click();
      await look('Hang up');
      await page.getByRole('button', { name: '7', exact: true }).click();
      await page.getByText('Keys pressed: 7').waitFor();
      await shoot('1-talking');
      await page.getByRole('button', { name: 'Hang up' }).click();
      await look('Hung up here');
      await page.getByRole('button', { name: 'Cancel' }).click();
      await page.getByRole('link', { name: 'Try again' }).click();
      await ask(page, '020 7946 0702', 'Text message');
      await look('From');
      const text = (await page.locator('.bubble').textContent()) ?? '';
      await page.getByRole('textbox', { name: /^Code/ }).fill(/\d{6}/.exec(text)?.[0] ?? '');
      await page.getByRole('button', { name: 'Check' }).click();
      await page.getByText('The code was right.').waitFor();
      await shoot('2-ok');
    }));
});
