import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { microsOf } from '../../../src/cdr/billing.ts';
import { configFrom } from '../../../src/config.ts';
import { countedOf, endUserNetwork, provableCounts, spendCounts } from '../../../src/limits/counted.ts';
import { originOf } from '../../../src/limits/number-origin.ts';
import { estimatedCost, estimatedTextCost } from '../../../src/limits/spend.ts';
import { clientWith } from '../../support/client.ts';

const TRUNK = { id: 'carrier', host: 'sip.carrier.example', cli: '+4930123456' };
const PRESET = configFrom({ trunks: [TRUNK] }).limits;
const OFF = configFrom({
  trunks: [TRUNK],
  limits: {
    number: { perMinute: null, perHour: null, perDay: null, pausesSeconds: [] },
    prefix: { perHour: null },
    endUser: { perHour: null },
  },
}).limits;
const FREE = new Map<string, number>();
const TO = '+4930123456';

describe('what a request counts as', () => {
  it('is nothing where every limit is off', () => {
    const known = { client: clientWith(), origin: originOf(TO), cost: new Map([['EUR', 5]]) };
    expect(countedOf({ endUserAddress: '192.0.2.1' }, known, OFF)).toEqual({
      counts: [],
      pauses: [],
    });
  });

  it('is all of it, with the defaults', () => {
    const client = clientWith({ limits: { perSecond: 5, perDay: 1000 } });
    const known = { client, origin: originOf(TO), cost: FREE };
    const { counts, pauses } = countedOf({ endUserAddress: '192.0.2.1' }, known, PRESET);
    expect(counts.map(({ limit, key, windowMs, max }) => [limit, key, windowMs, max])).toEqual([
      ['client_second', 'client shop second', 1000, 5],
      ['client_day', 'client shop day', 86_400_000, 1000],
      ['number_minute', 'number +4930123456 minute', 60_000, 3],
      ['number_hour', 'number +4930123456 hour', 3_600_000, 8],
      ['number_day', 'number +4930123456 day', 86_400_000, 20],
      ['prefix_hour', 'prefix +493012/4', 3_600_000, 50],
      ['end_user_hour', 'user 192.0.2.1', 3_600_000, 20],
    ]);
    expect(pauses).toEqual([
      { key: 'number +4930123456', pausesMs: [0, 30_000, 60_000, 120_000, 300_000], forgetMs: 86_400_000 },
    ]);
    expect(new Set(counts.map(({ key }) => key)).size).toBe(counts.length);
  });

  it('of a sip: address is of no country and no prefix', () => {
    const to = 'sip:alice@phones.example';
    const known = { client: undefined, origin: originOf(to), cost: FREE };
    const { counts } = countedOf({ endUserAddress: undefined }, known, PRESET);
    expect(counts.map(({ limit }) => limit)).toEqual(['number_minute', 'number_hour', 'number_day']);
    expect(provableCounts(originOf(to), PRESET)).toEqual([]);
  });

  it('has the limit of its country, of all of them, or none', () => {
    const country = { perHour: 100, byCountry: { LV: 20, US: null, AT: 0 } };
    const mostOf = (to: string): number | undefined =>
      provableCounts(originOf(to), { ...OFF, country })[0]?.max;
    expect(mostOf('+37121234567')).toBe(20);
    expect(mostOf('+12125550123')).toBeUndefined();
    expect(mostOf('+4315123456')).toBe(0);
    expect(mostOf(TO)).toBe(100);
    expect(provableCounts(originOf('+881612345678'), { ...OFF, country })[0]?.key).toBe('country +881');
  });

  it('of a number with digits too many is that of the number which is reached', () => {
    const keysOf = (to: string): readonly string[] => {
      const { counts, pauses } = countedOf(
        { endUserAddress: undefined },
        { client: undefined, origin: originOf(to), cost: FREE },
        PRESET,
      );
      return [...counts, ...pauses].map(({ key }) => key);
    };
    // Mobile numbers of this range have eleven digits; the plan lets numbers of its country have up to fifteen.
    const reached = '+4915112345678';
    expect(keysOf(reached)).toContain(`number ${reached} hour`);
    for (const dialled of [`${reached}0`, `${reached}7`, `${reached}77`]) {
      expect(keysOf(dialled)).toEqual(keysOf(reached));
    }
    expect(keysOf('+4915112345679')).not.toEqual(keysOf(reached));
    // Nor with a zero that is dialled within the country only.
    for (const dialled of ['+480512345678', '+4800512345678', '+4805123456780']) {
      expect(keysOf(dialled)).toEqual(keysOf('+48512345678'));
    }
    // What is no number of the plan, however much of it is left out, is itself.
    expect(keysOf('+491510151234')).toContain('number +491510151234 hour');
  });

  it('never leaves less of a short number than its country', () => {
    const { prefix } = PRESET;
    const [count] = provableCounts(originOf('+29012'), {
      ...PRESET,
      prefix: { ...prefix, droppedDigits: 8 },
    });
    expect(count?.key).toBe('prefix +2/8');
  });
});

describe('the address of an end user', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('%s counts as %s', (text, network) => {
    expect(endUserNetwork(text)).toBe(network);
  });

  it.each(['', 'localhost', '10', '192.0.2', '192.0.2.1:80', '[::1]', '192.0.2.0/24'])(
    'is not %s',
    (text) => {
      expect(endUserNetwork(text)).toBeUndefined();
    },
  );
});

describe('what a call may cost', () => {
  const priced = (id: string, amount: string, currency: string, prefix = '+49') => ({
    ...TRUNK,
    id,
    prefixes: [{ prefix, price: { amount, increment: '60/60' }, currency }],
  });
  const trunksOf = (...trunks: readonly object[]) => configFrom({ trunks: trunks as [typeof TRUNK] }).trunks;

  it('is the dearest of the trunks that may carry it, by currency', () => {
    const trunks = trunksOf(
      priced('a', '0.01', 'EUR'),
      priced('b', '0.03', 'EUR'),
      priced('c', '0.02', 'USD', '+'),
      priced('d', '9', 'EUR', '+43'),
      TRUNK,
    );
    expect([...estimatedCost(TO, trunks, 60)]).toEqual([
      ['EUR', 30_000],
      ['USD', 20_000],
    ]);
    expect(estimatedCost(TO, trunks, 61).get('EUR')).toBe(60_000);
    expect([...estimatedCost('+33612345678', trunks, 1)]).toEqual([['USD', 20_000]]);
  });

  it('of a text is the dearest of the trunks that carry some to the number, as long as they would', () => {
    const texts = (id: string, sms: object, prefix = '+49') => ({
      ...TRUNK,
      id,
      sms,
      prefixes: [{ prefix, price: { amount: '1' }, currency: 'EUR' }],
    });
    const price = (amount: string, currency = 'EUR') => ({ amount, currency });
    const trunks = trunksOf(
      texts('a', { price: price('0.045') }),
      texts('b', { price: price('0.05'), maxSegments: 2, only: true }),
      texts('c', { price: price('0.02', 'USD'), maxSegments: 1 }, '+'),
      texts('d', { price: price('9') }, '+43'),
      texts('e', {}),
      priced('f', '9', 'EUR'),
    );
    expect([...estimatedTextCost(TO, trunks)]).toEqual([
      ['EUR', 135_000],
      ['USD', 20_000],
    ]);
    expect([...estimatedTextCost('sip:anna@pbx.example', trunks)]).toEqual([]);
  });

  it('counts against the caps in its currency alone', () => {
    const client = clientWith({ spend: { currency: 'EUR', microsPerDay: 1_000_000 } });
    const caps = { spend: { perDay: { EUR: '2.50', USD: '3' }, assumedSeconds: 60 } };
    const cost = new Map([
      ['EUR', 30_000],
      ['USD', 20_000],
      ['CHF', 10_000],
    ]);
    expect(spendCounts(client, cost, caps).map(({ key, max, amount }) => [key, max, amount])).toEqual([
      ['spend client shop EUR', 1_000_000, 30_000],
      ['spend service EUR', 2_500_000, 30_000],
      ['spend service USD', 3_000_000, 20_000],
    ]);
    expect(spendCounts(undefined, new Map([['EUR', 0]]), caps)).toEqual([]);
  });

  it('is exact in millionths', () => {
    expect(microsOf('12.5')).toBe(12_500_000);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 999_999_999 }),
        fc.integer({ min: 0, max: 999_999 }),
        (units, micros) => {
          expect(microsOf(`${units}.${String(micros).padStart(6, '0')}`)).toBe(units * 1_000_000 + micros);
        },
      ),
    );
  });
});
