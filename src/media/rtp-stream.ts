import type { AnswerFinding } from './answer-detector.ts';
import type { EncodedPart } from './encoded-speech.ts';
import type { RtpError } from './rtp-error.ts';
import type { FromRtpWorker, RtpStats, ToRtpWorker } from './rtp-messages.ts';
import { NO_RTP_STATS } from './rtp-messages.ts';
import type { Negotiated } from './sdp.ts';

/** What a stream tells; called from the event loop, never during a call to the stream. */
export interface RtpListener {
  /** The peer's first valid RTP packet after `play`. */
  onFirstPacket?(): void;
  /** A key, when it was let go. */
  onDtmf?(digit: string, durationMs: number): void;
  /** The last packet of what was said last has been played out; silence follows until more is said. */
  onFinished?(): void;
  /**
   * Something was found of who answered, in what is received from `play` on. A listener that has this when the stream
   * is opened is what makes it listen for that. Not after `close`.
   */
  onFinding?(finding: AnswerFinding): void;
  /** The worker is gone and the stream with it; `close` is still due. */
  onError?(error: RtpError): void;
}

export interface RtpStreamLink {
  readonly id: number;
  readonly port: number;
  readonly rtcpPort: number;
  readonly listener: RtpListener;
  readonly post: (message: ToRtpWorker) => void;
}

type StreamMessage = Extract<
  FromRtpWorker,
  { type: 'first_packet' | 'dtmf' | 'finished' | 'finding' | 'stats' | 'closed' }
>;

/** The sockets of one call, seen from the main thread. Made by `Rtp.open`. */
export class RtpStream {
  readonly #link: RtpStreamLink;
  #turn = 0;
  #lastStats = NO_RTP_STATS;
  #over = false;
  #closing: Promise<RtpStats> | undefined;
  #closed: ((stats: RtpStats) => void) | undefined;
  #asking: ((stats: RtpStats) => void)[] = [];

  constructor(link: RtpStreamLink) {
    this.#link = link;
  }

  /** Port of RTP. */
  get port(): number {
    return this.#link.port;
  }

  /** Port of RTCP; the one after `port` unless the operating system had no pair. */
  get rtcpPort(): number {
    return this.#link.rtcpPort;
  }

  /**
   * Begins to send, in `media.codec`. Once a stream.
   *
   * @param isPrompt whether the speech counts as the prompt in the statistics
   */
  play(media: Negotiated, speech: readonly EncodedPart[], isPrompt = true): void {
    this.#turn++;
    this.#post({ type: 'play', id: this.#link.id, media, saying: { turn: this.#turn, speech, isPrompt } });
  }

  /** Says something else from now on, from its beginning: after `play`, in the codec that is in use. */
  say(speech: readonly EncodedPart[], isPrompt: boolean): void {
    this.#turn++;
    this.#post({ type: 'say', id: this.#link.id, saying: { turn: this.#turn, speech, isPrompt } });
  }

  /**
   * After a new negotiation: another address, codec, packet length or direction. While we may not send the speech
   * stands still, and goes on where it was once we may. A new codec needs the whole speech in that codec.
   */
  update(media: Negotiated, speech?: readonly EncodedPart[]): void {
    this.#post({ type: 'update', id: this.#link.id, media, ...(speech === undefined ? {} : { speech }) });
  }

  /** The counts so far; after the end those of the end. */
  stats(): Promise<RtpStats> {
    if (this.#over) return Promise.resolve(this.#lastStats);
    return new Promise((resolve) => {
      this.#asking.push(resolve);
      this.#post({ type: 'stats', id: this.#link.id });
    });
  }

  /** Sends RTCP BYE, frees the sockets, and gives the final counts. May be called again. Never rejects. */
  close(): Promise<RtpStats> {
    if (this.#over) return Promise.resolve(this.#lastStats);
    this.#closing ??= new Promise((resolve) => {
      this.#closed = resolve;
      this.#post({ type: 'close', id: this.#link.id });
    });
    return this.#closing;
  }

  /** For Rtp: a message of the worker. */
  receive(message: StreamMessage): void {
    const { listener } = this.#link;
    switch (message.type) {
      case 'first_packet':
        listener.onFirstPacket?.();
        break;
      case 'dtmf':
        listener.onDtmf?.(message.digit, message.durationMs);
        break;
      case 'finished':
        // It may have crossed what is to be said in its place.
        if (message.turn === this.#turn) listener.onFinished?.();
        break;
      case 'finding':
        if (this.#closing === undefined) listener.onFinding?.(message.finding);
        break;
      case 'stats':
        this.#lastStats = message.stats;
        this.#asking.shift()?.(message.stats);
        break;
      case 'closed':
        this.#end(message.stats);
        break;
    }
  }

  /** For Rtp: the worker is gone. */
  fail(error: RtpError): void {
    const closing = this.#closing !== undefined;
    this.#end(this.#lastStats);
    if (!closing) this.#link.listener.onError?.(error);
  }

  #end(stats: RtpStats): void {
    this.#over = true;
    this.#lastStats = stats;
    for (const resolve of this.#asking.splice(0)) resolve(stats);
    this.#closed?.(stats);
  }

  #post(message: ToRtpWorker): void {
    if (!this.#over) this.#link.post(message);
  }
}
