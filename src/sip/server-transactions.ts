import { parseCSeq, tagOf, topVia } from './header.ts';
import { header, type SipRequest, type SipResponse } from './message.ts';
import {
  type ServerInput,
  type ServerTimer,
  type ServerTransaction,
  startServer,
  stepServer,
} from './server-transaction.ts';
import { TimerSet } from './timer-set.ts';
import type { SipTimers } from './timers.ts';
import type { Peer } from './transport.ts';

/** A request that came, to be answered. The callbacks are set by whoever answers it. */
export interface ServerHandle {
  readonly request: SipRequest;
  readonly peer: Peer;
  /** Sends a response, provisional or final; after a final one only the same 2xx may be sent again. */
  respond(response: SipResponse): void;
  /** Forgets the request without an answer. */
  ignore(): void;
  /** A CANCEL for this INVITE came and was answered with 200. */
  onCancel?: (cancel: SipRequest) => void;
  /** No ACK came for the final response, other than 2xx, of an INVITE. */
  onTimeout?: () => void;
}

type Send = (response: SipResponse, peer: Peer) => Promise<void>;

interface Entry {
  tx: ServerTransaction;
  last: SipResponse | undefined;
  readonly handle: ServerHandle;
  readonly timers: TimerSet<ServerTimer>;
}

/** More than any load of ours needs: a bound on what a flood of requests can hold. */
const MAX_TRANSACTIONS = 50_000;

/** All server transactions of one endpoint: matches requests (RFC 3261 §17.2.3) and runs the timers. */
export class ServerTransactions {
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

  /**
   * A request that is no ACK: a new handle for the user, or undefined where it is a retransmission (answered
   * here) or there is no room for another one (dropped: the peer sends it again).
   */
  request(request: SipRequest, peer: Peer): ServerHandle | undefined {
    const key = keyOf(request, request.method);
    if (this.#entries.has(key)) {
      this.#input(key, { type: 'request' });
      return undefined;
    }
    if (this.#entries.size >= MAX_TRANSACTIONS) return undefined;
    const type = request.method === 'INVITE' ? 'invite' : 'non_invite';
    const handle: ServerHandle = {
      request,
      peer,
      respond: (response) => this.#respond(key, response),
      ignore: () => this.#forget(key),
    };
    const tx = startServer(type, peer.transport !== 'udp', this.#timers);
    this.#entries.set(key, { tx, last: undefined, handle, timers: new TimerSet() });
    return handle;
  }

  /** True: the ACK ended an INVITE that had been refused. False: it is for a 2xx, and so for the dialog. */
  ack(request: SipRequest): boolean {
    const key = keyOf(request, 'INVITE');
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    const accepted = entry.tx.state === 'accepted';
    this.#input(key, { type: 'ack' });
    return !accepted;
  }

  /** The INVITE that a CANCEL is for (RFC 3261 §9.2), and whether it still waits for its final response. */
  canceled(cancel: SipRequest): { readonly handle: ServerHandle; readonly waits: boolean } | undefined {
    const entry = this.#entries.get(keyOf(cancel, 'INVITE'));
    return entry === undefined ? undefined : { handle: entry.handle, waits: entry.tx.state === 'proceeding' };
  }

  close(): void {
    for (const entry of this.#entries.values()) entry.timers.clear();
    this.#entries.clear();
  }

  #respond(key: string, response: SipResponse): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const { state } = entry.tx;
    if (state === 'completed' || state === 'confirmed') return;
    entry.last = response;
    this.#input(key, { type: 'respond', status: response.status });
  }

  #input(key: string, input: ServerInput): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const [tx, actions] = stepServer(entry.tx, input, this.#timers);
    entry.tx = tx;
    if (tx.state === 'terminated') this.#forget(key);
    for (const action of actions) {
      if (action.type === 'send') this.#transmit(entry);
      else if (action.type === 'timeout') entry.handle.onTimeout?.();
      else if (action.type === 'stop') entry.timers.stop(action.timer);
      else if (action.type === 'start') {
        const { timer } = action;
        entry.timers.start(timer, action.ms, () => this.#input(key, { type: 'timer', timer }));
      }
    }
  }

  #forget(key: string): void {
    this.#entries.get(key)?.timers.clear();
    this.#entries.delete(key);
  }

  #transmit(entry: Entry): void {
    if (entry.last === undefined) return;
    // A response that could not be sent: the peer's request, or our Timer G, makes it be sent again.
    this.#send(entry.last, entry.handle.peer).catch(() => {});
  }
}

const COOKIE = 'z9hG4bK';

/** RFC 3261 §17.2.3: by branch and sent-by; a peer of RFC 2543 (no magic cookie, or no more than that) by the rest. */
function keyOf(request: SipRequest, method: string): string {
  const via = topVia(request);
  const branch = via?.params.get('branch') ?? '';
  if (branch.startsWith(COOKIE) && branch !== COOKIE) return `${branch}|${via?.host}:${via?.port}|${method}`;
  const number = parseCSeq(header(request, 'CSeq'))?.number;
  const from = `${header(request, 'Call-ID')}|${tagOf(request, 'From')}|${number}`;
  return `${from}|${request.uri}|${via?.host}:${via?.port}|${method}`;
}
