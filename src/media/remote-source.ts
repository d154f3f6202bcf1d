export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/**
 * Symmetric RTP (RFC 4961, RFC 7362): behind a NAT the peer's packets come from another address than its SDP says,
 * and ours must go there. The first valid source is latched, once. Whoever guesses our port before the peer's
 * first packet could so take the audio over, spoken code included; three things keep that small: ports are random and
 * rest between calls, nothing is latched before the answer, and the address of the SDP, should it speak, wins for
 * good. Where peers are never behind NAT, sending can stay with the SDP.
 */
export class RemoteSource {
  readonly #signalled: Endpoint;
  readonly #follow: boolean;
  #latched: Endpoint | undefined;

  /** `signalled` is what the SDP says; `follow` is whether to send where packets come from. */
  constructor(signalled: Endpoint, follow: boolean) {
    this.#signalled = signalled;
    this.#follow = follow;
  }

  /** Where to send. */
  get target(): Endpoint {
    return (this.#follow ? this.#latched : undefined) ?? this.#signalled;
  }

  /** Whether the address of the SDP itself has spoken: nothing else can become the target any more. */
  get confirmed(): boolean {
    return this.#latched === this.#signalled;
  }

  /** Whether a valid packet from here belongs to the call; the first one is latched. */
  accept(address: string, port: number): boolean {
    if (isAt(this.#signalled, address, port)) {
      this.#latched = this.#signalled;
      return true;
    }
    this.#latched ??= { address, port };
    return isAt(this.#latched, address, port) || address === this.#signalled.address;
  }
}

function isAt(endpoint: Endpoint, address: string, port: number): boolean {
  return endpoint.port === port && endpoint.address === address;
}
