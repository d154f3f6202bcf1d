import { AppError } from '../errors.ts';
import type { Trunk } from '../trunk/definition.ts';
import { mayShow } from '../trunk/definition.ts';
import type { Started, VerificationService } from '../verification/service.ts';
import type { StartRequest } from '../verification/terms.ts';

/** `12125551212` and `0012125551212` as `+12125551212`; what is no number, or has its plus, stays as it is. */
export function withPlus(number: string): string {
  const trimmed = number.trim();
  return /^[0-9][0-9 ()-]*$/.test(trimmed) ? `+${trimmed.replace(/^00/, '')}` : trimmed;
}

/** The calling number or sender that a request asks for, as a trunk that may show it has it; undefined: none may. */
function shownBy(
  trunks: readonly Trunk[],
  asked: string,
  { channel }: Pick<StartRequest, 'channel'>,
): string | undefined {
  const usable = trunks.filter(({ sms }) => (channel === 'sms' ? sms !== undefined : sms?.only !== true));
  return [asked, withPlus(asked)].find((one) => usable.some((trunk) => mayShow(trunk, one)));
}

/**
 * Starts a verification that shows the number or name that the request asks for, where a trunk and the client's
 * permissions allow it, and otherwise the trunk's own: the APIs that come from elsewhere take any name for a sender, and
 * their applications send one that no carrier here would pass on.
 *
 * @param request its `from` is as the client wrote it
 * @throws AppError as `VerificationService.start`, but not cli_not_allowed
 */
export async function startShowing(
  verifications: Pick<VerificationService, 'start'>,
  trunks: readonly Trunk[],
  request: StartRequest,
  clientId: string | null,
): Promise<Started> {
  const { from: asked, ...rest } = request;
  const from = asked === undefined ? undefined : shownBy(trunks, asked, request);
  if (from === undefined) return verifications.start(rest, clientId);
  try {
    return await verifications.start({ ...rest, from }, clientId);
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'cli_not_allowed')) throw error;
    return verifications.start(rest, clientId);
  }
}
