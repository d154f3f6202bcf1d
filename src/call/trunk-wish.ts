import { AppError } from '../errors.ts';
import type { Trunk } from '../trunk/definition.ts';
import { mayShow } from '../trunk/definition.ts';

/** In place of a calling number: the trunk's own. */
const OWN_NUMBER = 'me';

/** Which trunk a request asks for, and which calling number. */
export interface TrunkRequest {
  /** One that the trunk may show; `me`, or nothing: the trunk's own. */
  readonly from?: string | undefined;
  /** Id of the only trunk that may be used. */
  readonly carrierId?: string | undefined;
}

/** The same, settled; null: whichever fits. */
export interface TrunkWish {
  readonly cli: string | null;
  readonly trunkId: string | null;
}

/**
 * @param mayAsk whether the client may ask for this calling number
 * @throws AppError unknown_carrier, cli_not_allowed
 */
export function readTrunkWish(
  { from, carrierId }: TrunkRequest,
  trunks: readonly Trunk[],
  mayAsk: (cli: string) => boolean,
): TrunkWish {
  const usable = carrierId === undefined ? trunks : trunks.filter(({ id }) => id === carrierId);
  if (usable.length === 0) throw new AppError('unknown_carrier');
  const cli = from === undefined || from === OWN_NUMBER ? null : from;
  if (cli !== null && !(mayAsk(cli) && usable.some((trunk) => mayShow(trunk, cli)))) {
    throw new AppError('cli_not_allowed');
  }
  return { cli, trunkId: carrierId ?? null };
}
