import { createConnection, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { AbstractConnector, type Redis, type SentinelConnectionOptions, SentinelConnector } from 'ioredis';
import { letFail } from './unattended.ts';

type ErrorEmitter = Parameters<SentinelConnector['connect']>[0];

/** What a client of one server has been told, and may be told anew before each attempt. */
interface ServerOptions {
  readonly host?: string;
  readonly port?: number;
  readonly tls?: ConnectionOptions;
  readonly disconnectTimeout?: number;
}

/**
 * Connects to one server. ioredis hears of the first error of a socket only; a socket of TLS that we do not trust may
 * have a second one, which would end the process.
 */
export class ServerConnector extends AbstractConnector {
  readonly #options: ServerOptions;

  constructor(options: unknown) {
    const given = options as ServerOptions;
    super(given.disconnectTimeout ?? 0);
    this.#options = given;
  }

  async connect(): Promise<Socket> {
    const { host, port, tls } = this.#options;
    this.connecting = true;
    const place = { host, port: port ?? 0 };
    const stream = tls === undefined ? createConnection(place) : connectTls({ ...place, ...tls });
    this.stream = stream;
    return heard(stream, (error) => {
      this.firstError = error;
    });
  }
}

/** Connects to the master that sentinels name. */
export class MasterConnector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions);
    // How it asks a sentinel is its own affair by its types only.
    const own = this as unknown as { connectToSentinel: (at: unknown, more?: object) => Redis };
    const ask = own.connectToSentinel.bind(this);
    own.connectToSentinel = (at, more) => letFail(ask(at, { ...more, Connector: ServerConnector }));
  }

  override async connect(emitter: ErrorEmitter): Promise<Socket> {
    return heard(await super.connect(emitter), () => undefined);
  }
}

function heard(stream: Socket, hear: (error: Error) => void): Socket {
  return stream.on('error', hear);
}
