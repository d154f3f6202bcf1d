/**
 * Why nothing came: `refused`: it was not asked, because its address is not allowed; `failed`: no whole answer that
 * can be used; `timeout`: not in time; `too_large`: more bytes than are taken.
 */
export type OutboundReason = 'refused' | 'failed' | 'timeout' | 'too_large';

/** A request to an address that a client named came to nothing. The message names its scheme and host at most. */
export class OutboundError extends Error {
  readonly reason: OutboundReason;

  constructor(reason: OutboundReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'OutboundError';
    this.reason = reason;
  }
}
