import type { Call } from '../call/call.ts';
import { durations } from '../call/call.ts';
import { restcommStatusOf } from '../webhooks/restcomm-status.ts';
import { iso, isoOrNull } from './answers.ts';
import { ACCOUNTS } from './restcomm-calls-errors.ts';
import type { RestcommCall, RestcommCallPage } from './restcomm-calls-schemas.ts';
import type { XmlNode } from './restcomm-calls-xml.ts';
import { restcommXml } from './restcomm-calls-xml.ts';

export const API_VERSION = '2012-04-24';

const CALL_ID = /^call_([0-9a-f]{32})$/;
const CALL_SID = /^CA[0-9a-f]{32}$/i;

/** The digits of a call's id, so that no table is needed to find the call again. */
export function callSidOf(callId: string): string {
  const digits = CALL_ID.exec(callId)?.[1];
  if (digits === undefined) throw new Error('the id of a call has not the length of a SID');
  return `CA${digits}`;
}

/** Undefined: that is no SID of a call. */
export function callIdOf(sid: string): string | undefined {
  return CALL_SID.test(sid) ? `call_${sid.slice(2).toLowerCase()}` : undefined;
}

/** Everything here names each key, so that a key that is added to a record does not leak out by itself. */
export function restcommCallOf(call: Call, accountSid: string): RestcommCall {
  const last = call.attempts.at(-1);
  const { ringMs, talkMs } = last === undefined ? { ringMs: null, talkMs: null } : durations(last);
  const sid = callSidOf(call.id);
  const uri = `${ACCOUNTS}/${accountSid}/Calls/${sid}`;
  const answeredBy = last?.answeredBy ?? null;
  return {
    sid,
    date_created: rfc2822(call.createdAt),
    date_updated: rfc2822(call.timeline.at(-1)?.at ?? call.createdAt),
    account_sid: accountSid,
    to: call.to,
    from: last?.cli ?? call.wishes.cli,
    status: restcommStatusOf(call),
    start_time: isoOrNull(call.attempts[0]?.startedAt ?? null),
    end_time: isoOrNull(call.endedAt),
    duration: call.state === 'ended' ? seconds(talkMs ?? 0) : null,
    price_unit: last?.rate?.currency ?? null,
    direction: 'outbound-api',
    answered_by: answeredBy === 'unknown' ? null : answeredBy,
    api_version: API_VERSION,
    forwarded_from: null,
    caller_name: null,
    uri: `${uri}.json`,
    ring_duration: ringMs === null ? null : seconds(ringMs),
    subresource_uris: { notifications: `${uri}/Notifications`, recordings: `${uri}/Recordings` },
  };
}

export function restcommCallXml(call: RestcommCall): string {
  return restcommXml(callNode(call));
}

export function restcommPageXml({ calls, ...page }: RestcommCallPage): string {
  // There they are in small letters and without underscores, and what is not there is a word.
  const attributes = Object.entries(page).map(
    ([key, value]) => [key.replaceAll('_', ''), value ?? 'null'] as const,
  );
  return restcommXml({
    name: 'Calls',
    attributes: Object.fromEntries(attributes),
    content: calls.map(callNode),
  });
}

/** Names that are not those of the JSON with other capitals. */
const XML_NAMES: Readonly<Record<string, string>> = { ring_duration: 'Ring_duration' };

function callNode({ subresource_uris: others, uri, ...fields }: RestcommCall): XmlNode {
  const { notifications, recordings } = others;
  return {
    name: 'Call',
    content: [
      ...Object.entries(fields).map(([key, content]) => ({ name: xmlName(key), content })),
      { name: 'Uri', content: uri.replace(/\.json$/, '') },
      {
        name: 'SubresourceUris',
        content: [
          { name: 'Notifications', content: notifications },
          { name: 'Recordings', content: recordings },
        ],
      },
    ],
  };
}

function xmlName(key: string): string {
  return (
    XML_NAMES[key] ?? key.replaceAll(/(?:^|_)([a-z])/g, (_whole, letter: string) => letter.toUpperCase())
  );
}

/** Whole ones, as there. */
function seconds(ms: number): number {
  return Math.round(ms / 1000);
}

/** Such as `Tue, 22 Oct 2013 17:57:41 +0000` (RFC 2822 §3.3), UTC. */
function rfc2822(at: number): string {
  return new Date(iso(at)).toUTCString().replace(/GMT$/, '+0000');
}
