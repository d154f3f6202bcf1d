import type { ReceptionReport } from './reception.ts';

const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
const SOURCE_DESCRIPTION = 202;
const BYE = 203;

const CNAME_ITEM = 1;
const LONGEST_ITEM = 255;
/** Seconds from 1900, where NTP counts from, to 1970. */
const NTP_EPOCH_SECONDS = 2_208_988_800;

/** Mean time between reports, milliseconds (RFC 3550 §6.2: the minimum for few participants). */
export const RTCP_INTERVAL_MS = 5000;

export interface SenderInfo {
  /** Wall clock of the report, epoch milliseconds. */
  readonly wallMs: number;
  /** RTP timestamp of the same moment. */
  readonly timestamp: number;
  readonly packets: number;
  /** Payload bytes without headers. */
  readonly bytes: number;
}

/** A report block with what the last sender report of that source said. */
export interface ReportBlock extends ReceptionReport {
  /** Middle 32 bits of that report's NTP time; 0 when there was none. */
  readonly lastReport: number;
  /** Since that report arrived, in 1/65536 s. */
  readonly sinceLastReport: number;
}

export interface Report {
  readonly ssrc: number;
  readonly cname: string;
  /** Without it the compound begins with a receiver report: nothing was sent since the last one. */
  readonly sender?: SenderInfo;
  readonly block?: ReportBlock;
  /** Ends the compound with BYE (RFC 3550 §6.6). */
  readonly bye?: boolean;
}

/** Milliseconds to the next report: the interval times 0.5 to 1.5, half of it before the first (RFC 3550 §6.2). */
export function rtcpDelayMs(random: number, first: boolean): number {
  return (first ? RTCP_INTERVAL_MS / 2 : RTCP_INTERVAL_MS) * (0.5 + random);
}

/** Middle 32 bits of an NTP time. */
function middleOfNtp(seconds: number, fraction: number): number {
  return (((seconds & 0xffff) << 16) | (fraction >>> 16)) >>> 0;
}

/** A compound of SR or RR, SDES with CNAME, and BYE where it is asked for (RFC 3550 §6.1). */
export function buildReport(report: Report): Uint8Array {
  const { ssrc, sender, block } = report;
  const cname = new TextEncoder().encode(report.cname).subarray(0, LONGEST_ITEM);
  const reportBytes = 8 + (sender ? 20 : 0) + (block ? 24 : 0);
  // A chunk ends with at least one zero byte and fills its last word (RFC 3550 §6.5).
  const chunkBytes = Math.ceil((4 + 2 + cname.length + 1) / 4) * 4;
  const bytes = new Uint8Array(reportBytes + 4 + chunkBytes + (report.bye ? 8 : 0));
  const view = new DataView(bytes.buffer);
  writeStart(view, 0, sender ? SENDER_REPORT : RECEIVER_REPORT, block ? 1 : 0, reportBytes);
  view.setUint32(4, ssrc);
  if (sender) writeSenderInfo(view, 8, sender);
  if (block) writeBlock(view, sender ? 28 : 8, block);
  writeStart(view, reportBytes, SOURCE_DESCRIPTION, 1, 4 + chunkBytes);
  view.setUint32(reportBytes + 4, ssrc);
  bytes[reportBytes + 8] = CNAME_ITEM;
  bytes[reportBytes + 9] = cname.length;
  bytes.set(cname, reportBytes + 10);
  if (report.bye) {
    writeStart(view, bytes.length - 8, BYE, 1, 8);
    view.setUint32(bytes.length - 4, ssrc);
  }
  return bytes;
}

function writeStart(view: DataView, at: number, type: number, count: number, length: number): void {
  view.setUint8(at, 0x80 | count);
  view.setUint8(at + 1, type);
  view.setUint16(at + 2, length / 4 - 1);
}

function writeSenderInfo(view: DataView, at: number, sender: SenderInfo): void {
  const seconds = Math.floor(sender.wallMs / 1000);
  view.setUint32(at, (seconds + NTP_EPOCH_SECONDS) >>> 0);
  view.setUint32(at + 4, Math.floor((sender.wallMs / 1000 - seconds) * 2 ** 32) >>> 0);
  view.setUint32(at + 8, sender.timestamp);
  view.setUint32(at + 12, sender.packets >>> 0);
  view.setUint32(at + 16, sender.bytes >>> 0);
}

function writeBlock(view: DataView, at: number, block: ReportBlock): void {
  view.setUint32(at, block.ssrc);
  view.setUint32(at + 4, ((block.fractionLost << 24) | (block.cumulativeLost & 0xff_ffff)) >>> 0);
  view.setUint32(at + 8, block.highestSequence);
  view.setUint32(at + 12, block.jitterTicks);
  view.setUint32(at + 16, block.lastReport);
  view.setUint32(at + 20, block.sinceLastReport >>> 0);
}

export interface RtcpPacket {
  readonly type: 'sr' | 'rr' | 'sdes' | 'bye' | 'other';
  /** The sender, for SR and RR; the first source of SDES and BYE; undefined where there is none. */
  readonly ssrc: number | undefined;
  /** Report blocks, chunks or sources that the packet announces. */
  readonly count: number;
  /** SR: what the peer wants back in our report block, and what it has sent. */
  readonly sender?: {
    readonly lastReport: number;
    readonly timestamp: number;
    readonly packets: number;
    readonly bytes: number;
  };
  /** SDES: the CNAME of the first chunk. */
  readonly cname?: string;
}

const TYPE_NAMES: ReadonlyMap<number, RtcpPacket['type']> = new Map([
  [SENDER_REPORT, 'sr'],
  [RECEIVER_REPORT, 'rr'],
  [SOURCE_DESCRIPTION, 'sdes'],
  [BYE, 'bye'],
]);

/**
 * Reads a compound packet. Undefined for what is none: wrong version, a first packet other than SR or RR, lengths
 * that do not add up (RFC 3550 A.2).
 */
export function parseRtcp(bytes: Uint8Array): RtcpPacket[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const packets: RtcpPacket[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length || view.getUint8(at) >> 6 !== 2) return undefined;
    const end = at + 4 * (view.getUint16(at + 2) + 1);
    if (end > bytes.length) return undefined;
    const packet = parseOne(new DataView(bytes.buffer, bytes.byteOffset + at, end - at));
    if (packet === undefined) return undefined;
    packets.push(packet);
    at = end;
  }
  const first = packets[0]?.type;
  return first === 'sr' || first === 'rr' ? packets : undefined;
}

function parseOne(view: DataView): RtcpPacket | undefined {
  const count = view.getUint8(0) & 0x1f;
  const type = TYPE_NAMES.get(view.getUint8(1)) ?? 'other';
  const ssrc = view.byteLength >= 8 ? view.getUint32(4) : undefined;
  if (type === 'rr' && view.byteLength < 8 + 24 * count) return undefined;
  if (type === 'bye' && view.byteLength < 4 + 4 * count) return undefined;
  if (type === 'sdes') {
    const cname = readCname(view);
    return { type, ssrc, count, ...(cname === undefined ? {} : { cname }) };
  }
  if (type !== 'sr') return { type, ssrc, count };
  if (view.byteLength < 28 + 24 * count) return undefined;
  return {
    type,
    ssrc,
    count,
    sender: {
      lastReport: middleOfNtp(view.getUint32(8), view.getUint32(12)),
      timestamp: view.getUint32(16),
      packets: view.getUint32(20),
      bytes: view.getUint32(24),
    },
  };
}

function readCname(view: DataView): string | undefined {
  for (let at = 8; at + 2 <= view.byteLength; ) {
    const item = view.getUint8(at);
    const length = view.getUint8(at + 1);
    if (item === 0 || at + 2 + length > view.byteLength) return undefined;
    if (item === CNAME_ITEM) {
      return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at + 2, length));
    }
    at += 2 + length;
  }
  return undefined;
}
