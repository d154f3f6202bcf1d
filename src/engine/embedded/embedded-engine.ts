import { Rtp } from '../../media/rtp.ts';
import { SipEndpoint } from '../../sip/endpoint.ts';
import { isWildcard } from '../../sip/local-address.ts';
import { responseTo } from '../../sip/response.ts';
import type { ServerHandle } from '../../sip/server-transactions.ts';
import { ALLOW } from '../../sip/session.ts';
import { timersFor } from '../../sip/timers.ts';
import type { TlsListener } from '../../sip/tls.ts';
import type { WireMessage } from '../../sip/transport.ts';
import type {
  CallEvent,
  DigestCredentials,
  Engine,
  Leftover,
  Leg,
  LegWire,
  PlainAnswer,
  PlainRequest,
  TextLeg,
  TlsTerms,
} from '../engine.ts';
import { carryLeg, endLegs } from '../leg/carry-leg.ts';
import { carryText } from '../leg/carry-text.ts';
import { RegistrationSeries } from '../leg/request-series.ts';
import { endLeftover } from './leftover.ts';
import { LegRun } from './leg-run.ts';
import { plainRequest } from './plain-request.ts';
import { openText } from './text-sender.ts';

export interface EmbeddedEngineOptions {
  readonly sip: {
    /** The address to bind; `0.0.0.0` or `::` for all. */
    readonly host: string;
    /** 0: any free one. */
    readonly port: number;
    readonly tcp: boolean;
    /** For networks that open TLS connections of their own to us; most send everything over ours. */
    readonly tls?: TlsListener | undefined;
    /** What peers are told to send SIP to, where NAT hides the bound address. */
    readonly externalAddress?: string | undefined;
    readonly userAgent: string;
    /** RFC 3261 timer T1, milliseconds. */
    readonly t1Ms: number;
  };
  readonly rtp: {
    readonly host: string;
    readonly portMin: number;
    readonly portMax: number;
    readonly externalAddress?: string | undefined;
    readonly symmetric: boolean;
    readonly drainMs: number;
  };
  /** A bug, or a worker that crashed; the engine goes on. */
  readonly onFault: (error: unknown) => void;
  readonly onWire?: (message: WireMessage) => void;
}

/** SIP and RTP in this process: no server is needed. */
export class EmbeddedEngine implements Engine {
  readonly name = 'embedded';
  readonly #options: EmbeddedEngineOptions;
  readonly #endpoint: SipEndpoint;
  readonly #rtp: Rtp;
  readonly #runs = new Set<LegRun>();
  readonly #series = new RegistrationSeries();
  /** Under way: aborted, they are given up. */
  readonly #requests = new Set<AbortController>();
  /** The same of all text messages. */
  readonly #closing = new AbortController();
  #started = false;

  constructor(options: EmbeddedEngineOptions) {
    this.#options = options;
    const { sip, rtp } = options;
    this.#endpoint = new SipEndpoint({
      ...sip,
      timers: timersFor(sip.t1Ms),
      onRequest: (handle) => this.#outOfDialog(handle),
      onFault: options.onFault,
      onWire: options.onWire,
    });
    this.#rtp = new Rtp({
      bindAddress: rtp.host,
      portMin: rtp.portMin,
      portMax: rtp.portMax,
      drainMs: rtp.drainMs,
      symmetric: rtp.symmetric,
      onCrash: (error) => this.#restartRtp(error),
    });
  }

  /** The SIP port; known after start. */
  get port(): number {
    return this.#endpoint.port;
  }

  /** What is held at the moment; all zero when no call is up and no transaction lingers. */
  held(): { legs: number; streams: number; clients: number; servers: number; dialogs: number } {
    return { legs: this.#runs.size, streams: this.#rtp.openStreams(), ...this.#endpoint.held };
  }

  async start(): Promise<void> {
    await this.#rtp.start();
    try {
      await this.#endpoint.start();
    } catch (error) {
      await this.#rtp.close();
      throw error;
    }
    this.#started = true;
  }

  missing(): readonly string[] {
    const missing: string[] = [];
    if (!this.#started) missing.push('sip');
    if (!this.#rtp.alive) missing.push('rtp');
    return missing;
  }

  originate(leg: Leg, signal: AbortSignal, wire?: LegWire): AsyncGenerator<CallEvent, void, undefined> {
    const { sip, rtp } = this.#options;
    const run = new LegRun(leg, {
      endpoint: this.#endpoint,
      rtp: this.#rtp,
      userAgent: sip.userAgent,
      wire,
      mediaAddress:
        rtp.externalAddress ?? sip.externalAddress ?? (isWildcard(rtp.host) ? undefined : rtp.host),
    });
    return carryLeg(run, this.#runs, signal);
  }

  message(text: TextLeg, signal: AbortSignal, wire?: LegWire): AsyncGenerator<CallEvent, void, undefined> {
    const given = AbortSignal.any([signal, this.#closing.signal]);
    const open = async () =>
      this.#started
        ? openText(text, this.#endpoint, given)
        : ({ kind: 'failed', detail: 'the engine is not started' } as const);
    return carryText(text, this.#options.sip.userAgent, open, given, wire);
  }

  async request(request: PlainRequest, signal: AbortSignal): Promise<PlainAnswer> {
    if (!this.#started) return { kind: 'failed', detail: 'the engine is not started' };
    const { userAgent } = this.#options.sip;
    const around = { endpoint: this.#endpoint, series: this.#series, userAgent };
    const given = new AbortController();
    const giveUp = (): void => given.abort();
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    this.#requests.add(given);
    const answer = await plainRequest(request, around, given.signal);
    this.#requests.delete(given);
    signal.removeEventListener('abort', giveUp);
    return this.#started ? answer : { kind: 'failed', detail: 'the engine was closed' };
  }

  async endLeftover(leftover: Leftover, credentials?: DigestCredentials, tls?: TlsTerms): Promise<boolean> {
    try {
      return await endLeftover(this.#endpoint, leftover, credentials, tls);
    } catch (error) {
      this.#options.onFault(error);
      return false;
    }
  }

  async close(signal: AbortSignal): Promise<void> {
    this.#started = false;
    for (const request of [...this.#requests, this.#closing]) request.abort();
    await endLegs(this.#runs, signal);
    await Promise.all([this.#rtp.close(), this.#endpoint.close()]);
  }

  /** We place calls and take none. */
  #outOfDialog(handle: ServerHandle): void {
    const { method } = handle.request;
    const toTag = 'voice-otp';
    if (method === 'OPTIONS') {
      const headers = [
        ['Allow', ALLOW],
        ['Accept', 'application/sdp'],
        ['Supported', '100rel, timer'],
        ['User-Agent', this.#options.sip.userAgent],
      ] as const;
      return handle.respond(responseTo(handle.request, 200, { toTag, headers }));
    }
    if (method === 'INVITE') return handle.respond(responseTo(handle.request, 480, { toTag }));
    if (method === 'BYE' || method === 'PRACK' || method === 'UPDATE' || method === 'INFO') {
      return handle.respond(responseTo(handle.request, 481, { toTag }));
    }
    handle.respond(responseTo(handle.request, 405, { toTag, headers: [['Allow', ALLOW]] }));
  }

  /** Its calls have ended; the next ones need a new worker. */
  #restartRtp(error: Error): void {
    this.#options.onFault(error);
    if (this.#started) void this.#rtp.start().catch(this.#options.onFault);
  }
}
