import { afterEach, describe, expect, it } from 'vitest';
import type { Door } from '../../support/limits/door.ts';
import { openDoor } from '../../support/limits/door.ts';

/** Numbers that each of them calls, within three quarters of an hour. */
const NUMBERS = 5000;
const BURST_MS = 45 * 60_000;
/** So many ask at once. */
const TOGETHER = 20;
/** How long a person needs to hear a code and to type it. */
const PROOF_MS = 20_000;

let door: Door;
afterEach(() => door.close());

/** Each from an address of its own; answers how many were admitted. */
async function burst(
  numbers: readonly string[],
  { proves, from }: { readonly proves: boolean; readonly from: string },
): Promise<number> {
  const open: { to: string; createdAt: number }[] = [];
  let admitted = 0;
  const ask = async (to: string, i: number): Promise<void> => {
    if ((await door.ask(to, { endUserAddress: `${from}.${i >> 8}.${i & 255}` })) !== 'admitted') return;
    admitted += 1;
    open.push({ to, createdAt: door.now() });
  };
  for (let i = 0; i < numbers.length; i += TOGETHER) {
    await Promise.all(numbers.slice(i, i + TOGETHER).map((to, j) => ask(to, i + j)));
    door.pass((BURST_MS / NUMBERS) * TOGETHER);
    const due = open.findIndex(({ createdAt }) => createdAt + PROOF_MS > door.now());
    const heard = open.splice(0, due < 0 ? open.length : due);
    if (proves) await Promise.all(heard.map((one) => door.gate.proven(one)));
  }
  return admitted;
}

/** Of one exchange: `+371 2123 xxxx`. */
function ofOnePrefix(): readonly string[] {
  return Array.from({ length: NUMBERS }, (_, i) => `+3712123${String(i).padStart(4, '0')}`);
}

/** Of all mobile networks of a country, as users have them. */
function ofManyPrefixes(): readonly string[] {
  return Array.from({ length: NUMBERS }, (_, i) => `+49151${String(10_000_000 + i * 17_011)}`);
}

describe('5,000 numbers', { timeout: 60_000 }, () => {
  it('of one prefix from many addresses, of which none is ever proven, are stopped', async () => {
    door = await openDoor();
    expect(await burst(ofOnePrefix(), { proves: false, from: '198.18' })).toBe(50);
    expect(new Set(door.refusals)).toEqual(new Set(['prefix_hour']));
    // Others are not.
    expect(await door.ask('+37129990000')).toBe('admitted');
  });

  it('of many prefixes pass, whether they are proven or not', async () => {
    door = await openDoor();
    expect(await burst(ofManyPrefixes(), { proves: false, from: '198.18' })).toBe(NUMBERS);
    expect(door.refusals).toEqual([]);
  });

  it('of one prefix pass where people prove them as they go', async () => {
    door = await openDoor();
    expect(await burst(ofOnePrefix(), { proves: true, from: '198.18' })).toBe(NUMBERS);
    expect(door.refusals).toEqual([]);
  });

  it('of many prefixes of one country are stopped by the limit of that country, and others pass', async () => {
    door = await openDoor({ limits: { country: { byCountry: { LV: 200 } } } });
    const pump = Array.from({ length: 1000 }, (_, i) => `+3712${String(1_000_000 + i * 8011)}`);
    expect(await burst(pump, { proves: false, from: '198.18' })).toBe(200);
    expect(await burst(ofManyPrefixes().slice(0, 500), { proves: false, from: '198.19' })).toBe(500);
  });

  it('from few addresses are stopped by those', async () => {
    door = await openDoor();
    let admitted = 0;
    for (const [i, to] of ofManyPrefixes().slice(0, 1000).entries()) {
      if ((await door.ask(to, { endUserAddress: `198.18.0.${i % 5}` })) === 'admitted') admitted += 1;
      door.pass(100);
    }
    expect(admitted).toBe(5 * 20);
    expect(new Set(door.refusals)).toEqual(new Set(['end_user_hour']));
  });

  it('at a dear price are stopped by the cap of a day', async () => {
    const trunks = [
      {
        id: 'carrier',
        host: 'sip.carrier.example',
        cli: '+4930123456',
        prefixes: [{ prefix: '+', price: { amount: '0.50', increment: '60/60' }, currency: 'EUR' }],
      },
    ];
    door = await openDoor({ trunks, limits: { spend: { perDay: { EUR: '100' } } } });
    expect(await burst(ofManyPrefixes().slice(0, 1000), { proves: false, from: '198.18' })).toBe(200);
    expect(new Set(door.refusals)).toEqual(new Set(['service_spend']));
  });
});
