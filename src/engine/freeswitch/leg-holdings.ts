import type { Dialog } from '../../sip/dialog.ts';
import type { Peer } from '../../sip/transport.ts';
import type { Leftover, Leg, MediaStats } from '../engine.ts';
import { isMute, LegDescription } from '../leg/leg-description.ts';
import type { DrachtioConnection } from './drachtio-connection.ts';
import { type Channel, invitingLeftover, upLeftover } from './leftover.ts';
import { LegMedia, type LegMediaListener } from './leg-media.ts';
import type { ListenFolder } from './listen-folder.ts';
import type { PromptFolder } from './prompt-folder.ts';
import { choose, type DrachtioServer, type MediaServer } from './servers.ts';

/** Where a leg takes from. */
export interface LegSources {
  readonly drachtioServers: readonly DrachtioServer[];
  readonly mediaServers: readonly MediaServer[];
  readonly folder: PromptFolder;
  readonly listenFolder: ListenFolder;
}

/** What names the INVITE of a leg for a later process. */
export interface LegNames {
  readonly callId: string;
  readonly fromTag: string;
  /** Empty until drachtio has sent the INVITE. */
  readonly transactionId: string;
}

/** How long a call that has to end waits for its drachtio server to come back. */
const DRACHTIO_PATIENCE_MS = 10_000;
/** How long after its end a call is remembered whose BYE could not be sent. */
const BYE_DEBT_MS = 300_000;

/**
 * What one leg holds until its end: a place at a drachtio server, and for speech files and an endpoint. A later
 * process that ends the leg learns from the leftover what there is to give back.
 */
export class LegHoldings {
  readonly #leg: Leg;
  readonly #sources: LegSources;
  #server: DrachtioServer | undefined;
  #via: DrachtioConnection | undefined;
  #free: (() => void) | undefined;
  #media: LegMedia | undefined;

  constructor(leg: Leg, sources: LegSources) {
    this.#leg = leg;
    this.#sources = sources;
  }

  /** The connection that the leg began with; undefined before `takeServer`. */
  get via(): DrachtioConnection | undefined {
    return this.#via;
  }

  /** That connection is lost: drachtio tells nothing of the leg on it any more. */
  get isCutOff(): boolean {
    return this.#via?.lost.aborted === true;
  }

  /** Undefined before `openMedia`, and for a leg that says nothing. */
  get media(): LegMedia | undefined {
    return this.#media;
  }

  /**
   * Takes a place at the drachtio server that has most room.
   *
   * @throws Error that says why none can carry the leg
   */
  async takeServer(): Promise<DrachtioConnection> {
    this.#server = choose(this.#sources.drachtioServers);
    this.#free = this.#server?.take();
    const via = this.#server?.standing.current;
    if (via === undefined) throw new Error('no drachtio server is connected');
    this.#via = via;
    const distrust = await via.distrust(this.#leg);
    if (distrust !== undefined) throw new Error(distrust);
    return via;
  }

  /** Opens the media, where any is wanted, and gives the offer. Rejects with an Error, and holds no media then. */
  async openMedia(
    via: DrachtioConnection,
    peers: readonly Peer[],
    listener: LegMediaListener,
  ): Promise<string> {
    const { leg, mediaServers: servers, folder, listenFolder } = { leg: this.#leg, ...this.#sources };
    if (isMute(leg)) {
      const address = peers.map((peer) => via.sipAddress(peer.address)).find((known) => known !== undefined);
      if (address === undefined) throw new Error('drachtio has no address that the trunk could reach');
      return LegDescription.withoutMedia(leg.codecs, address, leg.srtp);
    }
    this.#media = await LegMedia.open({ leg, servers, folder, listenFolder, via, listener });
    return this.#media.description;
  }

  /** A connection to the same drachtio server, for a call that has to end; undefined when it does not come back. */
  reconnected(): Promise<DrachtioConnection | undefined> {
    return this.#server?.standing.within(DRACHTIO_PATIENCE_MS) ?? Promise.resolve(undefined);
  }

  /** The same for a BYE that is owed to the phone: it is waited for much longer, as the call may be billed. */
  async reconnectedLate(): Promise<DrachtioConnection | undefined> {
    return this.#server?.standing.within(BYE_DEBT_MS);
  }

  /** Before the answer. */
  inviting({ callId, fromTag, transactionId }: LegNames): Leftover {
    return invitingLeftover({
      callId,
      requestUri: this.#leg.requestUri,
      transactionId,
      // drachtio's own name for a dialog of ours; it is asked for the transaction only.
      dialogId: `${callId};from-tag=${fromTag}`,
      ...this.#held(),
    });
  }

  /** From the answer on. */
  up(call: { dialogId: string; dialog: Dialog; peer: Peer }): Leftover {
    return upLeftover({ ...call, ...this.#held() });
  }

  /** Gives back what was taken; to be called once. */
  async release(): Promise<MediaStats | undefined> {
    try {
      return await this.#media?.close();
    } finally {
      this.#free?.();
    }
  }

  #held(): { server: string; channel: Channel | null; files: readonly string[] } {
    return {
      server: this.#server?.standing.name ?? '',
      channel: this.#media?.channel ?? null,
      files: this.#media?.files ?? [],
    };
  }
}
