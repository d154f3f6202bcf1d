import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { Secret } from '../../src/secret.ts';
import type { ServerRef } from './freeswitch.ts';

/** What somebody does who is not the server that is expected: from the connection on. */
export type Hostility = (socket: Socket) => void;

/** A TCP server that is up to no good, and counts who falls for it. */
export class HostileServer {
  readonly name: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #accepted = 0;
  #mostTaken = 0;

  private constructor(name: string, server: Server) {
    this.name = name;
    this.#server = server;
  }

  static async start(name: string, act: Hostility): Promise<HostileServer> {
    const server = createServer();
    const hostile = new HostileServer(name, server);
    server.on('connection', (socket) => {
      hostile.#accepted++;
      hostile.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        hostile.#sockets.delete(socket);
        hostile.#mostTaken = Math.max(hostile.#mostTaken, socket.bytesWritten);
      });
      act(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return hostile;
  }

  get reference(): ServerRef {
    const { port } = this.#server.address() as AddressInfo;
    return { host: '127.0.0.1', port, secret: new Secret('any') };
  }

  get accepted(): number {
    return this.#accepted;
  }

  /** Bytes that went into one connection, to its other side or into the buffers of the system. */
  get mostTaken(): number {
    return Math.max(this.#mostTaken, ...[...this.#sockets].map(({ bytesWritten }) => bytesWritten));
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}

/** Sends so many bytes of the same text, no faster than they are taken. */
export function flood(socket: Socket, text: string, bytes: number): void {
  const chunk = Buffer.from(text.repeat(Math.ceil(65_536 / text.length)));
  const chunks = Math.ceil(bytes / chunk.length);
  Readable.from(
    (function* () {
      for (let i = 0; i < chunks; i++) yield chunk;
    })(),
  ).pipe(socket, { end: false });
}

/** A drachtio that takes every secret, and goes on with `after`. */
export function acceptedByDrachtio(after: Hostility): Hostility {
  return (socket) => {
    socket.once('data', (data) => {
      const id = /#([0-9a-f-]+)\|authenticate/.exec(data.toString())?.[1] ?? '';
      const reply = `00000000-0000-0000-0000-000000000000|response|${id}|OK|127.0.0.1:5060|v0.9.10|`;
      socket.write(`${reply.length}#${reply}`);
      after(socket);
    });
  };
}

/** An event socket that takes every password, and goes on with `after`. */
export function acceptedByEventSocket(after: Hostility): Hostility {
  return (socket) => {
    socket.write('Content-Type: auth/request\n\n');
    socket.once('data', () => {
      socket.write('Content-Type: command/reply\nReply-Text: +OK accepted\n\n');
      after(socket);
    });
  };
}
