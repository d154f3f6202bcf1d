import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Endpoint } from 'drachtio-fsmrf/lib/mediaserver.js';
import { createOffer, type Negotiated } from '../../media/sdp.ts';
import { readSdp, SdpError } from '../../media/sdp-reader.ts';
import type { SrtpMaster } from '../../media/srtp-suite.ts';
import { untilAborted, within } from '../leg/deadline.ts';
import type { ChannelSrtp } from './channel-srtp.ts';
import type { DrachtioConnection } from './drachtio-connection.ts';
import { describePhone } from './phone-description.ts';
import type { SrfAnswer, SrfDialog, SrfRequest } from './srf.ts';

export interface MediaListener {
  /** A key, once, when it is let go. */
  readonly onDtmf: (digit: string, durationMs: number) => void;
  /** The channel is gone, or its FreeSWITCH; not after `release`. */
  readonly onLost: (detail: string) => void;
}

export interface MediaEndpointOptions {
  readonly endpoint: Endpoint;
  readonly via: DrachtioConnection;
  readonly listener: MediaListener;
  /** Of a channel that was made with its offer. */
  readonly srtp: ChannelSrtp | undefined;
  /** Ends the channel by another way, where it does not end by its own connection. */
  readonly kill: (uuid: string) => Promise<void>;
  readonly onReleased: () => void;
}

/** Packets as FreeSWITCH counted them. */
export interface PacketCounts {
  readonly sent: number;
  readonly received: number;
  readonly jitterMs: number;
}

const CONNECT_MS = 2000;
const RELEASE_MS = 3000;
const STATS_MS = 1000;
const RETRY_MS = 20;
/** An offer whose answer is not taken by then is asked for again: FreeSWITCH passes over one that crosses an ACK. */
const OFFER_MS = 200;
/** Three packets: so many may FreeSWITCH be behind. */
const BEHIND_MS = 60;
/** FreeSWITCH counts the length of a key in samples. */
const SAMPLES_PER_MS = 8;

/** A channel of FreeSWITCH: describes itself at once, is connected to the phone's RTP, plays, and is given back. */
export class MediaEndpoint {
  readonly uuid: string;
  /** Where FreeSWITCH wants the phone's RTP. */
  readonly address: string;
  readonly port: number;
  /** What it encrypts with, a key for each suite; undefined where it does not. */
  readonly keys: readonly SrtpMaster[] | undefined;
  readonly #options: MediaEndpointOptions;
  readonly #gone = new AbortController();
  readonly #dialog: SrfDialog;
  /** Of the channel's own connection. */
  readonly #socket: Socket | null;
  #version = 0;
  #phone: Negotiated | undefined;
  /** FreeSWITCH has taken the phone's description. */
  #acknowledged: () => void = () => {};
  /** Of the file that is being played. */
  #playback: symbol | undefined;
  #paused = false;
  #releasing = false;
  /** Resolves when the channel was given back, or is gone. */
  readonly released: Promise<void>;
  #markReleased: () => void = () => {};

  /** @throws SdpError where a channel with SRTP says no key */
  constructor(options: MediaEndpointOptions) {
    this.#options = options;
    this.released = new Promise((resolve) => {
      this.#markReleased = resolve;
    });
    const { endpoint, listener, srtp } = options;
    // fsmrf lets go of it when the channel ends.
    this.uuid = endpoint.uuid;
    this.#dialog = endpoint.dialog as SrfDialog;
    this.#socket = endpoint.conn?.socket ?? null;
    const audio = readSdp(endpoint.local.sdp).media.find(({ type }) => type === 'audio');
    this.address = audio?.address ?? '';
    this.port = audio?.port ?? 0;
    this.keys = srtp?.keysIn(endpoint.local.sdp);
    if (srtp !== undefined) {
      this.#dialog.on('modify', (request, answer) => this.#offered(request, answer, srtp));
      this.#dialog.on('ack', () => this.#acknowledged());
    }
    // fsmrf would write it to the console: a socket that FreeSWITCH closes while we write to it is nothing new.
    endpoint.conn?.removeAllListeners('error');
    // Commands are small: Nagle's algorithm would keep each back for 40 ms.
    this.#socket?.setNoDelay(true);
    endpoint.on('destroy', () => this.lose('FreeSWITCH ended the channel'));
    endpoint.on('dtmf', ({ dtmf, duration }: { dtmf?: string; duration?: string }) => {
      const durationMs = Math.round(Number(duration ?? 0) / SAMPLES_PER_MS) || 0;
      if (dtmf !== undefined && /^[0-9A-D*#]$/.test(dtmf)) listener.onDtmf(dtmf, durationMs);
    });
  }

  /** Whether it can still play. */
  get alive(): boolean {
    return !this.#gone.signal.aborted;
  }

  /** The channel can play no more; the listener hears of it once. */
  lose(detail: string): void {
    if (this.#gone.signal.aborted) return;
    this.#gone.abort();
    if (this.#releasing) return;
    this.#options.listener.onLost(detail);
    void this.release();
  }

  /** Tells FreeSWITCH where the phone's RTP is and what it understands. Rejects with an Error. */
  async connect(phone: Negotiated): Promise<void> {
    const first = this.#phone === undefined;
    this.#phone = phone;
    const telling = this.keys === undefined ? this.#describe(phone) : this.#askForOffer(phone);
    const keys = first ? this.#hearKeysOut() : undefined;
    const complaint = 'FreeSWITCH does not answer a re-INVITE';
    await this.#orGone(within(CONNECT_MS, Promise.all([telling, keys]), complaint));
  }

  /** Plays a file to its end, or until `stop`. Rejects when it cannot be played, or the channel goes. */
  async play(path: string): Promise<void> {
    const token = Symbol('playback');
    this.#playback = token;
    this.#paused = false;
    const playback = this.#orGone(this.#options.endpoint.execute('playback', path));
    const event = await playback.finally(() => {
      if (this.#playback === token) this.#playback = undefined;
    });
    // A file that the end of the channel cut short counts as played to FreeSWITCH.
    if (event.getHeader('Answer-State') === 'hangup') {
      this.lose('FreeSWITCH ended the channel');
      throw new Error('the media endpoint is gone');
    }
    const response = event.getHeader('Application-Response') ?? '';
    if (response !== 'FILE PLAYED') throw new Error(`FreeSWITCH did not play the prompt: ${response}`);
  }

  /** Ends what is being played, within two packets; where nothing is, nothing. Rejects with an Error. */
  async stop(): Promise<void> {
    const { endpoint } = this.#options;
    const playback = this.#playback;
    if (playback === undefined) return;
    const until = performance.now() + CONNECT_MS;
    // It does nothing until FreeSWITCH has opened the file; afterwards one is enough, and one more harms nothing.
    while (this.#playback === playback && this.alive) {
      if (performance.now() > until) throw new Error('FreeSWITCH cannot stop what it says');
      await within(CONNECT_MS, endpoint.api('uuid_break', [endpoint.uuid]), 'no answer to a break');
      await sleep(RETRY_MS);
    }
  }

  /**
   * Stops the file where it is, or goes on with it; where none is played, nothing. Rejects with an Error.
   *
   * Meanwhile FreeSWITCH sends silence where it may send. What it has read of the file is out soon after, and what it
   * reads next is not lost soon after it may send again: a description that changes at that moment would cost some
   * packets.
   */
  async pause(paused: boolean): Promise<void> {
    const playing = this.#playback !== undefined;
    if (paused) await this.#turn(true);
    if (playing) await sleep(BEHIND_MS);
    if (!paused) await this.#turn(false);
  }

  async #turn(paused: boolean): Promise<void> {
    const { endpoint } = this.#options;
    const until = performance.now() + CONNECT_MS;
    // The command turns it over, and fails until FreeSWITCH has opened the file.
    while (this.#playback !== undefined && this.alive && paused !== this.#paused) {
      const asked = endpoint.api('uuid_fileman', [endpoint.uuid, 'pause']);
      const answer = await within(CONNECT_MS, asked, 'no answer to a pause');
      if (answer.getBody().startsWith('+OK')) this.#paused = paused;
      else if (performance.now() > until) throw new Error('FreeSWITCH cannot pause the prompt');
      else await sleep(RETRY_MS);
    }
  }

  /**
   * Writes what the phone says to a file that is there, 16-bit samples at 8000 Hz, until `stopRecording`: silence where
   * no RTP comes, nothing while the phone has us on hold. Resolves when FreeSWITCH has opened it; rejects with an Error.
   *
   * @param path as FreeSWITCH sees it, without a quotation mark
   */
  async record(path: string): Promise<void> {
    const { endpoint } = this.#options;
    const asked = Promise.all([
      // Nothing of what we say.
      endpoint.api('uuid_setvar', [endpoint.uuid, 'RECORD_READ_ONLY', 'true']),
      // At once, and not when it ends.
      endpoint.api('uuid_setvar', [endpoint.uuid, 'enable_file_write_buffering', 'false']),
      endpoint.api('uuid_record', [endpoint.uuid, 'start', `'${path}'`]),
    ]);
    const [, , answer] = await this.#orGone(within(CONNECT_MS, asked, 'no answer to a recording'));
    const body = answer.getBody();
    if (!body.startsWith('+OK')) throw new Error(`FreeSWITCH does not record: ${body.trim()}`);
  }

  /** Rejects with an Error. */
  async stopRecording(path: string): Promise<void> {
    const { endpoint } = this.#options;
    const asked = endpoint.api('uuid_record', [endpoint.uuid, 'stop', `'${path}'`]);
    await this.#orGone(within(CONNECT_MS, asked, 'no answer to the end of a recording'));
  }

  /** Undefined where FreeSWITCH cannot be asked any more. */
  async counts(): Promise<PacketCounts | undefined> {
    if (!this.alive) return undefined;
    try {
      const { endpoint } = this.#options;
      const ask = async (...command: [string, ...string[]]): Promise<string> => {
        const [name, ...args] = command;
        return (await endpoint.api(name, [endpoint.uuid, ...args])).getBody();
      };
      // All at once: FreeSWITCH answers in order.
      const asked = Promise.all([
        ask('uuid_set_media_stats'),
        ask('uuid_getvar', 'rtp_audio_out_packet_count'),
        ask('uuid_getvar', 'rtp_audio_in_packet_count'),
        ask('uuid_getvar', 'rtp_audio_in_jitter_max_variance'),
      ]);
      const [, sent, received, variance] = await this.#orGone(within(STATS_MS, asked, 'no answer'));
      const count = (text: string): number => Number(text.trim()) || 0;
      return { sent: count(sent), received: count(received), jitterMs: Math.sqrt(count(variance)) };
    } catch {
      return undefined;
    }
  }

  /** Ends the channel; resolves when it is over, or nothing more can be done. May be called again. */
  release(): Promise<void> {
    if (!this.#releasing) {
      this.#releasing = true;
      void this.#end().finally(() => {
        this.#options.onReleased();
        this.#markReleased();
      });
    }
    return this.released;
  }

  async #end(): Promise<void> {
    const { endpoint, via, kill } = this.#options;
    try {
      if (this.alive) await this.#hangUp();
      // Lost by its own connection alone, it would play on until the file ends.
      else void kill(endpoint.uuid).catch(() => undefined);
    } catch {
      await kill(endpoint.uuid).catch(() => undefined);
    }
    this.#gone.abort();
    // A FreeSWITCH that hangs never closes it, and the process would not end.
    this.#socket?.destroy();
    // Where FreeSWITCH could not say BYE any more, drachtio still holds the dialog.
    via.drop(this.#dialog);
  }

  /** fsmrf would wait for the BYE alone, which cannot come where the connection to drachtio is lost. */
  async #hangUp(): Promise<void> {
    const { endpoint, via } = this.#options;
    const channel = new Promise<void>((resolve) => {
      endpoint.once('destroy', resolve);
      endpoint.conn?.once('esl::end', resolve);
    });
    let stop = (): void => {};
    const dialog = new Promise<void>((resolve) => {
      this.#dialog.once('destroy', resolve);
      const lost = (): void => resolve();
      stop = () => via.lost.removeEventListener('abort', lost);
      via.lost.addEventListener('abort', lost, { once: true });
      if (via.lost.aborted) lost();
    });
    // Its completion is not awaited: the channel ends before it can be told.
    endpoint.execute('hangup', 'NORMAL_CLEARING').catch(() => undefined);
    const over = Promise.all([channel, dialog]);
    // The connection outlives all of its calls: whatever stays with it is never freed.
    await within(RELEASE_MS, over, 'FreeSWITCH does not end a channel').finally(stop);
  }

  async #describe(phone: Negotiated): Promise<void> {
    const { status } = await this.#options.via.request({
      method: 'INVITE',
      uri: 'sip:placeholder',
      stackDialogId: this.#dialog.id,
      headers: { Contact: this.#dialog.local.contact },
      body: createOffer(describePhone(phone, ++this.#version)),
    });
    if (status >= 300) throw new Error(`FreeSWITCH refused the phone's description with ${status}`);
  }

  /** FreeSWITCH keeps its key where it is the one to offer. */
  async #askForOffer({ codec, port, srtp }: Negotiated): Promise<void> {
    const { endpoint } = this.#options;
    if (srtp === undefined) throw new Error('the phone has no key for SRTP');
    const key = Buffer.from(srtp.receive.keyAndSalt).toString('base64');
    const until = performance.now() + CONNECT_MS;
    while (performance.now() < until && this.alive) {
      const acknowledged = new Promise<void>((resolve) => {
        this.#acknowledged = resolve;
      });
      const asked = await endpoint.api('uuid_media_reneg', [endpoint.uuid, `=${codec}`]);
      if (!asked.getBody().startsWith('+OK')) throw new Error('FreeSWITCH makes no offer');
      await Promise.race([acknowledged, sleep(OFFER_MS)]);
      // It says ACK before it has read what it acknowledges.
      const soon = performance.now() + OFFER_MS;
      do {
        if (await this.#knows(key, port)) return;
        await sleep(RETRY_MS);
      } while (performance.now() < soon && this.alive);
    }
    throw new Error("FreeSWITCH did not take the phone's key");
  }

  async #knows(key: string, port: number): Promise<boolean> {
    const { endpoint } = this.#options;
    const ask = async (name: string): Promise<string> =>
      (await endpoint.api('uuid_getvar', [endpoint.uuid, name])).getBody().trim();
    const asked = Promise.all([ask('srtp_remote_audio_crypto_key'), ask('remote_media_port')]);
    const [line, place] = await asked;
    return line.includes(`inline:${key}`) && place === String(port);
  }

  /** FreeSWITCH offers: it gets the answer of the phone. */
  #offered({ body }: SrfRequest, answer: SrfAnswer, srtp: ChannelSrtp): void {
    if (this.#phone === undefined) return answer.send(488);
    try {
      const headers = { Contact: this.#dialog.local.contact, 'Content-Type': 'application/sdp' };
      answer.send(200, { headers, body: srtp.answer(body, this.#phone) });
    } catch (error) {
      if (!(error instanceof SdpError)) throw error;
      answer.send(488);
    }
  }

  /** FreeSWITCH would take a star for the wish to hear no more. */
  async #hearKeysOut(): Promise<void> {
    const { endpoint } = this.#options;
    await endpoint.api('uuid_setvar', [endpoint.uuid, 'playback_terminators', 'none']);
  }

  #orGone<T>(work: Promise<T>): Promise<T> {
    return untilAborted(this.#gone.signal, work, new Error('the media endpoint is gone'));
  }
}
