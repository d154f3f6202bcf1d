import type { MediaStats } from '../engine/engine.ts';
import type { AnswerFinding } from './answer-detector.ts';
import type { EncodedPart } from './encoded-speech.ts';
import type { Negotiated } from './sdp.ts';

/** Counts of one stream, kept until it is closed. */
export interface RtpStats extends MediaStats {
  /** Packets that the peer's sequence numbers promise and that did not come. */
  readonly packetsLost: number;
  /** Datagrams that were no RTP, of an unknown payload type, or from a stranger. */
  readonly packetsIgnored: number;
  readonly srtpDropped: number;
  /** Packets that the operating system did not take, and errors of the sockets. */
  readonly socketErrors: number;
  readonly rtcpSent: number;
  readonly rtcpReceived: number;
}

export const NO_RTP_STATS: RtpStats = {
  packetsSent: 0,
  packetsReceived: 0,
  jitterMs: 0,
  promptSentMs: 0,
  packetsLost: 0,
  packetsIgnored: 0,
  srtpDropped: 0,
  socketErrors: 0,
  rtcpSent: 0,
  rtcpReceived: 0,
};

export interface RtpWorkerOptions {
  readonly bindAddress: string;
  /** 0: the operating system chooses. */
  readonly portMin: number;
  readonly portMax: number;
  readonly drainMs: number;
  readonly symmetric: boolean;
}

/** What a stream is to say now. */
export interface Saying {
  /** Counts the speeches of a stream: `finished` names it. */
  readonly turn: number;
  readonly speech: readonly EncodedPart[];
  /** Whether it counts as the prompt in `promptSentMs`. */
  readonly isPrompt: boolean;
}

/** `id` is the stream's. */
export type ToRtpWorker =
  /** `detects`: from `play` on, what is received is listened to for who answered. */
  | { readonly type: 'open'; readonly id: number; readonly detects: boolean }
  | { readonly type: 'play'; readonly id: number; readonly media: Negotiated; readonly saying: Saying }
  | { readonly type: 'say'; readonly id: number; readonly saying: Saying }
  | {
      readonly type: 'update';
      readonly id: number;
      readonly media: Negotiated;
      readonly speech?: readonly EncodedPart[];
    }
  | { readonly type: 'stats'; readonly id: number }
  | { readonly type: 'close'; readonly id: number };

export type FromRtpWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'opened'; readonly id: number; readonly port: number; readonly rtcpPort: number }
  | { readonly type: 'open_failed'; readonly id: number; readonly detail: string }
  | { readonly type: 'first_packet'; readonly id: number }
  | { readonly type: 'dtmf'; readonly id: number; readonly digit: string; readonly durationMs: number }
  | { readonly type: 'finished'; readonly id: number; readonly turn: number }
  | { readonly type: 'finding'; readonly id: number; readonly finding: AnswerFinding }
  | { readonly type: 'stats'; readonly id: number; readonly stats: RtpStats }
  | { readonly type: 'closed'; readonly id: number; readonly stats: RtpStats };
