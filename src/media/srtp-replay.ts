/** Packets behind the newest one that may still come; RFC 3711 §3.3.2 wants 64 at least. */
export const REPLAY_WINDOW = 128;

/** Which packets of one source have been received, by their index, which never wraps (RFC 3711 §3.3.2). */
export class ReplayWindow {
  /** The index that was seen last in each place. */
  readonly #seen = new Float64Array(REPLAY_WINDOW).fill(-1);
  #highest = -1;

  /** The newest index; −1 before the first. */
  get highest(): number {
    return this.#highest;
  }

  /** Whether a packet is neither too old nor one that was received before. */
  isNew(index: number): boolean {
    return index > this.#highest - REPLAY_WINDOW && this.#seen[index % REPLAY_WINDOW] !== index;
  }

  /** Only for packets that are authentic. */
  add(index: number): void {
    this.#seen[index % REPLAY_WINDOW] = index;
    if (index > this.#highest) this.#highest = index;
  }
}

/**
 * The index of a packet, guessed from its sequence number and the newest index so far (RFC 3711 §3.3.1, appendix A):
 * the one that lies nearest. Negative where the packet would lie before the first of its key.
 */
export function packetIndex(sequence: number, highest: number): number {
  if (highest < 0) return sequence;
  const newest = highest % 0x1_0000;
  const cycle = highest - newest;
  if (newest < 0x8000) return sequence - newest > 0x8000 ? cycle - 0x1_0000 + sequence : cycle + sequence;
  return newest - 0x8000 > sequence ? cycle + 0x1_0000 + sequence : cycle + sequence;
}
