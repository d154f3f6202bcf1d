import { randomInt } from 'node:crypto';
import { newLocalSrtp } from '../../media/local-srtp.ts';
import { NOBODYS_PORT } from '../../media/rtp-ports.ts';
import {
  answerOffer,
  createOffer,
  type LocalMedia,
  type LocalSrtp,
  type Negotiated,
  readAnswer,
} from '../../media/sdp.ts';
import { SdpError } from '../../media/sdp-reader.ts';
import type { Codec, Leg, SrtpPolicy } from '../engine.ts';

/** Whether nothing is said or heard in a leg, so that no media is to be set up: a flash call that hangs up. */
export function isMute({ flash, prompt }: Leg): boolean {
  return prompt === null || flash?.onAnswer === 'hangup';
}

/** What was said of the audio of a leg, by both sides: our offers and answers, and what they came to. */
export class LegDescription {
  readonly #codecs: readonly Codec[];
  #local: LocalMedia;
  #text: string;
  #negotiated: Negotiated | undefined;

  /**
   * @param codecs in order of preference
   * @param srtp with new keys of ours, or with those of whoever encrypts
   */
  constructor(
    codecs: readonly Codec[],
    place: Pick<LocalMedia, 'address' | 'port' | 'rtcpPort'>,
    srtp: SrtpPolicy | LocalSrtp = 'off',
  ) {
    const secured = typeof srtp === 'string' ? newLocalSrtp(srtp) : srtp;
    this.#codecs = codecs;
    this.#local = {
      // RFC 8866 §5.2 wants it unique; a random one says nothing about us.
      sessionId: String(randomInt(1, 2 ** 47)),
      version: 1,
      ...place,
      codecs,
      telephoneEvent: true,
      ...(secured === undefined ? {} : { srtp: secured }),
    };
    this.#text = createOffer(this.#local);
  }

  /**
   * The offer of a call in which nothing is said or heard: like any other, so that no network treats it otherwise,
   * but with a port that is no call's.
   *
   * @param address IP literal of this side
   */
  static withoutMedia(codecs: readonly Codec[], address: string, srtp: SrtpPolicy = 'off'): string {
    return new LegDescription(codecs, { address, port: NOBODYS_PORT }, srtp).text;
  }

  /** What we say of our side: the offer, or the last answer. */
  get text(): string {
    return this.#text;
  }

  /** What was agreed on last; undefined before the answer. */
  get negotiated(): Negotiated | undefined {
    return this.#negotiated;
  }

  /** Where we want RTP. */
  get place(): { readonly address: string; readonly port: number } {
    return this.#local;
  }

  /** The audio is elsewhere from now on, and encrypted with other keys, or not at all: a new offer. */
  moved(place: Pick<LocalMedia, 'address' | 'port'>, keys?: LocalSrtp['keys']): string {
    const { srtp, ...rest } = this.#local;
    const secured = keys === undefined ? {} : { srtp: { required: srtp?.required === true, keys } };
    this.#local = { ...rest, version: rest.version + 1, ...place, ...secured };
    this.#text = createOffer(this.#local);
    return this.#text;
  }

  /** What was agreed on of SRTP holds for the rest of the call: no offer takes it away, and none brings it. */
  settleSrtp(): void {
    const { srtp, ...rest } = this.#local;
    const kept = this.#negotiated?.srtp === undefined ? undefined : srtp;
    this.#local = kept === undefined ? rest : { ...rest, srtp: { ...kept, required: true } };
  }

  /** Takes the answer to our offer. Throws SdpError where nothing in it can be used. */
  answered(answer: string): Negotiated {
    this.#negotiated = readAnswer(answer, this.#local);
    return this.#negotiated;
  }

  /** Answers an offer within the call; undefined where nothing in it can be used. */
  reoffered(offer: string): { readonly sdp: string; readonly negotiated: Negotiated } | undefined {
    const current = this.#negotiated?.codec;
    const codecs = [...this.#codecs].sort((a, b) => Number(b === current) - Number(a === current));
    const local = { ...this.#local, version: this.#local.version + 1, codecs };
    try {
      const answer = answerOffer(offer, local);
      this.#local = local;
      this.#text = answer.sdp;
      this.#negotiated = answer.negotiated;
      return answer;
    } catch (error) {
      if (error instanceof SdpError) return undefined;
      throw error;
    }
  }
}
