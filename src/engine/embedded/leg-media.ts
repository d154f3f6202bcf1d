import { encodeSpeech } from '../../media/encoded-speech.ts';
import type { Rtp } from '../../media/rtp.ts';
import type { RtpListener, RtpStream } from '../../media/rtp-stream.ts';
import type { Negotiated } from '../../media/sdp.ts';
import { SdpError } from '../../media/sdp-reader.ts';
import type { Speech } from '../../media/speech.ts';
import type { Codec, Leg, MediaStats } from '../engine.ts';
import { LegDescription } from '../leg/leg-description.ts';
import type { Said } from '../leg/leg-speech.ts';

const NOTHING: Speech = { sampleRate: 8000, parts: [] };

/** The media of one leg: its description in SDP, and the stream that says what is to be said. */
export class LegMedia {
  readonly #leg: Leg;
  readonly #stream: RtpStream;
  readonly #description: LegDescription;
  #codec: Codec | undefined;
  #said: Said = 'prompt';

  private constructor(leg: Leg, stream: RtpStream, address: string) {
    const { port, rtcpPort } = stream;
    this.#leg = leg;
    this.#stream = stream;
    const place = { address, port, ...(rtcpPort === port + 1 ? {} : { rtcpPort }) };
    this.#description = new LegDescription(leg.codecs, place, leg.srtp);
  }

  /** Binds the ports. Rejects with RtpError. */
  static async open(rtp: Rtp, leg: Leg, address: string, listener: RtpListener): Promise<LegMedia> {
    return new LegMedia(leg, await rtp.open(listener), address);
  }

  /** What we say of our side: the offer, or the last answer. */
  get description(): string {
    return this.#description.text;
  }

  /** Takes the answer to our offer and begins to say this. Throws SdpError. */
  start(answer: string, what: Said): Codec {
    const negotiated = this.#description.answered(answer);
    const { codec } = negotiated;
    this.#codec = codec;
    this.#said = what;
    this.#stream.play(negotiated, encodeSpeech(this.#speech, codec), what === 'prompt');
    return codec;
  }

  /** Says this from its beginning, in place of what is being said; only after `start`. */
  say(what: Said): void {
    if (this.#codec === undefined) return;
    this.#said = what;
    this.#stream.say(encodeSpeech(this.#speech, this.#codec), what === 'prompt');
  }

  /** Answers an offer within the call; undefined where nothing in it can be used. Speech pauses on hold. */
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

  get #speech(): Speech {
    const { prompt, gate } = this.#leg;
    const speeches = { ask: gate?.ask, prompt, nothing: NOTHING };
    return speeches[this.#said] ?? NOTHING;
  }

  #move(negotiated: Negotiated): void {
    const { codec } = negotiated;
    const speech = codec === this.#codec ? undefined : encodeSpeech(this.#speech, codec);
    this.#codec = codec;
    this.#stream.update(negotiated, speech);
  }
}
