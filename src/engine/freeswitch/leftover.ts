import { setTimeout as sleep } from 'node:timers/promises';
import type { Dialog } from '../../sip/dialog.ts';
import type { Peer } from '../../sip/transport.ts';
import type { DigestCredentials, Leftover } from '../engine.ts';
import { type DrachtioConnection, DrachtioError } from './drachtio-connection.ts';
import { authorizationOf, hangUp } from './hang-up.ts';

/** A channel of FreeSWITCH, by the name of its media server. */
export interface Channel {
  readonly server: string;
  readonly uuid: string;
}

/** Before the answer: the INVITE by the names that drachtio has for it, as far as they are known. */
interface Inviting {
  readonly stage: 'inviting';
  /** Name of the drachtio server, as the engine has it. */
  readonly server: string;
  readonly callId: string;
  readonly requestUri: string;
  /** Empty until drachtio has sent the INVITE. */
  readonly transactionId: string;
  readonly dialogId: string;
  readonly channel: Channel | null;
  /** Names of the prompts in their folder. */
  readonly files: readonly string[];
}

interface Up {
  readonly stage: 'up';
  readonly server: string;
  readonly dialogId: string;
  readonly dialog: Dialog;
  readonly peer: Peer;
  readonly channel: Channel | null;
  readonly files: readonly string[];
}

type Remains = Inviting | Up;

export function invitingLeftover(remains: Omit<Inviting, 'stage'>): Leftover {
  return { stage: 'inviting', ...remains };
}

export function upLeftover(remains: Omit<Up, 'stage'>): Leftover {
  return { stage: 'up', ...remains };
}

/** The channel of a leg that an earlier process left up. It may play on for as long as its file is. */
export function leftChannel(leftover: Leftover): Channel | undefined {
  const channel = leftover.channel as Partial<Channel> | null | undefined;
  if (typeof channel?.server !== 'string' || !/^[0-9a-f-]{36}$/.test(channel.uuid ?? '')) return undefined;
  return { server: channel.server, uuid: channel.uuid ?? '' };
}

/** The names of the prompts of a leg that an earlier process left up, as that says: a folder takes none that is not its. */
export function leftFiles({ files }: Leftover): readonly string[] {
  return Array.isArray(files) ? files.filter((name) => typeof name === 'string') : [];
}

const POLL_MS = 50;
const PATIENCE_MS = 3000;

/**
 * Ends what an earlier process left up at drachtio: that neither cancels nor hangs up the calls of a client that
 * is gone, but lets any client do so.
 *
 * @param connect a connection to the drachtio server of this name
 * @returns whether the far end said that it is over
 */
export async function endLeftover(
  leftover: Leftover,
  connect: (server: string) => Promise<DrachtioConnection | undefined>,
  credentials: DigestCredentials | undefined,
): Promise<boolean> {
  if (!isRemains(leftover)) return false;
  const server = () => connect(leftover.server);
  if (leftover.stage === 'up')
    return (await hangUp(leftover, server, authorizationOf(credentials))) !== 'silent';
  const connection = await server();
  return connection === undefined ? false : endInvite(leftover, connection);
}

/**
 * CANCEL, again and again, until drachtio does not know the INVITE any more: its final response goes to the
 * client that is gone. An answer that came in between stays without ACK, so that has to follow, and a BYE.
 */
async function endInvite(invite: Inviting, connection: DrachtioConnection): Promise<boolean> {
  // Nobody was told what drachtio calls the transaction. If the phone was picked up meanwhile, the dialog has a name.
  if (invite.transactionId === '') return endAnswered(invite, connection);
  const { requestUri, transactionId } = invite;
  const cancel = { method: 'CANCEL', uri: requestUri, headers: {}, stackTxnId: transactionId };
  const until = performance.now() + PATIENCE_MS;
  let canceled = false;
  while (performance.now() < until) {
    const refusal = await refusalOf(connection.tell(cancel));
    if (refusal === undefined) canceled = true;
    else if (refusal.kind !== 'refused') return false;
    else if (refusal.message.includes('unknown transaction')) return canceled;
    else if (await endAnswered(invite, connection)) return true;
    await sleep(POLL_MS);
  }
  return false;
}

/** True when the INVITE had been answered, and the dialog is over now. */
async function endAnswered({ dialogId }: Inviting, connection: DrachtioConnection): Promise<boolean> {
  if (dialogId === '') return false;
  const inside = { uri: 'sip:placeholder', headers: {}, stackDialogId: dialogId };
  // drachtio refuses an ACK to what was not answered.
  if ((await refusalOf(connection.tell({ method: 'ACK', ...inside }))) !== undefined) return false;
  // Where our CANCEL had crossed the answer, drachtio said BYE by itself after the ACK.
  await connection.request({ method: 'BYE', ...inside }).catch(() => undefined);
  return true;
}

async function refusalOf(work: Promise<void>): Promise<DrachtioError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof DrachtioError) return error;
    throw error;
  }
}

function isRemains(value: unknown): value is Remains {
  if (typeof value !== 'object' || value === null || !('stage' in value)) return false;
  const one = value as Record<string, unknown>;
  const texts = (...names: string[]) => names.every((name) => typeof one[name] === 'string');
  if (one.stage === 'inviting') return texts('server', 'callId', 'requestUri', 'transactionId', 'dialogId');
  return one.stage === 'up' && texts('server', 'dialogId') && isRecord(one.dialog) && isRecord(one.peer);
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
