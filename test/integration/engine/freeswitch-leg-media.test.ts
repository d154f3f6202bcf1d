import { readdir, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { DrachtioConnection } from '../../../src/engine/freeswitch/drachtio-connection.ts';
import { LegMedia } from '../../../src/engine/freeswitch/leg-media.ts';
import { ListenFolder } from '../../../src/engine/freeswitch/listen-folder.ts';
import { PromptFolder } from '../../../src/engine/freeswitch/prompt-folder.ts';
import { type MediaServer, mediaServer } from '../../../src/engine/freeswitch/servers.ts';
import type { AnswerFinding } from '../../../src/media/answer-detector.ts';
import { createOffer } from '../../../src/media/sdp.ts';
import { Secret } from '../../../src/secret.ts';
import { eventually } from '../../support/eventually.ts';
import { START_MS } from '../../support/fault-rig.ts';
import { type ServerSite, startServers } from '../../support/freeswitch.ts';
import type { TestServer } from '../../support/freeswitch-servers.ts';
import { legTo, tone } from '../../support/legs.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { RtpPeer } from '../../support/rtp-peer.ts';

const PROMPT_MS = 600;
const PROMPT_PACKETS = PROMPT_MS / 20;

describeWithPeer(['drachtio', 'freeswitch'], 'the media of a leg at FreeSWITCH', () => {
  let site: ServerSite;
  let via: DrachtioConnection;
  let servers: readonly MediaServer[];
  let folder: PromptFolder;
  let listenFolder: ListenFolder;
  let peer: RtpPeer;
  const faults: unknown[] = [];
  const onFault = (error: unknown): void => void faults.push(error);

  beforeAll(async () => {
    site = await startServers({ freeswitch: 2 });
    via = await DrachtioConnection.open(site.drachtio[0] as TestServer, onFault);
    const options = { profile: 'drachtio_mrf', callback: { host: '127.0.0.1', port: 0 } };
    const watch = { onFault, onChange: () => {} };
    servers = site.freeswitch.map((one) => mediaServer({ ...one, weight: 1 }, options, watch));
    await Promise.all(servers.map(({ standing }) => standing.start()));
    const place = { folder: site.folder, maxAgeMs: 60_000 };
    folder = new PromptFolder({ ...place, groupReadable: false, onFault });
    listenFolder = new ListenFolder({ ...place, groupWritable: false, onChange: onFault });
    peer = await RtpPeer.open();
  }, START_MS);
  afterAll(async () => {
    await peer.close();
    for (const { standing } of servers) standing.close();
    via.close();
    await site.close();
  });
  afterEach(async () => {
    await eventually(() => expect(servers.map(({ load }) => load)).toEqual([0, 0]));
    expect(folder.held()).toBe(0);
    expect(faults).toEqual([]);
  });

  it('takes another endpoint for a prompt that is to be said again after its own was lost', async () => {
    const told: string[] = [];
    const offers: string[] = [];
    const answer = createOffer({
      sessionId: '1',
      version: 1,
      address: '127.0.0.1',
      port: peer.port,
      codecs: ['PCMU'],
      telephoneEvent: true,
    });
    const gate = { keys: new Secret('1'), ask: tone(200), asks: 1, waitMs: 1000 };
    const media = await LegMedia.open({
      leg: legTo(5060, '+442079460200', { prompt: tone(PROMPT_MS), gate }),
      servers,
      folder,
      listenFolder,
      via,
      listener: {
        onDtmf: () => told.push('key'),
        onFinished: () => told.push('finished'),
        onFinding: () => told.push('finding'),
        onFailed: (detail) => told.push(detail),
        reinvite: async (offer) => {
          offers.push(offer);
          return answer;
        },
      },
    });
    media.start(answer, 'prompt');
    await eventually(() => expect(told).toEqual(['finished']));
    const { server } = media.channel;
    await site.freeswitch[servers.findIndex(({ standing }) => standing.name === server)]?.process.kill();
    await eventually(() => expect(servers.some(({ standing }) => standing.current === undefined)).toBe(true));
    // Nobody needs another one so far.
    expect(media.channel.server).toBe(server);
    expect(offers).toEqual([]);
    const before = peer.heard.length;
    media.say('prompt');
    await eventually(() => expect(told).toEqual(['finished', 'finished']));
    expect(media.channel.server).not.toBe(server);
    expect(offers).toHaveLength(1);
    expect(peer.heard.length - before).toBeGreaterThanOrEqual(PROMPT_PACKETS);
    expect(await media.close()).toMatchObject({ promptSentMs: PROMPT_MS });
  });

  it('hears from the answer on, however long it rings, and holds little until then', async () => {
    const findings: AnswerFinding[] = [];
    const media = await LegMedia.open({
      leg: legTo(5060, '+442079460200', {
        prompt: tone(PROMPT_MS),
        detection: { onMachine: 'speak', decideMs: 1000, toneMs: 1000 },
      }),
      servers,
      folder,
      listenFolder,
      via,
      listener: {
        onDtmf: () => {},
        onFinished: () => {},
        onFinding: (finding) => findings.push(finding),
        onFailed: onFault,
        reinvite: () => Promise.reject(new Error('nobody moves')),
      },
    });
    await eventually(
      async () => {
        const [{ size, blocks } = { size: 0, blocks: 0 }] = await recordings();
        expect(size).toBeGreaterThan(96_000);
        expect(blocks * 512).toBeLessThan(size / 2);
      },
      { timeoutMs: 12_000 },
    );
    media.start(
      createOffer({
        sessionId: '1',
        version: 1,
        address: '127.0.0.1',
        port: peer.port,
        codecs: ['PCMU'],
        telephoneEvent: true,
      }),
      'prompt',
    );
    const startMs = performance.now();
    await eventually(() => expect(findings).toHaveLength(1), { timeoutMs: 12_000 });
    // What was written while it rang would have made it five seconds sooner.
    expect(performance.now() - startMs).toBeGreaterThan(9500);
    expect(findings).toMatchObject([{ type: 'verdict', verdict: 'unknown', reason: 'silence' }]);
    await media.close();
    expect(await recordings()).toEqual([]);
  }, 30_000);

  /** What this process has open for what FreeSWITCH hears. */
  async function recordings(): Promise<{ readonly size: number; readonly blocks: number }[]> {
    const fds = '/proc/self/fd';
    const found = [];
    for (const fd of await readdir(fds)) {
      const target = await readlink(join(fds, fd)).catch(() => '');
      if (target.endsWith('.r8 (deleted)')) found.push(await stat(join(fds, fd)));
    }
    return found;
  }
});
