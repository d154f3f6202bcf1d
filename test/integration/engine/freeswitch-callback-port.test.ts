import { connect, createServer } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MediaConnection } from '../../../src/engine/freeswitch/media-connection.ts';
import { START_MS } from '../../support/fault-rig.ts';
import { freePorts } from '../../support/free-ports.ts';
import { startFreeswitch, type TestServer } from '../../support/freeswitch-servers.ts';
import { HostileServer } from '../../support/hostile-server.ts';
import { describeWithPeer } from '../../support/peers.ts';

describeWithPeer('freeswitch', 'a connection to FreeSWITCH', () => {
  let freeswitch: TestServer;
  beforeAll(async () => {
    freeswitch = await startFreeswitch();
  }, START_MS);
  afterAll(() => freeswitch.stop());

  it('fails where somebody takes the port for its channels at the last moment', async () => {
    const port = await freePorts(1);
    const other = createServer();
    // It has found the port free by the time that it connects.
    const relay = await HostileServer.start('takes the port', (client) => {
      other.listen(port, '127.0.0.1', () => {
        const server = connect(freeswitch.port, '127.0.0.1').on('error', () => undefined);
        client.pipe(server).pipe(client);
      });
    });
    const faults: unknown[] = [];
    try {
      const opening = MediaConnection.open({
        server: { ...relay.reference, secret: freeswitch.secret },
        profile: 'drachtio_mrf',
        callback: { host: '127.0.0.1', port },
        onFault: (fault) => faults.push(fault),
      });
      await expect(opening).rejects.toMatchObject({ code: 'EADDRINUSE' });
      expect(faults).toMatchObject([{ code: 'EADDRINUSE' }]);
    } finally {
      other.close();
      await relay.close();
    }
  });
});
