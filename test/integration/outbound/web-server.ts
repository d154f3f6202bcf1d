import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import type { Certificate } from './certificate.ts';

/** A web server on loopback that counts who comes. */
export class WebServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly requests: { readonly url: string; readonly headers: IncomingHttpHeaders }[] = [];
  connections = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Answers each request with `answer`; with a certificate, over TLS. */
  static async start(answer: RequestListener, certificate?: Certificate): Promise<WebServer> {
    const listener: RequestListener = (request, response) => {
      web.requests.push({ url: request.url ?? '', headers: request.headers });
      answer(request, response);
    };
    const server = certificate ? createSecureServer(certificate, listener) : createServer(listener);
    const web: WebServer = await WebServer.#listening(server);
    return web;
  }

  /** Does what it wants with a connection, once something was sent on it. */
  static async startRaw(act: (socket: Socket) => void): Promise<WebServer> {
    return WebServer.#listening(createTcpServer((socket) => socket.once('data', () => act(socket))));
  }

  static async #listening(server: Server): Promise<WebServer> {
    const web = new WebServer(server);
    server.on('connection', (socket) => {
      web.connections++;
      web.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => web.#sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return web;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#sockets.size;
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}
