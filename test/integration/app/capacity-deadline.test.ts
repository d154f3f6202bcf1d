import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allEnded, burst, useOf } from '../../support/app/bursts.ts';
import { LAB_TRUNK, type Site, startSite } from '../../support/app/site.ts';

const TIGHT = '+4930666';
const EITHER = '+4930777';
const QUEUE_MS = 1500;
const PATIENCE_MS = 20_000;

describe.concurrent('calls that wait for a trunk', () => {
  let site: Site;

  beforeAll(async () => {
    site = await startSite({
      settings: { calls: { queueMs: QUEUE_MS, nextTrunkMs: 100 } },
      trunks: (port) => [
        { ...LAB_TRUNK, id: 'tight', port, prefixes: [{ prefix: TIGHT }], cps: 2 },
        { ...LAB_TRUNK, id: 'first', port, prefixes: [{ prefix: EITHER }], cps: 1 },
        { ...LAB_TRUNK, id: 'next', port, prefixes: [{ prefix: EITHER }] },
      ],
    });
  });

  afterAll(() => site.close());

  const dialled = (prefix: string): string[] =>
    site.carrier.calls.map(({ number }) => number).filter((number) => number.startsWith(prefix));
  const busy = (count: number): string[] => Array.from({ length: count }, () => '486');

  it('end as capacity when their time is over, and are not dialled afterwards', async () => {
    const { client } = site;
    const { ids, numbers } = await burst(client, `${TIGHT}1`, busy(15));
    const calls = await allEnded(client, ids, PATIENCE_MS);
    const served = dialled(TIGHT);
    // In the order in which they were accepted, without those whose time was over before their turn came.
    expect(served).toEqual(numbers.filter((number) => served.includes(number)));
    expect(served.length).toBeGreaterThan(0);
    expect(served.length).toBeLessThan(15);
    for (const call of calls) {
      const late = !served.includes(call.to);
      expect([call.disposition, call.blame]).toEqual(late ? ['capacity', 'us'] : ['busy', 'callee']);
      expect(call.attempts).toHaveLength(late ? 0 : 1);
      if (!late) continue;
      const waitedMs = Date.parse(call.endedAt ?? '') - Date.parse(call.createdAt);
      expect(waitedMs).toBeGreaterThanOrEqual(QUEUE_MS);
    }
    expect((await useOf(client, 'tight')).waiting).toBe(0);
    // Their places are free: the next one to come is the next one to leave.
    const more = await burst(client, `${TIGHT}2`, busy(1));
    await allEnded(client, more.ids, PATIENCE_MS);
    expect(dialled(TIGHT)).toEqual([...served, ...more.numbers]);
  });

  it('go by the next trunk where the first one has no room, each once', async () => {
    const { client } = site;
    const { ids, numbers } = await burst(client, EITHER, busy(6));
    const calls = await allEnded(client, ids, PATIENCE_MS);
    expect(calls.map(({ disposition }) => disposition)).toEqual(numbers.map(() => 'busy'));
    expect(dialled(EITHER).toSorted()).toEqual(numbers);
    const by = calls.map(({ attempts }) => attempts.map(({ trunkId }) => trunkId));
    expect(by.every((trunks) => trunks.length === 1)).toBe(true);
    expect(by.flat()).toContain('next');
  });
});
