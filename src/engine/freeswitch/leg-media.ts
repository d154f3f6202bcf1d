import { join } from 'node:path';
import { maySend, type Negotiated, SdpError } from '../../media/sdp.ts';
import type { Codec, Leg, MediaStats } from '../engine.ts';
import { LegDescription } from '../leg/leg-description.ts';
import type { DrachtioConnection } from './drachtio-connection.ts';
import type { Channel } from './leftover.ts';
import type { PacketCounts } from './media-endpoint.ts';
import type { PromptFile, PromptFolder } from './prompt-folder.ts';
import { type Allocated, allocate, type MediaServer } from './servers.ts';

export interface LegMediaListener {
  readonly onDtmf: (digit: string, durationMs: number) => void;
  readonly onFinished: () => void;
  /** Nothing can be played any more: a fault of ours. Not after `close`. */
  readonly onFailed: (detail: string) => void;
  /** Tells the phone where its RTP comes from now, and gives its answer. */
  readonly reinvite: (offer: string) => Promise<string>;
}

export interface LegMediaOptions {
  readonly leg: Leg;
  readonly servers: readonly MediaServer[];
  readonly folder: PromptFolder;
  readonly via: DrachtioConnection;
  readonly listener: LegMediaListener;
}

/** How often a call may move from one media server to another. */
const MAX_MOVES = 3;
/** FreeSWITCH ends a channel this long after the call should have been over, if nobody else did. */
const CHANNEL_MARGIN_SECONDS = 60;

/**
 * The media of one leg: a file with the prompt, and the endpoint of FreeSWITCH that plays it. When that is
 * lost, another one takes its place: the phone is told by a re-INVITE, and the prompt starts again.
 */
export class LegMedia {
  readonly #options: LegMediaOptions;
  readonly #file: PromptFile;
  #allocated: Promise<Allocated>;
  #current: Allocated;
  readonly #description: LegDescription;
  /** Changes are told to FreeSWITCH one after the other. */
  #changes: Promise<void> = Promise.resolve();
  /** Wakes who waits for the phone to listen. */
  #wake: () => void = () => {};
  #moves = 0;
  #playing: { readonly sinceMs: number } | undefined;
  #finished = false;
  #closing: Promise<MediaStats> | undefined;

  private constructor(options: LegMediaOptions, file: PromptFile, allocated: Allocated) {
    this.#options = options;
    this.#file = file;
    this.#current = allocated;
    this.#allocated = Promise.resolve(allocated);
    this.#description = new LegDescription(options.leg.codecs, placeOf(allocated));
  }

  /** Writes the file and takes an endpoint. Rejects with an Error, and holds nothing then. */
  static async open(options: LegMediaOptions): Promise<LegMedia> {
    const { leg, servers, folder, via } = options;
    let media: LegMedia | undefined;
    const listener = {
      onDtmf: options.listener.onDtmf,
      onLost: (detail: string) => media?.lost(detail),
    };
    const writing = folder.write(leg.prompt);
    const allocating = allocate(servers, via, channelSeconds(leg), listener);
    const [file, allocated] = await Promise.allSettled([writing, allocating]);
    if (file.status === 'fulfilled' && allocated.status === 'fulfilled') {
      media = new LegMedia(options, file.value, allocated.value);
      if (!allocated.value.endpoint.alive) media.lost('the media endpoint went at once');
      return media;
    }
    if (file.status === 'fulfilled') await file.value.remove();
    if (allocated.status === 'fulfilled') void allocated.value.endpoint.release();
    throw (file.status === 'rejected' ? file.reason : (allocated as PromiseRejectedResult).reason) as Error;
  }

  /** For a later process, which has to end it if this one does not. */
  get channel(): Channel {
    const { server, endpoint } = this.#current;
    return { server: server.standing.name, uuid: endpoint.uuid };
  }

  /** What we say of our side: the offer, or the last answer. */
  get description(): string {
    return this.#description.text;
  }

  /** Takes the answer to our offer, and begins to play. Throws SdpError. */
  start(answer: string): Codec {
    const { codec } = this.#description.answered(answer);
    void this.#run();
    return codec;
  }

  /** Answers an offer within the call; undefined where nothing in it can be used. The prompt pauses on hold. */
  reoffered(offer: string): string | undefined {
    const answer = this.#description.reoffered(offer);
    if (answer !== undefined) this.#changed(answer.negotiated);
    return answer?.sdp;
  }

  /** Takes the answer to an offer that the phone asked us for; one that cannot be used changes nothing. */
  answered(answer: string): void {
    try {
      this.#changed(this.#description.answered(answer));
    } catch (error) {
      if (!(error instanceof SdpError)) throw error;
    }
  }

  /** The endpoint is gone: takes another one, while the call goes on. */
  lost(detail: string): void {
    if (this.#closing !== undefined || this.#finished) return;
    const { leg, servers, via, listener } = this.#options;
    if (this.#moves++ >= MAX_MOVES) return listener.onFailed(detail);
    const replacing = allocate(servers, via, channelSeconds(leg), {
      onDtmf: listener.onDtmf,
      onLost: (why) => this.lost(why),
    });
    this.#allocated = replacing;
    this.#wake();
    replacing.then(
      (allocated) => this.#replaced(allocated),
      (error: Error) => {
        if (this.#closing === undefined) listener.onFailed(`${detail}; ${error.message}`);
      },
    );
  }

  /** Stops the sound, gives back the endpoint and removes the file; may be called again. Never rejects. */
  close(): Promise<MediaStats> {
    this.#closing ??= this.#close();
    this.#wake();
    return this.#closing;
  }

  #replaced(allocated: Allocated): void {
    if (this.#closing !== undefined) return void allocated.endpoint.release();
    this.#current = allocated;
    if (!allocated.endpoint.alive) this.lost('the media endpoint went at once');
  }

  /** Plays to the end, on one endpoint after the other if need be. */
  async #run(): Promise<void> {
    const { listener } = this.#options;
    while (this.#closing === undefined) {
      const allocated = await this.#allocated.catch(() => undefined);
      if (allocated === undefined) return;
      try {
        await this.#introduce(allocated);
        await this.#listening(allocated);
        await this.#play(allocated);
        this.#finished = true;
        if (this.#closing === undefined) listener.onFinished();
        return;
      } catch (error) {
        if (this.#closing !== undefined) return;
        if (allocated.endpoint.alive) {
          return listener.onFailed(error instanceof Error ? error.message : String(error));
        }
      }
      // Its loss was told already, and the next one is on its way, unless there is none.
      if ((await this.#allocated.catch(() => undefined)) === allocated) return;
    }
  }

  /** Makes the endpoint and the phone know one another. */
  async #introduce(allocated: Allocated): Promise<void> {
    const { endpoint } = allocated;
    const { place } = this.#description;
    if (endpoint.address !== place.address || endpoint.port !== place.port) {
      const offer = this.#description.moved(placeOf(allocated));
      this.#description.answered(await this.#options.listener.reinvite(offer));
    }
    const phone = this.#description.negotiated;
    if (phone === undefined) throw new Error('nothing was negotiated');
    this.#changes = endpoint.connect(phone);
    await this.#changes;
  }

  async #play({ endpoint, server }: Allocated): Promise<void> {
    this.#playing = { sinceMs: performance.now() };
    const { path, name } = this.#file;
    await endpoint.play(server.promptFolder === undefined ? path : join(server.promptFolder, name));
  }

  /** Until FreeSWITCH may send: the phone may have put us on hold before the first word. */
  async #listening({ endpoint }: Allocated): Promise<void> {
    for (;;) {
      await this.#changes;
      const { negotiated } = this.#description;
      if (negotiated === undefined || maySend(negotiated.direction)) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if (this.#closing !== undefined || !endpoint.alive) throw new Error('nothing can be played here');
    }
  }

  #changed(phone: Negotiated): void {
    const { endpoint } = this.#current;
    const held = !maySend(phone.direction);
    this.#changes = this.#changes
      .catch(() => undefined)
      .then(async () => {
        // Not a word while FreeSWITCH may not send.
        if (held) await endpoint.pause(true);
        await endpoint.connect(phone);
        if (!held) await endpoint.pause(false);
      })
      .catch((error: unknown) => {
        if (endpoint.alive && this.#closing === undefined)
          this.#options.listener.onFailed(error instanceof Error ? error.message : String(error));
      });
    this.#wake();
  }

  async #close(): Promise<MediaStats> {
    const { endpoint } = this.#current;
    const elapsedMs = this.#playing === undefined ? 0 : performance.now() - this.#playing.sinceMs;
    const counts = this.#playing === undefined ? undefined : await endpoint.counts();
    await Promise.all([endpoint.release(), this.#file.remove()]);
    return this.#stats(counts, elapsedMs);
  }

  #stats(counts: PacketCounts | undefined, elapsedMs: number): MediaStats {
    const durationMs = this.#file.durationMs;
    const packetMs = this.#description.negotiated?.ptimeMs ?? 20;
    // Where FreeSWITCH cannot be asked any more, the time that it had is all that is known.
    const sentMs = counts === undefined ? elapsedMs : counts.sent * packetMs;
    return {
      packetsSent: counts?.sent ?? 0,
      packetsReceived: counts?.received ?? 0,
      jitterMs: counts?.jitterMs ?? 0,
      promptSentMs: Math.round(this.#finished ? durationMs : Math.min(durationMs, sentMs)),
    };
  }
}

function channelSeconds({ timeouts }: Leg): number {
  const { setupMs, ringMs, maxCallMs } = timeouts;
  return Math.ceil((setupMs + ringMs + maxCallMs) / 1000) + CHANNEL_MARGIN_SECONDS;
}

function placeOf({ endpoint: { address, port } }: Allocated): { address: string; port: number } {
  return { address, port };
}
