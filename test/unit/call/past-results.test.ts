import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { restoreResults } from '../../../src/call/past-results.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { TrunkResults } from '../../../src/trunk/results.ts';
import { storePast } from '../../support/past-calls.ts';
import { acceptedPair, NOW, someTrunk } from '../../support/records.ts';

const DAY_MS = 86_400_000;
const TRUNKS = [someTrunk(), someTrunk({ id: 'beta' })];

let folder: string;
let store: SqliteStore;
let results: TrunkResults;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-past-'));
  store = new SqliteStore({ path: join(folder, 'db.sqlite'), synchronous: 'normal' });
  results = new TrunkResults({ now: () => NOW, trunks: () => TRUNKS });
});

afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const past = (name: string, trunkId: string, agoMs: number, approved: boolean): Promise<void> =>
  storePast(store, { name, trunkId, at: NOW - agoMs, approved });

const ports = () => ({ store, results, now: () => NOW, elapsed: () => 0 });

describe('restoreResults', () => {
  it('tells what calls of the last day were like, and what they approved', async () => {
    for (let i = 0; i < 6; i++) await past(`a${i}`, 'alpha', 600_000 + i, i < 4);
    for (let i = 0; i < 3; i++) await past(`b${i}`, 'beta', 700_000 + i, false);
    await past('old', 'beta', DAY_MS + 1000, true);
    const open = acceptedPair('open', { createdAt: NOW - 1000 });
    await store.accept(open.verification, open.call, null);
    expect(await restoreResults(ports())).toBe(9);
    expect(results.figures('alpha')).toMatchObject({
      attempts: 6,
      asr: 1,
      approvals: { approved: 4, of: 6 },
    });
    expect(results.figures('beta')).toMatchObject({ attempts: 3, approvals: { approved: 0, of: 3 } });
  });

  it('lets a verification that is approved later still count as approved', async () => {
    await past('late', 'alpha', 600_000, false);
    await restoreResults(ports());
    results.verification('ver_late', {
      trunkId: 'alpha',
      to: '+4930123456',
      approved: true,
      at: NOW - 600_000,
    });
    expect(results.figures('alpha').approvals).toMatchObject({ approved: 1, of: 1 });
  });

  it('reads the latest ones, page by page, and no more than it may', async () => {
    for (let i = 0; i < 12; i++) await past(`a${i}`, i < 5 ? 'alpha' : 'beta', 600_000 + i * 1000, false);
    const bounds = { maxCalls: 10, patienceMs: 1000, maxAgeMs: DAY_MS, pageSize: 4 };
    expect(await restoreResults(ports(), bounds)).toBe(10);
    expect([results.figures('alpha').attempts, results.figures('beta').attempts]).toEqual([5, 5]);
  });

  it('ends in time', async () => {
    for (let i = 0; i < 12; i++) await past(`a${i}`, 'alpha', 600_000 + i * 1000, false);
    let elapsed = 0;
    const slow = { ...ports(), elapsed: () => (elapsed += 600) };
    const bounds = { maxCalls: 10, patienceMs: 1000, maxAgeMs: DAY_MS, pageSize: 4 };
    expect(await restoreResults(slow, bounds)).toBe(4);
    expect(results.figures('alpha').attempts).toBe(4);
  });
});
