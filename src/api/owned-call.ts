import type { Call } from '../call/call.ts';
import type { CallFeed } from '../call/feed.ts';
import { AppError } from '../errors.ts';

/**
 * The call as it is now: of one that is under way the store may lag behind what the feed knows.
 *
 * @throws AppError not_found, also where it belongs to another client; store_unavailable
 */
export async function ownedCall(feed: CallFeed, id: string, clientId: string | null): Promise<Call> {
  let latest: Call | undefined;
  const unsubscribe = await feed.subscribe(id, ({ call }) => {
    latest = call;
  });
  unsubscribe();
  if (latest === undefined || latest.clientId !== clientId) {
    throw new AppError('not_found');
  }
  return latest;
}
