import type { VerificationStatus } from '../verification/verification.ts';
import type { NoticeEvent, VerificationEventTold } from './events.ts';
import type { NoticeRequest } from './request.ts';
import { withQuery } from './request.ts';

/** What MessageBird calls them. */
export const MESSAGEBIRD_STATUSES = {
  pending: 'sent',
  approved: 'verified',
  expired: 'expired',
  failed: 'failed',
  max_checks_reached: 'failed',
  canceled: 'deleted',
} as const satisfies Record<VerificationStatus, string>;

/** Whether a report tells it: the changes of a verification. @param statuses null: all of them */
export function isToldInMessageBird(
  event: NoticeEvent,
  statuses: readonly string[] | null,
): event is VerificationEventTold {
  return 'verification' in event && statuses?.includes(statusOf(event)) !== false;
}

/** A report to the `reportUrl` of a Verify object of MessageBird. */
export function messageBirdRequest(event: VerificationEventTold, url: string): NoticeRequest {
  const { id, reference, to } = event.verification;
  const fields = {
    id: id.replace(/^[a-z]+_/, ''),
    ...(reference === null ? {} : { reference }),
    recipient: to.replace(/^\+/, ''),
    status: statusOf(event),
    statusDatetime: `${new Date(event.at).toISOString().slice(0, 19)}+00:00`,
  };
  return { method: 'GET', url: withQuery(url, fields), headers: {} };
}

function statusOf({ type, verification }: VerificationEventTold): string {
  return type === 'verification.created' ? 'sent' : MESSAGEBIRD_STATUSES[verification.status];
}
