import type { Call } from '../call/call.ts';
import type { Store } from '../store/store.ts';
import { restcommStatusOf } from '../webhooks/restcomm-status.ts';
import type { CallListQuery, RestcommCallPage } from './restcomm-calls-schemas.ts';
import { callIdOf, callSidOf, restcommCallOf } from './restcomm-calls-view.ts';

/** Read at a time, and looked at in all for one page: a filter may fit few of many. */
const [BATCH, MOST] = [200, 2000];

export interface ListRequest {
  readonly accountSid: string;
  readonly clientId: string | null;
  readonly query: CallListQuery;
  /** Of the list, without its query. */
  readonly path: string;
  readonly matches: (call: Call) => boolean;
}

/**
 * A page of a client's calls that only say something, newest first. There is no count of all pages: the next page
 * begins after the last call of this one, or where the search for it stopped.
 */
export async function listedCalls(
  store: Pick<Store, 'calls'>,
  { accountSid, clientId, query, path, matches }: ListRequest,
): Promise<RestcommCallPage> {
  const { Page: page, PageSize: size, AfterSid: afterSid } = query;
  const found: Call[] = [];
  let after = afterSid === undefined ? undefined : callIdOf(afterSid);
  let more = true;
  for (let looked = 0; more && found.length < size && looked < MOST; looked += BATCH) {
    const calls = await store.calls({
      limit: BATCH,
      ...(clientId === null ? {} : { clientId }),
      ...(after === undefined ? {} : { after }),
    });
    more = calls.length === BATCH;
    for (const call of calls) {
      if (found.length === size) {
        more = true;
        break;
      }
      after = call.id;
      // Without keys nothing of the clients that there were before is shown.
      if (call.clientId === clientId && call.verificationId === null && matches(call)) found.push(call);
    }
  }
  const next = more && after !== undefined ? callSidOf(after) : undefined;
  const { Status, To, From } = query;
  const uriOf = (others: Readonly<Record<string, string | number>>): string => {
    const parameters = new URLSearchParams();
    const fields: Readonly<Record<string, string | number | undefined>> = { Status, To, From, ...others };
    for (const [name, value] of Object.entries(fields)) {
      if (value !== undefined) parameters.set(name, String(value));
    }
    return `${path}?${parameters.toString()}`;
  };
  return {
    page,
    page_size: size,
    start: page * size,
    end: page * size + Math.max(0, found.length - 1),
    uri: path,
    first_page_uri: uriOf({ Page: 0, PageSize: size }),
    next_page_uri: next === undefined ? null : uriOf({ Page: page + 1, PageSize: size, AfterSid: next }),
    calls: found.map((call) => restcommCallOf(call, accountSid)),
  };
}

/** What a filter asks for; numbers are compared as `numberOf` gives them. */
export function filterOf(
  { Status: status, To: to, From: from }: CallListQuery,
  numberOf: (written: string) => string,
): (call: Call) => boolean {
  const fits = (wanted: string | undefined, value: string | null): boolean =>
    wanted === undefined || value === wanted || value === numberOf(wanted);
  return (call) =>
    (status === undefined || restcommStatusOf(call) === status) &&
    fits(to, call.to) &&
    fits(from, call.attempts.at(-1)?.cli ?? call.wishes.cli);
}
