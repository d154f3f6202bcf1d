import type { Reception } from './reception.ts';
import type { Endpoint, RemoteSource } from './remote-source.ts';
import { buildReport, parseRtcp, rtcpDelayMs } from './rtcp.ts';

export interface ReportInput {
  /** Any even clock, milliseconds; the one of `receive` and `isDue`. */
  readonly nowMs: number;
  /** Epoch milliseconds of the same moment. */
  readonly wallMs: number;
  /** Zero while we have none: then a random number of our own stands in. */
  readonly ssrc: number;
  readonly sent?: { readonly packets: number; readonly bytes: number; readonly timestamp: number };
  readonly reception: Reception | undefined;
  readonly bye: boolean;
}

/** When one stream reports over RTCP, what it says, and what it hears there. */
export class RtcpReporter {
  readonly #cname: string;
  readonly #ssrc: number;
  #seed: number;
  #dueMs: number | undefined;
  #signalled: Endpoint = { address: '', port: 0 };
  #latched: Endpoint | undefined;
  #sent = 0;
  #received = 0;
  /** Packets that the last two reports told of: who has sent none since is no sender (RFC 3550 §6.4). */
  #told: [number, number] = [0, 0];
  #peerReport: { readonly ssrc: number; readonly lastReport: number; readonly atMs: number } | undefined;

  /** Takes four random numbers of 32 bits; two of them make the CNAME, new for each call (RFC 7022 §4.2). */
  constructor(random: Uint32Array) {
    const [ssrc = 0, seed = 0, ...name] = random;
    this.#ssrc = ssrc;
    this.#seed = seed;
    this.#cname = name.map((number) => number.toString(36)).join('');
  }

  get sent(): number {
    return this.#sent;
  }

  /** Valid compounds. */
  get received(): number {
    return this.#received;
  }

  /** Where the SDP wants RTCP. */
  aim(endpoint: Endpoint): void {
    if (endpoint.address === this.#signalled.address && endpoint.port === this.#signalled.port) return;
    this.#signalled = endpoint;
    this.#latched = undefined;
  }

  /** Where to send. */
  target(symmetric: boolean): Endpoint {
    return (symmetric ? this.#latched : undefined) ?? this.#signalled;
  }

  /** Takes a datagram; from elsewhere than the peer's RTP or the address of its SDP nothing counts. */
  receive(bytes: Uint8Array, from: Endpoint, source: RemoteSource | undefined, nowMs: number): void {
    const known = from.address === this.#signalled.address || from.address === source?.target.address;
    const packets = known ? parseRtcp(bytes) : undefined;
    if (packets === undefined) return;
    this.#received++;
    this.#latched ??= { address: from.address, port: from.port };
    for (const { ssrc, sender } of packets) {
      if (sender && ssrc !== undefined) {
        this.#peerReport = { ssrc, lastReport: sender.lastReport, atMs: nowMs };
      }
    }
  }

  /** Whether a report is due; the first call begins the waiting. */
  isDue(nowMs: number): boolean {
    this.#dueMs ??= nowMs + rtcpDelayMs(this.#random(), true);
    return nowMs >= this.#dueMs;
  }

  report({ nowMs, wallMs, ssrc, sent, reception, bye }: ReportInput): Uint8Array {
    this.#dueMs = nowMs + rtcpDelayMs(this.#random(), false);
    this.#sent++;
    const sending = sent !== undefined && sent.packets > this.#told[0];
    this.#told = [this.#told[1], sent?.packets ?? 0];
    return buildReport({
      ssrc: ssrc || this.#ssrc,
      cname: this.#cname,
      bye,
      ...(sending ? { sender: { ...sent, wallMs } } : {}),
      ...(reception ? { block: { ...reception.report(), ...this.#echo(reception.ssrc, nowMs) } } : {}),
    });
  }

  #echo(ssrc: number, nowMs: number): { lastReport: number; sinceLastReport: number } {
    const report = this.#peerReport;
    if (report?.ssrc !== ssrc) return { lastReport: 0, sinceLastReport: 0 };
    const sinceLastReport = Math.round(((nowMs - report.atMs) * 65_536) / 1000);
    return { lastReport: report.lastReport, sinceLastReport };
  }

  /** xorshift32: spreading reports out needs no better randomness. */
  #random(): number {
    let seed = this.#seed || 1;
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    this.#seed = seed >>> 0;
    return this.#seed / 2 ** 32;
  }
}
