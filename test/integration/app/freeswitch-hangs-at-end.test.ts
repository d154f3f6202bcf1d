import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LabCarrier } from '../../../src/lab/carrier.ts';
import { serve } from '../../support/app/process.ts';
import { LAB_TRUNK, testSettings } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { START_MS } from '../../support/fault-rig.ts';
import { type ServerSite, startServers } from '../../support/freeswitch.ts';
import type { TestServer } from '../../support/freeswitch-servers.ts';
import { startCarrier } from '../../support/lab.ts';
import { describeWithPeer } from '../../support/peers.ts';

describeWithPeer(['drachtio', 'freeswitch'], 'a service that is told to stop in a call', () => {
  let folder: string;
  let servers: ServerSite;
  let carrier: LabCarrier;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-freeswitch-end-'));
    servers = await startServers();
    ({ carrier } = await startCarrier());
  }, START_MS);
  afterAll(async () => {
    await carrier.close();
    await servers.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(['drachtio', 'freeswitch'] as const)('ends though its %s hangs', async (which) => {
    const own = join(folder, which);
    await mkdir(own);
    const reference = ({ host, port, secret }: TestServer) => ({ host, port, secret: secret.reveal() });
    const { calls, ...rest } = testSettings(own);
    const service = await serve(own, {
      ...rest,
      engine: 'freeswitch',
      freeswitch: {
        drachtioServers: servers.drachtio.map(reference),
        mediaServers: servers.freeswitch.map(reference),
        callback: { host: '127.0.0.1' },
        promptFolder: join(own, 'prompts'),
      },
      calls: { ...calls, noticeMs: 0, drainMs: 200 },
      trunks: [{ ...LAB_TRUNK, port: carrier.port }],
    });
    const [server] = servers[which];
    try {
      const before = carrier.calls.length;
      // The one that hung before may take a moment.
      await eventually(() => service.client.start({ to: '+442079460200', codeLength: 10, repeat: 5 }), {
        timeoutMs: 20_000,
      });
      await eventually(() => expect(carrier.calls[before]?.phone.record.packets ?? 0).toBeGreaterThan(5));
      server?.process.signal('SIGSTOP');
      service.child.kill('SIGTERM');
      expect(await service.exited).toEqual({ code: 0, signal: null });
    } finally {
      server?.process.signal('SIGCONT');
      await service.kill();
    }
  });
});
