import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import {
  formatMessage,
  header,
  parseMessage,
  type SipRequest,
  type SipResponse,
} from '../../../src/sip/message.ts';
import { type ResponseParts, responseTo } from '../../../src/sip/response.ts';

/** What an INVITE asks of a `RawPeer`; the peer answers nothing by itself. */
export type OnRequest = (request: SipRequest, peer: RawPeer) => void;

/** A far end of SIP over UDP that does exactly what a test tells it, right or wrong. */
export class RawPeer {
  /** All requests that arrived, retransmissions included. */
  readonly requests: SipRequest[] = [];
  readonly responses: SipResponse[] = [];
  readonly #socket: Socket;
  readonly #rtp: Socket;
  #packets = 0;
  #from = { address: '127.0.0.1', port: 0 };
  #branch = 0;

  private constructor(socket: Socket, rtp: Socket, onRequest: OnRequest) {
    this.#socket = socket;
    this.#rtp = rtp;
    rtp.on('message', () => {
      this.#packets++;
    });
    socket.on('message', (bytes, from) => {
      this.#from = from;
      const message = parseMessage(bytes);
      if (message.kind === 'response') this.responses.push(message);
      if (message.kind !== 'request') return;
      this.requests.push(message);
      onRequest(message, this);
    });
  }

  static async start(onRequest: OnRequest): Promise<RawPeer> {
    const bound = async (): Promise<Socket> => {
      const socket = createSocket('udp4');
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      return socket;
    };
    return new RawPeer(await bound(), await bound(), onRequest);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Datagrams that came to the port that `sdp` names. */
  get rtpPackets(): number {
    return this.#packets;
  }

  /** A description of our side: PCMU to our RTP port. */
  get sdp(): string {
    const { port } = this.#rtp.address();
    return `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n`;
  }

  count(method: string): number {
    return this.requests.filter((request) => request.method === method).length;
  }

  /** Answers a request; a 2xx or a provisional has our tag and Contact, a 2xx of an INVITE our description. */
  reply(request: SipRequest, status: number, parts: ResponseParts = {}): void {
    const description = request.method === 'INVITE' && status === 200;
    this.raw(
      formatMessage(
        responseTo(request, status, {
          toTag: 'raw',
          headers: [
            ['Contact', `<sip:raw@127.0.0.1:${this.port}>`],
            ...(description || parts.body !== undefined
              ? ([['Content-Type', 'application/sdp']] as const)
              : []),
          ],
          ...(description ? { body: this.sdp } : {}),
          ...parts,
        }),
      ),
    );
  }

  /** A request in the dialog that `invite` made; `change` makes it wrong. */
  request(
    invite: SipRequest,
    method: string,
    change: {
      readonly fromTag?: string;
      readonly toTag?: string;
      readonly cseq?: number;
      readonly body?: string;
      readonly branch?: string;
    } = {},
  ): void {
    const local = `${header(invite, 'To') ?? ''};tag=${change.fromTag ?? 'raw'}`;
    const theirs = header(invite, 'From') ?? '';
    const remote = change.toTag === undefined ? theirs : theirs.replace(/tag=[^;]*/, `tag=${change.toTag}`);
    this.#branch += 1;
    const message: SipRequest = {
      kind: 'request',
      method,
      uri: 'sip:voice-otp@127.0.0.1',
      headers: [
        [
          'Via',
          `SIP/2.0/UDP 127.0.0.1:${this.port};rport;branch=z9hG4bK${change.branch ?? `raw${this.#branch}`}`,
        ],
        ['Max-Forwards', '70'],
        ['From', local],
        ['To', remote],
        ['Call-ID', header(invite, 'Call-ID') ?? ''],
        ['CSeq', `${change.cseq ?? this.#branch} ${method}`],
        ['Contact', `<sip:raw@127.0.0.1:${this.port}>`],
        ...(change.body === undefined ? [] : ([['Content-Type', 'application/sdp']] as const)),
      ],
      body: change.body ?? '',
    };
    this.raw(formatMessage(message));
  }

  /** Any bytes, to where the last message came from. */
  raw(bytes: Uint8Array): void {
    this.#socket.send(bytes, this.#from.port, this.#from.address);
  }

  /** Any bytes to any UDP port of this machine, from our RTP port. */
  rtp(bytes: Uint8Array, port: number): void {
    this.#rtp.send(bytes, port, '127.0.0.1');
  }

  async close(): Promise<void> {
    await Promise.all(
      [this.#socket, this.#rtp].map(async (socket) => {
        const closed = once(socket, 'close');
        socket.close();
        await closed;
      }),
    );
  }
}
