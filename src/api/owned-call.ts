import type { Call } from '../call/call.ts';
import type { CallFeed } from '../call/feed.ts';
import { AppError } from '../errors.ts';

/**
 * The call as it is now: of one that is under way the store may lag behind what the feed knows.
 *
 * @throws AppError not_found, also where it belongs to another client; store_unavailable
 */
export async function ownedCall(
  feed: Pick<CallFeed, 'current'>,
  id: string,
  clientId: string | null,
): Promise<Call> {
  const call = await feed.current(id);
  if (call === undefined || call.clientId !== clientId) {
    throw new AppError('not_found');
  }
  return call;
}
