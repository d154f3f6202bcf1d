import { Queue, Worker } from 'bullmq';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { RedisLink } from '../../../src/redis/connection.ts';
import { Secret } from '../../../src/secret.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { RedisClusterServers } from '../../support/redis-cluster.ts';
import { expectAway, expectBack, readyLinkTo } from '../../support/redis-outage.ts';
import { RedisServer } from '../../support/redis-server.ts';

/** A queue of BullMQ and a worker over the connections of a link. */
class Work {
  readonly done: string[] = [];
  readonly #queue: Queue;
  readonly #worker: Worker;

  constructor(link: RedisLink) {
    const { queue, worker } = link.forQueues();
    const common = { prefix: 'votp:{trunk-a}' };
    this.#queue = new Queue('calls', { ...common, connection: queue });
    this.#worker = new Worker('calls', async (job) => void this.done.push(String(job.id)), {
      ...common,
      connection: worker,
    });
    this.#queue.on('error', () => undefined);
    this.#worker.on('error', () => undefined);
  }

  add(jobId: string): Promise<unknown> {
    return this.#queue.add('call', {}, { jobId });
  }

  async close(): Promise<void> {
    await this.#worker.close(true);
    await this.#queue.close();
  }
}

describeWithPeer('redis-server', 'queues of BullMQ', () => {
  const closing: (() => Promise<unknown>)[] = [];
  beforeEach(() => void closing.splice(0));
  afterEach(async () => {
    for (const close of closing.toReversed()) await close();
  });

  async function serverWithUser(): Promise<{ server: RedisServer; work: Work }> {
    const server = await RedisServer.start();
    closing.push(() => server.remove());
    await server.ask(async (client) => {
      const rights = ['~votp:*', '&votp:*', '+@all', '-@admin', '-@dangerous', '+info'];
      await client.acl('SETUSER', 'dialer', 'on', '>swordfish', ...rights);
    });
    const url = `redis://127.0.0.1:${server.port}`;
    const link = await readyLinkTo({ url, username: 'dialer', password: new Secret('swordfish') });
    closing.push(() => link.close());
    const work = new Work(link);
    closing.push(() => work.close());
    return { server, work };
  }

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'go on after a restart (%s), with the rights of our user',
    async (signal) => {
      const { server, work } = await serverWithUser();
      await work.add('call-1');
      await eventually(() => expect(work.done).toEqual(['call-1']));
      await server.stop(signal);
      await expectAway(() => work.add('call-2'));
      await server.again();
      // The user was not written to a file.
      await server.ask((client) =>
        client.acl('SETUSER', 'dialer', 'on', '>swordfish', '~votp:*', '&votp:*', '+@all'),
      );
      await expectBack(() => work.add('call-3'));
      await eventually(() => expect(work.done).toEqual(['call-1', 'call-3']), { timeoutMs: 20_000 });
    },
  );

  it('fail quickly where a job is added to a server that hangs, and go on with it', async () => {
    const { server, work } = await serverWithUser();
    await work.add('call-1');
    await eventually(() => expect(work.done).toEqual(['call-1']));
    server.pause();
    await expectAway(() => work.add('call-2'));
    await expectAway(() => work.add('call-3'));
    server.resume();
    await expectBack(() => work.add('call-4'));
    await eventually(() => expect(work.done).toContain('call-4'), { timeoutMs: 20_000 });
  });

  it('live in a cluster, and survive the death of their node', async () => {
    const servers = await RedisClusterServers.start();
    closing.push(() => servers.remove());
    const link = await readyLinkTo({ cluster: { nodes: servers.nodes } });
    closing.push(() => link.close());
    const work = new Work(link);
    closing.push(() => work.close());
    await work.add('call-1');
    await eventually(() => expect(work.done).toEqual(['call-1']));
    const sizes = await Promise.all(servers.servers.map((server) => server.ask((client) => client.dbsize())));
    const home = servers.servers[sizes.findIndex((size) => size > 0)];
    await home?.stop('SIGKILL');
    await expectAway(() => work.add('call-2'));
    await home?.again();
    await expectBack(() => work.add('call-3'));
    await eventually(() => expect(work.done).toContain('call-3'), { timeoutMs: 30_000 });
  });
});
