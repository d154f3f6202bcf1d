import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import type { Trunk } from '../../../src/trunk/definition.ts';
import type { FlashChoice, FlashRequest, FlashSettings } from '../../../src/verification/flash.ts';
import { chooseFlash, hiddenPart } from '../../../src/verification/flash.ts';
import { Vault } from '../../../src/verification/vault.ts';
import { NOW, someTrunk } from '../../support/records.ts';
import { seededRandom } from '../../support/sip/seeded-random.ts';

const TO = '+4930123456';
const vault = new Vault(Buffer.alloc(32, 3), randomBytes);
const SETTINGS: FlashSettings = {
  hiddenDigits: 4,
  ringHoldMs: 2500,
  maxRingSeconds: 10,
  maxChecks: 3,
  maxGuessProbability: 0.3,
  reuseWindowSeconds: 3600,
};

/** 3 checks at 0.3 need ten numbers. */
const TEN = { first: '+498990000100', last: '+498990000109' };
const NINE = { first: '+498990000100', last: '+498990000108' };

describe('chooseFlash', () => {
  let folder: string;
  let store: SqliteStore;
  let pauses: Map<string, number>;
  const random = seededRandom(9);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-flash-'));
    pauses = new Map();
    store = new SqliteStore({ path: join(folder, 'db.sqlite'), synchronous: 'normal' });
  });

  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  function choose(
    trunks: readonly Trunk[],
    {
      to = TO,
      request = {},
      checks = 3,
      settings = {},
      now = NOW,
      order,
    }: {
      to?: string;
      request?: FlashRequest;
      checks?: number;
      settings?: Partial<FlashSettings>;
      now?: number;
      order?: readonly string[];
    } = {},
  ): Promise<FlashChoice> {
    const ports = {
      store,
      vault,
      trunks,
      ...(order === undefined ? {} : { order: () => order }),
      random,
      pausedUntil: (number: string) => pauses.get(number),
    };
    return chooseFlash(to, request, checks, { ...SETTINGS, ...settings }, ports, now);
  }

  it('takes a number of the pool, and tells all of it but the hidden digits', async () => {
    const { trunkId, cli, details } = await choose([someTrunk({ flashPool: [TEN] })]);
    expect(trunkId).toBe('alpha');
    expect(cli.reveal()).toMatch(/^\+49899000010\d$/);
    expect(details).toEqual({
      prefix: '+49899000',
      hiddenDigits: 4,
      guessProbability: 0.3,
      ringHoldMs: 2500,
      maxRingMs: 10_000,
      fallbackText: null,
    });
    expect(JSON.stringify(details)).not.toContain(cli.reveal().slice(-4));
  });

  it('goes by the trunks that the route of the number has, in its order', async () => {
    const trunks = ['alpha', 'beta', 'gamma'].map((id) => someTrunk({ id, flashPool: [TEN] }));
    expect((await choose(trunks, { order: ['gamma', 'alpha'] })).trunkId).toBe('gamma');
    const [, ...others] = trunks;
    const last = { order: ['alpha', 'gamma'] };
    expect((await choose([someTrunk(), ...others], { ...last, to: '+4930123457' })).trunkId).toBe('gamma');
    await expect(choose(trunks, { order: [] })).rejects.toMatchObject({ code: 'flash_unavailable' });
  });

  it('does what the request asks for rather than what the settings say', async () => {
    const request = { ringHoldMs: 900, maxRingSeconds: 5, fallbackText: 'Hello' };
    const { details } = await choose([someTrunk({ flashPool: [TEN] })], { request });
    expect(details).toMatchObject({ ringHoldMs: 900, maxRingMs: 5000, fallbackText: 'Hello' });
  });

  it('says how likely a guess is, of the numbers that are left', async () => {
    const trunks = [someTrunk({ flashPool: [{ first: '+498990000100', last: '+498990000149' }] })];
    expect((await choose(trunks)).details.guessProbability).toBeCloseTo(3 / 50);
    expect((await choose(trunks, { checks: 1 })).details.guessProbability).toBeCloseTo(1 / 49);
    expect((await choose(trunks, { to: '+4930999999' })).details.guessProbability).toBeCloseTo(3 / 50);
  });

  it('refuses a pool that could be guessed, with the figures', async () => {
    await expect(choose([someTrunk({ flashPool: [NINE] })])).rejects.toMatchObject({
      code: 'flash_unavailable',
      message: expect.stringMatching(/3 checks of 9 numbers .* 0\.33, .* allows 0\.3\.$/),
    });
    expect((await choose([someTrunk({ flashPool: [NINE] })], { checks: 2 })).trunkId).toBe('alpha');
  });

  it('counts numbers that end alike once, and each beginning by itself', async () => {
    const twice = someTrunk({ flashPool: [NINE, NINE] });
    await expect(choose([twice])).rejects.toMatchObject({ code: 'flash_unavailable' });
    const apart = someTrunk({ flashPool: [NINE, { first: '+498990010100', last: '+498990010104' }] });
    await expect(choose([apart])).rejects.toMatchObject({ code: 'flash_unavailable' });
    expect((await choose([apart], { settings: { hiddenDigits: 5 } })).details.prefix).toBe('+4989900');
  });

  it('has nothing to take without a pool, or with none for the country', async () => {
    const british = someTrunk({ flashPool: [{ ...TEN, countries: ['GB'] }] });
    for (const trunks of [[], [someTrunk()], [british]]) {
      await expect(choose(trunks)).rejects.toMatchObject({
        code: 'flash_unavailable',
        message: 'There are no calling numbers for a flash call to this number.',
      });
    }
    expect((await choose([british], { to: '+442079460200' })).trunkId).toBe('alpha');
  });

  it('goes to the next trunk where the first has too few, and to no trunk when all are used up', async () => {
    const trunks = [
      someTrunk({ flashPool: [NINE] }),
      someTrunk({ id: 'beta', flashPool: [TEN] }),
      someTrunk({ id: 'gamma', flashPool: [{ first: '+442079460100', last: '+442079460110' }] }),
    ];
    const ids = [];
    for (let i = 0; i < 3; i++) ids.push((await choose(trunks, { now: NOW + i })).trunkId);
    expect(ids).toEqual(['beta', 'gamma', 'gamma']);
    await expect(choose(trunks, { now: NOW + 3 })).rejects.toMatchObject({
      code: 'flash_exhausted',
      retryAfterSeconds: expect.any(Number),
    });
    expect((await choose(trunks, { now: NOW + 3_600_000 })).trunkId).toBe('beta');
  });

  it('takes none for a number to which flash calls pause, and says when they go on', async () => {
    const trunks = [someTrunk({ flashPool: [TEN] })];
    pauses.set(TO, NOW + 60_001);
    await expect(choose(trunks)).rejects.toMatchObject({ code: 'flash_paused', retryAfterSeconds: 61 });
    expect((await choose(trunks, { to: '+4930999999' })).details.guessProbability).toBeCloseTo(0.3);
    pauses.delete(TO);
    expect((await choose(trunks)).details.guessProbability).toBeCloseTo(0.3);
  });

  it('takes from one and from the other of several groups', async () => {
    const flashPool = [TEN, { first: '+442079460100', last: '+442079460109' }];
    const prefixes = new Set<string>();
    for (let i = 0; i < 30; i++) {
      prefixes.add((await choose([someTrunk({ flashPool })], { to: `+49301234${i + 10}` })).details.prefix);
    }
    expect(prefixes).toEqual(new Set(['+49899000', '+44207946']));
  });
});

describe('hiddenPart', () => {
  it.each([
    ['+498990001234', '1234'],
    ['498990001234', '1234'],
    ['00498990001234', '1234'],
    ['089 9000-1234', '1234'],
    ['+49 (89) 9000.1234', '1234'],
    ['1234', '1234'],
  ])('reads %s as %s', (callerId, hidden) => {
    expect(hiddenPart(callerId, 4)?.reveal()).toBe(hidden);
  });

  it.each([
    '',
    '123',
    '+123',
    '+',
    'anonymous',
    '+49899000123x',
    ' 498990001234',
    '１２３４',
    '1'.repeat(18),
    '+49\n1234',
  ])('takes %j for no number', (callerId) => {
    expect(hiddenPart(callerId, 4)).toBeUndefined();
  });

  it('reads the same digits however a number is written', () => {
    const digit = fc.constantFrom(...'0123456789');
    const separator = fc.constantFrom('', '', ' ', '-', '.', '(', ')');
    const number = fc.array(digit, { minLength: 8, maxLength: 15 });
    fc.assert(
      fc.property(
        number,
        fc.infiniteStream(separator),
        fc.integer({ min: 3, max: 8 }),
        fc.constantFrom('', '+'),
        (digits, separators, hiddenDigits, plus) => {
          const [first = '', ...rest] = digits;
          const written =
            plus + first + rest.map((one, i) => (i === 0 ? '' : separators.next().value) + one).join('');
          const plain = digits.join('');
          expect(hiddenPart(written, hiddenDigits)?.reveal()).toBe(plain.slice(-hiddenDigits));
          expect(hiddenPart(plain, hiddenDigits)?.reveal()).toBe(plain.slice(-hiddenDigits));
        },
      ),
    );
  });
});
