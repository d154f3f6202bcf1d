import type { Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { WireMessage } from '../sip/transport.ts';
import type { LocalEnd } from './call-trace.ts';
import { callIdOf } from './call-trace.ts';
import type { HepAgent, HepMessage } from './hep.ts';
import { encodeHep } from './hep.ts';
import type { NumberPolicy } from './mask.ts';
import { maskTrace } from './mask.ts';

export interface HepExporterOptions extends HepAgent {
  /** The capture server: an address, or a name that is looked up from time to time. */
  readonly host: string;
  /** Homer listens at 9060. */
  readonly port: number;
  /**
   * `whole` lets the server find calls by number; it is then told those of flash calls too. Passwords, keys and bodies
   * other than SDP are told to nobody (`maskTrace`).
   */
  readonly numbers: NumberPolicy;
  /** How a peer reaches us. Without it, what the Via of our messages says. */
  readonly local?: (peer: WireMessage['peer']) => LocalEnd | undefined;
  /** What messages of one call have in common, by their SIP Call-ID; without it, or where it is undefined, that. */
  readonly correlate?: (sipCallId: string) => string | undefined;
}

/** Messages since the beginning, by what became of them. */
export interface HepCounters {
  /** Handed to the system: nobody says whether they arrived. */
  readonly sent: number;
  /** The socket was behind, or the server's address not known. */
  readonly dropped: number;
  /** The system refused them. */
  readonly failed: number;
  /** No addresses of one family, or too long for a datagram. */
  readonly unfit: number;
}

/** Datagrams that may wait in the socket; then messages are dropped. */
const MAX_PENDING = 256;
/** How long a looked-up address is used. */
const ADDRESS_MS = 60_000;

/**
 * Sends SIP messages to a capture server, over UDP. It never holds up a call: what cannot be sent at once is counted
 * and gone, and a server that is away costs nothing but the counters.
 */
export class HepExporter {
  readonly #options: HepExporterOptions;
  readonly #counters = { sent: 0, dropped: 0, failed: 0, unfit: 0 };
  #socket: Socket | undefined;
  #address: string | undefined;
  /** Undefined where nothing is to be looked up. */
  #lookedUpAt: number | undefined;
  #closed = false;
  #pending = 0;

  constructor(options: HepExporterOptions) {
    this.#options = options;
  }

  get counters(): HepCounters {
    return { ...this.#counters };
  }

  /**
   * Opens the socket; a name is looked up meanwhile, and messages until then are dropped. Where it is not found it is
   * looked up again with later messages.
   */
  start(): void {
    const { host } = this.#options;
    if (isIP(host) === 0) void this.#lookUp();
    else this.#use(host);
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    this.#closed = true;
    this.#socket = undefined;
    this.#lookedUpAt = undefined;
    if (socket !== undefined) await new Promise<void>((resolve) => void socket.close(resolve));
  }

  /** For `onWire`. */
  readonly take = (message: WireMessage): void => {
    if (this.#lookedUpAt !== undefined && performance.now() - this.#lookedUpAt >= ADDRESS_MS) {
      void this.#lookUp();
    }
    const [socket, address] = [this.#socket, this.#address];
    if (socket === undefined || address === undefined || this.#pending >= MAX_PENDING) {
      this.#counters.dropped += 1;
      return;
    }
    const packet = encodeHep(this.#described(message), this.#options);
    if (packet === undefined) {
      this.#counters.unfit += 1;
      return;
    }
    this.#pending += 1;
    socket.send(packet, this.#options.port, address, (error) => {
      this.#pending -= 1;
      this.#counters[error === null ? 'sent' : 'failed'] += 1;
    });
  };

  #described({ direction, at, peer, text }: WireMessage): HepMessage {
    const { numbers, local, correlate } = this.#options;
    const ours = local?.(peer) ?? viaEnd(text, direction) ?? { address: unspecified(peer.address), port: 0 };
    const callId = callIdOf(text);
    const [source, destination] = direction === 'out' ? [ours, peer] : [peer, ours];
    return {
      transport: peer.transport,
      source,
      destination,
      at,
      payload: maskTrace(text, direction, numbers),
      correlationId: callId === undefined ? undefined : (correlate?.(callId) ?? callId),
    };
  }

  async #lookUp(): Promise<void> {
    this.#lookedUpAt = performance.now();
    try {
      const { address } = await lookup(this.#options.host);
      if (!this.#closed) this.#use(address);
    } catch {
      // The counters tell; the next look-up may do better, and until then the last address holds.
    }
  }

  #use(address: string): void {
    if (this.#address === undefined || isIP(this.#address) !== isIP(address)) {
      this.#socket?.close();
      const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4');
      socket.on('error', () => {});
      socket.unref();
      this.#socket = socket;
    }
    this.#address = address;
  }
}

/** Where we are, by the Via that we wrote: the top one of our requests and of their responses (RFC 3261 §18.1.1). */
function viaEnd(text: string, direction: 'in' | 'out'): LocalEnd | undefined {
  if (/^SIP\/2\.0/i.test(text) !== (direction === 'in')) return undefined;
  const via = /^(?:via|v)[ \t]*:[ \t]*SIP\/2\.0\/\w+[ \t]+(?:\[([^\]]+)\]|([^\s:;,]+))(?::(\d{1,5}))?/im.exec(
    text,
  );
  const address = via?.[1] ?? via?.[2] ?? '';
  const port = Number(via?.[3] ?? 5060);
  // What comes back is what the far end made of it.
  return isIP(address) === 0 || port > 65_535 ? undefined : { address, port };
}

function unspecified(peerAddress: string): string {
  return isIP(peerAddress) === 6 ? '::' : '0.0.0.0';
}
