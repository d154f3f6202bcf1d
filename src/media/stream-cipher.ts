import { SrtpReceiver, SrtpSender } from './srtp.ts';
import { isSameMaster, type SrtpKeys, type SrtpMaster } from './srtp-suite.ts';

interface Keyed<T> {
  readonly master: SrtpMaster;
  readonly with: T;
}

/** Keys that are remembered in each direction: ours are one of each suite, and a far end has little reason for more. */
const MOST_KEYS = 8;

/**
 * The SRTP of one stream, through all that is negotiated in its call: a key that stays, or comes back, keeps its count of
 * packets, since a count that began anew would encrypt two packets alike and take those in that came before; a new key
 * begins anew (RFC 4568 §7.1.4), and without keys everything passes as it is.
 */
export class StreamCipher {
  /** The latest last. */
  #senders: readonly Keyed<SrtpSender>[] = [];
  #receivers: readonly Keyed<SrtpReceiver>[] = [];
  #encrypts = false;
  #dropped = 0;

  /** Datagrams that were not authentic, came again, or were no SRTP. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The keys of a new negotiation. */
  use(keys: SrtpKeys | undefined): void {
    this.#encrypts = keys !== undefined;
    if (keys === undefined) return;
    this.#senders = keyed(this.#senders, keys.send, (master) => new SrtpSender(master));
    this.#receivers = keyed(this.#receivers, keys.receive, (master) => new SrtpReceiver(master));
  }

  /** An RTP packet as it is to be sent; overwritten by the next one. */
  seal(packet: Uint8Array): Uint8Array {
    return this.#sender?.protect(packet) ?? packet;
  }

  sealRtcp(compound: Uint8Array): Uint8Array {
    return this.#sender?.protectRtcp(compound) ?? compound;
  }

  /** The RTP packet of a datagram, decrypted in place; undefined for one that is to be dropped. */
  open(datagram: Uint8Array): Uint8Array | undefined {
    const receiver = this.#receiver;
    return receiver === undefined ? datagram : this.#counted(receiver.unprotect(datagram));
  }

  openRtcp(datagram: Uint8Array): Uint8Array | undefined {
    const receiver = this.#receiver;
    return receiver === undefined ? datagram : this.#counted(receiver.unprotectRtcp(datagram));
  }

  get #sender(): SrtpSender | undefined {
    return this.#encrypts ? this.#senders.at(-1)?.with : undefined;
  }

  get #receiver(): SrtpReceiver | undefined {
    return this.#encrypts ? this.#receivers.at(-1)?.with : undefined;
  }

  #counted(packet: Uint8Array | undefined): Uint8Array | undefined {
    if (packet === undefined) this.#dropped++;
    return packet;
  }
}

function keyed<T>(
  known: readonly Keyed<T>[],
  master: SrtpMaster,
  create: (master: SrtpMaster) => T,
): readonly Keyed<T>[] {
  const before = known.find((one) => isSameMaster(one.master, master));
  const others = known.filter((one) => one !== before).slice(1 - MOST_KEYS);
  return [...others, before ?? { master, with: create(master) }];
}
