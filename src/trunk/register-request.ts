/** The REGISTER of a trunk as data, and what its answer means. */
import type { PlainAnswer, PlainRequest } from '../engine/engine.ts';
import { hostPort, type Trunk, trunkCredentials, trunkNextHop, trunkRegistrar } from './definition.ts';

/**
 * The REGISTER of a trunk that has a `register`.
 *
 * @param expiresSeconds 0 takes the registration back
 */
export function registerRequest(trunk: Trunk, expiresSeconds: number): PlainRequest {
  const registrar = trunkRegistrar(trunk);
  const user = trunk.register?.user ?? trunk.username ?? '';
  // The domain of an address of record has no port, the place where it is registered may have one (RFC 3261 §10.2).
  const aor = `sip:${escaped(user)}@${hostPort(registrar.host, undefined)}`;
  const credentials = trunkCredentials(trunk);
  return {
    method: 'REGISTER',
    requestUri: `sip:${hostPort(registrar.host, registrar.port)}`,
    to: aor,
    from: aor,
    nextHop: trunk.outboundProxy === undefined ? registrar : trunkNextHop(trunk),
    ...(credentials === undefined ? {} : { credentials }),
    ...(trunk.tls === undefined ? {} : { tls: trunk.tls }),
    expiresSeconds,
  };
}

/** What has to be the same for a registration to be the same: the address, and the way to its registrar. */
export function bindingOf(trunk: Trunk): string {
  const { requestUri, to, nextHop } = registerRequest(trunk, 0);
  return JSON.stringify([requestUri, to, nextHop]);
}

/** No longer is believed: a day, the most that is ever asked for. */
const MAX_GRANT_S = 86_400;

/**
 * For how many seconds we are registered; undefined where we are not, also by a registrar that says 200 and keeps
 * nothing. One that does not say how long it does keeps what was asked for.
 */
export function grantOf(answer: PlainAnswer, askedSeconds: number): number | undefined {
  if (answer.kind !== 'response' || answer.sip.status < 200 || answer.sip.status > 299) return undefined;
  const seconds = answer.expiresSeconds ?? askedSeconds;
  return seconds > 0 ? Math.min(seconds, MAX_GRANT_S) : undefined;
}

/** Server failures and silence pass; so do these (RFC 3261 §21.4.9, §21.4.18). */
const PASSING: ReadonlySet<number> = new Set([408, 480]);

/** Whether the registrar does not want us, and keeps nothing: trying again soon is of no use. */
export function isRefusal(answer: PlainAnswer): boolean {
  if (answer.kind !== 'response') return false;
  const { status } = answer.sip;
  if (status < 300) return answer.expiresSeconds === 0;
  return (status < 500 || status >= 600) && !PASSING.has(status);
}

/** For the operator. */
export function wordsFor(answer: PlainAnswer): string {
  if (answer.kind === 'no_response') return 'no response';
  if (answer.kind !== 'response') return answer.detail;
  const { status, reason } = answer.sip;
  const kept = status < 300 && answer.expiresSeconds === 0 ? ', kept for 0 s' : '';
  return `${status} ${reason}`.trim() + kept;
}

/** What may stand in the user part of a URI as it is (RFC 3261 §25.1), but for `;`, `?` and `/`. */
function escaped(user: string): string {
  return user.replace(/[^A-Za-z0-9\-_.!~*'()&=+$,]/gu, encodeURIComponent);
}
