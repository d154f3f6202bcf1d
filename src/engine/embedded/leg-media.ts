import { encodeSpeech } from '../../media/encoded-speech.ts';
import type { Rtp } from '../../media/rtp.ts';
import type { RtpListener, RtpStream } from '../../media/rtp-stream.ts';
import type { Negotiated } from '../../media/sdp.ts';
import { SdpError } from '../../media/sdp-reader.ts';
import type { Codec, Leg, MediaStats } from '../engine.ts';
import { LegDescription } from '../leg/leg-description.ts';

/** The media of one leg: its description in SDP, and the stream that says the prompt. */
export class LegMedia {
  readonly #leg: Leg;
  readonly #stream: RtpStream;
  readonly #description: LegDescription;
  #codec: Codec | undefined;

  private constructor(leg: Leg, stream: RtpStream, address: string) {
    const { port, rtcpPort } = stream;
    this.#leg = leg;
    this.#stream = stream;
    this.#description = new LegDescription(leg.codecs, {
      address,
      port,
      ...(rtcpPort === port + 1 ? {} : { rtcpPort }),
    });
  }

  /** Binds the ports. Rejects with RtpError. */
  static async open(rtp: Rtp, leg: Leg, address: string, listener: RtpListener): Promise<LegMedia> {
    return new LegMedia(leg, await rtp.open(listener), address);
  }

  /** What we say of our side: the offer, or the last answer. */
  get description(): string {
    return this.#description.text;
  }

  /** Takes the answer to our offer and starts the prompt. Throws SdpError. */
  start(answer: string): Codec {
    const negotiated = this.#description.answered(answer);
    this.#codec = negotiated.codec;
    this.#stream.play(negotiated, encodeSpeech(this.#leg.prompt, negotiated.codec));
    return negotiated.codec;
  }

  /** Answers an offer within the call; undefined where nothing in it can be used. The prompt pauses on hold. */
  reoffered(offer: string): string | undefined {
    const answer = this.#description.reoffered(offer);
    if (answer !== undefined) this.#move(answer.negotiated);
    return answer?.sdp;
  }

  /** Takes the answer to an offer that the peer asked us for; one that cannot be used changes nothing. */
  answered(answer: string): void {
    try {
      this.#move(this.#description.answered(answer));
    } catch (error) {
      if (!(error instanceof SdpError)) throw error;
    }
  }

  /** Ends the stream and frees its ports; may be called again. */
  close(): Promise<MediaStats> {
    return this.#stream.close();
  }

  #move(negotiated: Negotiated): void {
    const { codec } = negotiated;
    const speech = codec === this.#codec ? undefined : encodeSpeech(this.#leg.prompt, codec);
    this.#codec = codec;
    this.#stream.update(negotiated, speech);
  }
}
