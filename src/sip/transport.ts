import type { Malformed, SipMessage } from './message.ts';

/** The far end of a message, by address: names were looked up before. */
export interface Peer {
  readonly transport: 'udp' | 'tcp' | 'tls';
  /** An IPv4 or IPv6 address without brackets. */
  readonly address: string;
  readonly port: number;
  /** Of a TLS connection that we open: whom to expect there, by `SipEndpoint.secured`. JSON, and no secret. */
  readonly tls?: string;
}

/** One message on the wire, for traces; the text still holds credentials and numbers. */
export interface WireMessage {
  readonly direction: 'in' | 'out';
  readonly at: number;
  readonly peer: Peer;
  readonly text: string;
}

export interface TransportHandler {
  message(message: SipMessage | Malformed, peer: Peer, bytes: Buffer): void;
  /**
   * A TLS connection that we opened has ended, and no response comes over it any more. In TLS 1.3 a client whose certificate
   * is refused learns it only then, after it has sent its first message (RFC 8446 §4.4.2.4).
   *
   * @param worked whether anything had come over it
   */
  closed?(peer: Peer, error: Error, worked: boolean): void;
}

/** Carries messages over one protocol. */
export interface Transport {
  /** The local port; known after start. */
  readonly port: number;
  start(): Promise<void>;
  /** Resolves when the operating system took the bytes; rejects when it refused them or the connection failed. */
  send(bytes: Buffer, peer: Peer): Promise<void>;
  close(): Promise<void>;
}
