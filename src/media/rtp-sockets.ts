import type { Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import { NOBODYS_PORT, type RtpPorts } from './rtp-ports.ts';

/** The two bound sockets of one stream. */
export interface RtpSockets {
  readonly rtp: Socket;
  readonly rtcp: Socket;
  readonly port: number;
  readonly rtcpPort: number;
}

/** Tries to find an even port whose neighbour is free too, where the operating system chooses. */
const SYSTEM_TRIES = 20;
const REFUSALS: readonly string[] = ['EADDRINUSE', 'EACCES'];

type LookupCallback = (error: Error | null, address: string, family: number) => void;

/** Addresses are IP literals: answering at once keeps each send free of the resolver and of a later tick. */
function lookup(address: string, _options: unknown, callback: LookupCallback): void {
  callback(null, address, isIP(address));
}

function bind(address: string, port: number): Promise<Socket> {
  const family = isIP(address);
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    ipv6Only: family === 6,
    lookup,
  });
  return new Promise((resolve, reject) => {
    const refused = (error: Error) => {
      socket.close();
      reject(error);
    };
    socket.once('error', refused);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', refused);
      resolve(socket);
    });
  });
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && REFUSALS.includes(String(error.code));
}

/** Binds one port; undefined where the operating system does not give it to us. */
async function bindFree(address: string, port: number): Promise<Socket | undefined> {
  try {
    return await bind(address, port);
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

async function bindPair(address: string, port: number): Promise<RtpSockets | undefined> {
  const rtp = await bindFree(address, port);
  if (rtp === undefined) return undefined;
  try {
    const rtcp = await bindFree(address, port + 1);
    if (rtcp) return { rtp, rtcp, port, rtcpPort: port + 1 };
  } catch (error) {
    rtp.close();
    throw error;
  }
  rtp.close();
  return undefined;
}

/** A pair of the range; ports that the operating system refuses are passed over. Rejects when none is left. */
export async function openInRange(address: string, ports: RtpPorts): Promise<RtpSockets> {
  // Given back only in the end, so that none of them is tried twice.
  const passedOver: number[] = [];
  try {
    for (;;) {
      const port = ports.take(performance.now());
      if (port === undefined) throw new Error('All RTP ports of the configured range are in use.');
      passedOver.push(port);
      const sockets = await bindPair(address, port);
      if (sockets === undefined) continue;
      passedOver.pop();
      return sockets;
    }
  } finally {
    for (const port of passedOver) ports.release(port, performance.now());
  }
}

/** Ports that the operating system chooses; when no pair comes of it, two that are no neighbours. */
export async function openAnywhere(address: string): Promise<RtpSockets> {
  for (let tries = 0; tries < SYSTEM_TRIES; tries++) {
    const rtp = await bind(address, 0);
    const { port } = rtp.address();
    if (port % 2 === 0 && port !== NOBODYS_PORT) {
      const rtcp = await bindFree(address, port + 1);
      if (rtcp) return { rtp, rtcp, port, rtcpPort: port + 1 };
    }
    rtp.close();
  }
  const [rtp, rtcp] = [await bind(address, 0), await bind(address, 0)];
  return { rtp, rtcp, port: rtp.address().port, rtcpPort: rtcp.address().port };
}
