import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Permit } from '../../../src/trunk/capacity.ts';
import { permitOf } from '../../support/dispatch-node.ts';
import { DispatchNodes } from '../../support/dispatch-nodes.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';

describeWithPeer('redis-server', 'the moment of an INVITE', () => {
  let nodes: DispatchNodes;

  beforeAll(async () => {
    nodes = await DispatchNodes.open();
  });
  afterEach(() => nodes.close());
  afterAll(() => nodes.remove());

  async function permits(cps: number, count: number, options = {}): Promise<readonly Permit[]> {
    const [node] = nodes.start(1, { cps }, options);
    const calls = Array.from({ length: count }, async (_, i) =>
      permitOf((await node?.acquire(`call_${i}`)) as never),
    );
    return Promise.all(calls);
  }

  it.each([
    { cps: 5, calls: 26 },
    { cps: 50, calls: 260 },
  ])(
    'never lets more than $cps leave within a second, however late some of them are',
    async ({ cps, calls }) => {
      const group = nodes.start(3, { cps });
      const sent: number[] = [];
      let failed: unknown;
      const carry = async (permit: Permit): Promise<void> => {
        const over = permit.keep();
        const { signal } = new AbortController();
        const invites = Math.random() < 0.2 ? 2 : 1;
        for (let invite = 0; invite < invites; invite += 1) {
          await (invite === 0 ? permit.moment(signal) : permit.again(signal));
          permit.leaving();
          const chance = Math.random();
          await sleep(chance < 0.05 ? 1200 : chance < 0.3 ? 200 : 0);
          sent.push(performance.now());
          permit.sent();
        }
        permit.release();
        over();
      };
      for (const node of group) {
        node.onTaken = (_, permit) => {
          carry(permit).catch((error: unknown) => {
            failed = error;
          });
        };
      }
      const own = Array.from({ length: calls }, async (_, i) => {
        const answer = await group[i % 3]?.acquire(`call_${i}`, { waitMs: 60_000 });
        if (answer?.kind === 'permit') await carry(answer.permit);
        return answer?.kind;
      });
      const kinds = await Promise.all(own);
      await eventually(() => expect(sent.length).toBeGreaterThanOrEqual(calls), { timeoutMs: 30_000 });
      expect(failed).toBeUndefined();
      expect(new Set(kinds)).toEqual(new Set(['permit', 'moved']));
      sent.sort((a, b) => a - b);
      const closest = Math.min(...sent.slice(cps).map((at, i) => at - (sent[i] ?? 0)));
      expect(closest).toBeGreaterThanOrEqual(1000);
    },
  );

  it('counts an INVITE until a second after it has left, and not at all where it never leaves', async () => {
    const [first, second, third] = await permits(1, 3);
    const { signal } = new AbortController();
    await first?.moment(signal);
    const begun = performance.now();
    first?.release();
    await second?.moment(signal);
    // One that was given back is as if it had never been, but for the pace.
    expect(performance.now() - begun).toBeLessThan(1500);
    second?.leaving();
    const next = third?.moment(signal).then(() => performance.now());
    await sleep(1500);
    const sentAt = performance.now();
    second?.sent();
    expect((await next) ?? 0).toBeGreaterThanOrEqual(sentAt + 1000);
    expect((await nodes.first?.capacity.use())?.[0]).toMatchObject({ invites: 1, inUse: 2 });
  });

  it('counts one of which nothing is heard for the time of its lease', async () => {
    const [first, second] = await permits(1, 2, { slotLeaseMs: 2500 });
    const { signal } = new AbortController();
    await first?.moment(signal);
    first?.leaving();
    const begun = performance.now();
    await second?.moment(signal);
    const waited = performance.now() - begun;
    expect(waited).toBeGreaterThan(2000);
    expect(waited).toBeLessThan(4000);
  });

  it('ends early where it is given up, and leaves the moment to the next one', async () => {
    const [first, second, third] = await permits(1, 3);
    const hangUp = new AbortController();
    const { signal } = new AbortController();
    await first?.moment(signal);
    first?.leaving();
    first?.sent();
    const begun = performance.now();
    const given = second?.moment(hangUp.signal);
    const next = third?.moment(signal);
    hangUp.abort();
    await given;
    expect(performance.now() - begun).toBeLessThan(500);
    await next;
    expect(performance.now() - begun).toBeLessThan(2000);
  });

  it('says so where Redis is away', async () => {
    const [permit] = await permits(10, 1);
    await nodes.server.stop();
    try {
      const { signal } = new AbortController();
      await expect(permit?.moment(signal)).rejects.toMatchObject({ code: 'store_unavailable' });
      await expect(permit?.again(signal)).rejects.toMatchObject({ code: 'store_unavailable' });
      permit?.leaving();
      permit?.sent();
      permit?.release();
    } finally {
      await nodes.server.again();
    }
  });

  it('tells Redis later of what has left while it was away', async () => {
    const [first, second] = await permits(1, 2);
    const { signal } = new AbortController();
    await first?.moment(signal);
    first?.leaving();
    await nodes.server.stop();
    first?.sent();
    await sleep(1500);
    await nodes.server.again();
    const begun = performance.now();
    await eventually(() => second?.moment(signal));
    // Much sooner than the lease of the first one is over.
    expect(performance.now() - begun).toBeLessThan(5000);
  });

  it('waits for a second after Redis was started again, since it may have lost some', async () => {
    const [first, second] = await permits(1, 2);
    const { signal } = new AbortController();
    await first?.moment(signal);
    first?.release();
    await eventually(async () => expect((await nodes.first?.capacity.use())?.[0]?.invites).toBe(0));
    await nodes.server.stop('SIGKILL');
    await nodes.server.again();
    const begun = performance.now();
    await eventually(() => second?.moment(signal));
    expect(performance.now() - begun).toBeGreaterThan(900);
  });
});
