import { join } from 'node:path';
import type { AnswerFinding } from '../../media/answer-detector.ts';
import { maySend, type Negotiated, SdpError } from '../../media/sdp.ts';
import type { Speech } from '../../media/speech.ts';
import type { Codec, Leg, MediaStats } from '../engine.ts';
import { LegDescription } from '../leg/leg-description.ts';
import type { Said } from '../leg/leg-speech.ts';
import type { DrachtioConnection } from './drachtio-connection.ts';
import { unansweredMs } from './invite-headers.ts';
import type { Channel } from './leftover.ts';
import type { ListenFolder } from './listen-folder.ts';
import { Listening } from './listening.ts';
import type { MediaEndpoint } from './media-endpoint.ts';
import type { PromptFile, PromptFolder } from './prompt-folder.ts';
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

const NOTHING: Speech = { sampleRate: 8000, parts: [] };
/** What FreeSWITCH plays without an end. */
const SILENCE = 'silence_stream://-1';

/** What is to be said in a leg, each in a file of its own. */
type SaidFiles = Readonly<Partial<Record<Said, PromptFile>>>;

/** What FreeSWITCH plays, or has played last. */
interface Sound {
  readonly said: Said;
  readonly endpoint: MediaEndpoint;
  readonly sinceMs: number;
  /** That the endpoint had sent before; undefined where it could not be asked. */
  readonly packetsBefore: Promise<number | undefined>;
}

/**
 * The media of one leg: files with what is to be said, and the endpoint of FreeSWITCH that plays them. When that is
 * lost, another one takes its place: the phone is told by a re-INVITE, and what was being said starts again.
 */
export class LegMedia {
  readonly #options: LegMediaOptions;
  readonly #files: SaidFiles;
  #allocated: Promise<Allocated>;
  #current: Allocated;
  readonly #description: LegDescription;
  /** Changes are told to FreeSWITCH one after the other. */
  #changes: Promise<void> = Promise.resolve();
  /** Wakes who waits for the phone to listen, or for something to do. */
  #wake: () => void = () => {};
  #moves = 0;
  /** That the phone was told of. */
  #introduced: Allocated | undefined;
  #said: Said = 'prompt';
  /** Counts what was to be said so far; the last of those that were said to their end. */
  #turn = 0;
  #finishedTurn: number | undefined;
  /** Why there is no endpoint any more, where none was needed. */
  #lost: string | undefined;
  #sound: Sound | undefined;
  /** Something is being said now. */
  #speaks = false;
  #listening: Listening | undefined;
  #promptSentMs = 0;
  #closing: Promise<MediaStats> | undefined;

  private constructor(options: LegMediaOptions, files: SaidFiles, allocated: Allocated) {
    this.#options = options;
    this.#files = files;
    this.#current = allocated;
    this.#allocated = Promise.resolve(allocated);
    this.#description = new LegDescription(options.leg.codecs, placeOf(allocated));
    if (options.leg.detection !== undefined) this.#listening = this.#ear(options);
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
    const writing = writeFiles(folder, leg);
    const allocating = allocate(servers, via, channelSeconds(leg), listener);
    const [files, allocated] = await Promise.allSettled([writing, allocating]);
    if (files.status === 'fulfilled' && allocated.status === 'fulfilled') {
      media = new LegMedia(options, files.value, allocated.value);
      if (!allocated.value.endpoint.alive) media.lost('the media endpoint went at once');
      return media;
    }
    if (files.status === 'fulfilled') await removeFiles(files.value);
    if (allocated.status === 'fulfilled') void allocated.value.endpoint.release();
    throw (files.status === 'rejected' ? files.reason : (allocated as PromiseRejectedResult).reason) as Error;
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

  /** Takes the answer to our offer, and begins to say this. Throws SdpError. */
  start(answer: string, what: Said): Codec {
    const { codec } = this.#description.answered(answer);
    this.#said = what;
    this.#listening?.answered();
    void this.#run();
    return codec;
  }

  /** Says this from its beginning, in place of what is being said; only after `start`. */
  say(what: Said): void {
    const lost = this.#lost;
    this.#lost = undefined;
    this.#said = what;
    this.#turn++;
    if (lost === undefined) this.#stop();
    else this.lost(lost);
    this.#wake();
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
    if (this.#isQuiet && this.#said === 'prompt') {
      this.#lost = detail;
      return;
    }
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

  /** Stops the sound, gives back the endpoint and removes the files; may be called again. Never rejects. */
  close(): Promise<MediaStats> {
    this.#closing ??= this.#close();
    this.#wake();
    return this.#closing;
  }

  #replaced(allocated: Allocated): void {
    if (this.#closing !== undefined) return void allocated.endpoint.release();
    this.#current = allocated;
    this.#listening?.at(allocated);
    if (!allocated.endpoint.alive) this.lost('the media endpoint went at once');
  }

  /** All that was to be said so far is said. */
  get #isQuiet(): boolean {
    return this.#finishedTurn === this.#turn;
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
        if (!this.#isQuiet) await this.#say(allocated);
        else if (this.#allocated === taken) await this.#rest(allocated);
      } catch (error) {
        if (this.#closing !== undefined) return;
        if (this.#sound?.endpoint === allocated.endpoint) void this.#measure(this.#sound, undefined);
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
      const offer = this.#description.moved(placeOf(allocated));
      this.#description.answered(await this.#options.listener.reinvite(offer));
    }
    const phone = this.#description.negotiated;
    if (phone === undefined) throw new Error('nothing was negotiated');
    this.#changes = endpoint.connect(phone);
    await this.#changes;
    this.#introduced = allocated;
  }

  async #say(allocated: Allocated): Promise<void> {
    const { endpoint, server } = allocated;
    await this.#untilHeard(allocated);
    const [turn, said] = [this.#turn, this.#said];
    this.#sound = this.#soundOn(endpoint, said);
    if (said === 'nothing') {
      this.#finishedTurn = turn;
      return;
    }
    const file = this.#files[said];
    if (file === undefined) throw new Error('there is nothing to be said');
    const { path, name } = file;
    this.#speaks = true;
    await endpoint
      .play(server.promptFolder === undefined ? path : join(server.promptFolder, name))
      .finally(() => {
        this.#speaks = false;
      });
    if (turn !== this.#turn) return;
    this.#finishedTurn = turn;
    if (said === 'prompt') this.#promptSentMs = file.durationMs;
    if (this.#closing === undefined) this.#options.listener.onFinished();
  }

  /**
   * Waits until there is something to do. With detection that may take long: FreeSWITCH sends silence meanwhile, so
   * that nobody takes the call for dead, or nothing where it cannot. What is said next begins some 40 ms later then.
   */
  async #rest(allocated: Allocated): Promise<void> {
    if (this.#listening === undefined) return this.#awake();
    const { endpoint } = allocated;
    try {
      await this.#untilHeard(allocated);
      if (this.#isQuiet) await endpoint.play(SILENCE);
    } catch {
      // A loss is told in another way; where nobody needs another endpoint, there is nothing to do.
    }
    const moves = !endpoint.alive && this.#lost === undefined;
    if (this.#isQuiet && this.#closing === undefined && !moves) await this.#awake();
  }

  #ear({ listenFolder, listener }: LegMediaOptions): Listening {
    return new Listening({
      folder: listenFolder,
      sending: () => this.#speaks,
      hearing: () => this.#description.negotiated?.direction === 'sendrecv',
      onFinding: listener.onFinding,
    });
  }

  /** FreeSWITCH answers in order: what it counts now, while it sends nothing, is where the next sound begins. */
  #soundOn(endpoint: MediaEndpoint, said: Said): Sound {
    const before = this.#sound;
    const sinceMs = performance.now();
    if (before?.endpoint !== endpoint) return { said, endpoint, sinceMs, packetsBefore: Promise.resolve(0) };
    const packetsBefore = endpoint.counts().then((counts) => counts?.sent);
    void packetsBefore.then((sent) => this.#measure(before, sent, sinceMs));
    return { said, endpoint, sinceMs, packetsBefore };
  }

  /** What is being said is not wanted any more. */
  #stop(): void {
    const { endpoint } = this.#current;
    endpoint.stop().catch((error: unknown) => this.#unable(endpoint, error));
  }

  /** Until there is something to do. */
  #awake(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Until FreeSWITCH may send: the phone may have put us on hold before the first word. */
  async #untilHeard({ endpoint }: Allocated): Promise<void> {
    for (;;) {
      await this.#changes;
      if (this.#closing !== undefined || !endpoint.alive) throw new Error('nothing can be played here');
      const { negotiated } = this.#description;
      if (negotiated === undefined || maySend(negotiated.direction)) return;
      await this.#awake();
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
      .catch((error: unknown) => this.#unable(endpoint, error));
    this.#wake();
  }

  /** A loss is told in another way. */
  #unable(endpoint: MediaEndpoint, error: unknown): void {
    if (endpoint.alive && this.#closing === undefined)
      this.#options.listener.onFailed(error instanceof Error ? error.message : String(error));
  }

  async #close(): Promise<MediaStats> {
    const { endpoint } = this.#current;
    const nowMs = performance.now();
    const counts = this.#sound === undefined ? undefined : await endpoint.counts();
    if (this.#sound?.endpoint === endpoint) await this.#measure(this.#sound, counts?.sent, nowMs);
    await Promise.all([endpoint.release(), removeFiles(this.#files), this.#listening?.close()]);
    return {
      packetsSent: counts?.sent ?? 0,
      packetsReceived: counts?.received ?? 0,
      jitterMs: counts?.jitterMs ?? 0,
      promptSentMs: Math.round(this.#promptSentMs),
    };
  }

  /**
   * Notes how much of the prompt has gone out, if that is what this sound was.
   *
   * @param sent packets that the endpoint had sent when it was over; undefined where it cannot be asked any more: the
   *   time that it had is all that is known then
   */
  async #measure(sound: Sound, sent: number | undefined, nowMs = performance.now()): Promise<void> {
    if (sound.said !== 'prompt') return;
    const before = await sound.packetsBefore;
    const packetMs = this.#description.negotiated?.ptimeMs ?? 20;
    const known = sent !== undefined && before !== undefined;
    const sentMs = known ? (sent - before) * packetMs : nowMs - sound.sinceMs;
    const durationMs = this.#files.prompt?.durationMs ?? 0;
    this.#promptSentMs = Math.max(this.#promptSentMs, Math.min(durationMs, sentMs));
  }
}

/** Rejects with an Error, and nothing is left of them. */
async function writeFiles(folder: PromptFolder, { gate, prompt }: Leg): Promise<SaidFiles> {
  const file = await folder.write(prompt ?? NOTHING);
  if (gate === undefined) return { prompt: file };
  try {
    return { prompt: file, ask: await folder.write(gate.ask) };
  } catch (error) {
    await file.remove();
    throw error;
  }
}

async function removeFiles({ ask, prompt }: SaidFiles): Promise<void> {
  await Promise.all([ask?.remove(), prompt?.remove()]);
}

function channelSeconds(leg: Leg): number {
  return Math.ceil((unansweredMs(leg) + leg.timeouts.maxCallMs) / 1000) + CHANNEL_MARGIN_SECONDS;
}

function placeOf({ endpoint: { address, port } }: Allocated): { address: string; port: number } {
  return { address, port };
}
