import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Rtp } from '../../../src/media/rtp.ts';
import type { RtpStream } from '../../../src/media/rtp-stream.ts';
import { eventually } from '../../support/eventually.ts';
import { RtpPeer } from '../../support/rtp-peer.ts';

const SILENCE = 0xff;
const PACKET_BYTES = 160;
const cleanups: (() => Promise<unknown>)[] = [];
const rtp = new Rtp({ bindAddress: '127.0.0.1' });

beforeAll(() => rtp.start());
afterAll(() => rtp.close());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A stream and its far end; `finished` counts what was said to its end. */
async function opened(): Promise<{ stream: RtpStream; peer: RtpPeer; finished: () => number }> {
  let finished = 0;
  const peer = await RtpPeer.open();
  cleanups.push(() => peer.close());
  const stream = await rtp.open({ onFinished: () => finished++ });
  cleanups.push(() => stream.close());
  return { stream, peer, finished: () => finished };
}

/** Speech of one byte. */
function fill(byte: number, milliseconds: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(milliseconds * 8).fill(byte);
}

/** The bytes that were heard, each run of the same ones as one, with its number of packets. */
function runsIn(peer: RtpPeer): [byte: number, packets: number][] {
  const runs: [number, number][] = [];
  for (const { payload } of peer.heard) {
    const byte = payload[0] ?? -1;
    const last = runs.at(-1);
    if (last?.[0] === byte) last[1]++;
    else runs.push([byte, 1]);
  }
  return runs;
}

async function heardPackets(peer: RtpPeer, byte: number, packets: number): Promise<void> {
  await eventually(() => {
    const heard = peer.heard.filter(({ payload }) => payload[0] === byte).length;
    expect(heard).toBeGreaterThanOrEqual(packets);
  });
}

describe('a stream that says something else', () => {
  it('says it in the place of what is being said, and tells only its end', async () => {
    const { stream, peer, finished } = await opened();
    stream.play(peer.media(), [fill(1, 2000)], false);
    await heardPackets(peer, 1, 5);
    stream.say([fill(2, 200)], true);
    await eventually(() => expect(finished()).toBe(1));
    const stats = await stream.close();
    expect(stats.promptSentMs).toBe(200);
    expect(finished()).toBe(1);
    const [[, before] = [0, 0], ...rest] = runsIn(peer);
    expect(before).toBeLessThan(90);
    expect(rest[0]).toEqual([2, 10]);
    expect(rest.slice(1).every(([byte]) => byte === SILENCE)).toBe(true);
    // One stream for the peer: nothing is left out, nothing begins anew. After a stall the clock has gone on, and a marker says so.
    const [first] = peer.heard;
    let expected = first?.timestamp ?? 0;
    for (const [i, { sequence, timestamp, ssrc, marker }] of peer.heard.entries()) {
      expect(ssrc).toBe(first?.ssrc);
      expect(sequence).toBe(((first?.sequence ?? 0) + i) & 0xffff);
      if (marker) expect((timestamp - expected) >>> 0).toBeLessThan(8000);
      else expect(timestamp).toBe(expected);
      expected = (timestamp + PACKET_BYTES) >>> 0;
    }
  });

  it('says it after the silence that followed, as often as it is to', async () => {
    const { stream, peer, finished } = await opened();
    stream.play(peer.media(), [fill(1, 100)], false);
    await eventually(() => expect(finished()).toBe(1));
    for (const times of [2, 3]) {
      stream.say([fill(2, 100)], true);
      await eventually(() => expect(finished()).toBe(times));
    }
    const stats = await stream.close();
    // The most that went out at a time.
    expect(stats.promptSentMs).toBe(100);
    const spoken = runsIn(peer).filter(([byte]) => byte !== SILENCE);
    expect(spoken).toEqual([
      [1, 5],
      [2, 5],
      [2, 5],
    ]);
  });

  it('counts nothing as the prompt that is none', async () => {
    const { stream, peer, finished } = await opened();
    stream.play(peer.media(), [fill(1, 100)], false);
    await eventually(() => expect(finished()).toBe(1));
    expect((await stream.stats()).promptSentMs).toBe(0);
    stream.say([fill(1, 100)], false);
    await eventually(() => expect(finished()).toBe(2));
    expect((await stream.close()).promptSentMs).toBe(0);
  });

  it('keeps the most that was sent of a prompt that is begun again', async () => {
    const { stream, peer } = await opened();
    stream.play(peer.media(), [fill(2, 2000)], true);
    await heardPackets(peer, 2, 20);
    stream.say([fill(3, 2000)], true);
    await heardPackets(peer, 3, 2);
    const { promptSentMs } = await stream.close();
    expect(promptSentMs).toBeGreaterThanOrEqual(400);
    expect(promptSentMs).toBeLessThan(1000);
  });

  it('says it after a hold that began before it', async () => {
    const { stream, peer, finished } = await opened();
    stream.play(peer.media(), [fill(1, 2000)], false);
    await heardPackets(peer, 1, 3);
    stream.update(peer.media({ direction: 'recvonly' }));
    stream.say([fill(2, 100)], true);
    // The worker has taken both.
    expect((await stream.stats()).promptSentMs).toBe(0);
    const held = peer.heard.length;
    stream.update(peer.media());
    await eventually(() => expect(finished()).toBe(1));
    const after = peer.heard.slice(held).filter(({ payload }) => payload[0] !== SILENCE);
    expect(new Set(after.map(({ payload }) => payload[0]))).toEqual(new Set([2]));
    expect(after).toHaveLength(5);
  });

  it('goes on with it in another codec', async () => {
    const { stream, peer, finished } = await opened();
    stream.play(peer.media(), [fill(1, 2000)], false);
    stream.say([fill(2, 400)], true);
    await heardPackets(peer, 2, 3);
    stream.update(peer.media({ codec: 'PCMA', payloadType: 8 }), [fill(3, 400)]);
    await eventually(() => expect(finished()).toBe(1));
    expect((await stream.close()).promptSentMs).toBe(400);
    const spoken = peer.heard.filter(({ payload }) => payload[0] === 2 || payload[0] === 3);
    expect(spoken).toHaveLength(20);
    for (const { payload, payloadType } of spoken) expect(payloadType).toBe(payload[0] === 3 ? 8 : 0);
  });
});
