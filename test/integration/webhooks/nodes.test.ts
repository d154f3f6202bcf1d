import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { QueuedWakes } from '../../../src/dispatch/wake-queue.ts';
import type { RedisLink } from '../../../src/redis/connection.ts';
import type { RedisStore } from '../../../src/store/redis/redis-store.ts';
import type { WakeQueue } from '../../../src/webhooks/wake-queue.ts';
import { eventually } from '../../support/eventually.ts';
import { acceptedNotice, courseOf, delivererFor } from '../../support/notice-rig.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { readyLinkTo } from '../../support/redis-outage.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { redisStore } from '../../support/redis-store.ts';
import { answers, takes, WebhookReceiver } from '../../support/webhook-receiver.ts';

interface Node {
  readonly store: RedisStore;
  readonly wakes: QueuedWakes;
  readonly deliverer: ReturnType<typeof delivererFor>['deliverer'];
  close(): Promise<void>;
}

/** Tells all who share it, whatever others are told: each of them tries to claim at the same moment. */
function shouting(): WakeQueue {
  const all: ((noticeId: string) => Promise<void>)[] = [];
  return {
    add: (noticeId) => {
      for (const look of all) void look(noticeId);
    },
    start: (look) => void all.push(look),
    close: async () => undefined,
  };
}

const CALLS = 40;
/** Of each: seven of the call, two of the verification. */
const EVENTS = 9;

describeWithPeer('redis-server', 'nodes that share what there is to tell', () => {
  let server: RedisServer;
  let receiver: WebhookReceiver;
  const nodes: Node[] = [];
  let prefixes = 0;

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((one) => one.close()));
    await receiver.stop();
  });
  afterAll(() => server.remove());

  async function node(prefix: string, settings: Parameters<typeof delivererFor>[2] = {}): Promise<Node> {
    const link: RedisLink = await readyLinkTo({ url: `redis://127.0.0.1:${server.port}` });
    const store = redisStore(link.client, prefix);
    const wakes = new QueuedWakes(link.forQueues(), prefix);
    const telling = delivererFor(store, [receiver], { queue: wakes, ...settings });
    const started: Node = {
      store,
      wakes,
      deliverer: telling.deliverer,
      close: async () => {
        await telling.close();
        await wakes.close();
        await store.close();
        await link.close();
      },
    };
    nodes.push(started);
    return started;
  }

  it.each([
    ['hear of it by the queue', undefined],
    ['both hear of it at once', shouting],
  ])(
    'tell each event once, and never two of a call at the same time: they %s',
    { timeout: 20_000 },
    async (_how, queueOf) => {
      const open = new Map<string, number>();
      let together = 0;
      receiver = await WebhookReceiver.start((response, received) => {
        const call = String(received.headers['webhook-id']).replace(/_[cv]\d+$/, '');
        open.set(call, (open.get(call) ?? 0) + 1);
        together = Math.max(together, open.get(call) ?? 0);
        // As long as it takes for the other node to hear of it.
        setTimeout(() => {
          open.set(call, (open.get(call) ?? 0) - 1);
          takes(response, received);
        }, 15);
      });
      prefixes += 1;
      const settings = { settings: { timeoutMs: 5000, maxPerHost: 20, lookMs: 1000 } };
      const queue = queueOf === undefined ? {} : { queue: queueOf() };
      const here = await node(`w${prefixes}`, { ...settings, ...queue });
      const there = await node(`w${prefixes}`, { ...settings, ...queue });
      const ids: string[] = [];
      await Promise.all(
        Array.from({ length: CALLS }, async () => {
          const { call, noticeId } = await acceptedNotice(here.store);
          ids.push(noticeId);
          // Both hear of everything, as two nodes that check and carry the same call would.
          const tell = (): void => {
            for (const one of [here, there]) one.deliverer.wake(call.id);
          };
          tell();
          const { ringing, answered, ended } = courseOf(call);
          await here.store.saveCall(ringing);
          tell();
          await here.store.saveCall(answered);
          tell();
          await here.store.finishCall(ended, true, ended.endedAt ?? 0);
          tell();
        }),
      );
      const over = { open: 0, dead: 0, oldestOpenAt: null };
      await eventually(async () => expect(await there.store.notices.counts()).toEqual(over), {
        timeoutMs: 15_000,
      });
      const told = receiver.received.map(({ headers }) => String(headers['webhook-id']));
      expect(told).toHaveLength(EVENTS * CALLS);
      expect(told.length).toBe(new Set(told).size);
      expect(together).toBe(1);
      for (const id of ids) {
        const order = told.filter((one) => one.startsWith(`evt_${id.slice(4)}_c`));
        expect(order).toEqual(order.map((_id, index) => `evt_${id.slice(4)}_c${index}`));
      }
      const done = [here, there].map(({ deliverer }) => deliverer.counts.delivered);
      expect(done[0]).toBeGreaterThan(0);
      expect(done[1]).toBeGreaterThan(0);
    },
  );

  it('give up nothing whose receiver fails while the clock that they share is set ahead', {
    timeout: 20_000,
  }, async () => {
    receiver = await WebhookReceiver.start(answers(500));
    prefixes += 1;
    let ahead = 0;
    const wishes = { now: () => Date.now() + ahead, settings: { giveUpMs: 86_400_000 } };
    const here = await node(`w${prefixes}`, wishes);
    const there = await node(`w${prefixes}`, wishes);
    const { call, noticeId } = await acceptedNotice(here.store);
    here.deliverer.wake(call.id);
    const tries = async (): Promise<number> => (await there.store.notices.get(noticeId))?.tries ?? 0;
    await eventually(async () => expect(await tries()).toBeGreaterThan(1));
    ahead = 2 * 86_400_000;
    const before = await tries();
    await eventually(async () => expect(await tries()).toBeGreaterThan(before + 2));
    expect(await there.store.notices.get(noticeId)).toMatchObject({ state: 'open' });
    expect([here, there].map(({ deliverer }) => deliverer.counts.dead)).toEqual([0, 0]);
  });

  it('hear of it by a queue that holds ids and nothing else, and without it by looking', {
    timeout: 20_000,
  }, async () => {
    receiver = await WebhookReceiver.start();
    prefixes += 1;
    const prefix = `w${prefixes}`;
    // Hours would pass before it looks by itself.
    const here = await node(prefix, { settings: { lookMs: 600_000 } });
    const jobs: unknown[] = [];
    const { call } = await acceptedNotice(here.store);
    await eventually(() => expect(here.wakes.queue.name).toBe('webhooks'));
    here.wakes.queue.on('waiting', (job) => jobs.push(job.data));
    here.deliverer.wake(call.id);
    await eventually(() => expect(receiver.types()).toEqual(['verification.created', 'call.queued']));
    expect(jobs).toEqual([{ noticeId: `ntc_${call.id.slice(5)}` }]);
    await eventually(async () =>
      expect(await here.wakes.queue.getJobCounts()).toMatchObject({ waiting: 0, active: 0 }),
    );
    await here.close();
    nodes.splice(0);
    // Accepted while nobody is there who could hear of it.
    const link = await readyLinkTo({ url: `redis://127.0.0.1:${server.port}` });
    const alone = redisStore(link.client, prefix);
    await acceptedNotice(alone);
    await alone.close();
    await link.close();
    receiver.received.splice(0);
    await node(prefix);
    await eventually(() => expect(receiver.types()).toEqual(['verification.created', 'call.queued']));
  });
});
