import { parseCSeq } from './header.ts';
import { header, type SipRequest, type SipResponse } from './message.ts';
import type { ServerHandle } from './server-transactions.ts';
import { TimerSet } from './timer-set.ts';
import { type SipTimers, transactionMs } from './timers.ts';

/** A 2xx to an INVITE, sent again from T1 up to T2 until its ACK comes or 64 × T1 are over (RFC 3261 §13.3.1.4). */
export class ReliableAnswer {
  readonly #timers = new TimerSet<'again' | 'give_up'>();
  readonly #number: number | undefined;
  readonly #acked: (ack: SipRequest) => void;

  constructor(
    handle: ServerHandle,
    response: SipResponse,
    timers: SipTimers,
    listener: { acked: (ack: SipRequest) => void; timeout: () => void },
  ) {
    this.#acked = listener.acked;
    this.#number = parseCSeq(header(handle.request, 'CSeq'))?.number;
    const again = (intervalMs: number): void => {
      handle.respond(response);
      // Over TCP too: the path to the UAC may have a UDP hop.
      this.#timers.start('again', intervalMs, () => again(Math.min(intervalMs * 2, timers.t2Ms)));
    };
    this.#timers.start('give_up', transactionMs(timers), () => {
      this.stop();
      listener.timeout();
    });
    again(timers.t1Ms);
  }

  /** An ACK that came in the dialog; one for another INVITE is passed over. */
  ack(request: SipRequest): void {
    if (parseCSeq(header(request, 'CSeq'))?.number !== this.#number) return;
    this.stop();
    this.#acked(request);
  }

  stop(): void {
    this.#timers.clear();
  }
}
