import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { userInfo } from 'node:os';
import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunningLab } from '../../support/app/lab-site.ts';
import { startLab } from '../../support/app/lab-site.ts';
import { freePorts } from '../../support/free-ports.ts';
import { describeWithPeer } from '../../support/peers.ts';

describeWithPeer('chromium', 'a form of the page whose answer is slow', () => {
  let lab: RunningLab;
  let browser: Browser;
  let way: Server;
  let address: string;
  let posts = 0;
  /** While there is one, answers wait in it. */
  let held: (() => void)[] | undefined;

  beforeAll(async () => {
    lab = await startLab();
    const { hostname, port } = new URL(lab.app.url);
    way = createServer((near) => {
      const far = connect(Number(port), hostname);
      near.on('data', (data) => {
        if (data.toString('latin1').startsWith('POST ')) posts += 1;
        far.write(data);
      });
      far.on('data', (data) => {
        const pass = (): void => void near.write(data);
        if (held === undefined) pass();
        else held.push(pass);
      });
      for (const [one, other] of [[near, far] as const, [far, near] as const]) endsWith(one, other);
    });
    const free = await freePorts(1);
    await new Promise<void>((resolve) => way.listen(free, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${free}/try`;
    browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      // Its sandbox does not work for root.
      args: userInfo().uid === 0 ? ['--no-sandbox'] : [],
    });
  });

  afterAll(async () => {
    await browser?.close();
    way?.close();
    await lab?.close();
  });

  function endsWith(one: Socket, other: Socket): void {
    one.on('close', () => other.destroy());
    one.on('error', () => {});
  }

  it('calls once, however often its button is clicked', async () => {
    const page = await browser.newPage();
    await page.goto(address);
    await page.selectOption('#country', 'GB');
    await page.fill('#number', '020 7946 0180');
    const button = await page.getByRole('button', { name: 'Verify', exact: true }).boundingBox();
    const { x = 0, y = 0 } = button ?? {};
    held = [];
    const clicks = [1, 2, 3].map(() => page.mouse.click(x + 5, y + 5));
    await expect.poll(() => held?.length).toBeGreaterThan(0);
    await Promise.all(clicks);
    for (const pass of held) pass();
    held = undefined;
    await page.waitForURL(/\/try\/ver_/);
    expect(posts).toBe(1);
    expect(lab.faults()).toEqual([]);
  });
});
