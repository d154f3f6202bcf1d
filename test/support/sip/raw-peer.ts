import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { parseMessage, type SipResponse } from '../../../src/sip/message.ts';
import { cutFrames } from '../../../src/sip/stream-framing.ts';
import { eventually } from '../eventually.ts';

/** A socket that sends any bytes and keeps the responses that come back. */
export interface RawPeer {
  readonly port: number;
  readonly responses: SipResponse[];
  readonly send: (bytes: Buffer | string) => Promise<void>;
  /** The next response that no earlier call gave. */
  readonly next: () => Promise<SipResponse>;
  /** Whether the far end closed; never for UDP. */
  readonly closed: () => boolean;
  readonly close: () => Promise<void>;
}

function reader(responses: SipResponse[]) {
  let taken = 0;
  return {
    read: (bytes: Buffer): void => {
      const message = parseMessage(bytes);
      if (message.kind === 'response') responses.push(message);
    },
    next: (): Promise<SipResponse> =>
      eventually(
        () => {
          const response = responses[taken];
          if (response === undefined) throw new Error('no response yet');
          taken++;
          return response;
        },
        { intervalMs: 2 },
      ),
  };
}

export async function udpPeer(port: number): Promise<RawPeer> {
  const socket = createSocket('udp4');
  const responses: SipResponse[] = [];
  const { read, next } = reader(responses);
  socket.on('message', read);
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.setRecvBufferSize(4 * 1024 * 1024);
  return {
    port: socket.address().port,
    responses,
    next,
    send: (bytes) =>
      new Promise((resolve, reject) => {
        socket.send(bytes, port, '127.0.0.1', (error) => (error === null ? resolve() : reject(error)));
      }),
    closed: () => false,
    close: async () => {
      const over = once(socket, 'close');
      socket.close();
      await over;
    },
  };
}

export async function tcpPeer(port: number): Promise<RawPeer> {
  const socket = connect(port, '127.0.0.1');
  const responses: SipResponse[] = [];
  const { read, next } = reader(responses);
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    const frames = cutFrames(Buffer.concat([rest, chunk]));
    rest = frames.rest;
    for (const frame of frames.messages) read(frame);
  });
  await once(socket, 'connect');
  // A reset is one of the ways in which the far end may close.
  socket.on('error', () => {});
  return {
    port: socket.localPort ?? 0,
    responses,
    next,
    send: (bytes) =>
      new Promise((resolve) => {
        socket.write(bytes, () => resolve());
      }),
    closed: () => socket.closed || socket.readableEnded,
    close: async () => {
      if (socket.closed) return;
      const over = once(socket, 'close');
      socket.destroy();
      await over;
    },
  };
}

let calls = 0;

/** A request with a Via of its own; `headers` replace and add to the usual ones, undefined leaves one out. */
export function rawRequest(
  peer: Pick<RawPeer, 'port'>,
  method: string,
  headers: Readonly<Record<string, string | undefined>> = {},
  { uri = 'sip:us@127.0.0.1', transport = 'UDP', body = '' } = {},
): Buffer {
  calls++;
  const all = {
    Via: `SIP/2.0/${transport} 127.0.0.1:${peer.port};rport;branch=z9hG4bKraw${calls}`,
    'Max-Forwards': '70',
    From: '<sip:raw@127.0.0.1>;tag=raw',
    To: '<sip:us@127.0.0.1>',
    'Call-ID': `raw-${calls}@127.0.0.1`,
    CSeq: `1 ${method}`,
    'Content-Length': String(Buffer.byteLength(body)),
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  );
  return Buffer.from(`${method} ${uri} SIP/2.0\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}
