import { randomBytes } from 'node:crypto';
import type { PlainRequest } from '../engine.ts';

/** Requests that belong together: one Call-ID, and a CSeq that rises. */
export class RequestSeries {
  readonly callId = randomBytes(16).toString('hex');
  #cseq = 0;

  /** The number of the next request's CSeq. */
  next(): number {
    return ++this.#cseq;
  }
}

/**
 * The series of each registration. All REGISTERs for one address of record at one registrar have the same Call-ID as
 * long as the process lives, and each has a higher CSeq than the one before (RFC 3261 §10.2).
 */
export class RegistrationSeries {
  readonly #known = new Map<string, RequestSeries>();

  /**
   * The series that a request belongs to: one of its own for whatever is no REGISTER.
   *
   * @param place which of our places registers, where there are several
   */
  of({ method, requestUri, to }: PlainRequest, place = ''): RequestSeries {
    if (method !== 'REGISTER') return new RequestSeries();
    const key = JSON.stringify([requestUri, to, place]);
    const series = this.#known.get(key) ?? new RequestSeries();
    this.#known.set(key, series);
    return series;
  }
}
