import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What a receiver got. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export type Behaviour = (response: ServerResponse, received: Received) => void;

/** Takes everything. */
export const takes: Behaviour = (response) => void response.writeHead(204).end();
export const answers =
  (status: number, headers: Readonly<Record<string, string>> = {}): Behaviour =>
  (response) =>
    void response.writeHead(status, headers).end();
/** Never answers. */
export const stalls: Behaviour = () => undefined;

/** A receiver of callbacks on 127.0.0.1, which a test has behave as it likes. */
export class WebhookReceiver {
  readonly received: Received[] = [];
  /** Requests that have no answer, and the most there ever were. */
  open = 0;
  connections = 0;
  mostOpen = 0;
  behaviour: Behaviour;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(behaviour: Behaviour) {
    this.behaviour = behaviour;
    this.#server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      this.open += 1;
      this.mostOpen = Math.max(this.mostOpen, this.open);
      response.once('close', () => {
        this.open -= 1;
      });
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const received: Received = {
          method: request.method ?? '',
          path: request.url ?? '',
          headers: request.headers,
          body: Buffer.concat(pieces).toString(),
        };
        this.received.push(received);
        this.behaviour(response, received);
      });
    });
    this.#server.on('connection', (socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(behaviour: Behaviour = takes, port = 0): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver(behaviour);
    receiver.#server.listen(port, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Types of events of our own form, in the order in which they came. */
  types(): readonly string[] {
    return this.received.map(({ body }) => (JSON.parse(body) as { type: string }).type);
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}
