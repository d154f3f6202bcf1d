import { header, parseMessage, type SipRequest, type SipResponse } from '../../src/sip/message.ts';
import type { CapturedMessage } from './sip-capture.ts';

/** Of a capture, or of another record of what passed; `at` in milliseconds. */
type Passed = Pick<CapturedMessage, 'at' | 'message'>;

/**
 * What calls cost by what passed alone: the seconds of each, by the number that was called. From the first 200 to its
 * INVITE to the first BYE, whoever said it; NaN without a BYE, 0 without an answer.
 *
 * @param incrementOf of a number, such as `60/60`
 */
export function billedSeconds(
  passed: readonly Passed[],
  incrementOf: (to: string) => string,
): ReadonlyMap<string, number> {
  const callIds = new Set(passed.map(({ message }) => header(message, 'Call-ID')));
  return new Map(
    [...callIds].map((callId): [string, number] => {
      const messages = passed.filter(({ message }) => header(message, 'Call-ID') === callId);
      const first = messages[0]?.message;
      const to = /^sip:(\+\d+)@/.exec(first?.kind === 'request' ? first.uri : '')?.[1] ?? 'nobody';
      const answer = messages.find(({ message }) => message.kind === 'response' && isAnswer(message));
      const bye = messages.find(({ message }) => message.kind === 'request' && message.method === 'BYE');
      if (answer === undefined) return [to, 0];
      return [to, secondsOf((bye?.at ?? Number.NaN) - answer.at, incrementOf(to))];
    }),
  );
}

/** A message as text, of which it is known that it is one. */
export function messageOf(text: string): SipRequest | SipResponse {
  const message = parseMessage(Buffer.from(text));
  if (message.kind !== 'request' && message.kind !== 'response') throw new Error('no SIP message');
  return message;
}

function isAnswer(response: SipResponse): boolean {
  return response.status === 200 && header(response, 'CSeq')?.endsWith(' INVITE') === true;
}

/** Counted up, part by part. */
function secondsOf(ms: number, increment: string): number {
  if (Number.isNaN(ms)) return ms;
  const [first = 0, next = 0] = increment.split('/').map(Number);
  let seconds = first;
  while (seconds * 1000 < ms) seconds += next;
  return seconds;
}
