import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LabCarrier } from '../../../src/lab/carrier.ts';
import {
  allEnded,
  burst,
  callee,
  flashing,
  hangUpOnceInvited,
  suspended,
  useOf,
} from '../../support/app/bursts.ts';
import type { CallJson, Client } from '../../support/app/client.ts';
import { lateAnswers } from '../../support/app/late-answers.ts';
import { type Served, serve } from '../../support/app/process.ts';
import { RawPeer } from '../../support/app/raw-peer.ts';
import { shortSounds } from '../../support/app/short-sounds.ts';
import { LAB_TRUNK, type Settings, testSettings } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { startCarrier } from '../../support/lab.ts';
import { describeWithPeer } from '../../support/peers.ts';
import {
  type CapturedMessage,
  invitesTo,
  mostAtATime,
  mostInASecond,
  SipCapture,
} from '../../support/sip-capture.ts';

/** Numbers that each trunk serves. */
const PREFIXES = {
  paced: '+4930111',
  beside: '+4930222',
  narrow: '+4930333',
  late: '+4930444',
  challenging: '+4930555',
} as const;
/**
 * In a process of ours: SIGUSR2 sets its system clock a minute forth, the next one a minute back from where it was at
 * first, and keeps its event loop busy for 0.7 s each time.
 */
const CLOCK_ON_SIGNAL = `data:text/javascript,${encodeURIComponent(`
  const now = Date.now;
  let shiftMs = 0;
  Date.now = () => now() + shiftMs;
  process.on('SIGUSR2', () => {
    shiftMs = shiftMs > 0 ? -60_000 : 60_000;
    const end = performance.now() + 700;
    while (performance.now() < end);
  });
`)}`;
const FLASH_POOL = [{ first: '+498990007100', last: '+498990007299' }];
/** Far more than a burst takes: whoever waits longer is stuck. */
const PATIENCE_MS = 50_000;

/** What became of the calls of one trunk. */
interface Became {
  readonly numbers: readonly string[];
  readonly calls: readonly CallJson[];
}

describeWithPeer('tshark', 'limits of trunks, as the wire has them', () => {
  const open: (() => Promise<unknown>)[] = [];
  const carriers = {} as Record<Exclude<keyof typeof PREFIXES, 'late'>, LabCarrier>;
  let late: RawPeer;
  let service: Served;
  let client: Client;
  let wire: readonly CapturedMessage[];
  let became: Record<keyof typeof PREFIXES, Became>;
  let waiting: readonly number[] = [];

  beforeAll(async () => {
    await start();
    const capture = await SipCapture.start([late.port, ...Object.values(carriers).map(({ port }) => port)]);
    open.push(() => capture.close());
    // Side by side, since each of them waits most of the time.
    const [paced, beside, narrow, latecomers, challenging] = await Promise.all([
      stalledBurst(),
      plainBurst(
        'beside',
        Array.from({ length: 50 }, () => '486'),
      ),
      narrowBurst(),
      lateBurst(),
      plainBurst(
        'challenging',
        Array.from({ length: 15 }, () => '407'),
      ),
    ]);
    became = { paced, beside, narrow, late: latecomers, challenging };
    wire = await capture.read();
  }, 2 * PATIENCE_MS);

  afterAll(async () => {
    for (const close of open.toReversed()) await close();
  });

  async function start(): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-capacity-'));
    const sounds = await shortSounds();
    for (const one of [folder, sounds]) open.push(() => rm(one, { recursive: true, force: true }));
    for (const id of ['paced', 'beside', 'narrow', 'challenging'] as const) {
      const { carrier } = await startCarrier();
      open.push(() => carrier.close());
      carriers[id] = carrier;
    }
    late = await RawPeer.start(lateAnswers());
    open.push(() => late.close());
    const limits = { paced: { cps: 5 }, beside: { cps: 5 }, challenging: { cps: 5 } };
    const trunks = Object.entries({ ...limits, narrow: { channels: 10 }, late: { channels: 3 } }).map(
      ([id, limit]) => ({
        ...LAB_TRUNK,
        id,
        port: portOf(id as keyof typeof PREFIXES),
        prefixes: [{ prefix: PREFIXES[id as keyof typeof PREFIXES] }],
        ...limit,
        setupTimeoutMs: 60_000,
        ...(id === 'narrow' ? { flashPool: FLASH_POOL } : {}),
      }),
    );
    const settings: Settings = {
      ...testSettings(folder),
      // Nobody gives up waiting, however slow the machine is.
      calls: { lingerMs: 100, queueMs: 60_000 },
      log: { level: 'info' },
      sounds: { folder: sounds },
      trunks,
    };
    service = await serve(folder, settings, { preload: [CLOCK_ON_SIGNAL] });
    open.push(() => service.kill());
    client = service.client;
  }

  function portOf(id: keyof typeof PREFIXES): number {
    return id === 'late' ? late.port : carriers[id].port;
  }

  async function plainBurst(id: keyof typeof PREFIXES, suffixes: readonly string[]): Promise<Became> {
    const { ids, numbers } = await burst(client, PREFIXES[id], suffixes);
    return { numbers, calls: await allEnded(client, ids, PATIENCE_MS) };
  }

  /** The clock is set, the event loop is busy, the process is stopped; three of those who wait are given up. */
  async function stalledBurst(): Promise<Became> {
    const { ids, numbers } = await burst(
      client,
      PREFIXES.paced,
      Array.from({ length: 50 }, () => '486'),
    );
    // What was accepted waits a moment later.
    const allWait = async (): ReturnType<typeof useOf> => {
      const use = await useOf(client, 'paced');
      expect(use.waiting + carriers.paced.calls.length).toBeGreaterThanOrEqual(50);
      return use;
    };
    const before = await eventually(allWait, { timeoutMs: PATIENCE_MS });
    for (const id of ids.slice(45, 48)) await client.ask('DELETE', `/v1/calls/${id}`);
    waiting = [before.waiting, (await useOf(client, 'paced')).waiting];
    const dialled = (count: number): Promise<void> =>
      eventually(() => expect(carriers.paced.calls.length).toBeGreaterThanOrEqual(count), {
        timeoutMs: PATIENCE_MS,
      });
    await dialled(8);
    service.child.kill('SIGUSR2');
    await dialled(18);
    await suspended(service, 700);
    await dialled(28);
    service.child.kill('SIGUSR2');
    return { numbers, calls: await allEnded(client, ids, PATIENCE_MS) };
  }

  /** Calls that are refused, answered, canceled while they ring, answered all the same, and flash calls. */
  async function narrowBurst(): Promise<Became> {
    const kinds = ['486', '200', '180', '487', '220', '100'];
    const suffixes = Array.from({ length: 48 }, (_, i) => kinds[i % kinds.length] as string);
    const flash = Array.from({ length: 6 }, (_, i) =>
      flashing(client, callee(PREFIXES.narrow, 90 + i, '180')),
    );
    const { ids, numbers } = await burst(client, PREFIXES.narrow, suffixes);
    ids.push(...(await Promise.all(flash)));
    const invited = (number: string): boolean => carriers.narrow.calls.some((one) => one.number === number);
    await hangUpOnceInvited(client, { ids, numbers }, ['180', '487', '100'], invited, PATIENCE_MS);
    return { numbers, calls: await allEnded(client, ids, PATIENCE_MS) };
  }

  async function lateBurst(): Promise<Became> {
    const kinds = ['486', '200', '180', '100'];
    const suffixes = Array.from({ length: 12 }, (_, i) => kinds[i % kinds.length] as string);
    const { ids, numbers } = await burst(client, PREFIXES.late, suffixes);
    const invited = (number: string): boolean =>
      late.requests.some(({ method, uri }) => method === 'INVITE' && uri.includes(number));
    await hangUpOnceInvited(client, { ids, numbers }, ['180', '100'], invited, PATIENCE_MS);
    return { numbers, calls: await allEnded(client, ids, PATIENCE_MS) };
  }

  it('let five INVITEs leave in any second, however the process is stalled and its clock is set', () => {
    const sent = invitesTo(carriers.paced.port, wire);
    expect(mostInASecond(sent)).toBeLessThanOrEqual(5);
    expect(sent).toHaveLength(47);
    expect(carriers.paced.calls).toHaveLength(47);
  });

  it('let calls leave in the order in which they were accepted, and those that are given up not at all', () => {
    const { numbers, calls } = became.paced;
    const wanted = numbers.filter((_, i) => i < 45 || i >= 48);
    expect(invitesTo(carriers.paced.port, wire).map(({ number }) => number)).toEqual(wanted);
    expect(calls.map(({ disposition }) => disposition)).toEqual(
      numbers.map((_, i) => (i < 45 || i >= 48 ? 'busy' : 'canceled')),
    );
    expect(waiting[1]).toBeLessThanOrEqual((waiting[0] ?? 0) - 3);
  });

  it('hold for each trunk by itself', () => {
    const sent = invitesTo(carriers.beside.port, wire);
    expect(sent.map(({ number }) => number)).toEqual(became.beside.numbers);
    expect(mostInASecond(sent)).toBeLessThanOrEqual(5);
    // Both at the same time: one began before the other was through.
    const [first, last] = [sent[0]?.at ?? 0, sent.at(-1)?.at ?? 0];
    const others = invitesTo(carriers.paced.port, wire);
    expect(others.filter(({ at }) => at > first && at < last).length).toBeGreaterThan(40);
  });

  it('count the INVITEs that answer a challenge too', () => {
    const sent = invitesTo(carriers.challenging.port, wire);
    expect(sent).toHaveLength(30);
    expect(mostInASecond(sent)).toBeLessThanOrEqual(5);
    expect(became.challenging.calls.map(({ disposition }) => disposition)).toEqual(
      became.challenging.numbers.map(() => 'answered'),
    );
  });

  it('let ten calls be up at a time, whichever way they end', () => {
    expect(invitesTo(carriers.narrow.port, wire)).toHaveLength(54);
    expect(mostAtATime(carriers.narrow.port, wire)).toBe(10);
    const ends = new Set(became.narrow.calls.map(({ disposition }) => disposition));
    expect(ends).toEqual(new Set(['busy', 'answered', 'canceled', 'rang']));
  });

  it('count a call until the carrier has said that it is over', () => {
    expect(invitesTo(late.port, wire)).toHaveLength(12);
    expect(mostAtATime(late.port, wire)).toBe(3);
  });

  it('are all free again when the calls are over', async () => {
    for (const id of Object.keys(PREFIXES)) {
      expect(await useOf(client, id)).toMatchObject({ inUse: 0, waiting: 0 });
    }
  });
});
