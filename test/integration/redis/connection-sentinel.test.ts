import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import type { RedisLink } from '../../../src/redis/connection.ts';
import { MasterConnector } from '../../../src/redis/connector.ts';
import { Secret } from '../../../src/secret.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { expectAway, expectBack, linkTo, readyLinkTo } from '../../support/redis-outage.ts';
import { RedisSentinels } from '../../support/redis-sentinel.ts';

describeWithPeer('redis-server', 'a master that sentinels name', () => {
  let sentinels: RedisSentinels | undefined;
  let link: RedisLink | undefined;
  afterEach(async () => {
    await link?.close();
    await sentinels?.remove();
  });

  it('is followed to its replica where it dies, and where it hangs; subscriptions are too', async () => {
    sentinels = await RedisSentinels.start({ sentinels: 3, password: 'swordfish' });
    const { name, nodes } = sentinels;
    link = await readyLinkTo({ sentinel: { name, nodes, password: new Secret('swordfish') } });
    const { client } = link;
    const heard: string[] = [];
    const subscriber = link.subscriber();
    subscriber.on('message', (_, message) => heard.push(message));
    await subscriber.subscribe('news');
    await client.set('a', 'first');
    await client.wait(1, 500);
    const [first, second] = sentinels.servers;

    const failover = sentinels.failover();
    await eventually(() => expectAway(() => client.get('a')));
    await expectBack(() => client.set('b', 'second'));
    await failover;
    expect(await client.get('a')).toBe('first');
    expect(await second.ask((other) => other.get('b'))).toBe('second');
    await eventually(async () => expect(await client.publish('news', 'after')).toBe(1));
    await eventually(() => expect(heard).toEqual(['after']));

    // The old master comes back, as a replica.
    await first.again('--replicaof', '127.0.0.1', String(second.port));
    await eventually(
      async () => {
        const info = await first.ask((other) => other.info('replication'));
        expect(info).toContain('master_link_status:up');
      },
      { timeoutMs: 20_000 },
    );
    second.pause();
    const promoted = sentinels.promoted(second.port);
    await expectAway(() => client.get('a'));
    await expectBack(() => client.set('c', 'third'));
    await promoted;
    // It believes that it is the master still: nothing is written to it.
    second.resume();
    await expectBack(() => client.set('d', 'fourth'));
    expect(await first.ask((other) => other.mget('b', 'c', 'd'))).toEqual(['second', 'third', 'fourth']);
  });

  it('is connected to so that a second error of the socket ends nothing', async () => {
    sentinels = await RedisSentinels.start();
    const { name, nodes } = sentinels;
    const asked = { name, sentinels: nodes, role: 'master', disconnectTimeout: 100, protocol: 3 };
    const socket = await new MasterConnector(asked).connect((_, error) => expect.fail(error.message));
    socket.once('error', () => undefined);
    socket.emit('error', new Error('for another name'));
    socket.emit('error', new Error('decode error'));
    await once(socket, 'connect');
    expect(socket.remotePort).toBe(sentinels.servers[0].port);
    socket.destroy();
  });

  it('cannot be had without the password of the sentinels, or by another name', async () => {
    sentinels = await RedisSentinels.start({ password: 'swordfish' });
    const { name, nodes } = sentinels;
    for (const sentinel of [
      { name, nodes },
      { name, nodes, password: new Secret('hunter2') },
      { name: 'other', nodes, password: new Secret('swordfish') },
    ]) {
      link = linkTo({ sentinel });
      await expect(link.ready(1000)).rejects.toMatchObject({
        name: 'RedisNotUsable',
        message: expect.stringMatching(
          /sentinels 127\.0\.0\.1:\d+\) cannot be used: no sentinel names/,
        ) as string,
      });
      await expectAway(() => linkClient(link).get('a'));
      await link.close();
    }
  });
});

function linkClient(link: RedisLink | undefined): RedisLink['client'] {
  return link?.client ?? expect.fail('no link');
}
