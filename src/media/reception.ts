/** Jumps of the sequence number up to this are loss, larger ones a restart (RFC 3550 A.1: MAX_DROPOUT, MAX_MISORDER). */
const MAX_DROPOUT = 3000;
const MAX_MISORDER = 100;

/** What a report block says of one source (RFC 3550 §6.4.1). */
export interface ReceptionReport {
  readonly ssrc: number;
  /** Share lost since the last report, 0 to 255 of 256. */
  readonly fractionLost: number;
  /** Signed 24 bits: duplicates make it negative. */
  readonly cumulativeLost: number;
  /** Sequence number with the count of wraps above it, 32 bits. */
  readonly highestSequence: number;
  /** Ticks of the RTP clock. */
  readonly jitterTicks: number;
}

/** Counts what arrives from one RTP source: packets, loss and interarrival jitter (RFC 3550 §6.4.1, A.1, A.3, A.8). */
export class Reception {
  readonly ssrc: number;
  readonly #clockRate: number;
  #received = 0;
  #first = 0;
  #highest = 0;
  #cycles = 0;
  #jitter = 0;
  #transit: number | undefined;
  #expectedBefore = 0;
  #receivedBefore = 0;
  /** Packets and expected packets from before the sender restarted its sequence. */
  #earlierReceived = 0;
  #earlierExpected = 0;
  /** The sequence number that would confirm a restart (RFC 3550 A.1: bad_seq). */
  #restartAt: number | undefined;

  constructor(ssrc: number, clockRate: number) {
    this.ssrc = ssrc;
    this.#clockRate = clockRate;
  }

  get received(): number {
    return this.#earlierReceived + this.#received;
  }

  /** Packets that the sequence numbers promise. */
  get expected(): number {
    return this.#earlierExpected + this.#expectedNow();
  }

  /** Never below zero, though duplicates may hide a loss. */
  get lost(): number {
    return Math.max(0, this.expected - this.received);
  }

  get jitterMs(): number {
    return (this.#jitter * 1000) / this.#clockRate;
  }

  /**
   * Takes one packet; `arrivalMs` is any clock in milliseconds that goes evenly. Without a timestamp it says nothing
   * of jitter: that of a telephone-event is the begin of the press (RFC 4733 §2.3).
   */
  add(sequence: number, timestamp: number | undefined, arrivalMs: number): void {
    if (!this.#follow(sequence)) return;
    this.#received++;
    if (timestamp === undefined) return;
    const arrival = (arrivalMs * this.#clockRate) / 1000;
    const transit = arrival - timestamp;
    if (this.#transit !== undefined) {
      let difference = Math.abs(transit - this.#transit) % 2 ** 32;
      if (difference > 2 ** 31) difference = 2 ** 32 - difference;
      // A pause of the sender or a new timestamp base is no jitter of the network.
      if (difference < this.#clockRate) this.#jitter += (difference - this.#jitter) / 16;
    }
    this.#transit = transit;
  }

  /** The report block; it begins a new interval for the fraction lost. */
  report(): ReceptionReport {
    const expected = this.expected - this.#expectedBefore;
    const lost = expected - (this.received - this.#receivedBefore);
    this.#expectedBefore = this.expected;
    this.#receivedBefore = this.received;
    return {
      ssrc: this.ssrc,
      fractionLost: expected > 0 && lost > 0 ? Math.min(255, Math.floor((lost * 256) / expected)) : 0,
      cumulativeLost: Math.max(-0x80_0000, Math.min(0x7f_ffff, this.expected - this.received)),
      highestSequence: (this.#cycles * 0x1_0000 + this.#highest) >>> 0,
      jitterTicks: Math.floor(this.#jitter) >>> 0,
    };
  }

  #expectedNow(): number {
    return this.#received === 0 ? 0 : this.#cycles * 0x1_0000 + this.#highest - this.#first + 1;
  }

  /** RFC 3550 A.1; false for a packet that does not count. */
  #follow(sequence: number): boolean {
    if (this.#received === 0) {
      this.#restart(sequence);
      return true;
    }
    const ahead = (sequence - this.#highest) & 0xffff;
    if (ahead < MAX_DROPOUT) {
      if (sequence < this.#highest) this.#cycles++;
      this.#highest = sequence;
    } else if (ahead <= 0x1_0000 - MAX_MISORDER) {
      if (this.#restartAt !== sequence) {
        this.#restartAt = (sequence + 1) & 0xffff;
        return false;
      }
      this.#earlierExpected += this.#expectedNow();
      this.#earlierReceived += this.#received;
      this.#received = 0;
      this.#restart(sequence);
    }
    return true;
  }

  #restart(sequence: number): void {
    this.#first = sequence;
    this.#highest = sequence;
    this.#cycles = 0;
    this.#restartAt = undefined;
    this.#transit = undefined;
  }
}
