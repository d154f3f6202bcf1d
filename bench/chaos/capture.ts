import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { parseMessage } from '../../src/sip/message.ts';
import { eventually } from '../../test/support/eventually.ts';
import { endProcess } from './process.ts';
import { type WireEntry, wireEntry } from './wire.ts';

/** A file of libpcap: its header, that of a packet, and before the UDP header Ethernet and IPv4. */
const FILE_HEADER = 24;
const PACKET_HEADER = 16;
const ETHERNET_HEADER = 14;
const UDP_HEADER = 8;
const ETHERNET = 1;

/** What passes the carriers' ports as the system sees it, with its own times, however late a process reads it. */
export class Capture {
  readonly #child: ChildProcess;
  readonly #file: string;
  readonly #ports: ReadonlyMap<string, number>;

  private constructor(child: ChildProcess, file: string, ports: ReadonlyMap<string, number>) {
    this.#child = child;
    this.#file = file;
    this.#ports = ports;
  }

  /** Undefined where this user cannot capture. @param ports by trunk */
  static async start(file: string, ports: ReadonlyMap<string, number>): Promise<Capture | undefined> {
    const filter = Array.from(ports.values(), (port) => `udp port ${port}`).join(' or ');
    const args = ['-q', '-P', '-i', 'lo', '-B', '32', '-f', filter, '-w', file];
    const child = spawn('dumpcap', args, { stdio: 'ignore' });
    process.on('exit', () => child.kill('SIGKILL'));
    const failed = new Promise<boolean>((resolve) => {
      child.once('error', () => resolve(true));
      child.once('exit', () => resolve(true));
    });
    const capture = new Capture(child, file, ports);
    const usable = await Promise.race([failed.then(() => false), capture.#reached().then(() => true)]);
    return usable ? capture : undefined;
  }

  /** Ends it: all that has passed, in the order of time. */
  async read(): Promise<readonly WireEntry[]> {
    await this.#reached();
    await endProcess(this.#child, 'SIGTERM');
    return wireOf(await readFile(this.#file), this.#ports);
  }

  async close(): Promise<void> {
    await endProcess(this.#child, 'SIGKILL');
  }

  /** What was sent before a datagram that is in the file is in the file. */
  async #reached(): Promise<void> {
    const mark = randomBytes(12).toString('hex');
    const [port = 0] = this.#ports.values();
    const socket = createSocket('udp4');
    try {
      await eventually(
        async () => {
          await new Promise<void>((resolve) => {
            socket.send(mark, port, '127.0.0.1', () => resolve());
          });
          if (!(await readFile(this.#file)).includes(mark)) throw new Error('the capture does not get on');
        },
        { timeoutMs: 15_000, intervalMs: 200 },
      );
    } finally {
      socket.close();
    }
  }
}

/** @param ports by trunk */
export function wireOf(pcap: Buffer, ports: ReadonlyMap<string, number>): readonly WireEntry[] {
  const magic = pcap.readUInt32LE(0);
  const perSecond = magic === 0xa1b23c4d ? 1e9 : 1e6;
  if ((magic !== 0xa1b2c3d4 && perSecond !== 1e9) || pcap.readUInt32LE(20) !== ETHERNET) {
    throw new Error('this is no capture of Ethernet frames in the form of libpcap');
  }
  const trunks = new Map(Array.from(ports, ([id, port]) => [port, id]));
  const wire: WireEntry[] = [];
  let at = FILE_HEADER;
  while (at + PACKET_HEADER <= pcap.length) {
    const time = pcap.readUInt32LE(at) * 1000 + (pcap.readUInt32LE(at + 4) * 1000) / perSecond;
    const length = pcap.readUInt32LE(at + 8);
    const ip = pcap.subarray(at + PACKET_HEADER + ETHERNET_HEADER, at + PACKET_HEADER + length);
    at += PACKET_HEADER + length;
    const udp = ip.subarray(((ip[0] ?? 0) & 0x0f) * 4);
    if (udp.length < UDP_HEADER) continue;
    const [from, to] = [udp.readUInt16BE(0), udp.readUInt16BE(2)];
    const message = parseMessage(Buffer.from(udp.subarray(UDP_HEADER)));
    if (message.kind !== 'request' && message.kind !== 'response') continue;
    const direction = trunks.has(to) ? 'in' : 'out';
    const trunkId = trunks.get(direction === 'in' ? to : from);
    if (trunkId === undefined) continue;
    const peerPort = direction === 'in' ? from : to;
    wire.push(wireEntry(message, { at: time, trunkId, direction, peerPort }));
  }
  return wire.toSorted((a, b) => a.at - b.at);
}
