import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LabCarrier } from '../../../src/lab/carrier.ts';
import { header } from '../../../src/sip/message.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { allEnded, burst } from '../../support/app/bursts.ts';
import type { CallJson } from '../../support/app/client.ts';
import { type Served, serve } from '../../support/app/process.ts';
import { type OnRequest, RawPeer } from '../../support/app/raw-peer.ts';
import { LAB_TRUNK, type Settings, testSettings } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { freePorts } from '../../support/free-ports.ts';
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
/** Longer than a start waits for calls of the process before it. */
const LATE_MS = 3500;
const PATIENCE_MS = 30_000;

const times = (count: number, suffix: string): string[] => Array.from({ length: count }, () => suffix);

describeWithPeer('tshark', 'kill -9 in the middle of a burst', () => {
  const open: (() => Promise<unknown>)[] = [];
  let folder: string;
  let settings: Settings;
  let carrier: LabCarrier;
  let late: RawPeer;
  let wire: readonly CapturedMessage[];
  let before: { readonly ids: readonly string[]; readonly numbers: readonly string[] };
  let after: typeof before;
  let calls: readonly CallJson[];
  let killedAt = 0;

  beforeAll(async () => {
    await prepare();
    const capture = await SipCapture.start([carrier.port, late.port]);
    open.push(() => capture.close());
    const first = await start();
    const [paced, narrow] = await bursts(first, 50, 12, '180');
    before = { ids: [...paced.ids, ...narrow.ids], numbers: [...paced.numbers, ...narrow.numbers] };
    await eventually(
      () => {
        expect(carrier.calls.length).toBeGreaterThanOrEqual(8);
        expect(late.count('INVITE')).toBeGreaterThanOrEqual(6);
      },
      { timeoutMs: PATIENCE_MS, intervalMs: 1 },
    );
    await first.kill();
    killedAt = Date.now();
    const second = await start();
    const [more, others] = await bursts(second, 60, 8, '486');
    after = { ids: [...more.ids, ...others.ids], numbers: [...more.numbers, ...others.numbers] };
    await allEnded(second.client, after.ids, PATIENCE_MS);
    calls = await allEnded(second.client, before.ids, PATIENCE_MS);
    wire = await capture.read();
    await second.kill();
  }, 3 * PATIENCE_MS);

  afterAll(async () => {
    for (const close of open.toReversed()) await close();
  });

  async function prepare(): Promise<void> {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-capacity-kill-'));
    open.push(() => rm(folder, { recursive: true, force: true }));
    ({ carrier } = await startCarrier());
    open.push(() => carrier.close());
    late = await RawPeer.start(cancelsLate());
    open.push(() => late.close());
    const defaults = testSettings(folder);
    settings = {
      ...defaults,
      sip: { ...defaults.sip, port: await freePorts(1) },
      log: { level: 'info' },
      calls: { ...defaults.calls, queueMs: 60_000 },
      trunks: [
        { ...LAB_TRUNK, id: 'paced', port: carrier.port, prefixes: [{ prefix: PACED }], cps: 5 },
        { ...LAB_TRUNK, id: 'narrow', port: late.port, prefixes: [{ prefix: NARROW }], channels: 6 },
      ],
    };
  }

  async function start(): Promise<Served> {
    const served = await serve(folder, settings);
    open.push(() => served.kill());
    return served;
  }

  /** Both trunks at once; the second process gets numbers that the first one did not have. */
  function bursts({ client }: Served, from: number, count: number, suffix: string) {
    return Promise.all([
      burst(client, `${PACED}${from}`, times(count, suffix)),
      burst(client, `${NARROW}${from}`, times(count, suffix)),
    ]);
  }

  it('leaves no accepted call without its end, and none with two records', async () => {
    expect(calls.map(({ state, disposition }) => `${state} ${disposition}`)).toEqual(
      times(24, 'ended interrupted'),
    );
    const store = new SqliteStore({ path: join(folder, 'store.db'), synchronous: 'normal' });
    try {
      for (const { id, to } of calls) {
        const dialled = [...invitesTo(carrier.port, wire), ...invitesTo(late.port, wire)].filter(
          ({ number }) => number === to,
        ).length;
        const rows = await store.cdrs.ofCall(id);
        // One that was not dialled any more is an ended call without an attempt.
        expect([to, rows.length]).toEqual([to, dialled]);
      }
      for (const id of after.ids) expect(await store.cdrs.ofCall(id)).toHaveLength(1);
      expect((await store.unfinishedCalls()).length).toBe(0);
    } finally {
      await store.close();
    }
  });

  it('dials no number twice, and none of the earlier calls later', () => {
    const sent = [...invitesTo(carrier.port, wire), ...invitesTo(late.port, wire)].map(
      ({ number }) => number,
    );
    expect(new Set(sent).size).toBe(sent.length);
    expect(after.numbers.filter((number) => !sent.includes(number))).toEqual([]);
    const earlier = invitesTo(carrier.port, wire).filter(({ number }) => before.numbers.includes(number));
    expect(earlier.length).toBeGreaterThanOrEqual(8);
    expect(earlier.filter(({ at }) => at > killedAt)).toEqual([]);
    expect(sent.filter((number) => before.numbers.includes(number))).toHaveLength(earlier.length + 6);
  });

  it('keeps the INVITEs of both processes together within the pace', () => {
    expect(mostInASecond(invitesTo(carrier.port, wire))).toBeLessThanOrEqual(5);
  });

  it('counts calls that the first process left up until the carrier says that they are over', () => {
    expect(mostAtATime(late.port, wire)).toBe(6);
    const first = wire.find(({ toPort, message }) => toPort === late.port && isCancel(message));
    const next = invitesTo(late.port, wire).find(({ number }) => after.numbers.includes(number));
    // The start does not wait for that long.
    expect((next?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(LATE_MS);
  });
});

function isCancel(message: CapturedMessage['message']): boolean {
  return message.kind === 'request' && message.method === 'CANCEL';
}

/** A carrier that rings, refuses as the number says, and hears of a CANCEL only after a while. */
function cancelsLate(): OnRequest {
  /** By branch (RFC 3261 §9.1): a CANCEL may be for an INVITE that never left. */
  const invites = new Map<string, Parameters<OnRequest>[0]>();
  const canceled = new Set<string>();
  return (request, peer) => {
    const branch = /branch=([^;]+)/.exec(header(request, 'Via') ?? '')?.[1] ?? '';
    const invite = invites.get(branch);
    if (request.method === 'CANCEL' && invite === undefined) peer.reply(request, 481);
    if (request.method === 'CANCEL' && invite !== undefined && !canceled.has(branch)) {
      canceled.add(branch);
      setTimeout(() => {
        peer.reply(request, 200);
        peer.reply(invite, 487);
      }, LATE_MS);
    }
    if (request.method !== 'INVITE' || invite !== undefined) return;
    invites.set(branch, request);
    peer.reply(request, Number(/(\d{3})@/.exec(request.uri)?.[1]));
  };
}
