import { randomBytes, randomInt } from 'node:crypto';
import type { Codec, SrtpPolicy } from '../engine/engine.ts';
import { newLocalSrtp } from '../media/local-srtp.ts';
import type { Pcm } from '../media/pcm.ts';
import { answerOffer, createOffer, type Direction, type LocalMedia, readAnswer } from '../media/sdp.ts';
import { SdpError } from '../media/sdp-reader.ts';
import type { SrtpSuite } from '../media/srtp-suite.ts';
import { dialogOfUas } from '../sip/dialog.ts';
import type { SipEndpoint } from '../sip/endpoint.ts';
import { parseNumber } from '../sip/header.ts';
import { header, type SipHeader, type SipRequest } from '../sip/message.ts';
import { responseTo } from '../sip/response.ts';
import type { ServerHandle } from '../sip/server-transactions.ts';
import { ALLOW, Session } from '../sip/session.ts';
import { formatHost } from '../sip/uri.ts';
import type { Behaviour, KeyTelling, Press, Provisional } from './behaviour.ts';
import { KEY_CYCLE_MS, KEY_MS, PhoneMedia } from './phone-media.ts';
import { PhoneVoice } from './phone-voice.ts';

export interface PhoneOptions {
  readonly endpoint: SipEndpoint;
  readonly localAddress: string;
  readonly behaviour: Behaviour;
  readonly codecs: readonly Codec[];
  readonly srtp: SrtpPolicy;
  /** Where RTP is to go instead of to the phone: the phone is deaf then. */
  readonly mediaSink?: { readonly address: string; readonly port: number } | undefined;
}

/** What a phone has seen of its call. Times are epoch milliseconds, null until they happened. */
export interface PhoneRecord {
  readonly ringingAt: number | null;
  readonly answeredAt: number | null;
  readonly ackedAt: number | null;
  /** The first audio packet after the answer. */
  readonly firstAudioAt: number | null;
  /** The end of a tone that it has said. */
  readonly toneEndedAt: number | null;
  readonly endedAt: number | null;
  /** `canceled`: before the answer. `refused`: by this phone. `lost`: no ACK, or no BYE was answered. */
  readonly end: 'canceled' | 'refused' | 'they_hung_up' | 'we_hung_up' | 'lost' | null;
  /** Audio packets that arrived. */
  readonly packets: number;
  /** Audio packets that arrived before the answer. */
  readonly earlyPackets: number;
  /** How late its own audio went out at most, milliseconds. */
  readonly latestMs: number;
  /** What the audio is encrypted with; null where it is not. */
  readonly srtp: SrtpSuite | null;
  /** Datagrams that SRTP did not let through. */
  readonly srtpDropped: number;
}

/** What a phone does so long after the INVITE, milliseconds. */
type Step = readonly [afterMs: number, act: () => void];

/** One call at a lab phone: acts out its behaviour towards one INVITE. */
export class Phone {
  readonly #options: PhoneOptions;
  readonly #handle: ServerHandle;
  readonly #tag = randomBytes(6).toString('hex');
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #reliable = new Map<number, () => void>();
  readonly #over: Promise<void>;
  #markOver: () => void = () => {};
  #disown: () => void = () => {};
  #media: PhoneMedia | undefined;
  #local: LocalMedia | undefined;
  #answerSdp = '';
  #session: Session | undefined;
  #rseq = randomInt(1, 1000);
  #record: PhoneRecord = {
    ringingAt: null,
    answeredAt: null,
    ackedAt: null,
    firstAudioAt: null,
    toneEndedAt: null,
    endedAt: null,
    end: null,
    packets: 0,
    earlyPackets: 0,
    latestMs: 0,
    srtp: null,
    srtpDropped: 0,
  };

  constructor(handle: ServerHandle, options: PhoneOptions) {
    this.#handle = handle;
    this.#options = options;
    this.#over = new Promise((resolve) => {
      this.#markOver = resolve;
    });
  }

  /** Resolves when the call is over at this end. */
  get over(): Promise<void> {
    return this.#over;
  }

  get record(): PhoneRecord {
    const { packets, earlyPackets, latestMs, firstAudioAt, toneEndedAt, srtp, srtpDropped } =
      this.#media ?? this.#record;
    return {
      ...this.#record,
      packets,
      earlyPackets,
      latestMs,
      firstAudioAt,
      toneEndedAt,
      srtp,
      srtpDropped,
    };
  }

  /** What was heard so far. */
  get heard(): Pcm {
    return this.#media?.heard ?? { sampleRate: 8000, samples: new Int16Array(0) };
  }

  async run(): Promise<void> {
    const { behaviour, endpoint, localAddress, mediaSink } = this.#options;
    const { request } = this.#handle;
    this.#disown = endpoint.own(header(request, 'Call-ID') ?? '', {
      request: (handle) => this.#request(handle),
      ack: (ack) => this.#session?.ack(ack),
    });
    this.#handle.onCancel = () => this.#canceled();
    this.#handle.respond(responseTo(request, 100));
    const { final, provisionals } = behaviour;
    // One that refuses at once needs no description; early media does, whatever comes after it.
    if (final === 'never' || final.status < 300 || provisionals.some(({ sdp }) => sdp === true)) {
      try {
        if (mediaSink === undefined) this.#media = await openMedia(localAddress, behaviour);
        this.#prepareAnswer();
      } catch (error) {
        if (!(error instanceof SdpError)) throw error;
        return this.#refuse(488);
      }
    }
    const responses = provisionals.map((one): Step => [one.afterMs, () => this.#provisional(one)]);
    if (final !== 'never') responses.push([final.afterMs, () => this.#final(final)]);
    this.#inTurn(responses.sort(([a], [b]) => a - b));
  }

  /** Presses keys one after another, as the person holding the phone would. */
  press(keys: string): void {
    this.#press({ keys, by: ['rtp'] });
  }

  /** Answers a phone that rings, as the person in front of it would; false where it does not ring (any more). */
  answer(): boolean {
    const { ringingAt, end } = this.#record;
    if (ringingAt === null || end !== null || this.#session !== undefined) return false;
    // One that refuses has nothing to hear with.
    if (this.#local === undefined) return false;
    this.#final({ afterMs: 0, status: 200 });
    return true;
  }

  /** Ends the call as that person would. */
  hangUp(): void {
    if (this.#record.end !== null) return;
    const session = this.#session;
    if (session === undefined) this.#refuse(603);
    else void session.bye().then((answered) => this.#end(answered ? 'we_hung_up' : 'lost'));
  }

  #after(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (this.#record.end === null) act();
    }, ms);
    this.#timers.add(timer);
  }

  /** In this order whatever happens: of timers that are late, a longer one can come before a shorter one. */
  #inTurn([next, ...rest]: readonly Step[], begunAt = performance.now()): void {
    if (next === undefined) return;
    const [afterMs, act] = next;
    this.#after(Math.ceil(Math.max(0, begunAt + afterMs - performance.now())), () => {
      act();
      this.#inTurn(rest, begunAt);
    });
  }

  #prepareAnswer(): void {
    const { codecs, localAddress, mediaSink } = this.#options;
    const srtp = newLocalSrtp(this.#options.srtp);
    this.#local = {
      sessionId: String(randomInt(1, 2 ** 47)),
      version: 1,
      address: mediaSink?.address ?? localAddress,
      port: mediaSink?.port ?? this.#media?.port ?? 0,
      codecs,
      telephoneEvent: true,
      ...(srtp === undefined ? {} : { srtp }),
    };
    const { body } = this.#handle.request;
    this.#answerSdp = body === '' ? createOffer(this.#local) : answerOffer(body, this.#local).sdp;
  }

  #provisional({ status, sdp, reliable }: Provisional): void {
    if (status === 180 && this.#record.ringingAt === null)
      this.#record = { ...this.#record, ringingAt: Date.now() };
    const { request } = this.#handle;
    const headers: SipHeader[] = [
      ['Contact', this.#contact()],
      ['Allow', ALLOW],
    ];
    if (sdp === true) headers.push(['Content-Type', 'application/sdp']);
    const body = sdp === true ? this.#answerSdp : '';
    if (reliable !== true)
      return this.#handle.respond(responseTo(request, status, { toTag: this.#tag, headers, body }));
    const rseq = this.#rseq++;
    headers.push(['Require', '100rel'], ['RSeq', String(rseq)]);
    const response = responseTo(request, status, { toTag: this.#tag, headers, body });
    // RFC 3262 §3: again from T1 on, doubling, until the PRACK comes.
    const again = (ms: number): void => {
      this.#handle.respond(response);
      const timer = setTimeout(() => again(ms * 2), ms);
      this.#timers.add(timer);
      this.#reliable.set(rseq, () => clearTimeout(timer));
    };
    again(this.#options.endpoint.timers.t1Ms);
  }

  #final(final: Exclude<Behaviour['final'], 'never'>): void {
    // RFC 3262 §3: no 2xx while a reliable provisional with an answer is unacknowledged; we wait for all of them.
    if (this.#reliable.size > 0 && final.status < 300) return this.#after(50, () => this.#final(final));
    if (final.status >= 300) return this.#refuse(final.status, final.reason, final.headers);
    this.#answer();
  }

  #refuse(status: number, reason?: string, headers: readonly SipHeader[] = []): void {
    const parts = { toTag: this.#tag, headers, ...(reason === undefined ? {} : { reason }) };
    this.#handle.respond(responseTo(this.#handle.request, status, parts));
    this.#end('refused');
  }

  #answer(): void {
    // By a person, before it would have answered by itself.
    if (this.#session !== undefined) return;
    const { endpoint, localAddress, behaviour } = this.#options;
    const { request, peer } = this.#handle;
    const dialog = dialogOfUas(request, this.#tag);
    if (dialog === undefined) return this.#refuse(400);
    const session = new Session({
      endpoint,
      dialog,
      peer,
      localAddress,
      contact: this.#contact(),
      listener: {
        offer: (sdp) => this.#reoffered(sdp),
        currentOffer: () => this.#answerSdp,
        answer: (sdp) => this.#connect(sdp),
        bye: () => this.#end('they_hung_up'),
        lost: () => this.#end('lost'),
      },
    });
    this.#session = session;
    this.#record = { ...this.#record, answeredAt: Date.now() };
    const headers: SipHeader[] = [
      ['Contact', this.#contact()],
      ['Allow', ALLOW],
      ['Content-Type', 'application/sdp'],
    ];
    const response = responseTo(request, 200, { toTag: this.#tag, headers, body: this.#answerSdp });
    if (request.body !== '') this.#listen(request.body);
    session.answerInvite(this.#handle, response, (ack) => {
      this.#record = { ...this.#record, ackedAt: Date.now() };
      if (request.body === '' && ack.body !== '') this.#connect(ack.body);
      this.#act(behaviour);
    });
  }

  #act({ answer }: Behaviour): void {
    const { hangUpAfterMs, presses = [], hold } = answer ?? {};
    if (hangUpAfterMs !== undefined) this.#after(hangUpAfterMs, () => this.hangUp());
    for (const press of presses) this.#after(press.afterMs, () => this.#press(press));
    if (hold === undefined) return;
    this.#after(hold.afterMs, () => void this.#reinvite('sendonly'));
    this.#after(hold.afterMs + hold.forMs, () => void this.#reinvite('sendrecv'));
  }

  #press({ keys, by = ['rtp'] }: Omit<Press, 'afterMs'>): void {
    for (const way of by) {
      if (way === 'rtp') this.#media?.press(keys);
      else Array.from(keys).forEach((key, i) => this.#after(i * KEY_CYCLE_MS, () => this.#inform(key, way)));
    }
  }

  /** Tells a key in SIP INFO, when it goes down and not, as RTP does, when it is let go. */
  #inform(key: string, type: Exclude<KeyTelling, 'rtp'>): void {
    const body = type === 'application/dtmf' ? key : `Signal=${key}\r\nDuration=${KEY_MS}\r\n`;
    void this.#session?.send('INFO', { headers: [['Content-Type', type]], body });
  }

  async #reinvite(direction: Direction): Promise<void> {
    const local = this.#local;
    if (local === undefined) return;
    this.#local = { ...local, version: local.version + 1, direction };
    this.#answerSdp = createOffer(this.#local);
    const headers: SipHeader[] = [
      ['Contact', this.#contact()],
      ['Content-Type', 'application/sdp'],
    ];
    await this.#session?.send('INVITE', { headers, body: this.#answerSdp });
  }

  #listen(offer: string): void {
    if (this.#local === undefined) return;
    this.#media?.connect(answerOffer(offer, this.#local).negotiated);
  }

  #reoffered(offer: string): string | undefined {
    if (this.#local === undefined) return undefined;
    try {
      this.#local = { ...this.#local, version: this.#local.version + 1 };
      const { sdp, negotiated } = answerOffer(offer, this.#local);
      this.#media?.connect(negotiated);
      this.#answerSdp = sdp;
      return sdp;
    } catch (error) {
      if (error instanceof SdpError) return undefined;
      throw error;
    }
  }

  #connect(answer: string): void {
    if (this.#local === undefined) return;
    try {
      this.#media?.connect(readAnswer(answer, this.#local));
    } catch (error) {
      if (!(error instanceof SdpError)) throw error;
    }
  }

  #request(handle: ServerHandle): void {
    const { request } = handle;
    if (request.method === 'PRACK') return this.#prack(handle, request);
    if (this.#session !== undefined) return this.#session.request(handle);
    handle.respond(responseTo(request, request.method === 'BYE' ? 200 : 481));
    // A caller may end an early dialog by BYE (RFC 3261 §15).
    if (request.method === 'BYE') this.#canceled();
  }

  #prack(handle: ServerHandle, request: SipRequest): void {
    const rseq = parseNumber((header(request, 'RAck') ?? '').split(' ')[0]);
    const stop = rseq === undefined ? undefined : this.#reliable.get(rseq);
    handle.respond(responseTo(request, stop === undefined ? 481 : 200));
    if (rseq !== undefined) this.#reliable.delete(rseq);
    stop?.();
  }

  #canceled(): void {
    if (this.#record.end !== null || this.#session !== undefined) return;
    if (this.#options.behaviour.crossesCancel === true) return this.#answer();
    this.#handle.respond(responseTo(this.#handle.request, 487, { toTag: this.#tag }));
    this.#end('canceled');
  }

  #end(end: NonNullable<PhoneRecord['end']>): void {
    if (this.#record.end !== null) return;
    this.#record = { ...this.record, endedAt: Date.now(), end };
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#reliable.clear();
    this.#session?.close();
    this.#media?.close();
    this.#disown();
    this.#markOver();
  }

  #contact(): string {
    const { endpoint, localAddress } = this.#options;
    const { transport } = this.#handle.peer;
    const port = transport === 'tls' ? endpoint.tlsPort : endpoint.port;
    const parameter = transport === 'udp' ? '' : `;transport=${transport}`;
    return `<sip:phone@${formatHost(localAddress)}:${port}${parameter}>`;
  }
}

async function openMedia(host: string, { answer }: Behaviour): Promise<PhoneMedia> {
  const { says, mute } = answer ?? {};
  const voice = says === undefined ? undefined : await PhoneVoice.of(says);
  return PhoneMedia.open(host, { voice, mute });
}
