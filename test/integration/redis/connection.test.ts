import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { RedisLink } from '../../../src/redis/connection.ts';
import { type RedisScript, runScript } from '../../../src/redis/script.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { expectAway, expectBack, linkTo, readyLinkTo } from '../../support/redis-outage.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { TcpRelay } from '../../support/tcp-relay.ts';

const WRITE: RedisScript = {
  name: 'testWrite',
  keys: 1,
  lua: `
-- KEYS 1: a text; ARGV 1: what it becomes. Result: 1
redis.call('SET', KEYS[1], ARGV[1], 'EX', 60)
return 1
`,
};

describeWithPeer('redis-server', 'a server of Redis that', () => {
  let server: RedisServer;
  let link: RedisLink;
  beforeEach(async () => {
    server = await RedisServer.start();
    link = await readyLinkTo({ url: `redis://127.0.0.1:${server.port}` });
  });
  afterEach(async () => {
    await link.close();
    await server.remove();
  });

  const write = (): Promise<unknown> => runScript(link.client, WRITE, ['key'], ['value']);

  it.each(['SIGTERM', 'SIGKILL'] as const)('is restarted (%s) is away meanwhile', async (signal) => {
    await write();
    await server.stop(signal);
    await expectAway(write);
    await expectAway(() => link.client.get('key'));
    await server.again();
    await expectBack(write);
  });

  it('hangs is away until it goes on', async () => {
    server.pause();
    // Some wait for an answer, some find that there is no connection any more.
    await Promise.all([expectAway(write), expectAway(write), expectAway(() => link.client.get('key'))]);
    for (let i = 0; i < 3; i++) await expectAway(write);
    server.resume();
    await expectBack(write);
  });

  it('answered while this process was busy for longer than a command may take is heard', async () => {
    const writes = Array.from({ length: 50 }, (_, i) => link.client.set(`key-${i}`, 'value'));
    const until = performance.now() + 1000;
    while (performance.now() < until) JSON.stringify(until);
    expect(await Promise.all(writes)).toEqual(Array(50).fill('OK'));
  });

  it('hangs is never asked the same thing twice', async () => {
    server.pause();
    await expectAway(() => link.client.incr('count'));
    server.resume();
    await expectBack(write);
    expect(Number(await link.client.get('count'))).toBeLessThanOrEqual(1);
  });

  it('dies in the middle of a command is not asked the same thing again', async () => {
    await link.client.set('count', '0');
    server.pause();
    const asked = link.client.incr('count');
    const failed = expectAway(() => asked);
    await server.stop('SIGKILL');
    await failed;
    await server.again();
    await expectBack(write);
    expect(await link.client.get('count')).toBe('0');
  });

  it('has no memory left says so to whoever writes, and serves who reads', async () => {
    await write();
    await server.ask((client) => client.config('SET', 'maxmemory', '1'));
    await expectAway(write);
    await expectAway(() => link.client.set('key', 'other'));
    await expectAway(() => link.client.multi().set('key', 'other').exec());
    expect(await link.client.get('key')).toBe('value');
    await server.ask((client) => client.config('SET', 'maxmemory', '0'));
    await expectBack(write);
  });

  it('has become a replica is away for whoever writes, until it is the master again', async () => {
    await write();
    await server.ask((client) => client.replicaof('127.0.0.1', '1'));
    await expectAway(write);
    await expectBack(() => link.client.get('key'));
    await expectAway(write);
    await server.ask((client) => client.call('REPLICAOF', 'NO', 'ONE'));
    await expectBack(write);
  });

  it('has lost its replicas, which it must have, is away for whoever writes', async () => {
    await server.ask((client) => client.config('SET', 'min-replicas-to-write', '1'));
    await expectAway(write);
    await server.ask((client) => client.config('SET', 'min-replicas-to-write', '0'));
    await expectBack(write);
  });

  it('is busy with a script of somebody else is away', async () => {
    await server.ask((client) => client.config('SET', 'busy-reply-threshold', '50'));
    const endless = server
      .ask((client) => client.eval('while true do end', 0))
      .catch((error: unknown) => error);
    await eventually(async () => expect((await expectAway(write)).cause).toMatchObject({ message: /^BUSY/ }));
    await server.ask((client) => client.script('KILL'));
    expect(await endless).toMatchObject({ message: expect.stringMatching(/killed/) as string });
    await expectBack(write);
  });

  it('still loads its data is away until it has them', async () => {
    await server.ask(async (client) => {
      const pipeline = client.pipeline();
      for (let i = 0; i < 5000; i++) pipeline.set(`key-${i}`, 'value');
      await pipeline.exec();
    });
    await server.stop();
    await server.launch('--key-load-delay', '400');
    await eventually(async () => {
      const info = await server.ask((client) => client.info('persistence'));
      expect(info).toContain('loading:1');
    });
    await expectAway(write);
    await expectBack(write);
    expect(await link.client.get('key-4999')).toBe('value');
  });

  it('does not let us in any more is away until it does', async () => {
    await server.ask(async (client) => {
      await client.config('SET', 'requirepass', 'swordfish');
      await client.auth('swordfish');
      await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    });
    await expectAway(write);
    await eventually(async () => {
      const { cause } = await expectAway(write);
      expect(String(cause)).not.toContain('swordfish');
    });
    await server.stop('SIGKILL');
    await server.again();
    await expectBack(write);
  });

  it('is told about connections by their names, and has none of ours after the end', async () => {
    link.subscriber();
    link.forQueues();
    const names = () =>
      server.ask(async (client) =>
        [...String(await client.client('LIST')).matchAll(/ name=(\S+)/g)].map(([, name = '']) => name),
      );
    const expected = ['commands', 'events', 'queue', 'worker'].map((purpose) => `voice-otp:test:${purpose}`);
    await eventually(async () => expect(new Set(await names())).toEqual(new Set(expected)));
    expect(link.forQueues()).toEqual(link.forQueues());
    expect(await names()).toHaveLength(expected.length);
    await link.close();
    await link.close();
    await eventually(async () => expect(await names()).toEqual([]));
  });

  it('ends takes commands that are under way with it', async () => {
    server.pause();
    const asked = expectAway(() => link.client.get('key'));
    await link.close();
    await asked;
    await expectAway(write);
    server.resume();
  });
});

describeWithPeer('redis-server', 'behind a network', () => {
  let server: RedisServer;
  let relay: TcpRelay;
  let link: RedisLink;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.remove());
  beforeEach(async () => {
    relay = await TcpRelay.start({ host: '127.0.0.1', port: server.port });
    link = await readyLinkTo({ url: `redis://127.0.0.1:${relay.port}` });
  });
  afterEach(async () => {
    await link.close();
    await relay.close();
  });

  it('that loses all packets, Redis is away until they pass again', async () => {
    relay.lose();
    await Promise.all([expectAway(() => link.client.get('a')), expectAway(() => link.client.get('b'))]);
    for (let i = 0; i < 3; i++) await expectAway(() => link.client.get('a'));
    relay.find();
    await expectBack(() => link.client.get('a'));
  });

  it('that resets connections, they are made again', async () => {
    relay.refuse();
    await expectAway(() => link.client.get('a'));
    relay.admit();
    await expectBack(() => link.client.get('a'));
  });

  it('subscriptions are made again, even where nothing told that the connection is dead', async () => {
    const heard: string[] = [];
    const subscriber = link.subscriber();
    subscriber.on('message', (_, message) => heard.push(message));
    await subscriber.subscribe('news');
    const publish = (text: string) => server.ask((client) => client.publish('news', text));
    await publish('first');
    await eventually(() => expect(heard).toEqual(['first']));
    const events: string[] = [];
    for (const event of ['close', 'ready']) subscriber.on(event, () => events.push(event));
    relay.lose();
    await publish('lost');
    // It has asked, and has heard nothing.
    await eventually(() => expect(events).toContain('close'), { timeoutMs: 10_000 });
    relay.find();
    await eventually(() => expect(events).toContain('ready'), { timeoutMs: 10_000 });
    await eventually(async () => expect(await publish('again')).toBe(1));
    await eventually(() => expect(heard).toEqual(['first', 'again']));
  });

  it('a subscription that is being made again while the link is closed fails for nobody', async () => {
    const rejections: unknown[] = [];
    const hear = (reason: unknown) => rejections.push(reason);
    process.on('unhandledRejection', hear);
    try {
      const subscriber = link.subscriber();
      await subscriber.subscribe('news');
      const closed = new Promise<void>((resolve) => {
        subscriber.once('ready', () => {
          // It has just asked for it.
          relay.lose();
          resolve(link.close());
        });
      });
      relay.cut();
      await closed;
      await sleep(0);
      expect(rejections).toEqual([]);
    } finally {
      process.off('unhandledRejection', hear);
    }
  });

  it('a link waits for a server that comes later', async () => {
    relay.refuse();
    const late = linkTo({ url: `redis://127.0.0.1:${relay.port}` });
    try {
      await expectAway(() => late.client.get('a'));
      const ready = late.ready(10_000);
      relay.admit();
      await ready;
      expect(await late.client.get('a')).toBeNull();
    } finally {
      await late.close();
    }
  });
});
