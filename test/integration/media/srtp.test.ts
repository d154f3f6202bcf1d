import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseRtcp } from '../../../src/media/rtcp.ts';
import { Rtp } from '../../../src/media/rtp.ts';
import { buildRtpPacket, parseRtpPacket } from '../../../src/media/rtp-packet.ts';
import type { Negotiated } from '../../../src/media/sdp.ts';
import { SrtpReceiver, SrtpSender } from '../../../src/media/srtp.ts';
import type { SrtpMaster } from '../../../src/media/srtp-suite.ts';
import { encodeKeyPress } from '../../../src/media/telephone-event.ts';
import { eventually } from '../../support/eventually.ts';

const cleanups: (() => Promise<void>)[] = [];
const rtp = new Rtp({ bindAddress: '127.0.0.1' });
beforeAll(() => rtp.start());
afterAll(() => rtp.close());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const newMaster = (): SrtpMaster => ({ suite: 'AES_CM_128_HMAC_SHA1_80', keyAndSalt: randomBytes(30) });

/** A socket that keeps its datagrams as they came. */
async function ear(): Promise<{ socket: Socket; port: number; heard: Buffer[] }> {
  const socket = createSocket('udp4');
  const heard: Buffer[] = [];
  socket.on('message', (bytes) => heard.push(bytes));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  cleanups.push(() => new Promise((resolve) => socket.close(() => resolve())));
  return { socket, port: socket.address().port, heard };
}

/** A stream of ours to two sockets, with keys for both directions. */
async function start() {
  const [audio, reports] = [await ear(), await ear()];
  const keys = { send: newMaster(), receive: newMaster() };
  const pressed: string[] = [];
  let finished = false;
  const stream = await rtp.open({
    onDtmf: (digit) => void pressed.push(digit),
    onFinished: () => {
      finished = true;
    },
  });
  cleanups.push(async () => void (await stream.close()));
  const media: Negotiated = {
    address: '127.0.0.1',
    port: audio.port,
    rtcpAddress: '127.0.0.1',
    rtcpPort: reports.port,
    codec: 'PCMU',
    payloadType: 0,
    telephoneEventPayloadType: 101,
    receivedAudioPayloadTypes: [0],
    receivedEventPayloadTypes: [101],
    ptimeMs: 20,
    direction: 'sendrecv',
    srtp: keys,
  };
  return { audio, reports, keys, stream, media, pressed, isFinished: () => finished };
}

/** What is heard of packets that a receiver takes. */
function decrypted(receiver: SrtpReceiver, datagrams: readonly Buffer[]): Buffer {
  return Buffer.concat(
    datagrams.map((bytes) => {
      const packet = parseRtpPacket(receiver.unprotect(Uint8Array.from(bytes)) ?? new Uint8Array(0));
      if (packet === undefined) throw new Error('a packet is not authentic');
      return packet.payload;
    }),
  );
}

/** The packets of one press, as the peer sends them. */
function press(sender: SrtpSender | undefined, key: string, firstSequence: number): Uint8Array[] {
  return encodeKeyPress(key, { timestamp: firstSequence * 160, durationMs: 100 }).map((event, i) => {
    const packet = buildRtpPacket({ ...event, payloadType: 101, sequence: firstSequence + i, ssrc: 9 });
    return sender === undefined ? packet : Uint8Array.from(sender.protect(packet));
  });
}

describe('a stream with SRTP', () => {
  it('is encrypted on the wire, reports too, and its peer hears all of it', async () => {
    const { audio, reports, keys, stream, media, isFinished } = await start();
    const prompt = Uint8Array.from(randomBytes(400 * 8), (byte) => byte & 0x7f);
    const wanted = Buffer.from(prompt);
    stream.play(media, [prompt]);
    await eventually(() => expect(isFinished()).toBe(true));
    await stream.close();
    await eventually(() => expect(reports.heard.length).toBeGreaterThan(0));
    await eventually(() => expect(audio.heard.length).toBeGreaterThanOrEqual(20));
    expect(new Set(audio.heard.map(({ length }) => length))).toEqual(new Set([12 + 160 + 10]));
    expect(Buffer.concat(audio.heard).includes(wanted.subarray(0, 8))).toBe(false);
    const receiver = new SrtpReceiver(keys.send);
    expect(decrypted(receiver, audio.heard).subarray(0, wanted.length).equals(wanted)).toBe(true);
    const [report = Buffer.alloc(0)] = reports.heard;
    expect(parseRtcp(receiver.unprotectRtcp(Uint8Array.from(report)) ?? new Uint8Array(0))).toBeDefined();
  });

  it('takes authentic packets only, once, and counts the others', async () => {
    const { audio, keys, stream, media, pressed } = await start();
    stream.play(media, [new Uint8Array(800)]);
    await eventually(() => expect(audio.heard.length).toBeGreaterThan(0));
    const sender = new SrtpSender(keys.receive);
    const five = press(sender, '5', 100);
    const forged = [...press(undefined, '1', 200), ...press(new SrtpSender(newMaster()), '2', 300)];
    for (const packet of [...five, ...forged, ...five, ...press(sender, '7', 400)])
      audio.socket.send(packet, stream.port, '127.0.0.1');
    await eventually(() => expect(pressed).toEqual(['5', '7']));
    expect(await stream.stats()).toMatchObject({
      srtpDropped: forged.length + five.length,
      packetsReceived: five.length * 2,
      packetsIgnored: 0,
    });
  });

  it('goes on under the same keys after a negotiation, and begins anew under others', async () => {
    const { audio, keys, stream, media } = await start();
    stream.play(media, [new Uint8Array(80_000)]);
    await eventually(() => expect(audio.heard.length).toBeGreaterThan(3));
    stream.update({ ...media, srtp: { ...keys, receive: newMaster() } });
    const before = audio.heard.length;
    await eventually(() => expect(audio.heard.length).toBeGreaterThan(before + 3));
    decrypted(new SrtpReceiver(keys.send), audio.heard);
    const next = { send: newMaster(), receive: keys.receive };
    stream.update({ ...media, srtp: next });
    const receiver = new SrtpReceiver(next.send);
    await eventually(() => {
      const last = audio.heard.at(-1) ?? Buffer.alloc(0);
      expect(receiver.unprotect(Uint8Array.from(last))).toBeDefined();
    });
  });
});
