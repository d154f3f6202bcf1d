import type { Speech } from '../media/speech.ts';
import type { Secret } from '../secret.ts';
import type { TlsTerms } from '../sip/tls-trust.ts';

export type { TlsTerms };

/** Codecs by their SDP encoding name (RFC 3551), both at 8000 Hz. */
export type Codec = 'PCMU' | 'PCMA';

/** `tls`: TLS 1.2 or later over TCP; the URIs stay `sip:`, since `sips:` would ask for TLS behind the trunk as well. */
export type SipTransport = 'udp' | 'tcp' | 'tls';

/**
 * Whether the audio is encrypted by SRTP, with keys in the SDP (SDES, RFC 4568): these are as safe as the signalling that
 * carries them, so `tls` belongs to it.
 *
 * - `off`: never; a peer that offers nothing else is refused.
 * - `optional`: where the peer does it too. The offer is RTP/AVP with keys (RFC 8643), which both kinds of peers take;
 *   whoever can change messages on the way can take the keys out of it.
 * - `required`: the offer is RTP/SAVP, and an answer without a key ends as `media_rejected`.
 */
export type SrtpPolicy = 'off' | 'optional' | 'required';

/** Where the INVITE is sent: the trunk's host or its outbound proxy. Without a port the name is looked up by SRV (RFC 3263). */
export interface NextHop {
  readonly host: string;
  readonly port?: number;
  readonly transport: SipTransport;
}

export interface DigestCredentials {
  readonly username: string;
  readonly password: Secret;
}

/**
 * One attempt on one trunk, as complete data: an engine needs nothing else to carry it, and knows nothing of
 * verifications. Every text in it has been checked for characters that SIP would take as syntax.
 */
export interface Leg {
  /** Our call's id (`call_…`), for logs and traces only; it never becomes the SIP Call-ID. */
  readonly callId: string;
  /** Request-URI and To, such as `sip:+4930123456@carrier.example`. */
  readonly requestUri: string;
  readonly nextHop: NextHop;
  readonly from: { readonly uri: string; readonly displayName?: string };
  /** Further headers of the INVITE, such as P-Asserted-Identity and Privacy (RFC 3325, RFC 3323). */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly credentials?: DigestCredentials;
  /** Of a next hop over `tls`; without it any authority that Node.js knows is believed, and we show no certificate. */
  readonly tls?: TlsTerms;
  /** `off` unless told. */
  readonly srtp?: SrtpPolicy;
  /** In order of preference; at least one. */
  readonly codecs: readonly Codec[];
  /**
   * All that the callee hears, from the answer on. Null only in a flash call that hangs up when it is answered: no
   * media is set up for it at all, and its offer is ours alone.
   */
  readonly prompt: Speech | null;
  readonly timeouts: LegTimeouts;
  /** Where it is set, the call is to ring and not to be answered. */
  readonly flash?: FlashTerms;
  /** Where it is set, the prompt is said only when the right keys have been pressed. */
  readonly gate?: GateTerms;
  /** With a gate as without one. */
  readonly repeat?: RepeatTerms;
  /** Where it is set, what is heard after the answer is listened to for a voicemail. Not in a flash call. */
  readonly detection?: DetectionTerms;
}

/** How a flash call rings. 183 alone is no ringing: networks send it before a phone rings (early media). */
export interface FlashTerms {
  /** From the first 180 to our CANCEL: one ring on the phone, and an entry in its list of missed calls. */
  readonly ringHoldMs: number;
  /** From the INVITE to our CANCEL where no 180 came; larger than `ringHoldMs`. A hard limit of the whole attempt. */
  readonly maxRingMs: number;
  /**
   * What an answer gets: ACK and BYE at once (within 200 ms), or the prompt, which is then not null. An answer that
   * crosses our CANCEL is hung up in both.
   */
  readonly onAnswer: 'hangup' | 'speak';
}

/**
 * What has to be pressed before the prompt is said. Keys come as telephone-events (RFC 4733), or in SIP INFO
 * (`application/dtmf-relay`, `application/dtmf`) from networks that have no others; one that comes both ways within
 * half a second counts once.
 */
export interface GateTerms {
  /** 1–10 of `0`–`9`, `*`, `#`, in this order; what was pressed before them does not matter. */
  readonly keys: Secret;
  /** Said at once after the answer, and again (`asks` in all) where the wait was in vain. */
  readonly ask: Speech;
  /** 1–3. */
  readonly asks: number;
  /**
   * From the end of `ask` to the last of the keys. Keys that come while it is said count too, and stop it: the time
   * runs from there on then.
   */
  readonly waitMs: number;
}

/** Key that says the prompt once more, also while it is said and in the silence after it; so often at most. */
export interface RepeatTerms {
  readonly key: string;
  readonly times: number;
}

/** Who answered, as far as the audio tells: docs/detector.md says how well that works. */
export interface DetectionTerms {
  /**
   * What a machine gets: the prompt like anybody (nothing waits for the verdict, it is only told); BYE; or the prompt
   * after its tone. With the latter two the prompt waits for the first verdict, `decideMs` at most, and a verdict that
   * turns to `machine` later still counts. With a gate its `ask` waits for nothing, `hangup` holds as long as the
   * gate is shut, and there is no `wait_for_tone`.
   */
  readonly onMachine: 'speak' | 'hangup' | 'wait_for_tone';
  /** From the answer, 1000–10,000 ms: without a verdict by then the prompt is said. */
  readonly decideMs: number;
  /** From the verdict to the end of the machine's tone, 1000–60,000 ms; then BYE, and nothing is said. */
  readonly toneMs: number;
}

export interface LegTimeouts {
  /** From the INVITE to the first response of any kind other than 100; then the attempt ends as `setup_timeout`. */
  readonly setupMs: number;
  /** From the first 180 (or, without one, from the first other provisional) to the answer. */
  readonly ringMs: number;
  /** From the first INVITE to the answer, whatever comes meanwhile; without it the other two alone are the limits. */
  readonly attemptMs?: number;
  /** From the answer to the hang-up, whatever else happens. */
  readonly maxCallMs: number;
  /** Silence between the last sample of the prompt and our BYE. */
  readonly lingerMs: number;
}

/**
 * What an engine needs to end a leg that an earlier process left behind: JSON, opaque to everybody else.
 * It holds no credentials; of a flash call it holds the calling number, which whoever keeps it has to seal.
 */
export type Leftover = Readonly<Record<string, unknown>>;

/** What one side of the media saw, for records; counts of RTP packets. */
export interface MediaStats {
  readonly packetsSent: number;
  readonly packetsReceived: number;
  /** Interarrival jitter of what was received (RFC 3550 §6.4.1), milliseconds. */
  readonly jitterMs: number;
  /** Milliseconds of the prompt that were sent. */
  readonly promptSentMs: number;
  /** What both directions were encrypted with, by its name in SDP (RFC 4568 §6.2); absent where they were not. */
  readonly srtp?: string;
  /** Datagrams that SRTP did not let through: not authentic, or ones that came before. */
  readonly srtpDropped?: number;
}

export interface SipResult {
  readonly status: number;
  readonly reason: string;
  /** `Reason: Q.850;cause=` of the final response or the BYE (RFC 3326). */
  readonly q850?: number;
  /** The `text` of that Reason header: 603+ and 608 put the redress contact there. */
  readonly reasonText?: string;
  /** Where whoever blocked the call can be asked for redress: Call-Info with `purpose=jwscard` (RFC 8688 §3.1). */
  readonly redressUri?: string;
  /** Seconds of the Retry-After header. */
  readonly retryAfterSeconds?: number;
}

/** Why a leg is over, before anybody judges it; `call/outcome` turns it into a disposition. */
export type LegEnd =
  /** A final response other than 2xx. */
  | { readonly kind: 'rejected'; readonly sip: SipResult }
  /** A text message that the trunk has taken: 2xx to the MESSAGE. What becomes of it there nobody tells. */
  | { readonly kind: 'taken'; readonly sip: SipResult }
  /** No response but 100 within `setupMs` (or Timer B fired). */
  | { readonly kind: 'setup_timeout' }
  /** Provisional responses, no final one within `ringMs`: canceled by us. */
  | { readonly kind: 'ring_timeout' }
  /** The signal was aborted before the answer. */
  | { readonly kind: 'canceled' }
  /** A flash call that rang for its ring hold: canceled by us, as it should be. */
  | { readonly kind: 'rang' }
  /** A flash call of which the network gave no 180 in time: canceled by us. */
  | { readonly kind: 'no_ring' }
  /** A flash call that was forwarded (181): canceled by us, since another phone would ring. */
  | { readonly kind: 'diverted' }
  /** A BYE after the answer. */
  | {
      readonly kind: 'hung_up';
      readonly by: 'callee' | 'us';
      readonly why:
        | 'prompt_finished'
        | 'aborted'
        | 'max_duration'
        | 'session_expired'
        | 'peer'
        | 'peer_lost'
        /** Answered while our CANCEL was on its way: ACK and BYE at once, nothing was heard. */
        | 'crossed_cancel'
        /** Somebody picked up a flash call that says nothing. */
        | 'flash_answered'
        /** The gate stayed shut: nothing of the prompt was said. */
        | 'no_key'
        /** A machine answered, and is to hear nothing, or gave no tone. */
        | 'machine';
      readonly sip?: SipResult;
    }
  /** The answer's SDP could not be used (no common codec, no address): ACK, then BYE. */
  | { readonly kind: 'media_rejected'; readonly detail: string }
  /** Nothing could be sent to the trunk: no address, refused connection. */
  | { readonly kind: 'unreachable'; readonly detail: string }
  /** A fault of our own: no free port, a broken worker, a dead link to a server of ours, a bug. */
  | { readonly kind: 'failed'; readonly detail: string };

/**
 * One text message on one trunk (MESSAGE, RFC 3428), as complete data. Every text of its head has been checked for
 * characters that SIP would take as syntax.
 */
export interface TextLeg
  extends Pick<Leg, 'callId' | 'requestUri' | 'nextHop' | 'from' | 'headers' | 'credentials' | 'tls'> {
  /** What is sent, as `text/plain;charset=UTF-8`; it holds a code. */
  readonly body: Secret;
  /** From the first MESSAGE to the final response. */
  readonly timeoutMs: number;
}

/** A request outside of calls: a sign of life asked for (OPTIONS, RFC 3261 §11), or a registration (REGISTER, §10). */
export interface PlainRequest {
  readonly method: 'OPTIONS' | 'REGISTER';
  /** Of a REGISTER the registrar alone, such as `sip:carrier.example` (§10.2). */
  readonly requestUri: string;
  /** In To; of a REGISTER the address of record. */
  readonly to: string;
  /** In From. */
  readonly from: string;
  readonly nextHop: NextHop;
  readonly credentials?: DigestCredentials;
  readonly tls?: TlsTerms;
  /** Of a REGISTER: what is asked for, in seconds; 0 takes the registration back. Without it, one is only asked about. */
  readonly expiresSeconds?: number;
}

/** What came of a `PlainRequest`. Challenges (401, 407) were answered where there are credentials. */
export type PlainAnswer =
  | {
      readonly kind: 'response';
      readonly sip: SipResult;
      /** Of a 200 to a REGISTER: how long our contact is kept (RFC 3261 §10.2.4). */
      readonly expiresSeconds?: number;
    }
  /** Silence until Timer F, or until the signal was aborted. */
  | { readonly kind: 'no_response' }
  /** Nothing could be sent: no address, refused connection, a certificate that is not believed. */
  | { readonly kind: 'unreachable'; readonly detail: string }
  /** A fault of our own, such as a server of ours that is away. */
  | { readonly kind: 'failed'; readonly detail: string };

interface At {
  /** Epoch milliseconds; never smaller than that of the event before. */
  readonly at: number;
}

export type CallEvent = At &
  (
    | {
        /** First of all. The INVITE leaves only when the consumer asks for the event after this one. */
        readonly type: 'trying';
        /** Call-ID of its SIP messages, for traces. */
        readonly sipCallId?: string;
        readonly leftover: Leftover;
      }
    /**
     * The INVITE has left, and the engine knows more of how to end it than it did at `trying`. Only engines
     * that learn it then tell it, before any event of the far end.
     */
    | { readonly type: 'sent'; readonly leftover: Leftover }
    /**
     * One more INVITE is due: for a challenge (401, 407), a 422, or another address of the trunk. As the first, it leaves
     * only when the consumer asks for the event after this one; the time until then is nobody's. What UDP sends again
     * of the same INVITE (RFC 3261 §17.1.1.2) is not told.
     */
    | { readonly type: 'again' }
    /** A provisional response other than 100, 180, and 183 with SDP: 181 says forwarded (RFC 3261 §21.1.3). */
    | { readonly type: 'progress'; readonly status: number }
    | { readonly type: 'ringing'; readonly leftover: Leftover }
    | { readonly type: 'early_media' }
    | {
        readonly type: 'answered';
        /** Null where the answer's description could not be used, or the call is hung up at once. */
        readonly codec: Codec | null;
        readonly leftover: Leftover;
      }
    | { readonly type: 'dtmf'; readonly digit: string; readonly durationMs: number }
    /** The keys were pressed: the prompt begins. Only with a gate. */
    | { readonly type: 'gate_opened' }
    /** Who answered; told once, and again where the verdict changes. `unknown` when the time to decide was over. Only with detection. */
    | {
        readonly type: 'detected';
        readonly verdict: 'human' | 'machine' | 'unknown';
        /** What the verdict is founded on, such as `long_greeting`. */
        readonly reason: string;
      }
    /** A machine's tone was heard: what is said from now on is recorded. Only with detection. */
    | { readonly type: 'tone_heard' }
    | { readonly type: 'prompt_finished' }
    | { readonly type: 'ended'; readonly end: LegEnd; readonly media?: MediaStats }
  );

/** What becomes of a leg on the wire, for whoever counts it. Either may be told after the last event of the leg too. */
export interface LegWire {
  /** An INVITE, or a MESSAGE, has left: the first, or one of which `again` has told. */
  sent(): void;
  /**
   * Told once of each leg: the far end has nothing of it any more, since it gave a final response to the INVITE or to the
   * BYE, or since none will come (Timer B, Timer F), or since no INVITE ever left.
   */
  over(): void;
}

export interface Engine {
  readonly name: 'embedded' | 'freeswitch';
  start(): Promise<void>;
  /** What is missing for a call to be carried; empty when all is there. */
  missing(): readonly string[];
  /**
   * Carries one leg. Never rejects for what the network or the callee does: that is an `ended` event. Abort
   * sends CANCEL before the answer and BYE after it. `trying` is first, exactly one `ended` is last, and
   * whoever stops reading early (`return()`) ends the call too.
   */
  originate(leg: Leg, signal: AbortSignal, wire?: LegWire): AsyncGenerator<CallEvent, void, undefined>;
  /**
   * Sends one text message: `trying`, `again` where a challenge is answered, `ended`, with the same promises as
   * `originate`. No second MESSAGE but that one ever leaves, whatever comes: not to another address either. It is
   * `taken`, `rejected`, `setup_timeout` (no final response in time), `canceled`, `unreachable` or `failed`. Abort waits
   * no longer for what becomes of it: nothing takes a MESSAGE back. One that would be longer than 1300 bytes is not sent
   * (RFC 3428 §8), and is `failed`.
   */
  message(text: TextLeg, signal: AbortSignal, wire?: LegWire): AsyncGenerator<CallEvent, void, undefined>;
  /** Sends one request outside of calls, and waits for its final response. Never rejects. */
  request(request: PlainRequest, signal: AbortSignal): Promise<PlainAnswer>;
  /**
   * Ends a leg that a process before this one left up: CANCEL or BYE. True when the far end said that it is
   * over, false when it stayed silent. Never rejects. `tls` is what the leg had: a leftover holds no keys.
   */
  endLeftover(leftover: Leftover, credentials?: DigestCredentials, tls?: TlsTerms): Promise<boolean>;
  /** Ends what is still up, waits until it is over or the signal is aborted, and frees everything. */
  close(signal: AbortSignal): Promise<void>;
}
