import { header, type SipHeader, type SipRequest } from './message.ts';

/** A key that somebody pressed, as SIP INFO tells it. */
export interface InfoKey {
  /** One of 0-9, *, #, A-D. */
  readonly digit: string;
  /** 0 where it is not said. */
  readonly durationMs: number;
}

/** What an INFO within a dialog gets, and the key that it told. */
export interface InfoAnswer {
  readonly status: 200 | 415 | 469;
  readonly headers: readonly SipHeader[];
  readonly key?: InfoKey;
}

const KEYS = '0123456789*#ABCD';
const MAX_DURATION_MS = 60_000;
const TYPES = 'application/dtmf-relay, application/dtmf';

/**
 * Answers an INFO. Keys have no Info Package: networks without telephone-events send them in bodies of these two types,
 * which no RFC describes. Other bodies get 415 (RFC 2976 §2.2), all packages 469, since we ask for none (RFC 6086
 * §4.2.2); an INFO without a body says nothing and is well.
 */
export function answerInfo(request: SipRequest): InfoAnswer {
  if (header(request, 'Info-Package') !== undefined) return { status: 469, headers: [['Recv-Info', '']] };
  if (request.body === '') return { status: 200, headers: [] };
  const type = (header(request, 'Content-Type') ?? '').split(';')[0]?.trim().toLowerCase();
  if (type === 'application/dtmf-relay') return told(relayed(request.body));
  if (type === 'application/dtmf') return told(keyOf(request.body, undefined));
  return { status: 415, headers: [['Accept', TYPES]] };
}

/** What is no key (the hook flash) is taken, and means nothing. */
function told(key: InfoKey | undefined): InfoAnswer {
  return { status: 200, headers: [], ...(key === undefined ? {} : { key }) };
}

/** Lines such as `Signal=5` and `Duration=160`, in any order and with any blanks. */
function relayed(body: string): InfoKey | undefined {
  const lines = new Map(
    body.split(/[\r\n]+/).map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at).trim().toLowerCase(), line.slice(at + 1)] as const;
    }),
  );
  return keyOf(lines.get('signal') ?? '', lines.get('duration'));
}

/** `10` is the star and `11` the hash where events are told by their number (RFC 4733 §3.2). */
function keyOf(signal: string, duration: string | undefined): InfoKey | undefined {
  const word = signal.trim().toUpperCase();
  const digit = /^1[0-5]$/.test(word) ? KEYS[Number(word)] : word;
  if (digit === undefined || digit.length !== 1 || !KEYS.includes(digit)) return undefined;
  const said = /^\d{1,6}$/.test(duration?.trim() ?? '') ? Number(duration) : 0;
  return { digit, durationMs: Math.min(said, MAX_DURATION_MS) };
}
