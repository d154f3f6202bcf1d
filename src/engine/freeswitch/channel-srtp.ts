import { randomBytes } from 'node:crypto';
import { NOBODYS_PORT } from '../../media/rtp-ports.ts';
import { answerOffer, createOffer, type LocalMedia, type Negotiated, readAnswer } from '../../media/sdp.ts';
import { type SrtpMaster, type SrtpSuite, srtpMasterBytes } from '../../media/srtp-suite.ts';
import { describePhone } from './phone-description.ts';

/** Every phone has it (RFC 4568 §6.2.1). One only: FreeSWITCH cannot change the suite of a channel that is up. */
const SUITE: SrtpSuite = 'AES_CM_128_HMAC_SHA1_80';

/** What makes the dialplan allow SRTP for this channel. */
export const SRTP_HEADERS: Readonly<Record<string, string>> = { 'X-srtp': 'required' };

/**
 * SRTP of one channel of FreeSWITCH. FreeSWITCH makes the key that it sends with when it takes an offer, and would make
 * another one for the next: so it takes that of nobody first, and its key goes into our offer to the phone. The phone's
 * key comes to it as an answer, to an offer that FreeSWITCH is asked for.
 */
export class ChannelSrtp {
  /** To FreeSWITCH, in the name of a phone that is not there yet. */
  readonly offer: string;
  readonly #nobody: LocalMedia;
  #version = 1;

  constructor() {
    this.#nobody = {
      sessionId: '1',
      version: this.#version,
      // Nothing is sent until the phone is known, except RTCP: that stays on FreeSWITCH's machine.
      address: '127.0.0.1',
      port: NOBODYS_PORT,
      codecs: ['PCMU', 'PCMA'],
      telephoneEvent: true,
      srtp: {
        required: true,
        keys: [{ suite: SUITE, keyAndSalt: randomBytes(srtpMasterBytes(SUITE)) }],
      },
    };
    this.offer = createOffer(this.#nobody);
  }

  /** What FreeSWITCH encrypts with. Throws SdpError where its answer does not say it. */
  keysIn(answer: string): readonly SrtpMaster[] {
    const { srtp } = readAnswer(answer, this.#nobody);
    return srtp === undefined ? [] : [srtp.receive];
  }

  /** What the phone has to say to an offer of FreeSWITCH. Throws SdpError where nothing in that fits. */
  answer(offer: string, phone: Negotiated): string {
    return answerOffer(offer, describePhone(phone, ++this.#version)).sdp;
  }
}
