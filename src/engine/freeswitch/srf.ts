import type { Socket } from 'node:net';
import Srf from 'drachtio-srf';
import SipMessage from 'drachtio-srf/lib/sip-parser/message.js';
import WireProtocol from 'drachtio-srf/lib/wire-protocol.js';

/**
 * What we use of drachtio-srf, as it behaves at run time. Its own types say otherwise in places: `cbRequest`
 * gets an error first, and neither the agent nor `stackDialogId` appear in them.
 */
export interface SrfMessage {
  /** The message as drachtio wrote it down. */
  readonly msg: { readonly raw?: string };
  /** `network`: from the peer. `application`: drachtio itself made it. */
  readonly source: string;
  /** Of the peer; empty for a response that drachtio itself made, since nothing could be sent or nothing came. */
  readonly source_address?: string;
  readonly stackTxnId: string;
  readonly stackDialogId: string;
}

export interface SrfResponse extends SrfMessage {
  readonly status: number;
}

/** Sends the ACK to a final response, or the PRACK to a provisional one. */
export type SrfAck = (parts?: { body?: string; headers?: Record<string, string> }) => void;

export interface SrfRequest extends SrfMessage {
  readonly method: string;
  readonly body: string;
  on(event: 'response', listener: (response: SrfResponse, ack: SrfAck) => void): void;
  /** Other events have other parts. */
  emit(event: string, response?: SrfResponse, ack?: SrfAck): boolean;
  cancel(callback: (error?: Error | null) => void): void;
}

/** Answers a request of the peer. */
export interface SrfAnswer {
  /** Throws on a status that drachtio-srf does not know. */
  send(status: number, parts?: { headers?: Record<string, string>; body?: string }): void;
  status?: number;
  readonly msg: { status?: number; reason?: string };
  readonly _agent: {
    sendResponse(answer: SrfAnswer, parts: { headers: Record<string, string> }): void;
  };
}

export interface SrfDialog {
  readonly id: string;
  readonly sip: { readonly callId: string; readonly localTag: string; readonly remoteTag: string };
  readonly local: { contact: string; sdp: string };
  readonly remote: { sdp: string };
  readonly res: SrfResponse;
  on(event: 'destroy', listener: (request: SrfRequest, reason: string) => void): void;
  on(
    event: 'modify' | 'info' | 'update' | 'options',
    listener: (request: SrfRequest, answer: SrfAnswer) => void,
  ): void;
  on(event: 'ack', listener: (request: SrfRequest) => void): void;
  once(event: 'destroy', listener: () => void): void;
  removeAllListeners(): void;
  destroy(options?: object, callback?: (error: Error | null) => void): unknown;
}

export interface UacOptions {
  readonly headers: Record<string, string>;
  readonly localSdp?: string;
  readonly proxy?: string;
}

export interface UacListener {
  readonly cbRequest: (error: Error | null, request: SrfRequest) => void;
  readonly cbProvisional: (response: SrfResponse) => void;
}

export interface SrfRequestOptions {
  readonly method: string;
  readonly uri: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
  readonly proxy?: string;
  readonly stackDialogId?: string;
  readonly stackTxnId?: string;
}

/** The client inside of an Srf: one connection to one drachtio server. */
export interface SrfAgent {
  readonly wp: {
    /** Set: a connection that goes is not made again. */
    closing?: boolean;
    /** What came and is no whole message yet. */
    readonly mapIncomingMsg: ReadonlyMap<Socket, { readonly incomingMsg: Buffer }>;
    send(socket: Socket, message: string): string;
    _onData(socket: Socket, data: Buffer): void;
    on(event: 'connect', listener: (socket: Socket) => void): void;
    on(event: 'msg', listener: (socket: Socket, message: string) => void): void;
    listeners(event: 'msg'): ((socket: Socket, message: string) => void)[];
    removeAllListeners(event: 'msg'): void;
  };
  readonly mapServer: Map<Socket, { readonly pendingRequests: Map<string, (tokens: string[]) => void> }>;
  request(options: SrfRequestOptions, callback: (error: Error | null, request?: SrfRequest) => void): void;
}

export interface SrfApp {
  readonly app: { readonly client: SrfAgent };
  /** `places`: where drachtio is reached by SIP, as `udp/192.0.2.1:5060,tcp/…`; outside of a NAT where it stands behind one. */
  on(event: 'connect', listener: (error: Error | null, places?: string | null) => void): void;
  on(event: 'error' | 'close', listener: (error?: Error) => void): void;
  connect(options: { host: string; port: number; secret: string; reconnect: { maxAttempts: number } }): void;
  createUAC(
    uri: string,
    options: UacOptions,
    listener: UacListener,
    callback: (error: (Error & { status?: number; res?: SrfResponse }) | null, dialog?: SrfDialog) => void,
  ): void;
  removeDialog(dialog: SrfDialog): void;
  readonly _dialogs: ReadonlyMap<string, unknown>;
}

const sockets = new WeakMap<object, Socket>();
const installListeners: (this: WireProtocol, socket: Socket) => void =
  WireProtocol.prototype.installListeners;

WireProtocol.prototype.installListeners = function (socket) {
  sockets.set(this, socket);
  installListeners.call(this, socket);
};

/** The socket of an agent, also while it is not connected yet: drachtio-srf itself tells nobody of it before that. */
export function socketOf({ wp }: Pick<SrfAgent, 'wp'>): Socket | undefined {
  return sockets.get(wp);
}

/** Reads a SIP message as drachtio-srf does. Throws where it cannot. */
export function readAsSrf(raw: string): object {
  return new SipMessage(raw);
}

/** RFC 6086 §4.2.2. drachtio-srf does not know the status. */
export function sendBadInfoPackage(answer: SrfAnswer, headers: Record<string, string>): void {
  answer.status = 469;
  answer.msg.status = 469;
  answer.msg.reason = 'Bad Info Package';
  answer._agent.sendResponse(answer, { headers });
}

export function createSrf(): SrfApp {
  return new Srf() as unknown as SrfApp;
}
