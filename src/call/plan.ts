import type { TextCharge } from '../cdr/billing.ts';
import type {
  Codec,
  DetectionTerms,
  DigestCredentials,
  FlashTerms,
  GateTerms,
  Leg,
  LegTimeouts,
  NextHop,
  RepeatTerms,
  TextLeg,
  TlsTerms,
} from '../engine/engine.ts';
import type { Speech } from '../media/speech.ts';
import type { Secret } from '../secret.ts';
import { fits, segmentsOf } from '../sms/message.ts';
import type { Trunk } from '../trunk/definition.ts';
import {
  dialledNumber,
  hostPort,
  mayShow,
  shownNumber,
  textPriceOf,
  trunkCredentials,
  trunkNextHop,
  UNSAFE_IN_SIP,
} from '../trunk/definition.ts';
import type { CallWishes } from './call.ts';

export interface PlanInput {
  readonly callId: string;
  /** E.164 with plus, or a `sip:` address as `readCallee` gives it. */
  readonly to: string;
  /** In the order in which they are to be tried. */
  readonly trunks: readonly Trunk[];
  readonly wishes: CallWishes;
  /** Of a flash call: what it shows and where it goes, whatever the wishes say, and how it rings. */
  readonly flash?: { readonly cli: string; readonly trunkId: string; readonly terms: FlashTerms };
  readonly gate?: GateTerms;
  readonly repeat?: RepeatTerms;
  readonly detection?: DetectionTerms;
  readonly prompt: Speech | null;
  readonly timeouts: Pick<LegTimeouts, 'attemptMs' | 'maxCallMs' | 'lingerMs'>;
}

/** A leg that may be dialled, and the trunk that it belongs to. */
export interface PlannedLeg {
  readonly trunk: Trunk;
  /** As the callee sees it. */
  readonly cli: string;
  readonly leg: Leg;
}

/** A text message that may be sent, and the trunk that it goes by. */
export interface PlannedText {
  readonly trunk: Trunk;
  /** Whom the callee sees it come from. */
  readonly cli: string;
  readonly text: TextLeg;
  readonly charge: TextCharge;
}

const SIP_ADDRESS = /^sip:[^@]+@(?<host>\[[^\]]+\]|[^:]+)(?::(?<port>\d+))?$/;

/**
 * The text messages of a call, as `plan` has its legs. A trunk that takes fewer messages as one than the text needs has
 * none.
 *
 * @throws Error as `plan`
 */
export function planTexts(
  input: Pick<PlanInput, 'callId' | 'to' | 'trunks' | 'wishes'> & { readonly body: Secret },
): readonly PlannedText[] {
  const { callId, to, wishes, body } = input;
  const segments = segmentsOf(body);
  const texts = input.trunks.flatMap((trunk): readonly PlannedText[] => {
    const isAsked = wishes.trunkId === null || trunk.id === wishes.trunkId;
    const { sms } = trunk;
    if (sms === undefined || !isAsked || !fits(body, sms.maxSegments)) return [];
    if (wishes.cli !== null && !mayShow(trunk, wishes.cli)) return [];
    const cli = shownNumber(trunk, wishes.cli ?? trunk.cli);
    const text = { callId, ...wayOf(to, trunk, cli), body, timeoutMs: sms.timeoutMs };
    return [{ trunk, cli, text, charge: { segments, price: textPriceOf(trunk, to) } }];
  });
  return to.startsWith('sip:') ? withoutRepeats(texts, ({ text }) => text.nextHop) : texts;
}

/**
 * The legs of a call, in the order in which they are to be tried.
 *
 * A number goes to each trunk. A `sip:` address names its own way: it is asked for at its own host, by each
 * trunk that has an outbound proxy, or once directly; a trunk's password goes to that trunk only. None where no
 * trunk may do what the call wishes.
 *
 * @throws Error where a text of a trunk would change the syntax of a SIP message
 */
export function plan(input: PlanInput): readonly PlannedLeg[] {
  const trunkId = input.flash?.trunkId ?? input.wishes.trunkId;
  const cli = input.flash?.cli ?? input.wishes.cli;
  const usable = input.trunks.filter(
    (trunk) =>
      trunk.sms?.only !== true &&
      (trunkId === null || trunk.id === trunkId) &&
      (cli === null || input.flash !== undefined || mayShow(trunk, cli)),
  );
  const legs = usable.map((trunk) => {
    const shown = shownNumber(trunk, cli ?? trunk.cli);
    return { trunk, cli: shown, leg: legOf(input, trunk, shown) };
  });
  return input.to.startsWith('sip:') ? withoutRepeats(legs, ({ leg }) => leg.nextHop) : legs;
}

/**
 * The leg with the codecs first that a trunk before it did not offer, and of those that one did, the last one first:
 * after a 488 there is no use in saying the same again.
 */
export function withOtherCodecs(leg: Leg, offered: readonly Codec[]): Leg {
  const others = leg.codecs.filter((codec) => !offered.includes(codec));
  const again = leg.codecs.filter((codec) => offered.includes(codec));
  return { ...leg, codecs: [...others, ...again.toReversed()] };
}

/** The password for a call by a trunk: none where a host that an API client chose would be told it. */
export function callCredentials(to: string, trunk: Trunk): DigestCredentials | undefined {
  return destinationOf(to, trunk).isTrunk ? trunkCredentials(trunk) : undefined;
}

function legOf(input: PlanInput, trunk: Trunk, shown: string): Leg {
  const { callId, to, prompt, timeouts, wishes, flash, gate, repeat, detection } = input;
  return {
    callId,
    ...wayOf(to, trunk, shown),
    ...(trunk.srtp === undefined ? {} : { srtp: trunk.srtp }),
    codecs: trunk.codecs,
    prompt,
    ...(flash === undefined ? {} : { flash: flash.terms }),
    ...(gate === undefined ? {} : { gate }),
    ...(repeat === undefined ? {} : { repeat }),
    ...(detection === undefined ? {} : { detection }),
    timeouts: {
      ...timeouts,
      setupMs: trunk.setupTimeoutMs,
      ringMs: wishes.ringTimeoutMs ?? trunk.ringTimeoutMs,
    },
  };
}

/** Where a request goes, in whose name, and what it proves itself with. */
function wayOf(
  to: string,
  trunk: Trunk,
  shown: string,
): Pick<Leg, 'requestUri' | 'nextHop' | 'from' | 'headers' | 'credentials' | 'tls'> {
  const { requestUri, nextHop } = destinationOf(to, trunk);
  const credentials = callCredentials(to, trunk);
  return {
    requestUri,
    nextHop,
    ...identity(trunk, shown),
    ...(credentials === undefined ? {} : { credentials }),
    ...tlsOf(to, trunk),
  };
}

/** Of a TLS trunk: a host that an API client chose is shown no certificate of ours. */
export function tlsOf(to: string, trunk: Trunk): { readonly tls?: TlsTerms } {
  const { tls } = trunk;
  if (tls === undefined) return {};
  if (destinationOf(to, trunk).isTrunk) return { tls };
  const { certificate: _ours, ...rest } = tls;
  return { tls: rest };
}

interface Destination {
  readonly requestUri: string;
  readonly nextHop: NextHop;
  /** Whether it is the trunk that is talked to, and not a host that an API client chose. */
  readonly isTrunk: boolean;
}

function destinationOf(to: string, trunk: Trunk): Destination {
  return to.startsWith('sip:') ? addressDestination(to, trunk) : numberDestination(to, trunk);
}

function numberDestination(to: string, trunk: Trunk): Destination {
  const user = dialledNumber(to, trunk.numberFormat);
  return {
    requestUri: harmless(`sip:${user}@${hostPort(trunk.host, trunk.port)}`),
    nextHop: trunkNextHop(trunk),
    isTrunk: true,
  };
}

function addressDestination(to: string, trunk: Trunk): Destination {
  const parts = SIP_ADDRESS.exec(to)?.groups;
  if (parts === undefined) {
    throw new Error('a sip: callee that readCallee would not have let through');
  }
  if (trunk.outboundProxy !== undefined) {
    return { requestUri: harmless(to), nextHop: trunkNextHop(trunk), isTrunk: true };
  }
  const host = String(parts['host']).replace(/^\[|\]$/g, '');
  const port = parts['port'] === undefined ? undefined : Number(parts['port']);
  return {
    requestUri: harmless(to),
    nextHop: { host, transport: trunk.transport, ...(port === undefined ? {} : { port }) },
    isTrunk: host === trunk.host.toLowerCase() && port === trunk.port,
  };
}

function identity(trunk: Trunk, shown: string): Pick<Leg, 'from' | 'headers'> {
  const uri = harmless(`sip:${shown}@${hostPort(trunk.host, undefined)}`);
  const name = trunk.displayName === undefined ? undefined : harmless(trunk.displayName);
  const asserted = `${name === undefined ? '' : `"${name}" `}<${uri}>`;
  const from = { uri, ...(name === undefined ? {} : { displayName: name }) };
  switch (trunk.identity) {
    case 'from':
      return { from, headers: [] };
    case 'pai':
      return { from, headers: [['P-Asserted-Identity', asserted]] };
    case 'pai_privacy':
      return {
        // RFC 3323 §4.1.1.3: these very words.
        from: { uri: 'sip:anonymous@anonymous.invalid', displayName: 'Anonymous' },
        headers: [
          ['P-Asserted-Identity', asserted],
          ['Privacy', 'id'],
        ],
      };
  }
}

/** Trunks without a proxy would all ask the same host: once is enough. */
function withoutRepeats<Planned>(
  legs: readonly Planned[],
  nextHopOf: (planned: Planned) => NextHop,
): readonly Planned[] {
  const seen = new Set<string>();
  return legs.filter((planned) => {
    const nextHop = nextHopOf(planned);
    const hop = `${nextHop.transport} ${hostPort(nextHop.host, nextHop.port)}`;
    return !seen.has(hop) && seen.add(hop);
  });
}

/** The configuration and `readCallee` have looked already; this is where a mistake of theirs would do harm. */
function harmless(text: string): string {
  if (UNSAFE_IN_SIP.test(text)) {
    throw new Error('a text of the plan has characters that SIP takes as syntax');
  }
  return text;
}
