import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { PeerMessage } from '../../../src/cluster/peers.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { TestNodes } from './nodes.ts';

const HANG_UP: PeerMessage = { kind: 'hang_up', callId: 'call_1' };

describeWithPeer('redis-server', 'what nodes tell each other', () => {
  let server: RedisServer;
  let nodes: TestNodes;

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.remove());
  beforeEach(() => {
    nodes = new TestNodes(server);
  });
  afterEach(() => nodes.close());

  it('reaches the one it is for, and nobody else', async () => {
    const [one, two, three] = await Promise.all(['one', 'two', 'three'].map((name) => nodes.start(name)));
    if (one === undefined || two === undefined || three === undefined) return expect.fail();
    await eventually(async () => expect(await one.peers.send(two.peers.token, HANG_UP)).toBe(true));
    expect(await two.peers.send(one.peers.token, { kind: 'moved', callId: 'call_2' })).toBe(true);
    expect(two.messages.at(-1)).toEqual(HANG_UP);
    expect(one.messages).toEqual([{ kind: 'moved', callId: 'call_2' }]);
    expect(three.messages).toEqual([]);
  });

  it('is many things at once, each taken once', async () => {
    const one = await nodes.start('one');
    const two = await nodes.start('two');
    await eventually(async () => expect(await one.peers.send(two.peers.token, HANG_UP)).toBe(true));
    two.messages.length = 0;
    const ids = Array.from({ length: 200 }, (_, i) => `call_${i}`);
    const answers = await Promise.all(
      ids.map((callId) => one.peers.send(two.peers.token, { kind: 'settle', callId })),
    );
    expect(new Set(answers)).toEqual(new Set([true]));
    expect(two.messages.map(({ callId }) => callId)).toEqual(ids);
  });

  it('is not taken by one that is not there, or not any more', async () => {
    const one = await nodes.start('one');
    const two = await nodes.start('two');
    expect(await one.peers.send('nobody.0', HANG_UP)).toBe(false);
    await two.peers.leave();
    two.peers.close();
    await eventually(async () => expect(await one.peers.send(two.peers.token, HANG_UP)).toBe(false));
  });

  it('is not taken by one that stands still, though its connection is up', async () => {
    const one = await nodes.start('one');
    const token = 'frozen.0';
    const frozen = nodes.client();
    await frozen.subscribe(`test:node:${token}`);
    expect(await one.peers.send(token, HANG_UP)).toBe(false);
  });

  it('is not taken where taking it fails, and does no harm there', async () => {
    const one = await nodes.start('one');
    const two = await nodes.start('two', {
      onMessage: () => {
        throw new Error('a fault of ours');
      },
    });
    await eventually(() => expect(two.peers.isTrusted()).toBe(true));
    expect(await one.peers.send(two.peers.token, HANG_UP)).toBe(false);
    expect(two.messages).toEqual([HANG_UP]);
    expect(two.logged.join('')).toContain('a fault of ours');
  });

  it.each([
    ['no JSON', '{'],
    ['nothing', ''],
    ['another kind', { message: { kind: 'explode', callId: 'call_1' } }],
    ['no call', { message: { kind: 'hang_up' } }],
    ['more than there is', { message: { ...HANG_UP, also: 1 } }],
    ['an answer to nothing', { taken: 'x' }],
    ['very long', { message: { kind: 'hang_up', callId: 'c'.repeat(20_000) } }],
  ])('is dropped where it is %s', async (_, said) => {
    const one = await nodes.start('one');
    const id = '00000000-0000-4000-8000-000000000000';
    const text = typeof said === 'string' ? said : JSON.stringify({ id, from: 'x.0', ...said });
    const client = nodes.client();
    await eventually(async () => {
      await client.publish(`test:node:${one.peers.token}`, text);
      expect(one.logged.join('')).toContain('cannot be understood');
    });
    expect(one.messages).toEqual([]);
    expect(await one.peers.send(one.peers.token, HANG_UP)).toBe(true);
  });

  it('is not taken while Redis is away, which is said soon, and is again afterwards', async () => {
    const one = await nodes.start('one');
    const two = await nodes.start('two');
    await eventually(async () => expect(await one.peers.send(two.peers.token, HANG_UP)).toBe(true));
    await server.stop();
    try {
      const askedAt = performance.now();
      expect(await one.peers.send(two.peers.token, HANG_UP)).toBe(false);
      expect(performance.now() - askedAt).toBeLessThan(3000);
    } finally {
      await server.again();
    }
    await eventually(async () => expect(await one.peers.send(two.peers.token, HANG_UP)).toBe(true));
  });
});
