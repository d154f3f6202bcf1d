import { randomBytes } from 'node:crypto';
import type { Secret } from '../secret.ts';
import { parseCSeq, parseNameAddress, parseNumber } from '../sip/header.ts';
import { header, headerList, type SipHeader, type SipRequest, type SipResponse } from '../sip/message.ts';
import { responseTo } from '../sip/response.ts';
import { challengeValue, isAnswered } from './digest-challenge.ts';

export interface LabRegistrarOptions {
  readonly username: string;
  readonly password: Secret;
}

/** What somebody registered. */
export interface LabBinding {
  /** Address of record: the URI in To. */
  readonly aor: string;
  readonly contact: string;
  /** Epoch ms. */
  readonly until: number;
  readonly callId: string;
  readonly cseq: number;
}

/** What a REGISTER gets that asks for no time (RFC 3261 §10.2.1.1 leaves it to the registrar). */
const DEFAULT_SECONDS = 3600;
const MAX_NONCES = 1000;

/** A registrar (RFC 3261 §10.3) with one user. What it does can be changed at any time. */
export class LabRegistrar {
  /** What it challenges with; `none` believes everybody. */
  algorithm: 'MD5' | 'SHA-256' | 'none' = 'MD5';
  /** Less than that gets 423 with Min-Expires. */
  minSeconds = 1;
  /** More than that is cut down. */
  maxSeconds = 7200;
  /** How often a nonce may be used; then it is stale. */
  usesOfNonce = Number.POSITIVE_INFINITY;
  /** Does not look at a REGISTER, and says this, or nothing at all. */
  refusal: number | 'silent' | undefined;
  readonly #options: LabRegistrarOptions;
  readonly #bindings = new Map<string, LabBinding>();
  readonly #nonces = new Map<string, number>();

  constructor(options: LabRegistrarOptions) {
    this.#options = options;
  }

  /** What is registered now. */
  get bindings(): readonly LabBinding[] {
    const now = Date.now();
    return [...this.#bindings.values()].filter(({ until }) => until > now);
  }

  /** What a REGISTER gets; undefined for silence. */
  answer(request: SipRequest): SipResponse | undefined {
    if (this.refusal === 'silent') return undefined;
    if (this.refusal !== undefined) return this.#respond(request, this.refusal);
    const refused = this.#checkCredentials(request) ?? this.#checkOrder(request);
    if (refused !== undefined) return refused;
    const contacts = headerList(request, 'Contact');
    const wanted = contacts.map((text) => this.#secondsOf(text, request));
    if (wanted.some((seconds) => seconds > 0 && seconds < this.minSeconds))
      return this.#respond(request, 423, [['Min-Expires', String(this.minSeconds)]]);
    for (const [i, text] of contacts.entries()) this.#bind(request, text, wanted[i] ?? 0);
    return this.#respond(request, 200, this.#listed(aorOf(request)));
  }

  #respond(request: SipRequest, status: number, headers: readonly SipHeader[] = []): SipResponse {
    return responseTo(request, status, { toTag: 'lab', headers });
  }

  #secondsOf(contact: string, request: SipRequest): number {
    const own = parseNumber(parseNameAddress(contact)?.params.get('expires'));
    return Math.min(own ?? parseNumber(header(request, 'Expires')) ?? DEFAULT_SECONDS, this.maxSeconds);
  }

  #bind(request: SipRequest, text: string, seconds: number): void {
    const contact = parseNameAddress(text)?.uri;
    if (contact === undefined) return;
    const aor = aorOf(request);
    const key = `${aor} ${contact}`;
    if (seconds === 0) {
      this.#bindings.delete(key);
      return;
    }
    const until = Date.now() + seconds * 1000;
    const cseq = parseCSeq(header(request, 'CSeq'))?.number ?? 0;
    this.#bindings.set(key, { aor, contact, until, callId: header(request, 'Call-ID') ?? '', cseq });
  }

  /** All contacts of the address, each with the time that is left of it (§10.3, step 8). */
  #listed(aor: string): SipHeader[] {
    return this.bindings
      .filter((binding) => binding.aor === aor)
      .map(({ contact, until }) => {
        const seconds = Math.max(1, Math.round((until - Date.now()) / 1000));
        return ['Contact', `<${contact}>;expires=${seconds}`];
      });
  }

  /** §10.3, step 7: within a Call-ID each CSeq has to be higher than the one before. */
  #checkOrder(request: SipRequest): SipResponse | undefined {
    const callId = header(request, 'Call-ID');
    const cseq = parseCSeq(header(request, 'CSeq'))?.number ?? 0;
    const late = this.bindings.some((one) => one.callId === callId && one.cseq >= cseq);
    return late ? this.#respond(request, 500) : undefined;
  }

  #checkCredentials(request: SipRequest): SipResponse | undefined {
    if (this.algorithm === 'none') return undefined;
    const value = header(request, 'Authorization');
    if (value === undefined) return this.#challenge(request, this.algorithm, false);
    const nonce = /\bnonce="([^"]*)"/.exec(value)?.[1] ?? '';
    const uses = this.#nonces.get(nonce);
    if (!isAnswered({ nonce, algorithm: this.algorithm }, value, request, this.#options))
      return this.#challenge(request, this.algorithm, false);
    if (uses === undefined || uses >= this.usesOfNonce) return this.#challenge(request, this.algorithm, true);
    this.#nonces.set(nonce, uses + 1);
    return undefined;
  }

  #challenge(request: SipRequest, algorithm: string, stale: boolean): SipResponse {
    const nonce = randomBytes(12).toString('hex');
    if (this.#nonces.size >= MAX_NONCES) this.#nonces.clear();
    this.#nonces.set(nonce, 0);
    const value = challengeValue({ nonce, algorithm }, stale);
    return this.#respond(request, 401, [['WWW-Authenticate', value]]);
  }
}

function aorOf(request: SipRequest): string {
  return parseNameAddress(header(request, 'To') ?? '')?.uri ?? '';
}
