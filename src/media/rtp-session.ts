import { randomFillSync } from 'node:crypto';
import { SocketAddress } from 'node:net';
import type { Codec } from '../engine/engine.ts';
import type { EncodedPart } from './encoded-speech.ts';
import { G711_CLOCK_RATE, PAYLOAD_TYPES, SILENCE_BYTES } from './g711.ts';
import type { Paced, Pacer } from './pacer.ts';
import type { PromptFormat } from './prompt-stream.ts';
import { PromptStream } from './prompt-stream.ts';
import { type Endpoint, RemoteSource } from './remote-source.ts';
import { RtcpReporter } from './rtcp-reporter.ts';
import { RtpAnswerFeed } from './rtp-answer-feed.ts';
import type { FromRtpWorker, RtpStats, Saying } from './rtp-messages.ts';
import type { RtpPacket } from './rtp-packet.ts';
import { RtpReceiver } from './rtp-receiver.ts';
import type { RtpSockets } from './rtp-sockets.ts';
import type { Negotiated } from './sdp.ts';
import { maySend } from './sdp.ts';
import { StreamCipher } from './stream-cipher.ts';

export interface RtpSessionContext {
  readonly id: number;
  readonly sockets: RtpSockets;
  readonly pacer: Pacer;
  readonly symmetric: boolean;
  /** Whether who answered is to be told from what is received. */
  readonly detects: boolean;
  readonly post: (message: FromRtpWorker) => void;
}

/** One stream in the worker: two sockets, the speech that goes out, and what is made of the packets that come. */
export class RtpSession implements Paced {
  readonly #context: RtpSessionContext;
  readonly #reporter: RtcpReporter;
  readonly #receiver: RtpReceiver;
  readonly #cipher = new StreamCipher();
  #media: Negotiated | undefined;
  #prompt: PromptStream | undefined;
  #answer: RtpAnswerFeed | undefined;
  /** What is being said, or was said last. */
  #saying: Saying | undefined;
  /** The most of the prompt that went out at a time; it may be said more than once. */
  #promptSentMs = 0;
  #source: RemoteSource | undefined;
  /** Of the RTP socket: a connected one saves the system a look-up of the route for each packet, about a fifth of all. */
  #connection: 'none' | 'under_way' | 'up' = 'none';
  #finished = false;
  #closed = false;
  #refusedPackets = 0;
  #socketErrors = 0;

  constructor(context: RtpSessionContext) {
    this.#context = context;
    const { id, post, sockets } = context;
    this.#reporter = new RtcpReporter(randomNumbers());
    this.#receiver = new RtpReceiver({
      firstPacket: () => post({ type: 'first_packet', id }),
      key: ({ digit, durationMs }) => post({ type: 'dtmf', id, digit, durationMs }),
      audio: (packet, nowMs) => this.#hear(packet, nowMs),
    });
    sockets.rtp.on('message', (bytes, from) => {
      const packet = this.#cipher.open(bytes);
      if (packet === undefined) return;
      this.#receiver.receive(packet, from, this.#media, this.#source, performance.now());
      if (this.#connection === 'none' && this.#source?.confirmed === true) this.#connect(this.#source.target);
    });
    sockets.rtp.on('connect', () => {
      this.#connection = 'up';
    });
    sockets.rtcp.on('message', (bytes, from) => {
      const compound = this.#cipher.openRtcp(bytes);
      if (compound !== undefined) this.#reporter.receive(compound, from, this.#source, performance.now());
    });
    sockets.rtp.on('error', this.#onSocketError);
    sockets.rtcp.on('error', this.#onSocketError);
  }

  play(media: Negotiated, saying: Saying): void {
    const [ssrc = 0, timestamp = 0, random = 0] = randomNumbers();
    const start = { ssrc, timestamp, sequence: random & 0x7fff };
    this.#saying = saying;
    this.#prompt = new PromptStream(start, formatOf(media), saying.speech);
    const { id, detects, post } = this.#context;
    if (detects) {
      this.#answer = new RtpAnswerFeed(performance.now(), (finding) =>
        post({ type: 'finding', id, finding }),
      );
    }
    this.#apply(media);
  }

  /** The next packet begins to say this, in the format that is in use. */
  say(saying: Saying): void {
    this.#promptSentMs = this.#promptSent();
    this.#saying = saying;
    this.#finished = false;
    this.#prompt?.say(saying.speech);
  }

  /** Another target, codec, packet length or direction; the speech goes on where it was. */
  update(media: Negotiated, speech?: readonly EncodedPart[]): void {
    this.#prompt?.reformat(formatOf(media), speech);
    this.#apply(media);
  }

  send(dueMs: number): void {
    const { sockets } = this.#context;
    const prompt = this.#prompt;
    const target = this.#source?.target;
    if (prompt === undefined || target === undefined || this.#closed) return;
    // The packet before this one is played out now.
    if (prompt.exhausted && !this.#finished) this.#finish();
    const packet = this.#cipher.seal(prompt.next(dueMs));
    try {
      // One buffer for all packets: a datagram is copied by the system call, unless its queue is full.
      if (this.#connection === 'up') sockets.rtp.send(packet);
      else sockets.rtp.send(packet, target.port, target.address, this.#onSent);
    } catch (error) {
      this.#onSent(error as Error);
    }
  }

  stalled(): void {
    this.#prompt?.interrupt();
  }

  /** To be called some times a second. */
  tick(nowMs: number): void {
    if (this.#media === undefined || this.#closed) return;
    this.#receiver.tick(nowMs);
    this.#answer?.tick(this.#speaking, nowMs);
    if (this.#reporter.isDue(nowMs)) this.#report(nowMs, false);
  }

  stats(): RtpStats {
    const { received, lost, ignored, jitterMs } = this.#receiver;
    return {
      packetsSent: Math.max(0, (this.#prompt?.packets ?? 0) - this.#refusedPackets),
      packetsReceived: received,
      jitterMs,
      promptSentMs: this.#promptSent(),
      packetsLost: lost,
      packetsIgnored: ignored,
      srtpDropped: this.#cipher.dropped,
      ...(this.#media?.srtp === undefined ? {} : { srtp: this.#media.srtp.send.suite }),
      socketErrors: this.#socketErrors,
      rtcpSent: this.#reporter.sent,
      rtcpReceived: this.#reporter.received,
    };
  }

  /** Says BYE and frees both sockets. */
  async close(): Promise<void> {
    this.#context.pacer.remove(this);
    this.#answer = undefined;
    this.#receiver.flush();
    this.#closed = true;
    const { rtp, rtcp } = this.#context.sockets;
    const rtpClosed = new Promise<void>((resolve) => rtp.close(resolve));
    // Who never sent anything says no BYE (RFC 3550 §6.3.7).
    if ((this.#prompt?.packets ?? 0) > 0 || this.#reporter.sent > 0) {
      await new Promise<void>((resolve) => this.#report(performance.now(), true, resolve));
    }
    await new Promise<void>((resolve) => rtcp.close(resolve));
    await rtpClosed;
  }

  /** Whether more than silence goes out. */
  get #speaking(): boolean {
    return this.#prompt?.exhausted === false && this.#media !== undefined && maySend(this.#media.direction);
  }

  #hear(packet: RtpPacket, nowMs: number): void {
    if (this.#answer === undefined || this.#media === undefined) return;
    this.#answer.take(packet, codecOf(packet, this.#media), this.#speaking, nowMs);
  }

  #apply(next: Negotiated): void {
    const before = this.#media;
    const media = withTargetOf(next, before);
    this.#media = media;
    this.#cipher.use(media.srtp);
    if (this.#source === undefined || before?.address !== media.address || before.port !== media.port) {
      const address = canonical(media.address);
      this.#source = new RemoteSource({ address, port: media.port }, this.#context.symmetric);
      this.#disconnect();
    }
    this.#reporter.aim({ address: canonical(media.rtcpAddress), port: media.rtcpPort });
    const sent = before !== undefined && maySend(before.direction);
    if (!maySend(media.direction)) {
      this.#context.pacer.remove(this);
      if (this.#prompt?.exhausted && !this.#finished) this.#finish();
    } else if (!sent || before.ptimeMs !== media.ptimeMs) {
      this.#prompt?.interrupt();
      this.#context.pacer.add(this, media.ptimeMs);
    }
  }

  #connect({ address, port }: Endpoint): void {
    if (this.#closed) return;
    this.#connection = 'under_way';
    this.#context.sockets.rtp.connect(port, address);
  }

  #disconnect(): void {
    if (this.#connection === 'up') this.#context.sockets.rtp.disconnect();
    // One that failed is not tried again: packets go without it.
    if (this.#connection !== 'under_way') this.#connection = 'none';
  }

  #finish(): void {
    this.#finished = true;
    const { id, post } = this.#context;
    post({ type: 'finished', id, turn: this.#saying?.turn ?? 0 });
  }

  #promptSent(): number {
    const now = this.#saying?.isPrompt === true ? (this.#prompt?.sentMs ?? 0) : 0;
    return Math.max(this.#promptSentMs, now);
  }

  #report(nowMs: number, bye: boolean, done?: () => void): void {
    const prompt = this.#prompt;
    const compound = this.#reporter.report({
      nowMs,
      wallMs: Date.now(),
      bye,
      ...(prompt
        ? { sent: { packets: prompt.packets, bytes: prompt.bytes, timestamp: prompt.timestampAt(nowMs) } }
        : {}),
      ssrc: prompt?.ssrc ?? 0,
      reception: this.#receiver.reception,
    });
    const bytes = this.#cipher.sealRtcp(compound);
    const target = this.#reporter.target(this.#context.symmetric);
    const sent = (error: Error | null) => {
      if (error) this.#socketErrors++;
      done?.();
    };
    try {
      this.#context.sockets.rtcp.send(bytes, target.port, target.address, sent);
    } catch (error) {
      sent(error as Error);
    }
  }

  readonly #onSent = (error: Error | null): void => {
    if (!error) return;
    this.#refusedPackets++;
    this.#socketErrors++;
  };

  /** ICMP errors and the like concern a datagram, not the stream. */
  readonly #onSocketError = (): void => {
    this.#socketErrors++;
  };
}

/** A payload type that is not static is the one that was agreed on. */
function codecOf({ payloadType }: RtpPacket, { codec }: Negotiated): Codec {
  if (payloadType === PAYLOAD_TYPES.PCMU) return 'PCMU';
  return payloadType === PAYLOAD_TYPES.PCMA ? 'PCMA' : codec;
}

function formatOf(media: Negotiated): PromptFormat {
  return {
    payloadType: media.payloadType,
    ptimeMs: media.ptimeMs,
    clockRate: G711_CLOCK_RATE,
    silenceByte: SILENCE_BYTES[media.codec],
  };
}

/** On hold by an unspecified address (RFC 3264 §8.4) the place to send RTCP to stays the one before. */
function withTargetOf(media: Negotiated, before: Negotiated | undefined): Negotiated {
  if (before === undefined || !/^[0:.]+$/.test(media.address)) return media;
  const { address, port, rtcpAddress, rtcpPort } = before;
  return { ...media, address, port, rtcpAddress, rtcpPort };
}

/** An IPv6 address as the sockets write it. */
function canonical(address: string): string {
  return address.includes(':') ? new SocketAddress({ address, family: 'ipv6' }).address : address;
}

function randomNumbers(): Uint32Array {
  return randomFillSync(new Uint32Array(4));
}
