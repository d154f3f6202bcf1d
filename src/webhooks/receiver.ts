import type { Clients } from '../clients/client.ts';
import type { Secret } from '../secret.ts';
import type { NoticeEvent } from './events.ts';
import { isToldInMessageBird, messageBirdRequest } from './messagebird-format.ts';
import type { Notice } from './notice.ts';
import type { NoticeRequest } from './request.ts';
import { isToldInRestcomm, restcommRequest } from './restcomm-format.ts';
import { isToldInStandard, standardRequest } from './standard-format.ts';

/** Who gets what a notice tells, as it is now. */
export interface Receiver {
  readonly url: string;
  readonly secrets: readonly Secret[];
  /** As the format calls them; null: all. */
  readonly events: readonly string[] | null;
}

/** Undefined where there is nobody to tell, or nothing to sign with. */
export function receiverOf({ target, clientId }: Notice, clients: Clients): Receiver | undefined {
  const { format, url, events } = target;
  if (format !== 'standard') return url === null ? undefined : { url, secrets: [], events };
  const callback = (clientId === null ? undefined : clients.get(clientId)?.callback) ?? undefined;
  if (callback === undefined || callback.secrets.length === 0) return undefined;
  return { url: url ?? callback.url, secrets: callback.secrets, events: events ?? callback.events };
}

/** What receivers of one address have in common, such as being slow. */
export function hostOf({ url }: Receiver): string {
  return URL.canParse(url) ? new URL(url).host : '';
}

export function isWanted(event: NoticeEvent, { target }: Notice, { events }: Receiver): boolean {
  switch (target.format) {
    case 'standard':
      return isToldInStandard(event, events);
    case 'restcomm':
      return isToldInRestcomm(event, events);
    case 'messagebird':
      return isToldInMessageBird(event, events);
  }
}

/** @param event one that is wanted @param now when it is sent, epoch milliseconds */
export function requestOf(
  event: NoticeEvent,
  notice: Notice,
  { url, secrets }: Receiver,
  now: number,
): NoticeRequest {
  const { format } = notice.target;
  if (format === 'restcomm' && isToldInRestcomm(event, null)) return restcommRequest(event, notice);
  if (format === 'messagebird' && isToldInMessageBird(event, null)) return messageBirdRequest(event, url);
  return standardRequest(event, { url, secrets, now });
}
