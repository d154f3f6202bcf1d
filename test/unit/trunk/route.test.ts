import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/secret.ts';
import type { Approvals } from '../../../src/trunk/approval.ts';
import type { Trunk } from '../../../src/trunk/definition.ts';
import type { Route, RouteInput } from '../../../src/trunk/route.ts';
import { candidates, ROUTE_SETTINGS, route, routeReason } from '../../../src/trunk/route.ts';
import type { TrunkCondition } from '../../../src/trunk/trunk-states.ts';
import { NOW, someTrunk } from '../../support/records.ts';
import { routed } from '../../support/routed.ts';

const TO = '+4930123456';
const NOTHING: Approvals = { approved: 0, of: 0 };

interface World {
  readonly conditions?: Readonly<Record<string, TrunkCondition>>;
  readonly approvals?: Readonly<Record<string, Approvals>>;
  readonly input?: Partial<RouteInput>;
}

function trunkOf(id: string, change: Partial<Trunk> = {}): Trunk {
  return someTrunk({ id, ...change });
}

function found(trunks: readonly Trunk[], { conditions = {}, approvals = {}, input = {} }: World = {}): Route {
  return route({
    to: TO,
    trunks,
    carrierId: null,
    cli: null,
    stateOf: (id) => ({
      condition: conditions[id] ?? 'up',
      since: NOW,
      reasons: [],
      trial: conditions[id] === 'half_open',
    }),
    approvalsOf: (id) => approvals[id] ?? NOTHING,
    random: () => 0.999,
    ...input,
  });
}

/** Candidates in their order, the others as `id: why`. */
function said(...args: Parameters<typeof found>): readonly string[] {
  return found(...args).map(({ trunkId, place, why }) => (place === null ? `${trunkId}: ${why}` : trunkId));
}

function priced(amount: string, currency = 'EUR', increment = '1/1'): Partial<Trunk> {
  return { priority: 1, prefixes: [{ prefix: '+49', price: { amount, increment }, currency }] };
}

/** The same numbers for the same seed; as good as needed here. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function firsts(
  times: number,
  trunks: readonly Trunk[],
  world: World = {},
): Readonly<Record<string, number>> {
  const random = seeded(7);
  const counts: Record<string, number> = {};
  for (let i = 0; i < times; i++) {
    const [first] = candidates(found(trunks, { ...world, input: { random, ...world.input } }));
    counts[first?.trunkId ?? 'none'] = (counts[first?.trunkId ?? 'none'] ?? 0) + 1;
  }
  return counts;
}

describe('a trunk for text messages', () => {
  const sms = { maxSegments: 3, timeoutMs: 1000, only: false };
  const trunks = [
    trunkOf('calls'),
    trunkOf('both', { sms }),
    trunkOf('texts', { sms: { ...sms, only: true } }),
    trunkOf('elsewhere', { sms, prefixes: [{ prefix: '+44' }] }),
  ];

  it('is one that is said to carry some', () => {
    const none = 'channel_not_carried';
    const other = 'elsewhere: prefix_not_served';
    expect(said(trunks, { input: { channel: 'sms' } })).toEqual(['both', 'texts', `calls: ${none}`, other]);
    for (const channel of ['voice', 'flash', undefined] as const) {
      expect(said(trunks, { input: { channel } })).toEqual(['calls', 'both', `texts: ${none}`, other]);
    }
  });

  it('is not another one where a request names that', () => {
    expect(said(trunks, { input: { channel: 'sms', carrierId: 'calls' } })).toEqual([
      'calls: channel_not_carried',
      ...['both', 'texts', 'elsewhere'].map((id) => `${id}: other_carrier_id`),
    ]);
  });

  it('is known beforehand', () => {
    const { routing } = routed(
      trunks.map((one) => ({ ...one, allowedClis: one.id === 'texts' ? ['Shop'] : [] })),
    );
    const carries = (...args: Parameters<typeof routing.carriesTexts>) => routing.carriesTexts(...args);
    expect(carries(TO)).toBe(true);
    expect([carries(TO, 'both'), carries(TO, 'calls'), carries(TO, 'nobody')]).toEqual([true, false, false]);
    expect([carries(TO, null, { cli: 'Shop' }), carries(TO, 'both', { cli: 'Shop' })]).toEqual([true, false]);
    const texts = [450, 470].map((length) => new Secret('x'.repeat(length)));
    expect(texts.map((text) => carries(TO, null, { text }))).toEqual([true, false]);
    expect(
      routed([trunkOf('elsewhere', { sms, prefixes: [{ prefix: '+44' }] })]).routing.carriesTexts(TO),
    ).toBe(false);
  });
});

describe('route: order', () => {
  it('tries trunks that say nothing in the order of the configuration', () => {
    expect(said([trunkOf('c'), trunkOf('a'), trunkOf('b')])).toEqual(['c', 'a', 'b']);
  });

  it('takes the trunk that was asked for, whatever speaks against it, and no other', () => {
    const trunks = [trunkOf('a'), trunkOf('b', { prefixes: [{ prefix: '+1' }] })];
    const world: World = { conditions: { b: 'down' }, input: { carrierId: 'b' } };
    expect(said(trunks, world)).toEqual(['b', 'a: other_carrier_id']);
    expect(candidates(found(trunks, world))[0]).toMatchObject({
      why: 'carrier_id',
      condition: 'down',
      place: 1,
    });
    expect(said(trunks, { input: { carrierId: 'x' } })).toEqual([
      'a: other_carrier_id',
      'b: other_carrier_id',
    ]);
  });

  it('prefers the longest prefix, even to priority', () => {
    const trunks = [
      trunkOf('all', { priority: 0 }),
      trunkOf('country', { priority: 5, prefixes: [{ prefix: '+1' }, { prefix: '+49' }] }),
      trunkOf('city', { priority: 9, prefixes: [{ prefix: '+4930' }, { prefix: '+49' }] }),
      trunkOf('other', { prefixes: [{ prefix: '+4931' }, { prefix: '+1' }] }),
    ];
    expect(said(trunks)).toEqual(['city', 'country', 'all', 'other: prefix_not_served']);
  });

  it('then the lowest priority', () => {
    const trunks = [
      trunkOf('a', { priority: 2 }),
      trunkOf('b', { priority: 1 }),
      trunkOf('c', { priority: 1 }),
    ];
    expect(said(trunks)).toEqual(['b', 'c', 'a']);
  });

  it('shares calls of the same priority by weight, and tells the shares', () => {
    const trunks = [
      trunkOf('a', { priority: 1, weight: 70 }),
      trunkOf('b', { priority: 1, weight: 20 }),
      trunkOf('c', { priority: 1, weight: 10 }),
      trunkOf('none', { priority: 1 }),
    ];
    const counts = firsts(10_000, trunks);
    expect(counts['a']).toBeGreaterThan(6800);
    expect(counts['a']).toBeLessThan(7200);
    expect(counts['c']).toBeGreaterThan(850);
    expect(counts['c']).toBeLessThan(1150);
    expect(counts['none']).toBeUndefined();
    const shares = candidates(found(trunks)).map(({ trunkId, share }) => [trunkId, share]);
    expect(Object.fromEntries(shares)).toEqual({
      a: expect.closeTo(0.7),
      b: expect.closeTo(0.2),
      c: expect.closeTo(0.1),
      none: null,
    });
    expect(said(trunks).at(-1)).toBe('none');
  });

  it('then the price of a typical call, which the increment makes', () => {
    const trunks = [
      trunkOf('minutes', priced('0.010', 'EUR', '60/60')),
      trunkOf('seconds', priced('0.015')),
      trunkOf('dear', priced('0.03')),
      trunkOf('unknown', { priority: 1, prefixes: [{ prefix: '+49' }] }),
    ];
    // 30 s: 0.0075, 0.01 and 0.015.
    expect(said(trunks)).toEqual(['seconds', 'minutes', 'dear', 'unknown']);
    expect(said(trunks, { input: { settings: { ...ROUTE_SETTINGS, typicalTalkMs: 50_000 } } })).toEqual([
      'minutes',
      'seconds',
      'dear',
      'unknown',
    ]);
  });

  it('does not compare prices in two currencies', () => {
    const trunks = [
      trunkOf('a', priced('0.03')),
      trunkOf('b', priced('0.02', 'USD')),
      trunkOf('c', priced('0.01')),
    ];
    expect(said(trunks)).toEqual(['a', 'b', 'c']);
  });

  it('then the trunk that approves clearly more', () => {
    const trunks = [
      trunkOf('a', { priority: 1 }),
      trunkOf('b', { priority: 1 }),
      trunkOf('c', { priority: 1 }),
    ];
    const approvals = {
      a: { approved: 50, of: 100 },
      b: { approved: 75, of: 100 },
      c: { approved: 76, of: 100 },
    };
    expect(said(trunks, { approvals })).toEqual(['b', 'c', 'a']);
  });

  it('leaves out a trunk that may not show the calling number', () => {
    const trunks = [trunkOf('a'), trunkOf('b', { allowedClis: ['+4989777'] })];
    expect(said(trunks, { input: { cli: '+4989777' } })).toEqual(['b', 'a: cli_not_allowed']);
  });

  it('knows no prefix of a sip: address', () => {
    const trunks = [trunkOf('a', { prefixes: [{ prefix: '+1' }] }), trunkOf('b')];
    expect(said(trunks, { input: { to: 'sip:anna@phone.example' } })).toEqual(['a', 'b']);
  });
});

describe('route: state', () => {
  const TRUNKS = ['a', 'b', 'c'].map((id) => trunkOf(id));

  it.each([['down'], ['open']] as const)(
    'leaves out a trunk that is %s, unless there is no other',
    (gone) => {
      expect(said(TRUNKS, { conditions: { a: gone } })).toEqual(['b', 'c', 'a: out_of_service']);
      expect(said(TRUNKS, { conditions: { a: gone, b: 'resting', c: 'open' } })).toEqual([
        'b',
        'a: out_of_service',
        'c: out_of_service',
      ]);
      const alone = found(TRUNKS, { conditions: { a: gone, b: gone, c: gone } });
      expect(candidates(alone).map(({ trunkId, why }) => [trunkId, why])).toEqual([
        ['a', 'last_resort'],
        ['b', 'last_resort'],
        ['c', 'last_resort'],
      ]);
    },
  );

  it('says what speaks against a trunk', () => {
    const reasons = [
      { condition: 'down', since: NOW, until: null, detail: 'no sign of life: no response' },
    ] as const;
    const stateOf: RouteInput['stateOf'] = () => ({ condition: 'down', since: NOW, reasons, trial: false });
    const [only] = found([trunkOf('a')], { input: { stateOf } });
    expect(only).toMatchObject({ condition: 'down', reasons: ['no sign of life: no response'] });
  });

  it('lets a trunk rest as long as there is another', () => {
    expect(said(TRUNKS, { conditions: { a: 'resting' } })).toEqual(['b', 'c', 'a']);
  });

  it('tries one that is half open in its turn, as long as a trial is to be had', () => {
    expect(said(TRUNKS, { conditions: { a: 'half_open' } })).toEqual(['a', 'b', 'c']);
    const stateOf: RouteInput['stateOf'] = (id) => ({
      condition: id === 'a' ? 'half_open' : 'up',
      since: NOW,
      reasons: [],
      trial: false,
    });
    expect(said(TRUNKS, { input: { stateOf } })).toEqual(['b', 'c', 'a: out_of_service']);
  });
});

describe('route: approvals', () => {
  const TRUNKS = [trunkOf('bad'), trunkOf('good')];
  const PROVEN = { bad: { approved: 0, of: 100 }, good: { approved: 60, of: 100 } };

  it('takes the traffic from a trunk whose verifications never succeed, whatever its priority', () => {
    expect(said(TRUNKS, { approvals: PROVEN })).toEqual(['good', 'bad']);
    expect(candidates(found(TRUNKS, { approvals: PROVEN }))[1]).toMatchObject({
      trunkId: 'bad',
      why: 'unapproved',
      approvals: { approved: 0, of: 100 },
    });
  });

  it('also where nothing is known of the others', () => {
    expect(said(TRUNKS, { approvals: { bad: { approved: 0, of: 60 } } })).toEqual(['good', 'bad']);
    expect(said(TRUNKS, { approvals: { bad: { approved: 0, of: 50 } } })).toEqual(['bad', 'good']);
  });

  it('sees it sooner beside one that is known to be good', () => {
    const good = { approved: 70, of: 100 };
    expect(said(TRUNKS, { approvals: { bad: { approved: 0, of: 20 }, good } })).toEqual(['good', 'bad']);
    expect(said(TRUNKS, { approvals: { bad: { approved: 0, of: 5 }, good } })).toEqual(['bad', 'good']);
    expect(said(TRUNKS, { approvals: { bad: { approved: 4, of: 40 }, good } })).toEqual(['good', 'bad']);
    expect(said(TRUNKS, { approvals: { bad: { approved: 50, of: 100 }, good } })).toEqual(['bad', 'good']);
  });

  it('keeps the order where all fail alike', () => {
    const approvals = { bad: { approved: 0, of: 100 }, good: { approved: 0, of: 200 } };
    expect(said(TRUNKS, { approvals })).toEqual(['bad', 'good']);
  });

  it('still tries it first with a few calls, and only with those', () => {
    const counts = firsts(10_000, TRUNKS, { approvals: PROVEN });
    expect(counts['bad']).toBeGreaterThan(140);
    expect(counts['bad']).toBeLessThan(260);
    expect(said(TRUNKS, { approvals: PROVEN, input: { random: () => 0 } })).toEqual(['bad', 'good']);
    expect(found(TRUNKS, { approvals: PROVEN, input: { random: () => 0 } })[0]).toMatchObject({
      why: 'probe',
    });
  });

  it('gives a smaller share to one that approves less, and no smaller one to one that is new', () => {
    const trunks = ['a', 'b', 'c'].map((id) => trunkOf(id, { priority: 1, weight: 10 }));
    const approvals = { a: { approved: 90, of: 100 }, b: { approved: 45, of: 100 } };
    const shares = Object.fromEntries(
      candidates(found(trunks, { approvals })).map(({ trunkId, share }) => [trunkId, share ?? 0]),
    );
    expect(shares['a']).toBeGreaterThan(1.5 * (shares['b'] ?? 1));
    expect(shares['c']).toBeCloseTo(1 / 3, 1);
  });
});

describe('route, whatever the trunks are', () => {
  const CONDITION = fc.constantFrom<TrunkCondition>('up', 'half_open', 'resting', 'open', 'down');
  const SOME_TRUNK = fc.record({
    prefix: fc.constantFrom('+', '+49', '+4930', '+1'),
    priority: fc.option(fc.nat(3), { nil: undefined }),
    weight: fc.option(fc.nat(3), { nil: undefined }),
    condition: CONDITION,
    approved: fc.nat(50),
    failed: fc.nat(100),
  });

  it('explains each trunk once, numbers the places, and is empty only where none may carry the number', () => {
    fc.assert(
      fc.property(fc.array(SOME_TRUNK, { maxLength: 8 }), fc.nat(1_000_000), (some, seed) => {
        const trunks = some.map(({ prefix, priority, weight }, i) =>
          trunkOf(`t${i}`, { prefixes: [{ prefix }], priority, weight }),
        );
        const result = found(trunks, {
          conditions: Object.fromEntries(some.map(({ condition }, i) => [`t${i}`, condition])),
          approvals: Object.fromEntries(
            some.map(({ approved, failed }, i) => [`t${i}`, { approved, of: approved + failed }]),
          ),
          input: { random: seeded(seed) },
        });
        expect(result.map(({ trunkId }) => trunkId).toSorted()).toEqual(
          trunks.map(({ id }) => id).toSorted(),
        );
        const used = candidates(result);
        expect(used.map(({ place }) => place)).toEqual(used.map((_, i) => i + 1));
        expect(result.slice(0, used.length)).toEqual(used);
        const carried = some.some(({ prefix }) => TO.startsWith(prefix));
        expect(used.length > 0).toBe(carried);
        const better = some.some(
          ({ prefix, condition }) => TO.startsWith(prefix) && condition !== 'open' && condition !== 'down',
        );
        expect(used.some(({ why }) => why === 'last_resort')).toBe(carried && !better);
        expect(JSON.parse(JSON.stringify(result))).toEqual(result);
      }),
    );
  });
});

describe('routeReason', () => {
  it('says in a line why a trunk is where it is', () => {
    const trunks = [
      trunkOf('a', { ...priced('0.0125'), weight: 70 }),
      trunkOf('b', { ...priced('0.02'), weight: 30 }),
      trunkOf('c', { prefixes: [{ prefix: '+1' }] }),
    ];
    const approvals = { a: { approved: 41, of: 60 } };
    expect(found(trunks, { approvals, input: { random: () => 0 } }).map(routeReason)).toEqual([
      'place 1 by order: prefix +49, priority 1, weight 70 (share 0.71), 0.0125 EUR, up, 41/60 approved',
      'place 2 by order: prefix +49, priority 1, weight 30 (share 0.29), 0.02 EUR, up, 0/0 approved',
      'not used by prefix_not_served: prefix none, priority 3, weight 0, up, 0/0 approved',
    ]);
  });
});
