import type { NoticePort } from '../call/acceptance.ts';
import type { Clients } from '../clients/client.ts';
import type { NoticeTarget } from './notice.ts';
import { createNotice } from './notice.ts';

/** The client's own callback, as it is when an event is told. */
const OWN_CALLBACK: NoticeTarget = {
  format: 'standard',
  url: null,
  method: 'POST',
  events: null,
  fields: {},
};

/** Decides who is told of a call: whom the request names, otherwise its client where that has a callback. */
export function noticeMaker(clients: Clients): NoticePort {
  return {
    noticeOf: (call, verification, named) => {
      const { clientId } = call;
      const hasCallback = clientId !== null && (clients.get(clientId)?.callback ?? null) !== null;
      const target = named ?? (hasCallback ? OWN_CALLBACK : undefined);
      if (target === undefined) return undefined;
      return createNotice({
        clientId,
        callId: call.id,
        verificationId: verification?.id ?? null,
        target,
        now: call.createdAt,
      });
    },
  };
}
