import { RTP_HEADER_BYTES } from './rtp-packet.ts';
import { type SessionKeys, sessionKeys, writePacketCounter } from './srtp-keys.ts';
import { AES_BLOCK_BYTES, SrtpKeystream } from './srtp-keystream.ts';
import { packetIndex, ReplayWindow } from './srtp-replay.ts';
import { type SrtpMaster, srtpSizes } from './srtp-suite.ts';
import { isTagAt, SrtpTag } from './srtp-tag.ts';

const CYCLE = 0x1_0000;
/** First bit and index between what was encrypted and the tag (RFC 3711 §3.4). */
const RTCP_INDEX_BYTES = 4;
const RTCP_CLEAR_BYTES = 8;
const RTCP_TAG_BYTES = 10;
const RTCP_ENCRYPTED = 0x8000_0000;
/** Sources that may speak under one key; a call has one, and another after a transfer. */
const MOST_SOURCES = 16;

/** The keys of one kind of packets, ready for use. */
class PacketCrypt {
  readonly tag: SrtpTag;
  readonly #keystream: SrtpKeystream;
  readonly #salt: Uint8Array;
  readonly #counter = new Uint8Array(AES_BLOCK_BYTES);

  constructor({ encryption, authentication, salt }: SessionKeys) {
    this.#keystream = new SrtpKeystream(encryption);
    this.tag = new SrtpTag(authentication);
    this.#salt = salt;
  }

  /** Encrypts or decrypts in place. */
  apply(bytes: Uint8Array, start: number, end: number, ssrc: number, index: number): void {
    writePacketCounter(this.#counter, this.#salt, ssrc, index);
    this.#keystream.apply(bytes, start, end, this.#counter);
  }
}

/** What one side sends under one master key: RTP of one source, and its RTCP (RFC 3711). */
export class SrtpSender {
  readonly #tagBytes: number;
  readonly #rtp: PacketCrypt;
  readonly #rtcp: PacketCrypt;
  #packet: Uint8Array = new Uint8Array(256);
  #highest = -1;
  #rtcpIndex = 0;

  constructor(master: SrtpMaster) {
    this.#tagBytes = srtpSizes(master.suite).tag;
    this.#rtp = new PacketCrypt(sessionKeys(master, 'rtp'));
    this.#rtcp = new PacketCrypt(sessionKeys(master, 'rtcp'));
  }

  /** Encrypts an RTP packet that we made. What it gives is overwritten by the next call. */
  protect(packet: Uint8Array): Uint8Array {
    const { length } = packet;
    const whole = length + this.#tagBytes;
    if (this.#packet.length < whole) this.#packet = new Uint8Array(whole);
    const out = this.#packet;
    out.set(packet);
    const index = packetIndex(sequenceOf(packet), this.#highest);
    this.#highest = Math.max(this.#highest, index);
    this.#rtp.apply(out, headerBytes(packet) ?? RTP_HEADER_BYTES, length, ssrcOf(packet, 8), index);
    const tag = this.#rtp.tag.of(out, length, Math.floor(index / CYCLE));
    for (let i = 0; i < this.#tagBytes; i++) out[length + i] = tag[i] ?? 0;
    return out.subarray(0, whole);
  }

  /** Encrypts a compound RTCP packet. */
  protectRtcp(compound: Uint8Array): Uint8Array {
    const { length } = compound;
    const end = length + RTCP_INDEX_BYTES;
    const out = new Uint8Array(end + RTCP_TAG_BYTES);
    out.set(compound);
    const index = this.#rtcpIndex++;
    this.#rtcp.apply(out, RTCP_CLEAR_BYTES, length, ssrcOf(out, 4), index);
    viewOf(out).setUint32(length, (RTCP_ENCRYPTED | index) >>> 0);
    out.set(this.#rtcp.tag.ofAlone(out, end).subarray(0, RTCP_TAG_BYTES), end);
    return out;
  }
}

/** What one side receives under one master key, from any source (RFC 3711). */
export class SrtpReceiver {
  readonly #tagBytes: number;
  readonly #rtp: PacketCrypt;
  readonly #rtcp: PacketCrypt;
  readonly #rtpSources = new Map<number, ReplayWindow>();
  readonly #rtcpSources = new Map<number, ReplayWindow>();

  constructor(master: SrtpMaster) {
    this.#tagBytes = srtpSizes(master.suite).tag;
    this.#rtp = new PacketCrypt(sessionKeys(master, 'rtp'));
    this.#rtcp = new PacketCrypt(sessionKeys(master, 'rtcp'));
  }

  /**
   * Checks and decrypts a datagram, in place: the packet is a view into it. Undefined, and the datagram untouched, where
   * it is no SRTP, not authentic, too old, or one that came before.
   */
  unprotect(datagram: Uint8Array): Uint8Array | undefined {
    const end = datagram.length - this.#tagBytes;
    const start = headerBytes(datagram);
    if (start === undefined || start > end) return undefined;
    const ssrc = ssrcOf(datagram, 8);
    const known = this.#rtpSources.get(ssrc);
    if (known === undefined && this.#rtpSources.size >= MOST_SOURCES) return undefined;
    const index = this.#authentic(datagram, end, known);
    if (index === undefined) return undefined;
    const window = known ?? new ReplayWindow();
    this.#rtpSources.set(ssrc, window);
    window.add(index);
    this.#rtp.apply(datagram, start, end, ssrc, index);
    return datagram.subarray(0, end);
  }

  /** The same for a datagram of RTCP. */
  unprotectRtcp(datagram: Uint8Array): Uint8Array | undefined {
    const tagAt = datagram.length - RTCP_TAG_BYTES;
    const end = tagAt - RTCP_INDEX_BYTES;
    if (end < RTCP_CLEAR_BYTES || (datagram[0] ?? 0) >> 6 !== 2) return undefined;
    const word = viewOf(datagram).getUint32(end);
    // What is sent in the clear was not agreed on (RFC 4568 §6.3.2).
    if (word < RTCP_ENCRYPTED) return undefined;
    const index = word - RTCP_ENCRYPTED;
    const ssrc = ssrcOf(datagram, 4);
    const known = this.#rtcpSources.get(ssrc);
    if (known === undefined ? this.#rtcpSources.size >= MOST_SOURCES : !known.isNew(index)) return undefined;
    if (!isTagAt(datagram, tagAt, this.#rtcp.tag.ofAlone(datagram, tagAt), RTCP_TAG_BYTES)) return undefined;
    const window = known ?? new ReplayWindow();
    this.#rtcpSources.set(ssrc, window);
    window.add(index);
    this.#rtcp.apply(datagram, RTCP_CLEAR_BYTES, end, ssrc, index);
    return datagram.subarray(0, end);
  }

  /**
   * The index under which a packet is authentic. Of a source that is new the first packets, and with them a wrap of
   * the sequence number, may have been lost: the cycle after the first is tried too.
   */
  #authentic(datagram: Uint8Array, end: number, known: ReplayWindow | undefined): number | undefined {
    const sequence = sequenceOf(datagram);
    const index = packetIndex(sequence, known?.highest ?? -1);
    if (index < 0 || known?.isNew(index) === false) return undefined;
    if (this.#isAuthentic(datagram, end, index)) return index;
    const next = index + CYCLE;
    return known === undefined && this.#isAuthentic(datagram, end, next) ? next : undefined;
  }

  #isAuthentic(datagram: Uint8Array, end: number, index: number): boolean {
    const tag = this.#rtp.tag.of(datagram, end, Math.floor(index / CYCLE));
    return isTagAt(datagram, end, tag, this.#tagBytes);
  }
}

/** Bytes that stay in the clear: header, contributing sources, extension. Undefined for what is no RTP. */
function headerBytes(packet: Uint8Array): number | undefined {
  if (packet.length < RTP_HEADER_BYTES) return undefined;
  const first = packet[0] ?? 0;
  if (first >> 6 !== 2) return undefined;
  const bytes = RTP_HEADER_BYTES + 4 * (first & 0x0f);
  if ((first & 0x10) === 0) return bytes;
  if (bytes + 4 > packet.length) return undefined;
  return bytes + 4 + 4 * (((packet[bytes + 2] ?? 0) << 8) | (packet[bytes + 3] ?? 0));
}

function sequenceOf(packet: Uint8Array): number {
  return ((packet[2] ?? 0) << 8) | (packet[3] ?? 0);
}

function ssrcOf(packet: Uint8Array, at: number): number {
  const high = ((packet[at] ?? 0) << 24) | ((packet[at + 1] ?? 0) << 16);
  return (high | ((packet[at + 2] ?? 0) << 8) | (packet[at + 3] ?? 0)) >>> 0;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
