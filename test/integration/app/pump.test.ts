import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Site, startSite } from '../../support/app/site.ts';

/** 1,000 in CI, where the same runs with 5,000 against the gate alone. */
const NUMBERS = Number(process.env['PUMP_NUMBERS'] ?? 1000);
/** Requests under way. */
const TOGETHER = 25;
const CODE = '482910';

let site: Site;
beforeAll(async () => {
  // Only the rules of destinations are open: limits are what they are by default.
  site = await startSite({
    settings: { limits: {}, calls: { maxConcurrent: 2000 }, trace: { maxCalls: 0 } },
  });
});
afterAll(() => site.close());

/** Asks for a verification of each, from an address of its own. @returns how many answers had which status */
async function burst(
  numbers: readonly string[],
  from: string,
  then: (id: string) => Promise<void> = async () => {},
): Promise<Record<number, number>> {
  const statuses: Record<number, number> = {};
  const ask = async (to: string, i: number): Promise<void> => {
    const endUserAddress = `${from}.${i >> 8}.${i & 255}`;
    const { status, body } = await site.client.ask('POST', '/v1/verifications', {
      to,
      code: CODE,
      endUserAddress,
    });
    statuses[status] = (statuses[status] ?? 0) + 1;
    if (status === 201) await then(body.id);
  };
  for (let i = 0; i < numbers.length; i += TOGETHER) {
    await Promise.all(numbers.slice(i, i + TOGETHER).map((to, j) => ask(to, i + j)));
  }
  return statuses;
}

function numbersOf(number: (index: string) => string): readonly string[] {
  return Array.from({ length: NUMBERS }, (_, i) => number(String(i).padStart(4, '0')));
}

describe('the service as it is by default', { timeout: 120_000 }, () => {
  it('stops a pump of numbers of one prefix from as many addresses', async () => {
    const statuses = await burst(
      numbersOf((index) => `+3712123${index}`),
      '198.18',
    );
    expect(statuses).toEqual({ 201: 50, 429: NUMBERS - 50 });
    const { text } = await site.client.ask('GET', '/metrics');
    expect(text).toContain(`voice_otp_requests_refused_total{limit="prefix_hour"} ${NUMBERS - 50}\n`);
  });

  it('lets a burst of as many other numbers pass', async () => {
    // Busy phones, so that calls are short.
    const statuses = await burst(
      numbersOf((index) => `+49151${index}486`),
      '198.19',
    );
    expect(statuses).toEqual({ 201: NUMBERS });
  });

  it('lets numbers of one prefix pass where people prove them', async () => {
    const prove = async (id: string): Promise<void> => {
      expect((await site.client.check(id, CODE)).text).toContain('"approved":true');
    };
    // Phones that answer, and are not done before the code is typed.
    const numbers = Array.from({ length: 150 }, (_, i) => `+37121240${710 + i}`);
    expect(await burst(numbers, '198.20', prove)).toEqual({ 201: 150 });
  });
});
