import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServerConnector } from '../../../src/redis/connector.ts';

let server: Server;
beforeEach(async () => {
  server = createServer((socket) => socket.on('error', () => undefined).resume());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  server.close();
  await once(server, 'close');
});

describe('a connection to a server', () => {
  it('survives a second error of its socket, which nobody waits for', async () => {
    const { port } = server.address() as AddressInfo;
    const connector = new ServerConnector({ host: '127.0.0.1', port });
    const socket = await connector.connect();
    const heard: string[] = [];
    socket.once('error', ({ message }) => heard.push(message));
    socket.emit('error', new Error('for another name'));
    socket.emit('error', new Error('decode error'));
    expect(heard).toEqual(['for another name']);
    socket.destroy();
    await once(socket, 'close');
  });

  it('goes where its options say at that time', async () => {
    const { port } = server.address() as AddressInfo;
    const options = { host: '127.0.0.1', port: 1 };
    const connector = new ServerConnector(options);
    options.port = port;
    const socket = await connector.connect();
    await once(socket, 'connect');
    expect(socket.remotePort).toBe(port);
    connector.disconnect();
    await once(socket, 'close');
  });
});
