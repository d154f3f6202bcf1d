import { createHmac } from 'node:crypto';
import type { Secret } from '../secret.ts';
import type { CallEventTold, NoticeEvent, VerificationEventTold } from './events.ts';
import { EVENT_TYPES } from './events.ts';
import type { NoticeRequest } from './request.ts';

const TYPES: ReadonlySet<string> = new Set(EVENT_TYPES);
const SECRET_PREFIX = /^whsec_/;

/** What is said of an event; JSON. */
interface Message {
  readonly id: string;
  readonly type: string;
  readonly createdAt: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Whether our own form tells it. @param types null: all that there are */
export function isToldInStandard({ type }: NoticeEvent, types: readonly string[] | null): boolean {
  return TYPES.has(type) && types?.includes(type) !== false;
}

/**
 * An event in our own form, signed as Standard Webhooks say it (standardwebhooks.com, symmetric signatures): one signature
 * by each secret, the first being the present one.
 *
 * @param now when it is sent, epoch milliseconds
 */
export function standardRequest(
  event: NoticeEvent,
  { url, secrets, now }: { readonly url: string; readonly secrets: readonly Secret[]; readonly now: number },
): NoticeRequest {
  const data = 'entry' in event ? callData(event) : verificationData(event);
  return signedRequest(
    { id: event.id, type: event.type, createdAt: iso(event.at), data },
    { url, secrets, now },
  );
}

/** What a client asks for to see whether its callback works. */
export function testRequest(
  id: string,
  about: { readonly url: string; readonly secrets: readonly Secret[]; readonly now: number },
): NoticeRequest {
  return signedRequest({ id, type: 'webhook.test', createdAt: iso(about.now), data: {} }, about);
}

function signedRequest(
  message: Message,
  { url, secrets, now }: { readonly url: string; readonly secrets: readonly Secret[]; readonly now: number },
): NoticeRequest {
  const body = JSON.stringify(message);
  const timestamp = String(Math.floor(now / 1000));
  const signed = `${message.id}.${timestamp}.${body}`;
  return {
    method: 'POST',
    url,
    headers: {
      'content-type': 'application/json',
      'webhook-id': message.id,
      'webhook-timestamp': timestamp,
      'webhook-signature': secrets.map((secret) => signature(secret, signed)).join(' '),
    },
    body,
  };
}

function signature(secret: Secret, signed: string): string {
  const key = Buffer.from(secret.reveal().replace(SECRET_PREFIX, ''), 'base64');
  return `v1,${createHmac('sha256', key).update(signed, 'utf8').digest('base64')}`;
}

/** Nothing that changes later: the same event has the same body, whenever it is sent. Every key is named here. */
function callData({ call, index, entry }: CallEventTold): Message['data'] {
  const { id, verificationId, to, reference } = call;
  const { attempt, detail } = entry;
  return { callId: id, verificationId, to, reference, index, attempt, detail };
}

function verificationData({ type, verification }: VerificationEventTold): Message['data'] {
  const { id, callId, to, reference, channel, createdAt, expiresAt } = verification;
  const known = { verificationId: id, callId, to, reference, channel };
  const times = { createdAt: iso(createdAt), expiresAt: iso(expiresAt) };
  if (type === 'verification.created') return { ...known, status: 'pending', ...times };
  const { status, approvedBy, checks, endedAt } = verification;
  return { ...known, status, approvedBy, checks, ...times, endedAt: endedAt === null ? null : iso(endedAt) };
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
