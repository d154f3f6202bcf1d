import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildReport } from '../../../src/media/rtcp.ts';
import type { RtpOptions } from '../../../src/media/rtp.ts';
import { Rtp } from '../../../src/media/rtp.ts';
import type { RtpListener, RtpStream } from '../../../src/media/rtp-stream.ts';
import { eventually } from '../../support/eventually.ts';
import { ears, finished, heard, prompt } from '../../support/rtp-ears.ts';
import { RtpPeer } from '../../support/rtp-peer.ts';

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const shared = new Rtp({ bindAddress: '127.0.0.1' });
beforeAll(() => shared.start());
afterAll(() => shared.close());

/** A stream that is closed after the test. */
async function open(rtp: Rtp, listener: RtpListener = {}): Promise<RtpStream> {
  const stream = await rtp.open(listener);
  cleanups.push(async () => void (await stream.close()));
  return stream;
}

async function startRtp(options: Partial<RtpOptions> = {}): Promise<Rtp> {
  const rtp = new Rtp({ bindAddress: '127.0.0.1', ...options });
  cleanups.push(() => rtp.close());
  await rtp.start();
  return rtp;
}

async function startPeer(): Promise<RtpPeer> {
  const peer = await RtpPeer.open();
  cleanups.push(() => peer.close());
  return peer;
}

describe('a prompt', () => {
  it.each([10, 20, 30, 60])('is heard byte for byte and in order, in packets of %i ms', async (ptimeMs) => {
    const [rtp, peer, { told, listener }] = [shared, await startPeer(), ears()];
    const bytes = prompt(600);
    const wanted = Buffer.from(bytes);
    const stream = await open(rtp, listener);
    stream.play(peer.media({ ptimeMs }), [bytes]);
    await finished(told);
    const stats = await stream.close();
    await eventually(() => expect(peer.heard.length).toBe(stats.packetsSent));
    await heard(peer, wanted);
    expect(
      peer
        .audio()
        .subarray(wanted.length)
        .every((byte) => byte === 0xff),
    ).toBe(true);
    expect(new Set(peer.heard.map(({ payload }) => payload.length))).toEqual(new Set([ptimeMs * 8]));
    expect(stats).toMatchObject({ promptSentMs: 600, socketErrors: 0 });
  });

  it('is well-formed RTP at an even pace, and is finished when it has been played out', async () => {
    const [rtp, peer, { told, listener }] = [shared, await startPeer(), ears()];
    const stream = await open(rtp, listener);
    stream.play(peer.media(), [prompt(1000)]);
    await finished(told);
    const now = performance.now();
    const [first] = peer.heard;
    if (first === undefined) throw new Error('Nothing was heard.');
    expect(first.sequence).toBeLessThan(2 ** 15);
    for (const [index, packet] of peer.heard.entries()) {
      expect(packet).toMatchObject({
        marker: index === 0,
        payloadType: 0,
        ssrc: first.ssrc,
        sequence: first.sequence + index,
        timestamp: (first.timestamp + index * 160) >>> 0,
        from: { port: stream.port },
      });
    }
    // A busy machine is late now and then, but never early, and it does not run ahead afterwards.
    expect(now - first.atMs).toBeGreaterThan(990);
    expect(now - first.atMs).toBeLessThan(1800);
    await eventually(() => expect(peer.heard.length).toBeGreaterThanOrEqual(50));
    const early = peer.heard.filter(({ atMs }, index) => atMs - first.atMs < index * 20 - 60);
    expect(early).toEqual([]);
  });

  it('of A-law is followed by the silence of A-law', async () => {
    const [rtp, peer, { told, listener }] = [shared, await startPeer(), ears()];
    const stream = await open(rtp, listener);
    stream.play(peer.media({ codec: 'PCMA', payloadType: 97 }), [prompt(50)]);
    await finished(told);
    await eventually(() => expect(peer.heard.length).toBeGreaterThan(5));
    expect(peer.heard.every(({ payloadType }) => payloadType === 97)).toBe(true);
    expect(
      peer
        .audio()
        .subarray(400)
        .every((byte) => byte === 0xd5),
    ).toBe(true);
  });

  it('keeps the buffer of a caller whose bytes are a part of it', async () => {
    const [rtp, peer, { told, listener }] = [shared, await startPeer(), ears()];
    const whole = prompt(200);
    const part = whole.subarray(160, 480);
    const wanted = Buffer.from(part);
    (await open(rtp, listener)).play(peer.media(), [part]);
    await finished(told);
    expect(whole.length).toBe(1600);
    await heard(peer, wanted);
  });

  it.each(['inactive', 'recvonly'] as const)(
    'stands still while %s, and goes on where it was',
    async (direction) => {
      const [rtp, peer, { told, listener }] = [shared, await startPeer(), ears()];
      const bytes = prompt(1000);
      const wanted = Buffer.from(bytes);
      const stream = await open(rtp, listener);
      stream.play(peer.media(), [bytes]);
      await eventually(() => expect(peer.heard.length).toBeGreaterThan(5), { intervalMs: 5 });
      stream.update(peer.media({ direction }));
      await stream.stats();
      const { packetsSent } = await stream.stats();
      await eventually(() => expect(peer.heard.length).toBe(packetsSent));
      const last = peer.heard.at(-1);
      // The time passes by another stream, which plays meanwhile.
      const other = ears();
      (await open(rtp, other.listener)).play(peer.media({ port: 9 }), [prompt(160)]);
      await finished(other.told);
      expect(peer.heard.length).toBe(packetsSent);
      stream.update(peer.media());
      await finished(told);
      await heard(peer, wanted);
      const next = peer.heard[packetsSent];
      expect(next?.marker).toBe(true);
      expect(((next?.timestamp ?? 0) - (last?.timestamp ?? 0)) >>> 0).toBeGreaterThan(150 * 8);
      expect(peer.heard.filter(({ marker }) => marker)).toHaveLength(2);
    },
  );

  it('goes elsewhere, in another codec and packet length, after a new negotiation', async () => {
    const [rtp, before, after] = [shared, await startPeer(), await startPeer()];
    const { told, listener } = ears();
    const stream = await open(rtp, listener);
    stream.play(before.media(), [new Uint8Array(3200).fill(1)]);
    await eventually(() => expect(before.heard.length).toBeGreaterThan(3), { intervalMs: 5 });
    const media = after.media({ codec: 'PCMA', payloadType: 8, ptimeMs: 40 });
    stream.update(media, [new Uint8Array(3200).fill(2)]);
    await finished(told);
    await eventually(() => {
      const bytes = Buffer.concat([before.audio(), after.audio().filter((byte) => byte === 2)]);
      expect(bytes.length).toBe(3200);
    });
    expect(after.heard.every(({ payloadType, payload }) => payloadType === 8 && payload.length === 320)).toBe(
      true,
    );
  });

  it('that begins on hold waits', async () => {
    const [rtp, peer, { told, listener }] = [shared, await startPeer(), ears()];
    const stream = await open(rtp, listener);
    stream.play(peer.media({ direction: 'inactive' }), [prompt(40)]);
    expect(await stream.stats()).toMatchObject({ packetsSent: 0, promptSentMs: 0 });
    stream.update(peer.media());
    await finished(told);
  });
});

describe('what comes back', () => {
  it('is counted, and the first packet is told', async () => {
    const [rtp, peer, { told, listener }] = [shared, await startPeer(), ears()];
    const stream = await open(rtp, listener);
    stream.play(peer.media(), [prompt(5000)]);
    await stream.stats();
    for (let count = 0; count < 10; count++) peer.speak(stream.port);
    await eventually(async () => expect(await stream.stats()).toMatchObject({ packetsReceived: 10 }));
    expect(told).toEqual(['first']);
  });

  it('counts nothing before the answer', async () => {
    const [rtp, peer, { told, listener }] = [shared, await startPeer(), ears()];
    const stream = await open(rtp, listener);
    peer.speak(stream.port);
    peer.press(stream.port, '1', 1000);
    await eventually(async () => expect((await stream.stats()).packetsIgnored).toBe(8));
    expect(told).toEqual([]);
  });

  it('may be keys: each press is told once, by either payload type', async () => {
    const [rtp, peer, { told, listener }] = [shared, await startPeer(), ears()];
    const stream = await open(rtp, listener);
    stream.play(peer.media({ receivedEventPayloadTypes: [101, 96] }), [prompt(5000)]);
    await stream.stats();
    peer.press(stream.port, '1', 8000);
    peer.press(stream.port, '1', 16_000, 96);
    peer.press(stream.port, '#', 24_000);
    peer.press(stream.port, '9', 32_000, 102);
    await eventually(() => expect(told).toEqual(['first', '1:100', '1:100', '#:100']));
  });

  it('from another address than the SDP says shows where to send', async () => {
    const [rtp, sdp, real, stranger] = [shared, await startPeer(), await startPeer(), await startPeer()];
    const stream = await open(rtp);
    stream.play(sdp.media({ address: '127.0.0.2' }), [prompt(20_000)]);
    real.speak(stream.port);
    await eventually(() => expect(real.heard.length).toBeGreaterThan(3));
    const before = (await stream.stats()).packetsIgnored;
    stranger.speak(stream.port);
    stranger.press(stream.port, '5', 1000);
    await eventually(async () => expect((await stream.stats()).packetsIgnored).toBe(before + 8));
    expect(stranger.heard).toEqual([]);
    expect((await stream.stats()).packetsReceived).toBe(1);
  });

  it('does not show where to send when that is switched off', async () => {
    const [rtp, sdp, other] = [await startRtp({ symmetric: false }), await startPeer(), await startPeer()];
    const stream = await open(rtp);
    stream.play(sdp.media(), [prompt(5000)]);
    await stream.stats();
    other.speak(stream.port);
    await eventually(async () => expect((await stream.stats()).packetsReceived).toBe(1));
    const count = sdp.heard.length;
    await eventually(() => expect(sdp.heard.length).toBeGreaterThan(count + 3));
    expect(other.heard).toEqual([]);
  });

  it('may be junk: the stream goes on, and so do the others', async () => {
    const [rtp, peer, { told, listener }] = [shared, await startPeer(), ears()];
    const bytes = prompt(400);
    const wanted = Buffer.from(bytes);
    const stream = await open(rtp, listener);
    stream.play(peer.media(), [bytes]);
    await stream.stats();
    for (let size = 0; size < 1200; size++) {
      const junk = randomBytes(size % 80);
      if (size % 3 === 0 && junk.length > 1) junk.set([0x80 | (size & 0x3f), 101]);
      peer.sendBytes(junk, stream.port);
      peer.sendRtcp(junk, stream.rtcpPort);
    }
    await finished(told);
    await heard(peer, wanted);
    expect((await stream.stats()).packetsIgnored).toBeGreaterThan(100);
    expect(rtp.alive).toBe(true);
  });

  it('may be nothing at all: a refused or impossible target is counted, not thrown', async () => {
    const [rtp, peer] = [shared, await startPeer()];
    const gone = peer.media();
    const streams = await Promise.all([open(rtp), open(rtp), open(rtp)]);
    streams[0]?.play({ ...gone, port: 9, rtcpPort: 9 }, [prompt(2000)]);
    streams[1]?.play({ ...gone, address: '2001:db8::1' }, [prompt(2000)]);
    streams[2]?.play({ ...gone, address: '255.255.255.255', rtcpAddress: '255.255.255.255' }, [prompt(2000)]);
    await eventually(async () => {
      const counts = await Promise.all(streams.map((stream) => stream.stats()));
      expect(counts[0]?.packetsSent).toBeGreaterThan(3);
      expect(counts[1]?.socketErrors).toBeGreaterThan(3);
      expect(counts[2]?.socketErrors).toBeGreaterThan(3);
    });
    expect(rtp.alive).toBe(true);
  });
});

describe('RTCP', () => {
  it('reports within seconds what was sent and received, and says BYE at the end', async () => {
    const [rtp, peer] = [shared, await startPeer()];
    const stream = await open(rtp);
    stream.play(peer.media(), [prompt(20_000)]);
    await stream.stats();
    peer.speak(stream.port);
    peer.sendRtcp(
      buildReport({
        ssrc: 77,
        cname: 'peer',
        sender: { wallMs: 1000, timestamp: 0, packets: 1, bytes: 160 },
      }),
      stream.rtcpPort,
    );
    await eventually(() => expect(peer.reports).toHaveLength(1), { timeoutMs: 6000 });
    const [report, description] = peer.reports[0] ?? [];
    expect(report).toMatchObject({ type: 'sr', count: 1, ssrc: peer.heard[0]?.ssrc });
    expect(report?.sender?.packets).toBeGreaterThan(20);
    expect(report?.sender?.bytes).toBe((report?.sender?.packets ?? 0) * 160);
    expect(description?.cname).toMatch(/^[0-9a-z]{6,14}$/);
    expect(await stream.close()).toMatchObject({ rtcpSent: 2, rtcpReceived: 1 });
    await eventually(() => expect(peer.reports).toHaveLength(2));
    expect(peer.reports[1]?.map(({ type }) => type)).toEqual(['sr', 'sdes', 'bye']);
  });

  it('says no BYE for a stream that never sent', async () => {
    const [rtp, peer] = [shared, await startPeer()];
    const stream = await open(rtp);
    stream.play(peer.media({ direction: 'inactive' }), [prompt(100)]);
    expect(await stream.close()).toMatchObject({ rtcpSent: 0, packetsSent: 0 });
  });
});
