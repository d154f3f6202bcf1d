import { type Call, durations } from '../call/call.ts';
import type { CallEventTold, NoticeEvent } from './events.ts';
import type { Notice } from './notice.ts';
import type { NoticeRequest } from './request.ts';
import { withQuery } from './request.ts';
import { restcommStatusOf } from './restcomm-status.ts';

/** What a request for a call may ask to be told, and when that is. */
const WORDS: Readonly<Record<string, string | undefined>> = {
  'call.trying': 'initiated',
  'call.ringing': 'ringing',
  'call.answered': 'answered',
  'call.ended': 'completed',
};

/** Whether a status callback tells it: of several attempts the first that came so far. @param words null: all of them */
export function isToldInRestcomm(
  event: NoticeEvent,
  words: readonly string[] | null,
): event is CallEventTold {
  const word = WORDS[event.type];
  if (!('entry' in event) || word === undefined || words?.includes(word) === false) return false;
  if (event.type === 'call.ended') return true;
  const { call, index, entry } = event;
  return call.timeline.findIndex(({ type }) => type === entry.type) === index;
}

/** A status callback of the Calls API of Restcomm: a form, or a query where the method is GET. */
export function restcommRequest(
  event: CallEventTold,
  { target, delivered, clientId }: Notice,
): NoticeRequest {
  const { call, type, at, entry } = event;
  const attempt = call.attempts[Math.max(1, entry.attempt) - 1];
  const last = call.attempts.at(-1);
  const fields = {
    CallSid: `CA${call.id.replace(/^[a-z]+_/, '')}`,
    AccountSid: target.fields['accountSid'] ?? clientId ?? '',
    From: (type === 'call.ended' ? last : attempt)?.cli ?? call.wishes.cli ?? '',
    To: call.to,
    CallStatus: statusOf(call, type),
    ApiVersion: '2012-04-24',
    Direction: 'outbound-api',
    CallDuration: type === 'call.ended' ? String(talkSeconds(call)) : '0',
    // RFC 2822: the zone as a number.
    Timestamp: new Date(at).toUTCString().replace('GMT', '+0000'),
    CallbackSource: 'call-progress-events',
    SequenceNumber: String(delivered),
  };
  const url = target.url ?? '';
  if (target.method === 'GET') return { method: 'GET', url: withQuery(url, fields), headers: {} };
  return {
    method: 'POST',
    url,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
  };
}

/** As it was then, not as it is when it is told. */
function statusOf(call: Call, type: string): string {
  if (type === 'call.trying') return 'initiated';
  if (type === 'call.ringing') return 'ringing';
  return type === 'call.answered' ? 'in-progress' : restcommStatusOf(call);
}

function talkSeconds({ attempts }: Call): number {
  const last = attempts.at(-1);
  return last === undefined ? 0 : Math.round((durations(last).talkMs ?? 0) / 1000);
}
