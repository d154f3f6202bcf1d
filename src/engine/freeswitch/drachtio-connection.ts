import { setMaxListeners } from 'node:events';
import { isIP, type Socket } from 'node:net';
import type { Secret } from '../../secret.ts';
import { parseMessage, type SipResponse } from '../../sip/message.ts';
import { formatHost, parseHostPort } from '../../sip/uri.ts';
import type { NextHop, TlsTerms } from '../engine.ts';
import { untilAborted, within } from '../leg/deadline.ts';
import {
  createSrf,
  readAsSrf,
  type SrfAgent,
  type SrfApp,
  type SrfDialog,
  type SrfMessage,
  type SrfRequestOptions,
  type SrfResponse,
  socketOf,
  type UacListener,
  type UacOptions,
} from './srf.ts';
import { beStranger } from './stranger.ts';
import { type DrachtioTls, tlsTermsFault } from './tls-terms.ts';
import type { DrachtioWire } from './wire.ts';

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly secret: Secret;
  /** Whom this drachtio believes over TLS; without it nothing is sent over TLS. */
  readonly tls?: DrachtioTls | undefined;
}

/** drachtio refused a request, or cannot be asked any more. */
export class DrachtioError extends Error {
  /** `no_dialog`: drachtio does not know the dialog (any more). */
  readonly kind: 'gone' | 'refused' | 'no_dialog' | 'silent';

  constructor(kind: DrachtioError['kind'], detail: string) {
    super(detail);
    this.name = 'DrachtioError';
    this.kind = kind;
  }
}

/** A request that got its final response. */
export interface Exchange {
  /** As it left. */
  readonly sent: SrfMessage;
  readonly answer: SrfResponse;
  /** What the answer says. */
  readonly response: SipResponse;
}

/** Until the connection stands and the secret was taken. */
const CONNECT_MS = 5000;
/** drachtio answers from memory; longer means that it hangs. */
const REPLY_MS = 3000;
/** More than any SIP message: who sends it without an end is no drachtio. */
const MAX_BUFFERED_BYTES = 2 ** 20;
/** From our request to drachtio's handshake with us. */
const TRIAL_MS = 5000;
/** What drachtio says of itself. */
const MESSAGE_TYPES: ReadonlySet<string | undefined> = new Set([
  'sip',
  'response',
  'cdr:attempt',
  'cdr:start',
  'cdr:stop',
]);
/** Timer F of a request that nobody answers is 32 s (RFC 3261 §17.1.2.2). */
const RESPONSE_MS = 34_000;

/**
 * One connection to one drachtio server, from its making to its loss; it is never made again. drachtio-srf
 * leaves what is pending on a lost connection unsettled for ever, so every wait here ends with the connection.
 */
export class DrachtioConnection {
  readonly #srf: SrfApp = createSrf();
  readonly #onFault: (error: unknown) => void;
  readonly #wire: DrachtioWire | undefined;
  readonly #lost = new AbortController();
  #socket: Socket | undefined;
  #sipAddresses: readonly string[] = [];
  readonly #tls: DrachtioTls | undefined;
  /** It was seen to refuse a certificate. */
  #verifies = false;
  #trial: Promise<string | undefined> | undefined;

  private constructor(
    tls: DrachtioTls | undefined,
    onFault: (error: unknown) => void,
    wire: DrachtioWire | undefined,
  ) {
    this.#tls = tls;
    this.#onFault = onFault;
    this.#wire = wire;
    // Every call that is up listens.
    setMaxListeners(0, this.#lost.signal);
  }

  /** Connects and shows the secret. Rejects with DrachtioError. */
  static async open(
    server: ServerAddress,
    onFault: (error: unknown) => void,
    wire?: DrachtioWire,
  ): Promise<DrachtioConnection> {
    const connection = new DrachtioConnection(server.tls, onFault, wire);
    try {
      await within(CONNECT_MS, connection.#connect(server), 'no answer from drachtio');
    } catch (error) {
      connection.close();
      throw error instanceof DrachtioError ? error : new DrachtioError('gone', messageOf(error));
    }
    return connection;
  }

  /** Aborted when the connection is lost or closed. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Dialogs that drachtio-srf holds for this connection. */
  get dialogs(): number {
    return this.#srf._dialogs.size;
  }

  /** Where drachtio itself is reached, as it says in a Contact to this peer; undefined where it has nothing of the family. */
  sipAddress(peerAddress: string): string | undefined {
    return this.#sipAddresses.find((address) => isIP(address) === isIP(peerAddress));
  }

  /**
   * Why nothing may be sent there by this drachtio: its TLS would not be what the trunk's terms say. Undefined where it
   * may. Never rejects.
   */
  async distrust({ nextHop, tls }: { nextHop: NextHop; tls?: TlsTerms }): Promise<string | undefined> {
    return nextHop.transport === 'tls' ? (tlsTermsFault(tls, this.#tls) ?? this.tlsFault()) : undefined;
  }

  /**
   * Why nothing may be sent over TLS at all. Nobody can ask drachtio whether it verifies certificates: it is asked to
   * connect to us, where it finds one that it cannot know. What was seen holds as long as the connection.
   */
  async tlsFault(): Promise<string | undefined> {
    if (this.#verifies) return undefined;
    this.#trial ??= this.#try().finally(() => {
      this.#trial = undefined;
    });
    return this.#trial;
  }

  close(): void {
    this.#agent.wp.closing = true;
    this.#socket?.destroy();
    this.#lose();
  }

  /** Rejects with DrachtioError when drachtio does not answer. */
  async ping(): Promise<void> {
    await this.#reply('no answer to a ping', (settle) => {
      const socket = this.#socket;
      const pending = socket === undefined ? undefined : this.#agent.mapServer.get(socket)?.pendingRequests;
      if (socket === undefined || pending === undefined) throw gone();
      pending.set(this.#agent.wp.send(socket, 'ping'), () => settle(null));
    });
  }

  /**
   * Sends an INVITE that makes a dialog. `callback` comes once, in the same turn as what follows on the wire,
   * so that no BYE is missed; it does not come for what is pending when the connection is lost.
   */
  createUac(
    uri: string,
    options: UacOptions,
    listener: UacListener,
    callback: (error: (Error & { status?: number; res?: SrfResponse }) | null, dialog?: SrfDialog) => void,
  ): void {
    if (this.#lost.signal.aborted) return queueMicrotask(() => callback(gone()));
    if (isTls(options.proxy) && !this.#verifies) return queueMicrotask(() => callback(unproven()));
    this.#wire?.asked(options);
    try {
      // drachtio-srf writes into both.
      this.#srf.createUAC(uri, { ...options, headers: { ...options.headers } }, listener, callback);
    } catch (error) {
      queueMicrotask(() => callback(error as Error));
    }
  }

  /** Stops drachtio-srf from remembering a dialog that is over. */
  forget(dialog: SrfDialog): void {
    this.#srf.removeDialog(dialog);
    dialog.removeAllListeners();
  }

  /** Says BYE where the dialog is still known, and does not wait for what becomes of it. */
  drop(dialog: SrfDialog): void {
    if (this.#lost.signal.aborted || !this.#srf._dialogs.has(dialog.id)) return;
    const bye = { method: 'BYE', uri: 'sip:placeholder', stackDialogId: dialog.id, headers: {} };
    this.#ask(bye, () => undefined);
    this.forget(dialog);
  }

  /**
   * Sends a request and waits for its final response; a 2xx to an INVITE gets its ACK. Rejects with DrachtioError.
   */
  async request(options: SrfRequestOptions): Promise<SipResponse> {
    return (await this.exchange(options)).response;
  }

  /** The same, with both messages as drachtio has them. `sent` hears that drachtio has sent the request. */
  async exchange(options: SrfRequestOptions, sent?: () => void): Promise<Exchange> {
    if (isTls(options.proxy) && (await this.tlsFault()) !== undefined) throw unproven();
    return this.#exchange(options, sent);
  }

  async #exchange(options: SrfRequestOptions, sent?: () => void): Promise<Exchange> {
    const { signal } = this.#lost;
    const exchange = new Promise<Exchange>((resolve, reject) => {
      this.#ask(options, (error, request) => {
        if (error !== null || request === undefined) return reject(refused(error));
        sent?.();
        request.on('response', (answer, ack) => {
          if (answer.status < 200) return;
          if (options.method === 'INVITE') ack();
          const response = sipResponse(answer);
          if (response === undefined) reject(new DrachtioError('refused', 'a response that cannot be read'));
          else resolve({ sent: request, answer, response });
        });
      });
    });
    return within(RESPONSE_MS, untilAborted(signal, exchange, gone()), `no response to ${options.method}`);
  }

  /** Hands a request to drachtio and waits until it took it: a CANCEL, whose response it keeps. */
  async tell(options: SrfRequestOptions): Promise<void> {
    await this.#reply(`no answer to ${options.method}`, (settle) =>
      this.#ask(options, (error) => settle(error)),
    );
  }

  async #try(): Promise<string | undefined> {
    const address = (this.#socket?.localAddress ?? '').replace(/^::ffff:/, '');
    if (this.#tls === undefined) return 'nobody has said whom drachtio believes over TLS';
    const verdict = await beStranger(address, TRIAL_MS, (port) => {
      const place = `${formatHost(address)}:${port}`;
      const [uri, proxy] = [`sip:stranger@${place}`, `sip:${place};transport=tls`];
      return this.#exchange({ method: 'OPTIONS', uri, proxy, headers: { To: `<${uri}>` } });
    });
    this.#verifies = verdict === 'refused';
    if (verdict === 'believed')
      return 'drachtio believes any certificate (DRACHTIO_TLS_VERIFY_CLIENT_CERT=1)';
    return this.#verifies
      ? undefined
      : `drachtio did not connect to ${address} by TLS, so that nobody knows whether it verifies certificates`;
  }

  async #connect({ host, port, secret }: ServerAddress): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#lost.signal.addEventListener('abort', () => reject(gone()), { once: true });
      this.#srf.on('connect', (error, places) => {
        if (error !== null && error !== undefined)
          return reject(new DrachtioError('refused', 'wrong secret'));
        this.#sipAddresses = addressesIn(places ?? '');
        resolve();
      });
      // Without this listener a lost connection ends the process.
      this.#srf.on('error', (error) => {
        reject(new DrachtioError('gone', messageOf(error)));
        this.#lose();
      });
      this.#srf.on('close', () => this.#lose());
      this.#srf.connect({ host, port, secret: secret.reveal(), reconnect: { maxAttempts: 1 } });
      // Where nobody answers at all, the system would try for minutes, and keep the process.
      this.#socket = socketOf(this.#agent);
      this.#guard();
    });
  }

  /** drachtio-srf throws on what it cannot parse, into the socket's event: the process would end. */
  #guard(): void {
    const { wp } = this.#agent;
    const listeners = wp.listeners('msg');
    wp.removeAllListeners('msg');
    wp.on('msg', (socket, message) => {
      const [, type] = message.split('|', 2);
      if (!MESSAGE_TYPES.has(type?.split('\r', 1)[0])) throw new Error('no such message');
      try {
        // drachtio-srf would write it to the console, with all that it holds.
        if (type === 'sip') readAsSrf(message.slice(message.indexOf('\r\n') + 2));
        this.#trace(message);
        for (const listener of listeners) listener(socket, message);
      } catch (error) {
        this.#onFault(new Error('drachtio-srf could not take a message', { cause: error }));
      }
    });
    wp.on('connect', (socket) => {
      this.#socket = socket;
      if (this.#lost.signal.aborted) return void socket.destroy();
      socket.removeAllListeners('data');
      socket.on('data', (data) => {
        try {
          const waiting = wp.mapIncomingMsg.get(socket)?.incomingMsg.length ?? 0;
          if (waiting + data.length > MAX_BUFFERED_BYTES) throw new Error('a message without an end');
          wp._onData(socket, data);
        } catch (error) {
          this.#onFault(new Error('this is no drachtio server', { cause: error }));
          socket.destroy();
        }
      });
    });
  }

  /** A trace that fails costs no call. */
  #trace(message: string): void {
    try {
      this.#wire?.take(message);
    } catch (error) {
      this.#onFault(error);
    }
  }

  get #agent(): SrfAgent {
    return this.#srf.app.client;
  }

  #lose(): void {
    this.#lost.abort();
  }

  #ask(options: SrfRequestOptions, callback: Parameters<SrfAgent['request']>[1]): void {
    if (this.#lost.signal.aborted) return callback(gone());
    this.#wire?.asked(options);
    try {
      this.#agent.request({ ...options, headers: { ...options.headers } }, callback);
    } catch (error) {
      callback(error as Error);
    }
  }

  async #reply(complaint: string, ask: (settle: (error: Error | null) => void) => void): Promise<void> {
    const reply = new Promise<void>((resolve, reject) => {
      ask((error) => (error === null || error === undefined ? resolve() : reject(refused(error))));
    });
    try {
      await within(REPLY_MS, untilAborted(this.#lost.signal, reply, gone()), complaint);
    } catch (error) {
      throw error instanceof DrachtioError ? error : new DrachtioError('silent', messageOf(error));
    }
  }
}

/** Reads a response again with our own parser, which takes nothing on trust. */
export function sipResponse(message: SrfMessage): SipResponse | undefined {
  const parsed = parseMessage(Buffer.from(message.msg.raw ?? '', 'utf8'));
  return parsed.kind === 'response' ? parsed : undefined;
}

/** The addresses of places such as `udp/192.0.2.1:5060,tcp/[2001:db8::1]:5060`. */
function addressesIn(places: string): string[] {
  return places
    .split(',')
    .map((place) => parseHostPort(place.slice(place.indexOf('/') + 1))?.host ?? '')
    .filter((host) => isIP(host) !== 0);
}

function isTls(proxy: string | undefined): boolean {
  return proxy?.includes(';transport=tls') === true;
}

function unproven(): DrachtioError {
  return new DrachtioError('refused', 'drachtio was not seen to verify certificates');
}

function gone(): DrachtioError {
  return new DrachtioError('gone', 'the connection to drachtio is lost');
}

function refused(error: (Error & { code?: string }) | null): DrachtioError {
  if (error instanceof DrachtioError) return error;
  if (error?.code === 'ESOCKETDESTROYED') return gone();
  return new DrachtioError(error?.code === 'ENODIALOG' ? 'no_dialog' : 'refused', messageOf(error));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
