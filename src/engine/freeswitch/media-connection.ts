import { setMaxListeners } from 'node:events';
import net, { type Server } from 'node:net';
import MediaServer, { type Endpoint } from 'drachtio-fsmrf/lib/mediaserver.js';
import type { Connection } from 'drachtio-modesl';
import { isWildcard } from '../../sip/local-address.ts';
import { untilAborted, within } from '../leg/deadline.ts';
import { ChannelSrtp, SRTP_HEADERS } from './channel-srtp.ts';
import type { DrachtioConnection, ServerAddress } from './drachtio-connection.ts';
import {
  assertCanListen,
  dismiss,
  eslCommand,
  guardCaller,
  openEventSocket,
  ownAddress,
} from './event-socket.ts';
import { MediaEndpoint, type MediaEndpointOptions, type MediaListener } from './media-endpoint.ts';
import type { SrfDialog } from './srf.ts';

export interface MediaConnectionOptions {
  readonly server: ServerAddress;
  /** The SIP profile of FreeSWITCH that drachtio reaches. */
  readonly profile: string;
  /** Where FreeSWITCH connects to us for each channel. */
  readonly callback: {
    readonly host: string;
    readonly port: number;
    readonly advertisedAddress?: string | undefined;
  };
  readonly onFault: (error: unknown) => void;
}

/** What a channel is to be like. */
export interface ChannelWishes {
  /** After which FreeSWITCH ends the channel, whoever lives then. */
  readonly maxSeconds: number;
  /** Whether it encrypts; it cannot be had otherwise later. */
  readonly srtp: boolean;
}

const READY_MS = 3000;
/** Longer than this nobody waits for an endpoint. */
const ALLOCATE_MS = 2000;

/** One connection to the event socket of one FreeSWITCH, from its making to its loss, and the endpoints made by it. */
export class MediaConnection {
  readonly #connection: Connection;
  readonly #mediaServer: MediaServer;
  readonly #lost = new AbortController();
  readonly #endpoints = new Set<MediaEndpoint>();
  /** By which drachtio the INVITE goes that fsmrf is about to send, and with which offer; set only while it does. */
  #inviting: { readonly via: DrachtioConnection; readonly offer: string | undefined } | undefined;

  private constructor(connection: Connection, { callback, profile }: MediaConnectionOptions) {
    this.#connection = connection;
    // Every endpoint that is being made listens.
    setMaxListeners(0, this.#lost.signal);
    const advertised =
      callback.advertisedAddress ??
      (isWildcard(callback.host) ? ownAddress(connection.socket) : callback.host);
    const srf = { createUAC: (uri: string, options: UacRequest) => this.#createUac(uri, options) };
    this.#mediaServer = listening(
      () =>
        new MediaServer(
          connection,
          { srf, customEvents: [] },
          callback.host,
          callback.port,
          advertised,
          undefined,
          profile,
        ),
      (error) => this.#mediaServer.emit('error', error),
    );
    // fsmrf writes to the console here, and says that it reconnects.
    connection.removeAllListeners('esl::end');
    connection.on('esl::end', () => this.#lost.abort());
    connection.on('error', () => this.#lost.abort());
  }

  /** Connects, shows the password, looks for the profile, and listens for channels. Rejects with an Error. */
  static async open(options: MediaConnectionOptions): Promise<MediaConnection> {
    const { server, profile, callback, onFault } = options;
    if (callback.port !== 0) await assertCanListen(callback.host, callback.port);
    const connection = await openEventSocket(server, onFault);
    try {
      const status = await eslCommand(connection, 'sofia status');
      // fsmrf looks for the same, and throws into an event when it is not there.
      if (
        !new RegExp(`^\\s*${profile}\\s.*sip:mod_sofia@(?:[0-9]{1,3}\\.){3}[0-9]{1,3}:\\d+`, 'm').test(status)
      )
        throw new Error(`it has no running SIP profile ${profile}`);
      guardReplies(connection, onFault);
      const made = new MediaConnection(connection, options);
      await made.#ready(onFault);
      return made;
    } catch (error) {
      connection.socket?.destroy();
      throw error;
    }
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Rejects when FreeSWITCH does not answer; its endpoints are given up then. */
  async ping(): Promise<void> {
    try {
      await eslCommand(this.#connection, 'status', this.#lost.signal);
    } catch (error) {
      for (const endpoint of this.#endpoints) endpoint.lose('FreeSWITCH does not answer');
      throw error;
    }
  }

  /** Endpoints keep their own connections, and go on. */
  close(): void {
    this.#lost.abort();
    // fsmrf only ends it, and lets go of it: a FreeSWITCH that hangs would never close it.
    const { socket } = this.#connection;
    if (this.#mediaServer._server !== undefined) this.#mediaServer.disconnect();
    socket?.destroy();
  }

  /**
   * Makes a channel that describes itself first (3PCC) and is connected to a peer later.
   *
   * @param via the drachtio server that the SIP to FreeSWITCH goes by
   * @throws Error when there is none within two seconds, or FreeSWITCH is lost
   */
  async allocate(
    via: DrachtioConnection,
    wishes: ChannelWishes,
    listener: MediaListener,
  ): Promise<MediaEndpoint> {
    const srtp = wishes.srtp ? new ChannelSrtp() : undefined;
    const creating = this.#create(via, wishes.maxSeconds, srtp);
    let endpoint: Endpoint;
    try {
      const created = untilAborted(this.#lost.signal, creating, new Error('FreeSWITCH is lost'));
      endpoint = await within(ALLOCATE_MS, created, 'no media endpoint in good time');
    } catch (error) {
      creating.then(
        (late) => this.#wrap(late, { via, srtp, listener }).release(),
        () => undefined,
      );
      throw error;
    }
    return this.#wrap(endpoint, { via, srtp, listener });
  }

  /** Ends a channel by its uuid; it may be gone already. Rejects when FreeSWITCH does not answer. */
  async kill(uuid: string): Promise<void> {
    await eslCommand(this.#connection, `uuid_kill ${uuid}`, this.#lost.signal);
  }

  #wrap(endpoint: Endpoint, how: Pick<MediaEndpointOptions, 'via' | 'srtp' | 'listener'>): MediaEndpoint {
    let wrapped: MediaEndpoint;
    try {
      wrapped = new MediaEndpoint({
        endpoint,
        ...how,
        kill: (uuid) => this.kill(uuid),
        onReleased: () => this.#endpoints.delete(wrapped),
      });
    } catch (error) {
      void this.kill(endpoint.uuid).catch(() => undefined);
      throw new Error('FreeSWITCH gives no key for SRTP', { cause: error });
    }
    this.#endpoints.add(wrapped);
    // Its connection came before the dialog did, and may be gone again; fsmrf would not say so.
    if ((endpoint.conn?.socket ?? null) === null) wrapped.lose('FreeSWITCH ended the channel');
    return wrapped;
  }

  async #create(
    via: DrachtioConnection,
    maxSeconds: number,
    srtp: ChannelSrtp | undefined,
  ): Promise<Endpoint> {
    const headers = {
      'X-max-seconds': String(maxSeconds),
      ...(srtp === undefined ? {} : SRTP_HEADERS),
    };
    let creating: Promise<Endpoint>;
    this.#inviting = { via, offer: srtp?.offer };
    try {
      // It asks for the INVITE before it returns.
      creating = this.#mediaServer.createEndpoint({ headers });
    } finally {
      this.#inviting = undefined;
    }
    try {
      return await creating;
    } catch (error) {
      const { status } = error as { status?: unknown };
      if (srtp === undefined || status !== 488) throw error;
      throw new Error('FreeSWITCH refuses SRTP: its dialplan does not allow it', { cause: error });
    }
  }

  /** What fsmrf takes for the Srf: its INVITE ends with the connection, and its BYE never rejects. */
  #createUac(uri: string, options: UacRequest): Promise<SrfDialog> {
    const { via, offer } = this.#inviting ?? {};
    return new Promise((resolve, reject) => {
      if (via === undefined) return reject(new Error('no drachtio server was chosen'));
      const lost = (): void => reject(new Error('the connection to drachtio is lost'));
      via.lost.addEventListener('abort', lost, { once: true });
      const listener = { cbRequest: () => {}, cbProvisional: () => {} };
      const offering = offer === undefined ? options : { ...options, localSdp: offer };
      via.createUac(uri, offering, listener, (error, dialog) => {
        via.lost.removeEventListener('abort', lost);
        if (error !== null || dialog === undefined) reject(error ?? new Error('no dialog'));
        else resolve(quietly(dialog));
      });
    });
  }

  #expects(caller: Connection): boolean {
    const userAgent = caller.getInfo()?.getHeader('variable_sip_user_agent') ?? '';
    const uuid = /^drachtio-fsmrf:(.+)$/.exec(userAgent)?.[1];
    return uuid !== undefined && this.#mediaServer.pendingConnections.has(uuid);
  }

  async #ready(onFault: (error: unknown) => void): Promise<void> {
    const mediaServer = this.#mediaServer;
    // Later errors would have no listener.
    mediaServer.on('error', onFault);
    mediaServer.once('connect', () => {
      const server = mediaServer._server;
      server?.on('connection::open', (caller: Connection) => guardCaller(caller, onFault));
      // fsmrf writes to the console whom it does not know, and lets him stay.
      server?.removeAllListeners('connection::ready');
      server?.on('connection::ready', (caller: Connection, id: string) => {
        if (this.#expects(caller)) mediaServer._onNewCall(caller, id);
        else dismiss(caller);
      });
    });
    const ready = new Promise<void>((resolve, reject) => {
      mediaServer.once('ready', resolve);
      mediaServer.once('error', reject);
      this.#lost.signal.addEventListener('abort', () => reject(new Error('connection closed')), {
        once: true,
      });
    });
    await within(READY_MS, ready, 'no answer from FreeSWITCH');
  }
}

/**
 * fsmrf makes its server without an `error` listener, and gives it to nobody before it listens: a port that somebody has
 * just taken, or no file descriptor left, would end the process.
 */
function listening(make: () => MediaServer, onError: (error: Error) => void): MediaServer {
  const { createServer } = net;
  const heard = (): Server => createServer().on('error', onError);
  Object.assign(net, { createServer: heard });
  try {
    return make();
  } finally {
    Object.assign(net, { createServer });
  }
}

interface UacRequest {
  readonly headers: Record<string, string>;
  readonly localSdp?: string;
}

/** fsmrf forgets to wait for this in a timer: a rejection would end the process. */
function quietly(dialog: SrfDialog): SrfDialog {
  const destroy = dialog.destroy.bind(dialog);
  dialog.destroy = (options, callback) =>
    new Promise<void>((resolve) => {
      destroy(options ?? {}, (error) => {
        callback?.(error);
        resolve();
      });
    });
  return dialog;
}

/** fsmrf throws in the callback of a command, into the socket's event. */
function guardReplies(connection: Connection, onFault: (error: unknown) => void): void {
  const api = connection.api.bind(connection) as (...given: unknown[]) => void;
  const guarded = (...given: unknown[]): void => {
    const callback = given.at(-1);
    if (typeof callback !== 'function') return api(...given);
    api(...given.slice(0, -1), (...answer: unknown[]) => {
      try {
        callback(...answer);
      } catch (error) {
        onFault(error);
      }
    });
  };
  connection.api = guarded;
}
