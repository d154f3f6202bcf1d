import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { DrachtioConnection } from '../../../src/engine/freeswitch/drachtio-connection.ts';
import { MediaConnection } from '../../../src/engine/freeswitch/media-connection.ts';
import type { MediaEndpoint } from '../../../src/engine/freeswitch/media-endpoint.ts';
import { joined } from '../../../src/media/speech.ts';
import { formatWav } from '../../../src/media/wav.ts';
import { eventually } from '../../support/eventually.ts';
import { START_MS } from '../../support/fault-rig.ts';
import { type ServerSite, startServers } from '../../support/freeswitch.ts';
import { channelsOf, type TestServer } from '../../support/freeswitch-servers.ts';
import { tone } from '../../support/legs.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { RtpPeer } from '../../support/rtp-peer.ts';

const LONG_MS = 3000;
const SHORT_MS = 400;
const PACKET_MS = 20;

describeWithPeer(['drachtio', 'freeswitch'], 'an endpoint of FreeSWITCH', () => {
  let site: ServerSite;
  let via: DrachtioConnection;
  let media: MediaConnection;
  let endpoint: MediaEndpoint;
  let peer: RtpPeer;
  let long: string;
  let short: string;
  const faults: unknown[] = [];
  const keys: { digit: string; durationMs: number }[] = [];
  const freeswitch = (): TestServer => site.freeswitch[0] as TestServer;

  beforeAll(async () => {
    site = await startServers();
    const onFault = (error: unknown): void => void faults.push(error);
    via = await DrachtioConnection.open(site.drachtio[0] as TestServer, onFault);
    const callback = { host: '127.0.0.1', port: 0 };
    media = await MediaConnection.open({ server: freeswitch(), profile: 'drachtio_mrf', callback, onFault });
    [long, short] = [join(site.folder, 'long.wav'), join(site.folder, 'short.wav')];
    await writeFile(long, formatWav(joined(tone(LONG_MS))));
    await writeFile(short, formatWav(joined(tone(SHORT_MS))));
  }, START_MS);
  afterAll(async () => {
    media.close();
    via.close();
    await site.close();
  });
  beforeEach(async () => {
    keys.length = 0;
    peer = await RtpPeer.open();
    const onDtmf = (digit: string, durationMs: number): void => void keys.push({ digit, durationMs });
    endpoint = await media.allocate(
      via,
      { maxSeconds: 60, srtp: false },
      { onDtmf, onLost: (detail) => faults.push(detail) },
    );
    await endpoint.connect(peer.media());
  });
  afterEach(async () => {
    await endpoint.release();
    await peer.close();
    await eventually(async () => expect(await channelsOf(freeswitch())).toBe(0));
    expect(faults).toEqual([]);
  });

  /** Until the peer has heard so much since `before`. */
  const expectHeard = (packets: number, before = 0): Promise<void> =>
    eventually(() => expect(peer.heard.length - before).toBeGreaterThanOrEqual(packets));

  it('stops within 200 ms, and plays the next file whole', async () => {
    const playing = endpoint.play(long);
    await expectHeard(10);
    const startMs = performance.now();
    await endpoint.stop();
    await playing;
    expect(performance.now() - startMs).toBeLessThan(200);
    const before = peer.heard.length;
    await endpoint.play(short);
    await expectHeard(SHORT_MS / PACKET_MS, before);
    expect((await endpoint.counts())?.sent).toBe(peer.heard.length);
  });

  it('stops a file that FreeSWITCH has not opened yet', async () => {
    const playing = endpoint.play(long);
    await endpoint.stop();
    await playing;
    expect(peer.heard.length).toBeLessThan(LONG_MS / PACKET_MS / 3);
  });

  it('stops a file that is paused', async () => {
    const playing = endpoint.play(long);
    await expectHeard(5);
    await endpoint.pause(true);
    await endpoint.stop();
    await playing;
    const before = peer.heard.length;
    await endpoint.play(short);
    await expectHeard(SHORT_MS / PACKET_MS, before);
  });

  it('has nothing to stop where nothing is played, and plays whole afterwards', async () => {
    await endpoint.stop();
    await endpoint.play(short);
    await endpoint.stop();
    await endpoint.play(short);
    await expectHeard((2 * SHORT_MS) / PACKET_MS);
  });

  it.each(['5', '*', '#'])('tells %s, and is not stopped by it', async (key) => {
    const playing = endpoint.play(long);
    await expectHeard(5);
    peer.press(endpoint.port, key, 8000);
    await eventually(() => expect(keys).toEqual([{ digit: key, durationMs: 100 }]));
    await expectHeard(15, peer.heard.length);
    await endpoint.stop();
    await playing;
  });
});
