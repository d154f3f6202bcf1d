import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { startService } from './service.ts';

const BODY = JSON.stringify({ to: '+4930123456' });

describe('a server that closes', () => {
  it('answers what has begun, and waits for nothing more on that connection', async () => {
    const service = await startService();
    await service.api.listen({ host: '127.0.0.1', port: 0 });
    const { port } = service.api.server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    const answer = text(socket);
    const arrived = once(service.api.server, 'request');
    socket.write(
      `POST /v1/verifications HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n`,
    );
    await arrived;
    const closed = service.close();
    socket.write(BODY);
    // Whoever keeps its end open gets the end of the other side with the answer, not after the time of idle connections.
    expect(await answer).toMatch(/^HTTP\/1\.1 201 [^]*\r\nconnection: close\r\n/i);
    await closed;
  });
});
