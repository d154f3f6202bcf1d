import {
  type ClientAction,
  type ClientInput,
  type ClientTimer,
  type ClientTransaction,
  startClient,
  stepClient,
} from './client-transaction.ts';
import { parseCSeq, topVia } from './header.ts';
import { header, type SipRequest, type SipResponse } from './message.ts';
import { TimerSet } from './timer-set.ts';
import { type SipTimers, transactionMs } from './timers.ts';
import type { Peer } from './transport.ts';

/** What the user of a client transaction is told; each call may be the last one but the first two. */
export interface ClientListener {
  /** The request was handed to the network: the first time, and each time that it is sent again. */
  sent?(): void;
  response(response: SipResponse): void;
  /** No final response in time (Timer B or F). */
  timeout(): void;
  transportError(error: Error): void;
}

/** A request that was sent. */
export interface ClientHandle {
  /** As it left, with its Via. */
  readonly request: SipRequest;
  readonly peer: Peer;
  /** Stops retransmitting an INVITE that has had no answer yet; what still arrives is delivered. */
  hush(): void;
  /** Destroys the transaction: what still arrives for it is dropped. */
  forget(): void;
  /** As `forget`, once a far end that goes on sending its 2xx has given up (64 × T1, RFC 3261 §13.3.1.4). */
  linger(): void;
}

type Send = (request: SipRequest, peer: Peer) => Promise<void>;

interface Entry {
  tx: ClientTransaction;
  readonly request: SipRequest;
  readonly peer: Peer;
  readonly listener: ClientListener;
  readonly timers: TimerSet<ClientTimer | 'linger'>;
  /** After the connection that it was sent over had ended. */
  sentAgain: boolean;
}

/** All client transactions of one endpoint: matches responses (RFC 3261 §17.1.3) and runs the timers. */
export class ClientTransactions {
  readonly #entries = new Map<string, Entry>();
  readonly #timers: SipTimers;
  readonly #send: Send;

  constructor(timers: SipTimers, send: Send) {
    this.#timers = timers;
    this.#send = send;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** `resume`: the request left in an earlier process; only what comes back is handled. */
  start(request: SipRequest, peer: Peer, listener: ClientListener, resume = false): ClientHandle {
    const reliable = peer.transport !== 'udp';
    const type = request.method === 'INVITE' ? 'invite' : 'non_invite';
    const [tx, actions] = startClient(type, reliable, this.#timers);
    const entry: Entry = { tx, request, peer, listener, timers: new TimerSet(), sentAgain: false };
    const key = keyOf(request);
    this.#entries.set(key, entry);
    const wanted = resume ? actions.filter((a) => a.type === 'start' && a.timer === 'B') : actions;
    for (const action of wanted) this.#perform(key, entry, action);
    return {
      request,
      peer,
      hush: () => this.#input(key, { type: 'hush' }),
      forget: () => this.#forget(key, entry),
      linger: () => this.#linger(key, entry),
    };
  }

  /** False: no transaction of ours waits for it. */
  response(response: SipResponse): boolean {
    const key = keyOf(response);
    if (!this.#entries.has(key)) return false;
    this.#input(key, { type: 'response', status: response.status }, response);
    return true;
  }

  /**
   * A connection has ended: requests that were sent over it and have no response so far wait in vain (RFC 3261 §17.1.4).
   * Where it had worked, the far end may have closed it while they were on their way: they are sent once more, over a new
   * one. That is safe, since one that did arrive is known by its branch.
   */
  disconnected(peer: Peer, error: Error, worked: boolean): void {
    for (const [key, entry] of this.#entries) {
      if (entry.tx.state !== 'calling' && entry.tx.state !== 'trying') continue;
      const { transport, address, port, tls } = entry.peer;
      const over = transport === peer.transport && address === peer.address && port === peer.port;
      if (!over || tls !== peer.tls) continue;
      if (worked && !entry.sentAgain) {
        entry.sentAgain = true;
        this.#transmit(key, entry, entry.request);
      } else this.#input(key, { type: 'transport_error' }, undefined, error);
    }
  }

  close(): void {
    for (const entry of this.#entries.values()) entry.timers.clear();
    this.#entries.clear();
  }

  #forget(key: string, entry: Entry): void {
    if (this.#entries.get(key) !== entry) return;
    entry.timers.clear();
    this.#entries.delete(key);
  }

  #linger(key: string, entry: Entry): void {
    if (this.#entries.get(key) !== entry) return;
    entry.timers.start('linger', transactionMs(this.#timers), () => this.#forget(key, entry));
  }

  #input(key: string, input: ClientInput, response?: SipResponse, error?: Error): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const [tx, actions] = stepClient(entry.tx, input, this.#timers);
    entry.tx = tx;
    if (tx.state === 'terminated') this.#forget(key, entry);
    for (const action of actions) this.#perform(key, entry, action, response, error);
  }

  #perform(key: string, entry: Entry, action: ClientAction, response?: SipResponse, error?: Error): void {
    switch (action.type) {
      case 'send':
        return this.#transmit(key, entry, entry.request);
      case 'send_ack':
        return response === undefined
          ? undefined
          : this.#transmit(key, entry, ackFor(entry.request, response));
      case 'deliver':
        return response === undefined ? undefined : entry.listener.response(response);
      case 'timeout':
        return entry.listener.timeout();
      case 'transport_error':
        return entry.listener.transportError(error ?? new Error('transport error'));
      case 'start': {
        const { timer } = action;
        return entry.timers.start(timer, action.ms, () => this.#input(key, { type: 'timer', timer }));
      }
      case 'stop':
        return entry.timers.stop(action.timer);
    }
  }

  #transmit(key: string, entry: Entry, request: SipRequest): void {
    const sent = (): void => {
      if (request === entry.request) entry.listener.sent?.();
    };
    this.#send(request, entry.peer).then(sent, (error: unknown) => {
      const cause = error instanceof Error ? error : new Error(String(error));
      if (this.#entries.get(key) === entry) this.#input(key, { type: 'transport_error' }, undefined, cause);
    });
  }
}

/** RFC 3261 §17.1.3: the branch of the top Via and the method of CSeq. */
function keyOf(message: SipRequest | SipResponse): string {
  const method = parseCSeq(header(message, 'CSeq'))?.method ?? '';
  return `${topVia(message)?.params.get('branch') ?? ''}|${method}`;
}

/** The ACK to a final response other than 2xx (RFC 3261 §17.1.1.3). */
export function ackFor(invite: SipRequest, response: SipResponse): SipRequest {
  const keep = new Set(['Via', 'From', 'Call-ID', 'Route', 'Max-Forwards']);
  const headers = invite.headers.filter(([name]) => keep.has(name));
  const number = parseCSeq(header(invite, 'CSeq'))?.number ?? 0;
  return {
    kind: 'request',
    method: 'ACK',
    uri: invite.uri,
    headers: [...headers, ['To', header(response, 'To') ?? ''], ['CSeq', `${number} ACK`]],
    body: '',
  };
}
