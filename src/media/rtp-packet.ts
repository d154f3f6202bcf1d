/** Bytes of an RTP header without contributing sources or extension. */
export const RTP_HEADER_BYTES = 12;

export interface RtpHeader {
  /** First packet after silence (RFC 3551 §4.1). */
  readonly marker: boolean;
  readonly payloadType: number;
  /** 0 to 65535. */
  readonly sequence: number;
  /** 0 to 2^32 − 1, in ticks of the RTP clock. */
  readonly timestamp: number;
  readonly ssrc: number;
}

export interface RtpPacket extends RtpHeader {
  /** A view into the datagram, without padding. */
  readonly payload: Uint8Array;
}

/** The next sequence number, which wraps at 2^16. */
export function nextSequence(sequence: number): number {
  return (sequence + 1) & 0xffff;
}

/** A timestamp some ticks later, which wraps at 2^32. */
export function addTicks(timestamp: number, ticks: number): number {
  return (timestamp + Math.round(ticks)) >>> 0;
}

/** Ticks from one timestamp to another, negative when it lies before; right within half of the 2^32 circle. */
export function ticksBetween(from: number, to: number): number {
  return (to - from) | 0;
}

/** Writes the header (RFC 3550 §5.1) into the first 12 bytes of a packet. */
export function writeRtpHeader(into: Uint8Array, header: RtpHeader): void {
  into[0] = 0x80;
  into[1] = (header.marker ? 0x80 : 0) | (header.payloadType & 0x7f);
  into[2] = header.sequence >>> 8;
  into[3] = header.sequence;
  into[4] = header.timestamp >>> 24;
  into[5] = header.timestamp >>> 16;
  into[6] = header.timestamp >>> 8;
  into[7] = header.timestamp;
  into[8] = header.ssrc >>> 24;
  into[9] = header.ssrc >>> 16;
  into[10] = header.ssrc >>> 8;
  into[11] = header.ssrc;
}

export function buildRtpPacket(packet: RtpPacket): Uint8Array {
  const bytes = new Uint8Array(RTP_HEADER_BYTES + packet.payload.length);
  writeRtpHeader(bytes, packet);
  bytes.set(packet.payload, RTP_HEADER_BYTES);
  return bytes;
}

/** Reads a datagram as RTP; undefined for anything else, RTCP on the same port included (RFC 5761 §4). */
export function parseRtpPacket(bytes: Uint8Array): RtpPacket | undefined {
  if (bytes.length < RTP_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = view.getUint8(0);
  if (first >> 6 !== 2) return undefined;
  const second = view.getUint8(1);
  if (second >= 192 && second <= 223) return undefined;
  let start = RTP_HEADER_BYTES + 4 * (first & 0x0f);
  if ((first & 0x10) !== 0) {
    if (start + 4 > bytes.length) return undefined;
    start += 4 + 4 * view.getUint16(start + 2);
  }
  let end = bytes.length;
  if ((first & 0x20) !== 0) {
    const padding = view.getUint8(bytes.length - 1);
    if (padding === 0) return undefined;
    end -= padding;
  }
  if (start > end) return undefined;
  return {
    marker: (second & 0x80) !== 0,
    payloadType: second & 0x7f,
    sequence: view.getUint16(2),
    timestamp: view.getUint32(4),
    ssrc: view.getUint32(8),
    payload: bytes.subarray(start, end),
  };
}
