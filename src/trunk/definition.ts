import type {
  Codec,
  DigestCredentials,
  NextHop,
  SipTransport,
  SrtpPolicy,
  TlsTerms,
} from '../engine/engine.ts';
import type { Secret } from '../secret.ts';
import type { CliRange } from './cli-pool.ts';

/**
 * How the calling number is shown: in From only; in From and P-Asserted-Identity (RFC 3325); or in
 * P-Asserted-Identity alone, with an anonymous From and `Privacy: id` (RFC 3323 §4.1, RFC 3325 §9.3).
 */
export type TrunkIdentity = 'from' | 'pai' | 'pai_privacy';

export const TRUNK_IDENTITIES = ['from', 'pai', 'pai_privacy'] as const satisfies readonly TrunkIdentity[];

/**
 * What a trunk's `numberFormat` looks like: `+E164` (+4930123456), `E164` (4930123456), or digits that take
 * the place of the plus: `00E164` (004930123456), `9011E164`.
 */
export const NUMBER_FORMAT = /^(\+|\d{0,8})E164$/;

/** Characters that no text of a trunk may have, since SIP takes them as syntax or as the end of a header. */
export const UNSAFE_IN_SIP = /[\p{Cc}"\\<>]/u;

/**
 * A charge per minute. `increment` is how seconds are counted: `60/60` whole minutes, `1/1` seconds, `30/6` thirty
 * seconds at first and then steps of six.
 */
export interface TrunkPrice {
  /** Decimal, such as `0.0125`; not negative. */
  readonly amount: string;
  /** See `INCREMENT`: both parts 1–3600 seconds. */
  readonly increment: string;
}

/** A charge per text message, as networks count them (`measure` in src/sms/measure.ts). */
export interface TextPrice {
  /** Decimal, such as `0.045`; see `AMOUNT`. */
  readonly amount: string;
  /** ISO 4217, such as `EUR`. */
  readonly currency: string;
}

/** What a price's `increment` looks like: seconds that are charged at least, and the steps after them. */
export const INCREMENT = /^([1-9]\d{0,3})\/([1-9]\d{0,3})$/;

/** What a price's `amount` looks like. */
export const AMOUNT = /^\d{1,9}(?:\.\d{1,9})?$/;

/** Numbers that a trunk carries, and what it charges for them. */
export interface ServedPrefix {
  /** `+` for all numbers, or the beginning of an E.164 number with plus, such as `+49` or `+4915`. */
  readonly prefix: string;
  /** Without it the trunk is routed after those with a price, where nothing before the price decides. */
  readonly price?: TrunkPrice | undefined;
  /** ISO 4217, such as `EUR`; with every price. */
  readonly currency?: string | undefined;
}

/** What an override says of one final response. */
export type TrunkRetry = 'next_trunk' | 'never';

/** One way into the telephone network, as the operator describes it. */
export interface Trunk {
  readonly id: string;
  /** Host part of the request URI; also where the INVITE goes unless there is an outbound proxy. */
  readonly host: string;
  /** Without it, `host` is looked up by SRV (RFC 3263). */
  readonly port?: number | undefined;
  readonly transport: SipTransport;
  readonly outboundProxy?: OutboundProxy | undefined;
  /** Digest credentials: both or none. */
  readonly username?: string | undefined;
  readonly password?: Secret | undefined;
  /** Calling number, E.164 with plus, or any user part that the carrier asks for. */
  readonly cli: string;
  /** Further calling numbers that a request may ask for. */
  readonly allowedClis?: readonly string[] | undefined;
  /** Calling numbers for flash calls. */
  readonly flashPool?: readonly CliRange[] | undefined;
  readonly displayName?: string | undefined;
  /** In order of preference; at least one. */
  readonly codecs: readonly Codec[];
  /** See `NUMBER_FORMAT`. */
  readonly numberFormat: string;
  readonly identity: TrunkIdentity;
  /** See `LegTimeouts.setupMs`. */
  readonly setupTimeoutMs: number;
  /** See `LegTimeouts.ringMs`. */
  readonly ringTimeoutMs: number;
  /** Where it is set, it carries text messages (MESSAGE, RFC 3428). */
  readonly sms?: TrunkTexts | undefined;
  /** Whether a 403 of this trunk is tried again on the next one: some carriers say 403 for "not on this route". */
  readonly retryRejected: boolean;
  /** Numbers that it carries; all, without a price, where there are none. The longest that fits counts. */
  readonly prefixes?: readonly ServedPrefix[] | undefined;
  /**
   * 0–65,535; of trunks with a prefix of the same length, the lowest is tried first (as in RFC 2782). Without it,
   * its place in the configuration, from 1: trunks that say nothing are tried in their order.
   */
  readonly priority?: number | undefined;
  /**
   * 0–65,535: its share of the calls among trunks of the same priority. Without it 0: no share is drawn, and it comes
   * after those that have one, the cheapest first.
   */
  readonly weight?: number | undefined;
  /** INVITEs that may leave within any second: a whole number, 1–1000. Without it, no limit. */
  readonly cps?: number | undefined;
  /** Calls at a time, those included that only ring: 1–100,000. Without it, no limit. */
  readonly channels?: number | undefined;
  /**
   * By final response (`300` to `699`; 408 also for silence) what the table of results says otherwise. No override
   * makes a phone ring twice, or calls on after a block (`retryOf` in retry.ts).
   */
  readonly retry?: Readonly<Record<string, TrunkRetry>> | undefined;
  /** Whom we believe to be the trunk, and what we show it, where it is reached over `tls`. */
  readonly tls?: TlsTerms | undefined;
  /** Whether RTP is encrypted (SDES, RFC 4568). Without it, it is not. */
  readonly srtp?: SrtpPolicy | undefined;
  /** From one OPTIONS to the next, 1–3600 s. Without it none is sent, and the trunk counts as alive. */
  readonly optionsIntervalSeconds?: number | undefined;
  /** Where it is set, we register with the trunk, and calls go by it only while we are registered. */
  readonly register?: TrunkRegistration | undefined;
}

/** How a trunk carries text messages. */
export interface TrunkTexts {
  /** Messages that a longer text may be sent as: 1–8. */
  readonly maxSegments: number;
  /** From a MESSAGE to its final response. */
  readonly timeoutMs: number;
  /** It carries no calls. */
  readonly only: boolean;
  /** For each message that a text is sent as, whatever its number. Without it, nothing is known of the price. */
  readonly price?: TextPrice | undefined;
}

/** What is registered with a trunk (RFC 3261 §10). Challenges are answered with the trunk's credentials. */
export interface TrunkRegistration {
  /** Where, if not at the trunk's host and port; see `REGISTRAR`. REGISTER goes there, or to the outbound proxy. */
  readonly registrar?: string | undefined;
  /** What is asked for: 60–86,400 s. The registrar may grant less. */
  readonly expiresSeconds: number;
  /** User part of the address of record. Without it the trunk's `username`. */
  readonly user?: string | undefined;
}

/** What a `registrar` looks like: `carrier.example`, `carrier.example:5070`, `[2001:db8::1]`. */
export const REGISTRAR = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([1-9]\d{0,4}))?$/;

interface OutboundProxy {
  readonly host: string;
  readonly port?: number | undefined;
  /** Default: the trunk's. */
  readonly transport?: SipTransport | undefined;
}

/** The number as the trunk wants it dialled. `e164` has its plus. */
export function dialledNumber(e164: string, numberFormat: string): string {
  const prefix = NUMBER_FORMAT.exec(numberFormat)?.[1];
  if (prefix === undefined) {
    throw new Error(`number format of a trunk is not of the form +E164, E164 or 00E164: ${numberFormat}`);
  }
  return prefix + e164.slice(1);
}

/**
 * The calling number as the trunk wants it shown. A dialling prefix such as `00` belongs to the number that is
 * called, so that a trunk with one gets the plus here; a CLI without plus stays as it is.
 */
export function shownNumber(trunk: Trunk, cli = trunk.cli): string {
  return trunk.numberFormat === 'E164' && cli.startsWith('+') ? cli.slice(1) : cli;
}

/** Whether a call by this trunk may show the number. */
export function mayShow(trunk: Trunk, cli: string): boolean {
  return cli === trunk.cli || (trunk.allowedClis ?? []).includes(cli);
}

/** Whether a trunk carries calls, or text messages. */
export function carriesChannel({ sms }: Trunk, channel: 'voice' | 'flash' | 'sms' = 'voice'): boolean {
  return channel === 'sms' ? sms !== undefined : sms?.only !== true;
}

/** What a text message costs by a trunk that carries some; null where it has no price. A `sip:` address goes its own way. */
export function textPriceOf({ sms }: Trunk, to: string): TextPrice | null {
  return to.startsWith('sip:') ? null : (sms?.price ?? null);
}

export function trunkCredentials(trunk: Trunk): DigestCredentials | undefined {
  return trunk.username === undefined || trunk.password === undefined
    ? undefined
    : { username: trunk.username, password: trunk.password };
}

/** Where the INVITE of an ordinary number goes. */
export function trunkNextHop(trunk: Trunk): NextHop {
  const { host, port, transport = trunk.transport } = trunk.outboundProxy ?? trunk;
  return { host, transport, ...(port === undefined ? {} : { port }) };
}

/** Where the trunk's registrar is: the one that it names, or its host. */
export function trunkRegistrar(trunk: Trunk): NextHop {
  const { host, port, transport, register } = trunk;
  const [, v6, name, named] = REGISTRAR.exec(register?.registrar ?? '') ?? [];
  const registrar = v6 ?? name;
  if (registrar === undefined) return { host, transport, ...(port === undefined ? {} : { port }) };
  return { host: registrar, transport, ...(named === undefined ? {} : { port: Number(named) }) };
}

/** `carrier.example`, `carrier.example:5070`, `[2001:db8::1]:5070`: host and port as a SIP URI has them. */
export function hostPort(host: string, port: number | undefined): string {
  const bracketed = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return port === undefined ? bracketed : `${bracketed}:${port}`;
}
