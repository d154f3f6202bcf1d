import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Stands between a client and its server, so that a test can cut the connection, or lose all that is sent. */
export class TcpRelay {
  readonly #server: Server;
  readonly #target: Address;
  readonly #sockets = new Set<Socket>();
  #accepted = 0;
  #refusing = false;
  #losing = false;

  private constructor(server: Server, target: Address) {
    this.#server = server;
    this.#target = target;
    server.on('connection', (client) => this.#join(client));
  }

  /** Without an address, on any free loopback port. */
  static async start(target: Address, at: Address = { host: '127.0.0.1', port: 0 }): Promise<TcpRelay> {
    const server = createServer({ allowHalfOpen: true });
    server.listen(at.port, at.host);
    await once(server, 'listening');
    return new TcpRelay(server, target);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Resets all connections; later ones are let through. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Cuts all connections, and every later one until `admit`. */
  refuse(): void {
    this.#refusing = true;
    this.cut();
  }

  admit(): void {
    this.#refusing = false;
  }

  /** From now on nothing arrives anywhere, and nobody is told, as behind a firewall that drops packets. */
  lose(): void {
    this.#losing = true;
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  /** The way is open again. What was lost stays lost, and its connections with it. */
  find(): void {
    this.#losing = false;
    this.cut();
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }

  #join(client: Socket): void {
    this.#accepted++;
    if (this.#refusing) return void client.resetAndDestroy();
    if (this.#losing) return this.#swallow(client);
    const server = connect({ ...this.#target, allowHalfOpen: true });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
  #swallow(client: Socket): void {
    this.#sockets.add(client);
    client.on('error', () => {});
    client.on('close', () => this.#sockets.delete(client));
    client.resume();
  }
}
