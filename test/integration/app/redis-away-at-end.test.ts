import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Served, serve } from '../../support/app/process.ts';
import { LAB_TRUNK, testSettings } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { RedisServer } from '../../support/redis-server.ts';

const ENDED = { code: 0, signal: null };

describeWithPeer('redis-server', 'a node that is told to stop', () => {
  let folder: string;
  let redis: RedisServer;
  let node: Served;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-end-'));
    redis = await RedisServer.start();
    const { calls, store, ...rest } = testSettings(folder);
    node = await serve(folder, {
      ...rest,
      calls: { ...calls, noticeMs: 0, drainMs: 500 },
      store: {
        kind: 'redis',
        keyFile: store?.keyFile,
        redis: { url: `redis://127.0.0.1:${redis.port}` },
      },
      cluster: { node: 'alone', spoolFolder: join(folder, 'spool') },
      trunks: [{ ...LAB_TRUNK, port: 9 }],
    });
  });
  afterEach(async () => {
    await node.kill();
    await redis.remove();
    await rm(folder, { recursive: true, force: true });
  });

  const away = (): Promise<void> => eventually(() => expect(node.output()).toContain('Redis is away'));

  it('ends while Redis is away', async () => {
    await redis.stop('SIGKILL');
    await away();
    node.child.kill('SIGTERM');
    expect(await node.exited).toEqual(ENDED);
  });

  it('ends where Redis goes away and comes back meanwhile', async () => {
    node.child.kill('SIGTERM');
    await redis.stop('SIGKILL');
    await redis.again();
    expect(await node.exited).toEqual(ENDED);
  });

  it('ends while Redis hangs', async () => {
    redis.pause();
    node.child.kill('SIGTERM');
    expect(await node.exited).toEqual(ENDED);
  });
});
