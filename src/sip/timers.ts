/** Timer values (RFC 3261 table 4), all in milliseconds. */
export interface SipTimers {
  /** Estimate of the round trip; 500 ms by RFC 3261 §17.1.1.1. */
  readonly t1Ms: number;
  /** Largest interval between retransmissions of what is not an INVITE. */
  readonly t2Ms: number;
  /** How long a message may stay in the network. */
  readonly t4Ms: number;
}

export const DEFAULT_TIMERS: SipTimers = { t1Ms: 500, t2Ms: 4000, t4Ms: 5000 };

/** Timers scaled from another T1, keeping the proportions of the RFC: for links whose round trip is known. */
export function timersFor(t1Ms: number): SipTimers {
  return { t1Ms, t2Ms: t1Ms * 8, t4Ms: t1Ms * 10 };
}

/** How long a transaction may take in all: Timers B, F, H, J, L and M. */
export function transactionMs(timers: SipTimers): number {
  return 64 * timers.t1Ms;
}

/** Timer D: at least 32 s over UDP (RFC 3261 §17.1.1.2), or 64 × T1 where T1 was changed. */
export function timerD(timers: SipTimers): number {
  return timers.t1Ms === DEFAULT_TIMERS.t1Ms ? 32_000 : 64 * timers.t1Ms;
}
