import { SrtpReceiver, SrtpSender } from './srtp.ts';
import { isSameMaster, type SrtpKeys, type SrtpMaster } from './srtp-suite.ts';

interface Keyed<T> {
  readonly master: SrtpMaster;
  readonly with: T;
}

/**
 * The SRTP of one stream, through all that is negotiated in its call: a key that stays keeps its count of packets, a new
 * one begins anew (RFC 4568 §7.1.4), and without keys everything passes as it is.
 */
export class StreamCipher {
  #send: Keyed<SrtpSender> | undefined;
  #receive: Keyed<SrtpReceiver> | undefined;
  #dropped = 0;

  /** Datagrams that were not authentic, came again, or were no SRTP. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The keys of a new negotiation. */
  use(keys: SrtpKeys | undefined): void {
    this.#send = keyed(this.#send, keys?.send, (master) => new SrtpSender(master));
    this.#receive = keyed(this.#receive, keys?.receive, (master) => new SrtpReceiver(master));
  }

  /** An RTP packet as it is to be sent; overwritten by the next one. */
  seal(packet: Uint8Array): Uint8Array {
    return this.#send === undefined ? packet : this.#send.with.protect(packet);
  }

  sealRtcp(compound: Uint8Array): Uint8Array {
    return this.#send === undefined ? compound : this.#send.with.protectRtcp(compound);
  }

  /** The RTP packet of a datagram, decrypted in place; undefined for one that is to be dropped. */
  open(datagram: Uint8Array): Uint8Array | undefined {
    return this.#receive === undefined ? datagram : this.#counted(this.#receive.with.unprotect(datagram));
  }

  openRtcp(datagram: Uint8Array): Uint8Array | undefined {
    return this.#receive === undefined ? datagram : this.#counted(this.#receive.with.unprotectRtcp(datagram));
  }

  #counted(packet: Uint8Array | undefined): Uint8Array | undefined {
    if (packet === undefined) this.#dropped++;
    return packet;
  }
}

function keyed<T>(
  before: Keyed<T> | undefined,
  master: SrtpMaster | undefined,
  create: (master: SrtpMaster) => T,
): Keyed<T> | undefined {
  if (master === undefined) return undefined;
  if (before !== undefined && isSameMaster(before.master, master)) return before;
  return { master, with: create(master) };
}
