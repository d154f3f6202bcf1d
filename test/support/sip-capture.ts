import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { header, parseMessage, type SipRequest, type SipResponse } from '../../src/sip/message.ts';
import { eventually } from './eventually.ts';
import { PeerProcess } from './peers.ts';

/** One SIP message over UDP as the system saw it pass, whatever the processes at both ends did at that moment. */
export interface CapturedMessage {
  /** The kernel's time: epoch milliseconds, with fractions. */
  readonly at: number;
  readonly fromPort: number;
  readonly toPort: number;
  readonly message: SipRequest | SipResponse;
}

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const FIELDS = ['frame.time_epoch', 'udp.srcport', 'udp.dstport', 'udp.payload'];

/** What passes some UDP ports on loopback, as tshark captures it. */
export class SipCapture {
  readonly #folder: string;
  readonly #tshark: PeerProcess;
  readonly #port: number;

  private constructor(folder: string, tshark: PeerProcess, port: number) {
    this.#folder = folder;
    this.#tshark = tshark;
    this.#port = port;
  }

  /** Captures from now on. */
  static async start(ports: readonly number[]): Promise<SipCapture> {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-capture-'));
    const filter = ports.map((port) => `udp port ${port}`).join(' or ');
    const args = ['-n', '-i', 'lo', '-q', '-w', join(folder, 'wire.pcap'), '-f', filter];
    const tshark = await PeerProcess.start('tshark', args, {
      cwd: folder,
      ready: ({ output }) => expect(output).toMatch(/Capture started/),
    });
    const capture = new SipCapture(folder, tshark, ports[0] ?? 0);
    await capture.#reached();
    return capture;
  }

  /** Ends the capture: all that has passed by now, in the order of time. */
  async read(): Promise<readonly CapturedMessage[]> {
    await this.#reached();
    await this.#tshark.stop();
    const file = join(this.#folder, 'wire.pcap');
    const fields = FIELDS.flatMap((field) => ['-e', field]);
    const { stdout } = await promisify(execFile)('tshark', ['-n', '-r', file, '-T', 'fields', ...fields], {
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    const messages = stdout.split('\n').flatMap((line): CapturedMessage[] => {
      const [at, fromPort, toPort, payload = ''] = line.split('\t');
      const message = parseMessage(Buffer.from(payload, 'hex'));
      if (message.kind !== 'request' && message.kind !== 'response') return [];
      return [{ at: Number(at) * 1000, fromPort: Number(fromPort), toPort: Number(toPort), message }];
    });
    return messages.toSorted((a, b) => a.at - b.at);
  }

  /** Packets wait in the system before they are written: a datagram that means nothing is there when all before it are. */
  async #reached(): Promise<void> {
    const mark = randomBytes(12).toString('hex');
    const socket = createSocket('udp4');
    await eventually(
      async () => {
        await new Promise<void>((resolve) => {
          socket.send(mark, this.#port, '127.0.0.1', () => resolve());
        });
        expect((await readFile(join(this.#folder, 'wire.pcap'))).includes(mark)).toBe(true);
      },
      { timeoutMs: 15_000, intervalMs: 50 },
    ).finally(() => socket.close());
  }

  async close(): Promise<void> {
    await this.#tshark.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** An INVITE that began a transaction. */
interface CapturedInvite {
  readonly at: number;
  readonly number: string;
  readonly callId: string;
}

/** The INVITEs that came to a port: each transaction once, as often as its request was sent (same branch). */
export function invitesTo(port: number, wire: readonly CapturedMessage[]): readonly CapturedInvite[] {
  const branches = new Set<string>();
  return wire.flatMap(({ at, toPort, message }): CapturedInvite[] => {
    if (toPort !== port || message.kind !== 'request' || message.method !== 'INVITE') return [];
    // A re-INVITE is no new call.
    if (/;tag=/.test(header(message, 'To') ?? '')) return [];
    const branch = /branch=([^;]+)/.exec(header(message, 'Via') ?? '')?.[1] ?? '';
    if (branches.has(branch)) return [];
    branches.add(branch);
    const number = /^sip:([+\d]+)@/.exec(message.uri)?.[1] ?? '';
    return [{ at, number, callId: header(message, 'Call-ID') ?? '' }];
  });
}

/** The most that are within any second, its beginning included and its end not. */
export function mostInASecond(invites: readonly CapturedInvite[]): number {
  const times = invites.map(({ at }) => at).toSorted((a, b) => a - b);
  return Math.max(0, ...times.map((from, i) => times.slice(i).filter((at) => at < from + 1000).length));
}

/**
 * The most calls that a carrier had at a time: each from its first INVITE to the final response that refuses it (a
 * challenge refuses nothing), or to the final response to a BYE.
 */
export function mostAtATime(port: number, wire: readonly CapturedMessage[]): number {
  const open = new Set<string>();
  const over = new Set<string>();
  let most = 0;
  for (const { fromPort, toPort, message } of wire) {
    const callId = header(message, 'Call-ID') ?? '';
    const method = header(message, 'CSeq')?.split(' ')[1];
    if (toPort === port && message.kind === 'request' && method === 'INVITE' && !over.has(callId)) {
      open.add(callId);
      most = Math.max(most, open.size);
    }
    if (message.kind !== 'response' || !endsCall(message.status, method)) continue;
    // Whoever hears a BYE says that it is over; an INVITE is refused by the carrier alone.
    if (fromPort === port || (toPort === port && method === 'BYE')) {
      open.delete(callId);
      over.add(callId);
    }
  }
  return most;
}

function endsCall(status: number, method: string | undefined): boolean {
  if (status === 401 || status === 407) return false;
  return (method === 'BYE' && status >= 200) || (method === 'INVITE' && status >= 300);
}
