import { randomInt } from 'node:crypto';
import { encodeSpeech } from '../../media/encoded-speech.ts';
import type { Rtp } from '../../media/rtp.ts';
import type { RtpListener, RtpStream } from '../../media/rtp-stream.ts';
import { answerOffer, createOffer, type LocalMedia, type Negotiated, readAnswer } from '../../media/sdp.ts';
import { SdpError } from '../../media/sdp-reader.ts';
import type { Codec, Leg, MediaStats } from '../engine.ts';

/** The media of one leg: its description in SDP, and the stream that says the prompt. */
export class LegMedia {
  readonly #leg: Leg;
  readonly #stream: RtpStream;
  #local: LocalMedia;
  #description: string;
  #negotiated: Negotiated | undefined;

  private constructor(leg: Leg, stream: RtpStream, address: string) {
    this.#leg = leg;
    this.#stream = stream;
    this.#local = {
      // RFC 8866 §5.2 wants it unique; a random one says nothing about us.
      sessionId: String(randomInt(1, 2 ** 47)),
      version: 1,
      address,
      port: stream.port,
      ...(stream.rtcpPort === stream.port + 1 ? {} : { rtcpPort: stream.rtcpPort }),
      codecs: leg.codecs,
      telephoneEvent: true,
    };
    this.#description = createOffer(this.#local);
  }

  /** Binds the ports. Rejects with RtpError. */
  static async open(rtp: Rtp, leg: Leg, address: string, listener: RtpListener): Promise<LegMedia> {
    return new LegMedia(leg, await rtp.open(listener), address);
  }

  /** What we say of our side: the offer, or the last answer. */
  get description(): string {
    return this.#description;
  }

  /** Takes the answer to our offer and starts the prompt. Throws SdpError. */
  start(answer: string): Codec {
    const negotiated = readAnswer(answer, this.#local);
    this.#negotiated = negotiated;
    this.#stream.play(negotiated, encodeSpeech(this.#leg.prompt, negotiated.codec));
    return negotiated.codec;
  }

  /** Answers an offer within the call; undefined where nothing in it can be used. The prompt pauses on hold. */
  reoffered(offer: string): string | undefined {
    const current = this.#negotiated?.codec;
    const codecs = [...this.#leg.codecs].sort((a, b) => Number(b === current) - Number(a === current));
    const local = { ...this.#local, version: this.#local.version + 1, codecs };
    try {
      const { sdp, negotiated } = answerOffer(offer, local);
      this.#local = local;
      this.#description = sdp;
      this.#move(negotiated);
      return sdp;
    } catch (error) {
      if (error instanceof SdpError) return undefined;
      throw error;
    }
  }

  /** Takes the answer to an offer that the peer asked us for; one that cannot be used changes nothing. */
  answered(answer: string): void {
    try {
      this.#move(readAnswer(answer, this.#local));
    } catch (error) {
      if (!(error instanceof SdpError)) throw error;
    }
  }

  /** Ends the stream and frees its ports; may be called again. */
  close(): Promise<MediaStats> {
    return this.#stream.close();
  }

  #move(negotiated: Negotiated): void {
    const before = this.#negotiated?.codec;
    this.#negotiated = negotiated;
    const speech = negotiated.codec === before ? undefined : encodeSpeech(this.#leg.prompt, negotiated.codec);
    this.#stream.update(negotiated, speech);
  }
}
