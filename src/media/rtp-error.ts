/** `no_port`: the range is exhausted or cannot be bound; `worker`: it is not running, or has crashed. */
export type RtpErrorReason = 'no_port' | 'worker';

/** RTP cannot be had: no port is free, or the worker is gone. */
export class RtpError extends Error {
  readonly reason: RtpErrorReason;

  constructor(reason: RtpErrorReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RtpError';
    this.reason = reason;
  }
}
