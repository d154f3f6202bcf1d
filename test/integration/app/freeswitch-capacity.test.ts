import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LabCarrier } from '../../../src/lab/carrier.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { allEnded, burst, callee, flashing, hangUpOnceInvited, suspended } from '../../support/app/bursts.ts';
import type { CallJson } from '../../support/app/client.ts';
import { lateAnswers } from '../../support/app/late-answers.ts';
import { type Served, serve } from '../../support/app/process.ts';
import { RawPeer } from '../../support/app/raw-peer.ts';
import { shortSounds } from '../../support/app/short-sounds.ts';
import { LAB_TRUNK, type Settings, testSettings } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { type ServerSite, startServers } from '../../support/freeswitch.ts';
import type { TestServer } from '../../support/freeswitch-servers.ts';
import { startCarrier } from '../../support/lab.ts';
import { describeWithPeer } from '../../support/peers.ts';
import {
  type CapturedMessage,
  invitesTo,
  mostAtATime,
  mostInASecond,
  SipCapture,
} from '../../support/sip-capture.ts';

const PACED = '+4930111';
const NARROW = '+4930333';
const LATE = '+4930444';
const FLASH_POOL = [{ first: '+498990007100', last: '+498990007299' }];
const PATIENCE_MS = 40_000;

const times = (count: number, suffix: string): string[] => Array.from({ length: count }, () => suffix);

describeWithPeer(['drachtio', 'freeswitch', 'tshark'], 'limits of trunks on drachtio and FreeSWITCH', () => {
  const open: (() => Promise<unknown>)[] = [];
  let folder: string;
  let servers: ServerSite;
  let paced: LabCarrier;
  let narrow: LabCarrier;
  let late: RawPeer;
  let settings: Settings;
  let wire: readonly CapturedMessage[];
  /** Of the process that was killed. */
  let before: { readonly numbers: readonly string[]; readonly calls: readonly CallJson[] };
  let after: typeof before;
  let mixed: readonly CallJson[];

  beforeAll(async () => {
    await prepare();
    const capture = await SipCapture.start([paced.port, narrow.port, late.port]);
    open.push(() => capture.close());
    const first = await start();
    const [calls] = await Promise.all([mixedBurst(first), stalledBurst(first), lateBurst(first)]);
    mixed = calls;
    await first.kill();
    const second = await start();
    const more = await burst(second.client, `${PACED}6`, times(22, '486'), flashing);
    after = { numbers: more.numbers, calls: await allEnded(second.client, more.ids, PATIENCE_MS) };
    before = { ...before, calls: await allEnded(second.client, ids, PATIENCE_MS) };
    wire = await capture.read();
    await second.kill();
  }, 4 * PATIENCE_MS);

  let ids: readonly string[];

  afterAll(async () => {
    for (const close of open.toReversed()) await close();
  }, PATIENCE_MS);

  async function prepare(): Promise<void> {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-freeswitch-capacity-'));
    const sounds = await shortSounds();
    for (const one of [folder, sounds]) open.push(() => rm(one, { recursive: true, force: true }));
    await mkdir(join(folder, 'data'));
    servers = await startServers();
    open.push(() => servers.close());
    ({ carrier: paced } = await startCarrier());
    ({ carrier: narrow } = await startCarrier());
    late = await RawPeer.start(lateAnswers());
    for (const carrier of [paced, narrow, late]) open.push(() => carrier.close());
    const reference = ({ host, port, secret }: TestServer) => ({ host, port, secret: secret.reveal() });
    const trunk = (id: string, prefix: string, { port }: LabCarrier | RawPeer) => ({
      ...LAB_TRUNK,
      id,
      port,
      prefixes: [{ prefix }],
    });
    settings = {
      ...testSettings(join(folder, 'data')),
      log: { level: 'info' },
      calls: { lingerMs: 100, queueMs: 60_000 },
      engine: 'freeswitch',
      freeswitch: {
        drachtioServers: servers.drachtio.map(reference),
        mediaServers: servers.freeswitch.map(reference),
        callback: { host: '127.0.0.1' },
        promptFolder: join(folder, 'prompts'),
      },
      sounds: { folder: sounds },
      trunks: [
        { ...trunk('late', LATE, late), channels: 3, flashPool: FLASH_POOL, setupTimeoutMs: 60_000 },
        { ...trunk('paced', PACED, paced), cps: 5, flashPool: FLASH_POOL },
        { ...trunk('narrow', NARROW, narrow), channels: 10, flashPool: FLASH_POOL, setupTimeoutMs: 60_000 },
      ],
    };
  }

  async function start(): Promise<Served> {
    const served = await serve(join(folder, 'data'), settings);
    open.push(() => served.kill());
    return served;
  }

  /**
   * drachtio is stopped for a while, then the service, which is to be killed in the middle of it all. Flash calls, for they
   * need nothing else of drachtio than to send the INVITE.
   */
  async function stalledBurst(served: Served): Promise<void> {
    const placed = await burst(served.client, `${PACED}5`, times(50, '486'), flashing);
    ids = placed.ids;
    before = { numbers: placed.numbers, calls: [] };
    const invited = (count: number): Promise<void> =>
      eventually(() => expect(paced.calls.length).toBeGreaterThanOrEqual(count), {
        timeoutMs: PATIENCE_MS,
        intervalMs: 1,
      });
    await invited(6);
    await suspended((servers.drachtio[0] as TestServer).process, 700);
    await invited(16);
    await suspended(served, 700);
    await invited(28);
  }

  async function mixedBurst({ client }: Served): Promise<readonly CallJson[]> {
    const kinds = ['486', '200', '180', '100'];
    const suffixes = Array.from({ length: 24 }, (_, i) => kinds[i % kinds.length] as string);
    const flash = Array.from({ length: 4 }, (_, i) => flashing(client, callee(NARROW, 90 + i, '180')));
    const placed = await burst(client, NARROW, suffixes);
    placed.ids.push(...(await Promise.all(flash)));
    const invited = (number: string): boolean => narrow.calls.some((one) => one.number === number);
    await hangUpOnceInvited(client, placed, ['180', '100'], invited, PATIENCE_MS);
    return allEnded(client, placed.ids, PATIENCE_MS);
  }

  async function lateBurst({ client }: Served): Promise<void> {
    const placed = await burst(client, LATE, [...times(6, '100'), ...times(3, '486')], flashing);
    const invited = (number: string): boolean =>
      late.requests.some(({ method, uri }) => method === 'INVITE' && uri.includes(number));
    await hangUpOnceInvited(client, placed, ['100'], invited, PATIENCE_MS);
    await allEnded(client, placed.ids, PATIENCE_MS);
  }

  it('let five INVITEs leave in any second, with drachtio or the service stopped, and over a kill -9', () => {
    const sent = invitesTo(paced.port, wire);
    expect(mostInASecond(sent)).toBeLessThanOrEqual(5);
    expect(sent).toHaveLength(paced.calls.length);
    expect(sent.length).toBeGreaterThanOrEqual(50);
  });

  it('let ten calls be up at a time, whichever way they end', () => {
    expect(invitesTo(narrow.port, wire)).toHaveLength(28);
    expect(mostAtATime(narrow.port, wire)).toBe(10);
    expect(new Set(mixed.map(({ disposition }) => disposition))).toEqual(
      new Set(['busy', 'answered', 'canceled', 'rang']),
    );
  });

  it('count a call until the carrier has said that it is over', () => {
    expect(invitesTo(late.port, wire)).toHaveLength(9);
    expect(mostAtATime(late.port, wire)).toBe(3);
  });

  it('keep the order, dial nobody twice after a kill -9, and leave no call without its end', async () => {
    const sent = invitesTo(paced.port, wire).map(({ number }) => number);
    const first = before.numbers.slice(0, sent.length - after.numbers.length);
    expect(sent).toEqual([...first, ...after.numbers]);
    expect(new Set(after.calls.map(({ disposition }) => disposition))).toEqual(new Set(['busy']));
    const store = new SqliteStore({ path: join(folder, 'data', 'store.db'), synchronous: 'normal' });
    try {
      for (const { id, to, disposition } of before.calls) {
        const invites = sent.filter((number) => number === to).length;
        expect([to, disposition]).toEqual([to, expect.stringMatching(/^(busy|interrupted)$/)]);
        // A process that is killed may have said that an INVITE leaves, and not have sent it.
        expect((await store.cdrs.ofCall(id)).length).toBeGreaterThanOrEqual(invites);
        expect((await store.cdrs.ofCall(id)).length).toBeLessThanOrEqual(1);
      }
      expect(await store.unfinishedCalls()).toEqual([]);
    } finally {
      await store.close();
    }
  });
});
