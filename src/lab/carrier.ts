import { randomBytes } from 'node:crypto';
import type { Codec, SrtpPolicy } from '../engine/engine.ts';
import type { Secret } from '../secret.ts';
import { SipEndpoint } from '../sip/endpoint.ts';
import { header, type SipRequest } from '../sip/message.ts';
import { responseTo } from '../sip/response.ts';
import type { ServerHandle } from '../sip/server-transactions.ts';
import { ALLOW } from '../sip/session.ts';
import { timersFor } from '../sip/timers.ts';
import type { TlsListener } from '../sip/tls.ts';
import type { WireMessage } from '../sip/transport.ts';
import { parseUri } from '../sip/uri.ts';
import { type Behaviour, behaviourOf, textAnswerOf } from './behaviour.ts';
import { shownCaller } from './caller-id.ts';
import { challengeValue, isAnswered } from './digest-challenge.ts';
import { Phone } from './phone.ts';
import { LabRegistrar } from './registrar.ts';

export interface LabCarrierOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly codecs: readonly Codec[];
  /** SIP over TLS as well. */
  readonly tls?: TlsListener;
  /** What the phones do; `off` unless told. */
  readonly srtp?: SrtpPolicy;
  /** What challenged calls have to know. */
  readonly username: string;
  readonly password: Secret;
  /** RFC 3261 timer T1, milliseconds; 500 unless told. */
  readonly t1Ms?: number;
  /** RTP goes here and the phones stay deaf: for load runs with a receiver of their own. */
  readonly mediaSink?: { readonly address: string; readonly port: number };
  /**
   * How many calls it keeps; more where more are under way. Each has what its phone heard, some
   * 200 kB for ten seconds. 5000 unless told.
   */
  readonly keptCalls?: number;
  /** What the phone of a number does; `behaviourOf` says it of those that this leaves undefined. */
  readonly behaviours?: (number: string) => Behaviour | undefined;
  readonly onFault: (error: unknown) => void;
  readonly onWire?: (message: WireMessage) => void;
  readonly onCall?: (call: LabCall) => void;
  readonly onText?: (text: LabText) => void;
}

/** A text message that the carrier has taken for a phone. */
export interface LabText {
  /** Digits and `+` of the Request-URI. */
  readonly number: string;
  /** Who is shown as its sender; null where nobody is. */
  readonly from: string | null;
  readonly text: string;
  /** When it came, epoch milliseconds. */
  readonly at: number;
  readonly message: SipRequest;
}

/** One INVITE that reached the carrier, retransmissions and answered challenges aside. */
export interface LabCall {
  /** Digits and `+` of the Request-URI. */
  readonly number: string;
  readonly callId: string;
  readonly behaviour: Behaviour;
  readonly invite: SipRequest;
  readonly phone: Phone;
}

const MAX_KEPT_CALLS = 5000;
const MAX_KEPT_TEXTS = 5000;

/** A carrier and its subscribers on one SIP port: what the trunk of a test, a demo or a lab leads to. */
export class LabCarrier {
  /** The status that an OPTIONS gets. May be changed at any time. */
  optionsAnswer: number | 'silent' = 200;
  readonly registrar: LabRegistrar;
  readonly #options: LabCarrierOptions;
  readonly #endpoint: SipEndpoint;
  readonly #calls: LabCall[] = [];
  readonly #texts: LabText[] = [];
  readonly #nonces = new Map<string, string>();

  constructor(options: LabCarrierOptions) {
    this.#options = options;
    this.registrar = new LabRegistrar(options);
    this.#endpoint = new SipEndpoint({
      host: options.host,
      port: options.port,
      tcp: true,
      tls: options.tls,
      timers: timersFor(options.t1Ms ?? 500),
      onRequest: (handle) => this.#request(handle),
      onFault: options.onFault,
      onWire: options.onWire,
    });
  }

  get port(): number {
    return this.#endpoint.port;
  }

  /** Where it listens for TLS; 0 where it does not. */
  get tlsPort(): number {
    return this.#endpoint.tlsPort;
  }

  /** The calls so far, oldest first; the last of them, by `keptCalls`. */
  get calls(): readonly LabCall[] {
    return this.#calls;
  }

  /** The text messages that it has taken so far, oldest first; the last few thousand. */
  get texts(): readonly LabText[] {
    return this.#texts;
  }

  async start(): Promise<void> {
    await this.#endpoint.start();
  }

  /** Hangs up what is still up, then goes away. */
  async close(): Promise<void> {
    const up = this.#calls.filter(({ phone }) => phone.record.end === null);
    for (const { phone } of up) phone.hangUp();
    await Promise.race([
      Promise.all(up.map(({ phone }) => phone.over)),
      new Promise((resolve) => setTimeout(resolve, 1000).unref()),
    ]);
    await this.#endpoint.close();
  }

  #request(handle: ServerHandle): void {
    const { request } = handle;
    if (request.method === 'INVITE') return this.#invite(handle);
    if (request.method === 'MESSAGE') return this.#message(handle);
    const toTag = 'lab';
    if (request.method === 'OPTIONS') {
      const status = this.optionsAnswer;
      if (status === 'silent') return handle.ignore();
      return handle.respond(responseTo(request, status, { toTag, headers: [['Allow', ALLOW]] }));
    }
    if (request.method === 'REGISTER') {
      const response = this.registrar.answer(request);
      return response === undefined ? handle.ignore() : handle.respond(response);
    }
    handle.respond(
      responseTo(request, request.method === 'BYE' ? 481 : 405, { toTag, headers: [['Allow', ALLOW]] }),
    );
  }

  #invite(handle: ServerHandle): void {
    const { request, peer } = handle;
    const { number, behaviour } = this.#called(request);
    if (behaviour.silent === true) return handle.ignore();
    if (behaviour.challenge !== undefined && !this.#authorized(request, behaviour.challenge)) {
      return this.#challenge(handle, behaviour.challenge);
    }
    const callId = header(request, 'Call-ID') ?? '';
    void this.#endpoint
      .localAddress(peer)
      .then((localAddress) => {
        const { codecs, mediaSink, srtp = 'off' } = this.#options;
        const phone = new Phone(handle, {
          endpoint: this.#endpoint,
          localAddress,
          behaviour,
          codecs,
          mediaSink,
          srtp,
        });
        const call: LabCall = { number, callId, behaviour, invite: request, phone };
        this.#keep(call);
        this.#options.onCall?.(call);
        return phone.run();
      })
      .catch(this.#options.onFault);
  }

  #keep(call: LabCall): void {
    this.#calls.push(call);
    const { keptCalls = MAX_KEPT_CALLS } = this.#options;
    while (this.#calls.length > keptCalls) {
      const oldest = this.#calls.findIndex(({ phone }) => phone.record.end !== null);
      if (oldest < 0) return;
      this.#calls.splice(oldest, 1);
    }
  }

  /** A text message (RFC 3428), answered by the number as a call is. */
  #message(handle: ServerHandle): void {
    const { request } = handle;
    const { number, behaviour } = this.#called(request);
    const answer = textAnswerOf(number, behaviour);
    if (answer === 'silent') return handle.ignore();
    if (behaviour.challenge !== undefined && !this.#authorized(request, behaviour.challenge)) {
      return this.#challenge(handle, behaviour.challenge);
    }
    const { status, reason, headers = [] } = answer;
    if (status < 300) {
      const from = shownCaller(request) ?? null;
      const text: LabText = { number, from, text: request.body, at: Date.now(), message: request };
      this.#texts.push(text);
      if (this.#texts.length > MAX_KEPT_TEXTS) this.#texts.shift();
      this.#options.onText?.(text);
    }
    handle.respond(
      responseTo(request, status, { toTag: 'lab', headers, ...(reason === undefined ? {} : { reason }) }),
    );
  }

  #called(request: SipRequest): { readonly number: string; readonly behaviour: Behaviour } {
    const number = decodeURIComponentSafely(parseUri(request.uri)?.user ?? '').replace(/[^0-9+]/g, '');
    return { number, behaviour: this.#options.behaviours?.(number) ?? behaviourOf(number) };
  }

  #challenge(handle: ServerHandle, { status, algorithm }: NonNullable<Behaviour['challenge']>): void {
    const nonce = randomBytes(12).toString('hex');
    this.#nonces.set(header(handle.request, 'Call-ID') ?? '', nonce);
    const name = status === 401 ? 'WWW-Authenticate' : 'Proxy-Authenticate';
    const value = challengeValue({ nonce, algorithm });
    handle.respond(responseTo(handle.request, status, { toTag: 'lab', headers: [[name, value]] }));
  }

  #authorized(request: SipRequest, { status, algorithm }: NonNullable<Behaviour['challenge']>): boolean {
    const callId = header(request, 'Call-ID') ?? '';
    const nonce = this.#nonces.get(callId);
    const value = header(request, status === 401 ? 'Authorization' : 'Proxy-Authorization');
    if (nonce === undefined || value === undefined) return false;
    const right = isAnswered({ nonce, algorithm }, value, request, this.#options);
    if (right) this.#nonces.delete(callId);
    return right;
  }
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
