import type { AnswerFinding } from '../../media/answer-detector.ts';
import { maySend, type Negotiated, SdpError } from '../../media/sdp.ts';
import type { Codec, Leg, MediaStats } from '../engine.ts';
import { LegDescription } from '../leg/leg-description.ts';
import type { Said } from '../leg/leg-speech.ts';
import type { DrachtioConnection } from './drachtio-connection.ts';
import { unansweredMs } from './invite-headers.ts';
import type { Channel } from './leftover.ts';
import { LegSound } from './leg-sound.ts';
import type { ListenFolder } from './listen-folder.ts';
import { Listening } from './listening.ts';
import type { ChannelWishes } from './media-connection.ts';
import type { MediaEndpoint } from './media-endpoint.ts';
import type { PromptFolder } from './prompt-folder.ts';
import { SaidFiles } from './said-files.ts';
import { type Allocated, allocate, type MediaServer } from './servers.ts';

export interface LegMediaListener {
  readonly onDtmf: (digit: string, durationMs: number) => void;
  /** What was said last is said to its end; not where something else was to be said instead. */
  readonly onFinished: () => void;
  /** What is heard says something of who answered; only where the leg wants to know, and after `start`. */
  readonly onFinding: (finding: AnswerFinding) => void;
  /** Nothing can be played any more: a fault of ours. Not after `close`. */
  readonly onFailed: (detail: string) => void;
  /** Tells the phone where its RTP comes from now, and gives its answer. */
  readonly reinvite: (offer: string) => Promise<string>;
}

export interface LegMediaOptions {
  readonly leg: Leg;
  readonly servers: readonly MediaServer[];
  readonly folder: PromptFolder;
  readonly listenFolder: ListenFolder;
  readonly via: DrachtioConnection;
  readonly listener: LegMediaListener;
}

/** How often a call may move from one media server to another. */
const MAX_MOVES = 3;
/** FreeSWITCH ends a channel this long after the call should have been over, if nobody else did. */
const CHANNEL_MARGIN_SECONDS = 60;

/**
 * The media of one leg: files with what is to be said, and the endpoint of FreeSWITCH that plays them. When that is
 * lost, another one takes its place: the phone is told by a re-INVITE, and what was being said starts again.
 */
export class LegMedia {
  readonly #options: LegMediaOptions;
  readonly #files: SaidFiles;
  readonly #sound: LegSound;
  readonly #description: LegDescription;
  #allocated: Promise<Allocated>;
  #current: Allocated;
  /** Whether the next endpoint encrypts. */
  #secure: boolean;
  /** Changes are told to FreeSWITCH one after the other. */
  #changes: Promise<void> = Promise.resolve();
  #moves = 0;
  /** That the phone was told of. */
  #introduced: Allocated | undefined;
  /** Why there is no endpoint any more, where none was needed. */
  #lost: string | undefined;
  #listening: Listening | undefined;
  #closing: Promise<MediaStats> | undefined;

  private constructor(options: LegMediaOptions, files: SaidFiles, allocated: Allocated) {
    const { leg, listener } = options;
    const { keys } = allocated.endpoint;
    this.#options = options;
    this.#files = files;
    this.#current = allocated;
    this.#allocated = Promise.resolve(allocated);
    this.#secure = keys !== undefined;
    const srtp = keys === undefined ? 'off' : { required: leg.srtp === 'required', keys };
    this.#description = new LegDescription(leg.codecs, placeOf(allocated), srtp);
    this.#sound = new LegSound({
      files,
      untilHeard: (at) => this.#untilHeard(at),
      packetMs: () => this.#description.negotiated?.ptimeMs ?? 20,
      onFinished: listener.onFinished,
    });
    if (leg.detection !== undefined) this.#listening = this.#ear(options);
    this.#listening?.at(allocated);
  }

  /** Writes the files and takes an endpoint. Rejects with an Error, and holds nothing then. */
  static async open(options: LegMediaOptions): Promise<LegMedia> {
    const { leg, servers, folder, via } = options;
    let media: LegMedia | undefined;
    const listener = {
      onDtmf: options.listener.onDtmf,
      onLost: (detail: string) => media?.lost(detail),
    };
    const secure = leg.srtp !== undefined && leg.srtp !== 'off';
    const writing = SaidFiles.write(folder, leg);
    const allocating = allocate(servers, via, wishesOf(leg, secure), listener);
    const [files, allocated] = await Promise.allSettled([writing, allocating]);
    if (files.status === 'fulfilled' && allocated.status === 'fulfilled') {
      media = new LegMedia(options, files.value, allocated.value);
      if (!allocated.value.endpoint.alive) media.lost('the media endpoint went at once');
      return media;
    }
    if (files.status === 'fulfilled') await files.value.remove();
    if (allocated.status === 'fulfilled') void allocated.value.endpoint.release();
    throw (files.status === 'rejected' ? files.reason : (allocated as PromiseRejectedResult).reason) as Error;
  }

  /** For a later process, which has to end it if this one does not. */
  get channel(): Channel {
    const { server, endpoint } = this.#current;
    return { server: server.standing.name, uuid: endpoint.uuid };
  }

  /** For a later process, on this host or another one that shares the folder: the names of the files. */
  get files(): readonly string[] {
    return this.#files.names();
  }

  /** What we say of our side: the offer, or the last answer. */
  get description(): string {
    return this.#description.text;
  }

  /** Takes the answer to our offer, and begins to say this. Throws SdpError, also where SRTP is required and missing. */
  start(answer: string, what: Said): Codec {
    const { codec, srtp } = this.#description.answered(answer);
    this.#description.settleSrtp();
    this.#sound.first(what);
    this.#listening?.answered();
    if (this.#secure && srtp === undefined) this.#goPlain();
    void this.#run();
    return codec;
  }

  /** Says this from its beginning, in place of what is being said; only after `start`. */
  say(what: Said): void {
    const lost = this.#lost;
    this.#lost = undefined;
    this.#sound.next(what);
    if (lost === undefined) this.#stop();
    else this.lost(lost);
    this.#sound.wake();
  }

  /** Answers an offer within the call; undefined where nothing in it can be used. Speech pauses on hold. */
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
    if (this.#closing !== undefined) return;
    // The prompt was said: nobody needs another one, unless it is to be said again.
    if (this.#sound.isQuiet && this.#sound.said === 'prompt') {
      this.#lost = detail;
      return;
    }
    if (this.#moves++ >= MAX_MOVES) return this.#options.listener.onFailed(detail);
    this.#takeAnother(detail);
  }

  /** Stops the sound, gives back the endpoint and removes the files; may be called again. Never rejects. */
  close(): Promise<MediaStats> {
    this.#closing ??= this.#close();
    this.#sound.wake();
    return this.#closing;
  }

  /** The phone has no SRTP, and need not: FreeSWITCH encrypts on a channel always or never, so it takes another one. */
  #goPlain(): void {
    this.#secure = false;
    this.#takeAnother('the phone has no SRTP');
  }

  #takeAnother(detail: string): void {
    const { leg, servers, via, listener } = this.#options;
    const replacing = allocate(servers, via, wishesOf(leg, this.#secure), {
      onDtmf: listener.onDtmf,
      onLost: (why) => this.lost(why),
    });
    this.#allocated = replacing;
    this.#sound.wake();
    replacing.then(
      (allocated) => this.#replaced(allocated),
      (error: Error) => {
        if (this.#closing === undefined) listener.onFailed(`${detail}; ${error.message}`);
      },
    );
  }

  #replaced(allocated: Allocated): void {
    if (this.#closing !== undefined) return void allocated.endpoint.release();
    const { endpoint: before } = this.#current;
    this.#current = allocated;
    this.#listening?.at(allocated);
    void before.release();
    if (!allocated.endpoint.alive) this.lost('the media endpoint went at once');
  }

  /** Says what is to be said, on one endpoint after the other if need be. */
  async #run(): Promise<void> {
    const { listener } = this.#options;
    for (;;) {
      const taken = this.#allocated;
      const allocated = await taken.catch(() => undefined);
      if (allocated === undefined || this.#closing !== undefined) return;
      try {
        if (this.#introduced !== allocated) await this.#introduce(allocated);
        if (!this.#sound.isQuiet) await this.#sound.say(allocated);
        else if (this.#allocated === taken) await this.#rest(allocated);
      } catch (error) {
        if (this.#closing !== undefined) return;
        void this.#sound.broken(allocated.endpoint);
        if (allocated.endpoint.alive) {
          return listener.onFailed(error instanceof Error ? error.message : String(error));
        }
        // Its loss was told already, and the next one is on its way, unless there is none.
        if ((await this.#allocated.catch(() => undefined)) === allocated) return;
      }
    }
  }

  /** Makes the endpoint and the phone know one another. */
  async #introduce(allocated: Allocated): Promise<void> {
    const { endpoint } = allocated;
    const { place } = this.#description;
    if (endpoint.address !== place.address || endpoint.port !== place.port) {
      const offer = this.#description.moved(placeOf(allocated), endpoint.keys);
      this.#description.answered(await this.#options.listener.reinvite(offer));
    }
    const phone = this.#description.negotiated;
    if (phone === undefined) throw new Error('nothing was negotiated');
    this.#changes = endpoint.connect(phone);
    await this.#changes;
    this.#introduced = allocated;
  }

  /** Waits until there is something to do: with detection in silence, so that nobody takes the call for dead. */
  #rest(allocated: Allocated): Promise<void> {
    if (this.#listening === undefined) return this.#sound.awake();
    return this.#sound.hum(allocated, () => this.#lost !== undefined);
  }

  #ear({ listenFolder, listener }: LegMediaOptions): Listening {
    return new Listening({
      folder: listenFolder,
      sending: () => this.#sound.speaks,
      hearing: () => this.#description.negotiated?.direction === 'sendrecv',
      onFinding: listener.onFinding,
    });
  }

  /** What is being said is not wanted any more. */
  #stop(): void {
    const { endpoint } = this.#current;
    endpoint.stop().catch((error: unknown) => this.#unable(endpoint, error));
  }

  /** Until FreeSWITCH may send: the phone may have put us on hold before the first word. */
  async #untilHeard({ endpoint }: Allocated): Promise<void> {
    for (;;) {
      await this.#changes;
      if (this.#closing !== undefined || !endpoint.alive) throw new Error('nothing can be played here');
      const { negotiated } = this.#description;
      if (negotiated === undefined || maySend(negotiated.direction)) return;
      await this.#sound.awake();
    }
  }

  #changed(phone: Negotiated): void {
    const { endpoint } = this.#current;
    // One that encrypts is on its way out: the next one will hear of it.
    if ((endpoint.keys === undefined) !== (phone.srtp === undefined)) return;
    const held = !maySend(phone.direction);
    this.#changes = this.#changes
      .catch(() => undefined)
      .then(async () => {
        // Not a word while FreeSWITCH may not send.
        if (held) await endpoint.pause(true);
        await endpoint.connect(phone);
        if (!held) await endpoint.pause(false);
      })
      .catch((error: unknown) => this.#unable(endpoint, error));
    this.#sound.wake();
  }

  /** A loss is told in another way. */
  #unable(endpoint: MediaEndpoint, error: unknown): void {
    if (endpoint.alive && this.#closing === undefined)
      this.#options.listener.onFailed(error instanceof Error ? error.message : String(error));
  }

  async #close(): Promise<MediaStats> {
    const { endpoint } = this.#current;
    const { counts, promptSentMs } = await this.#sound.close(endpoint);
    const srtp = this.#description.negotiated?.srtp?.send.suite;
    await Promise.all([endpoint.release(), this.#files.remove(), this.#listening?.close()]);
    return {
      packetsSent: counts?.sent ?? 0,
      packetsReceived: counts?.received ?? 0,
      jitterMs: counts?.jitterMs ?? 0,
      promptSentMs,
      ...(srtp === undefined ? {} : { srtp }),
    };
  }
}

function wishesOf(leg: Leg, srtp: boolean): ChannelWishes {
  const lifeMs = unansweredMs(leg) + leg.timeouts.maxCallMs;
  return { maxSeconds: Math.ceil(lifeMs / 1000) + CHANNEL_MARGIN_SECONDS, srtp };
}

function placeOf({ endpoint: { address, port } }: Allocated): { address: string; port: number } {
  return { address, port };
}
