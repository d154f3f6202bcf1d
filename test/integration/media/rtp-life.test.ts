import { createSocket } from 'node:dgram';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RtpOptions } from '../../../src/media/rtp.ts';
import { Rtp } from '../../../src/media/rtp.ts';
import { RtpError } from '../../../src/media/rtp-error.ts';
import type { RtpStream } from '../../../src/media/rtp-stream.ts';
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

describe('ports', () => {
  it('are an even one and the next, in the range and where the system chooses', async () => {
    const ranged = await startRtp({ portMin: 30_100, portMax: 30_199 });
    const free = await startRtp();
    const streams = await Promise.all([ranged.open(), ranged.open(), free.open()]);
    for (const { port, rtcpPort } of streams) {
      expect(port % 2).toBe(0);
      expect(rtcpPort).toBe(port + 1);
    }
    expect(streams.slice(0, 2).every(({ port }) => port >= 30_100 && port < 30_199)).toBe(true);
  });

  it('that others hold are passed over, and the last one gone is a clear error', async () => {
    const probe = await (await startRtp()).open();
    const min = probe.port;
    await probe.close();
    const holder = createSocket('udp4');
    await new Promise<void>((resolve) => holder.bind(min + 1, '127.0.0.1', resolve));
    cleanups.push(() => new Promise((resolve) => void holder.close(() => resolve())));
    const rtp = await startRtp({ portMin: min, portMax: min + 1 });
    await expect(rtp.open()).rejects.toMatchObject({ name: 'RtpError', reason: 'no_port' });
    expect(rtp.openStreams()).toBe(0);
  });

  it('rest between two calls, and come back', async () => {
    const probe = await (await startRtp()).open();
    const min = probe.port;
    await probe.close();
    const rtp = await startRtp({ portMin: min, portMax: min + 1, drainMs: 300 });
    const stream = await rtp.open();
    await expect(rtp.open()).rejects.toBeInstanceOf(RtpError);
    await stream.close();
    const closedAt = performance.now();
    await expect(rtp.open()).rejects.toMatchObject({ reason: 'no_port' });
    const again = await eventually(() => rtp.open());
    expect(performance.now() - closedAt).toBeGreaterThan(290);
    expect(again.port).toBe(min);
  });

  it('that are no address of ours make a clear error', async () => {
    const rtp = await startRtp({ bindAddress: '192.0.2.1' });
    await expect(rtp.open()).rejects.toMatchObject({ reason: 'no_port' });
  });
});

describe('many streams', () => {
  it('are all heard whole, and leave nothing behind', async () => {
    const rtp = await startRtp();
    // One socket for all would overflow whenever this thread stands still.
    const peers = await Promise.all(Array.from({ length: 20 }, () => startPeer()));
    const told: number[] = [];
    const streams: RtpStream[] = await Promise.all(
      Array.from({ length: 200 }, (_, index) => rtp.open({ onFinished: () => void told.push(index) })),
    );
    expect(rtp.openStreams()).toBe(200);
    expect(new Set(streams.map(({ port }) => port)).size).toBe(200);
    for (const [index, stream] of streams.entries()) {
      const media = peers[index % peers.length]?.media();
      if (media) stream.play(media, [new Uint8Array(8 * 500).fill(index % 100)]);
    }
    await eventually(() => expect(told).toHaveLength(200), { timeoutMs: 10_000 });
    const stats = await Promise.all(streams.map((stream) => stream.close()));
    expect(rtp.openStreams()).toBe(0);
    expect(stats.every(({ promptSentMs, packetsSent }) => promptSentMs === 500 && packetsSent >= 25)).toBe(
      true,
    );
    await eventually(() => {
      const whole = new Map<number, number>();
      for (const { ssrc, payload } of peers.flatMap(({ heard: packets }) => packets)) {
        if (payload[0] !== 0xff) whole.set(ssrc, (whole.get(ssrc) ?? 0) + payload.length);
      }
      expect([...whole.values()]).toEqual(Array.from({ length: 200 }, () => 4000));
    });
    await Promise.all(streams.map((stream) => stream.close()));
  });

  it('that open and close all the time do not disturb one that plays', async () => {
    const [rtp, peer, { told, listener }] = [await startRtp(), await startPeer(), ears()];
    const bytes = prompt(600);
    const wanted = Buffer.from(bytes);
    (await rtp.open(listener)).play(peer.media(), [bytes]);
    const other = await startPeer();
    while (!told.includes('finished')) {
      const streams = await Promise.all([rtp.open(), rtp.open(), rtp.open()]);
      for (const stream of streams) stream.play(other.media(), [prompt(100)]);
      await Promise.all(streams.map((stream) => stream.close()));
    }
    await heard(peer, wanted);
    expect(rtp.openStreams()).toBe(1);
  });
});

describe('the worker', () => {
  it('that crashes ends its streams with an error, and another can be started', async () => {
    const crashes: RtpError[] = [];
    const rtp = await startRtp({ onCrash: (error) => void crashes.push(error) });
    const peer = await startPeer();
    const [victim, culprit] = [ears(), ears()];
    const stream = await rtp.open(victim.listener);
    const bad = await rtp.open(culprit.listener);
    stream.play(peer.media(), [prompt(10_000)]);
    await eventually(() => expect(peer.heard.length).toBeGreaterThan(0));
    // No caller can pass this by its types; a fault of ours inside the worker looks the same.
    bad.play(undefined as never, [prompt(20)]);
    await eventually(() => expect(victim.told).toEqual(['error:worker']));
    expect(culprit.told).toEqual(['error:worker']);
    expect(crashes[0]?.cause).toBeInstanceOf(TypeError);
    expect(rtp.alive).toBe(false);
    expect(rtp.openStreams()).toBe(0);
    await expect(rtp.open()).rejects.toMatchObject({ reason: 'worker' });
    await stream.close();
    await stream.stats();

    await rtp.start();
    expect(rtp.alive).toBe(true);
    const { told, listener } = ears();
    (await rtp.open(listener)).play(peer.media(), [prompt(40)]);
    await finished(told);
  });

  it('that was closed closes its streams, with BYE', async () => {
    const [rtp, peer] = [await startRtp(), await startPeer()];
    const stream = await rtp.open();
    stream.play(peer.media(), [prompt(10_000)]);
    await eventually(() => expect(peer.heard.length).toBeGreaterThan(2));
    await Promise.all([rtp.close(), rtp.close()]);
    await eventually(() => expect(peer.reports.at(-1)?.at(-1)?.type).toBe('bye'));
    expect((await stream.close()).packetsSent).toBeGreaterThan(2);
    expect(rtp.alive).toBe(false);
    await expect(rtp.open()).rejects.toBeInstanceOf(RtpError);
  });

  it('that cannot start rejects', async () => {
    const rtp = new Rtp({ bindAddress: '127.0.0.1', portMin: 5000, portMax: 4000 });
    await expect(rtp.start()).rejects.toMatchObject({ reason: 'worker' });
    expect(rtp.alive).toBe(false);
  });
});
