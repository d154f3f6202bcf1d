import { execFile } from 'node:child_process';
import type { Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WireMessage } from '../../../src/sip/transport.ts';
import type { HepExporterOptions } from '../../../src/trace/hep-exporter.ts';
import { HepExporter } from '../../../src/trace/hep-exporter.ts';
import { eventually } from '../../support/eventually.ts';
import { freePorts } from '../../support/free-ports.ts';
import { assertBound, describeWithPeer, PeerProcess } from '../../support/peers.ts';

const PEER = { transport: 'udp', address: '198.51.100.7', port: 5062 } as const;

const INVITE: WireMessage = {
  direction: 'out',
  at: 1_750_000_000_123,
  peer: PEER,
  text: [
    'INVITE sip:+4930123456@carrier.example SIP/2.0',
    'Via: SIP/2.0/UDP 192.0.2.10:5070;rport;branch=z9hG4bK1',
    'From: <sip:+441614960716@192.0.2.10>;tag=a',
    'To: <sip:+4930123456@carrier.example>',
    'Call-ID: one@192.0.2.10',
    'CSeq: 1 INVITE',
    'Authorization: Digest response="feed"',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n'),
};

const RINGING: WireMessage = {
  ...INVITE,
  direction: 'in',
  at: INVITE.at + 250,
  text: INVITE.text.replace(/^INVITE.*/, 'SIP/2.0 180 Ringing'),
};

let server: Socket;
let port: number;
let packets: Buffer[];
let exporter: HepExporter;

beforeEach(async () => {
  packets = [];
  server = createSocket('udp4').on('message', (bytes) => packets.push(bytes));
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address());
});

afterEach(async () => {
  await exporter.close();
  server.close();
});

function start(change: Partial<HepExporterOptions> = {}): void {
  exporter = new HepExporter({ host: '127.0.0.1', port, captureId: 2001, numbers: 'masked', ...change });
  exporter.start();
}

describe('HepExporter', () => {
  it('sends each message, masked', async () => {
    start();
    exporter.take(INVITE);
    exporter.take(RINGING);
    const all = await eventually(() => {
      expect(packets).toHaveLength(2);
      return Buffer.concat(packets).toString('utf8');
    });
    expect(all).toContain('INVITE sip:+4930•••456@carrier.example SIP/2.0');
    expect(all).not.toMatch(/feed|4960716|30123456/);
    expect(exporter.counters).toEqual({ sent: 2, dropped: 0, failed: 0, unfit: 0 });
  });

  it('names our call, and shows numbers where that is wanted', async () => {
    start({ numbers: 'whole', correlate: (id) => (id === 'one@192.0.2.10' ? 'call_a' : undefined) });
    exporter.take(INVITE);
    const text = await eventually(() => {
      expect(packets).toHaveLength(1);
      return String(packets[0]);
    });
    expect(text).toContain('call_a');
    expect(text).toContain('<sip:+441614960716@192.0.2.10>');
    expect(text).not.toContain('feed');
  });

  it('drops what the socket cannot take, and holds nobody up', async () => {
    start();
    // The system gets its turn only when we are done.
    for (let index = 0; index < 1000; index += 1) exporter.take(INVITE);
    expect(exporter.counters.dropped).toBeGreaterThan(0);
    await eventually(() => {
      const { sent, dropped, failed } = exporter.counters;
      expect({ all: sent + dropped, failed }).toEqual({ all: 1000, failed: 0 });
    });
    // And goes on afterwards.
    const { sent, dropped } = exporter.counters;
    exporter.take(INVITE);
    await eventually(() => expect(exporter.counters).toMatchObject({ sent: sent + 1, dropped }));
  });

  it('lives with a server that cannot be found, and with none at all', async () => {
    start({ host: 'collector.invalid' });
    exporter.take(INVITE);
    expect(exporter.counters).toMatchObject({ sent: 0, dropped: 1 });
    await exporter.close();
    exporter.take(INVITE);
    expect(exporter.counters).toMatchObject({ sent: 0, dropped: 2 });
  });

  it('finds a server by its name, and drops what comes before', async () => {
    start({ host: 'localhost' });
    exporter.take(INVITE);
    expect(exporter.counters).toMatchObject({ dropped: 1 });
    await eventually(() => {
      exporter.take(INVITE);
      expect(exporter.counters.sent).toBeGreaterThan(0);
    });
  });

  it('counts what HEP cannot say', async () => {
    start({ local: () => ({ address: '2001:db8::1', port: 5070 }) });
    exporter.take(INVITE);
    exporter.take({ ...INVITE, text: `${INVITE.text}${'x'.repeat(70_000)}` });
    expect(exporter.counters).toMatchObject({ unfit: 2 });
  });

  it('takes what a far end made of our Via', async () => {
    start();
    exporter.take({ ...RINGING, text: RINGING.text.replace(':5070;', ':99999;') });
    exporter.take({ ...RINGING, text: 'SIP/2.0 200 OK\r\nVia: \u0000' });
    exporter.take({ ...RINGING, text: '' });
    await eventually(() => expect(exporter.counters).toMatchObject({ sent: 3, unfit: 0 }));
  });
});

/** tshark does not know HEP: sngrep takes the packets apart and writes what they say as a capture, which tshark reads. */
describeWithPeer(['sngrep', 'tshark'], 'HepExporter as sngrep reads it', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-hep-'));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('says times, ways and messages', async () => {
    const to = await freePorts(1);
    const file = join(folder, 'sip.pcap');
    const sngrep = await PeerProcess.start(
      'sngrep',
      ['-F', '-N', '-q', '-L', `udp:127.0.0.1:${to}`, '-O', file],
      { cwd: folder, ready: () => assertBound('udp', to) },
    );
    start({ port: to });
    exporter.take(INVITE);
    exporter.take(RINGING);
    await eventually(async () => expect(sizesOf(await readFile(file))).toHaveLength(2));
    await sngrep.stop();
    const { stdout } = await promisify(execFile)('tshark', ['-r', file, '-T', 'fields', ...FIELDS]);
    expect(stdout.trimEnd().split('\n')).toEqual([
      '192.0.2.10 5070 198.51.100.7 5062 1750000000.123000000 INVITE  one@192.0.2.10 sip:+4930•••456@carrier.example',
      '198.51.100.7 5062 192.0.2.10 5070 1750000000.373000000  180 one@192.0.2.10 sip:+4930•••456@carrier.example',
    ]);
  });
});

const NAMES =
  'ip.src udp.srcport ip.dst udp.dstport frame.time_epoch sip.Method sip.Status-Code sip.Call-ID sip.to.addr';
const FIELDS = ['-E', 'separator=/s', ...NAMES.split(' ').flatMap((name) => ['-e', name])];

/** Lengths of the packets of a pcap file. */
function sizesOf(capture: Buffer): readonly number[] {
  const sizes: number[] = [];
  let at = 24;
  while (at + 16 <= capture.length) {
    const size = capture.readUInt32LE(at + 8);
    sizes.push(size);
    at += 16 + size;
  }
  return sizes;
}
