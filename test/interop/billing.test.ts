import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Cdr } from '../../src/cdr/cdr.ts';
import type { LabCall, LabCarrier } from '../../src/lab/carrier.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { LAB_TRUNK, type Settings, type Site, startSite } from '../support/app/site.ts';
import { billedSeconds, messageOf } from '../support/billed-seconds.ts';
import { eventually } from '../support/eventually.ts';
import { startCarrier } from '../support/lab.ts';
import { describeWithPeer } from '../support/peers.ts';
import { SipCapture } from '../support/sip-capture.ts';

/** By prefix. Calls take seconds: `2/3` has edges among them as `1/1` has, at another place. */
const INCREMENTS = {
  '+44203': '60/60',
  '+44207': '1/1',
  '+44208': '30/6',
  '+44161': '2/3',
  '+44131': '1/1',
} as const;
const COMPARED = 100;

function incrementOf(to: string): string {
  return Object.entries(INCREMENTS).find(([prefix]) => to.startsWith(prefix))?.[1] ?? '';
}

/** RFC 863: sound goes where nobody listens. */
const DISCARD_PORT = 9;

/** How one call goes. Its phone does what the last digits of its number say. */
interface Plan {
  readonly suffix: string;
  readonly channel?: 'flash';
  /** Who ends it, so long after it rings (`null`) or after the answer, milliseconds. */
  readonly ends?: { readonly by: 'callee' | 'us'; readonly afterMs: number | null };
}

/** 20 of 25 are answered. What is planned lies half a second away from every edge. */
const PLANS: readonly Plan[] = [
  ...[500, 1500, 2500].flatMap((afterMs): Plan[] => [
    ...Array.from({ length: 3 }, (): Plan => ({ suffix: '200', ends: { by: 'callee', afterMs } })),
    ...Array.from({ length: 2 }, (): Plan => ({ suffix: '200', ends: { by: 'us', afterMs } })),
  ]),
  { suffix: '210', ends: { by: 'callee', afterMs: 1500 } },
  { suffix: '407', ends: { by: 'callee', afterMs: 1500 } },
  // Picked up, and hung up by us at once.
  { suffix: '200', channel: 'flash' },
  { suffix: '210', channel: 'flash' },
  // Its answer crosses our CANCEL.
  { suffix: '487', ends: { by: 'us', afterMs: null } },
  { suffix: '180', ends: { by: 'us', afterMs: null } },
  { suffix: '180', channel: 'flash' },
  { suffix: '404' },
  { suffix: '486' },
  { suffix: '603' },
];

const settingsIn = (folder: string): Partial<Settings> => ({
  // Nobody hangs up before it was told to.
  calls: { lingerMs: 10_000 },
  flash: { ringHoldMs: 500, guard: { answeredRatio: 1 } },
  store: { path: join(folder, 'store.db'), keyFile: join(folder, 'master.key'), synchronous: 'normal' },
});

const trunksAt = (port: number): Settings['trunks'] => [
  {
    ...LAB_TRUNK,
    port,
    // A process that is busy reads late, and this one is the carrier and its phones too.
    cps: 60,
    flashPool: [{ first: '+498990007100', last: '+498990007299' }],
    prefixes: Object.entries(INCREMENTS).map(([prefix, increment]) => ({
      prefix,
      price: { amount: '0.06', increment },
      currency: 'EUR',
    })),
  },
];

describeWithPeer('tshark', 'what a hundred calls cost', () => {
  let folder: string;
  let carrier: LabCarrier;
  let site: Site;
  let capture: SipCapture;
  let store: SqliteStore;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-billing-'));
    ({ carrier } = await startCarrier({ mediaSink: { address: '127.0.0.1', port: DISCARD_PORT } }));
    site = await startSite({ settings: settingsIn(folder), trunks: () => trunksAt(carrier.port) });
    store = new SqliteStore({ path: join(folder, 'store.db'), synchronous: 'normal' });
    capture = await SipCapture.start([carrier.port]);
  });

  afterAll(async () => {
    await store.close();
    await site.close();
    await carrier.close();
    await capture.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** A phone in the state that is waited for, whatever became of it since. */
  const phoneOf = (to: string, seen: 'ringingAt' | 'answeredAt'): Promise<LabCall> =>
    eventually(
      () => {
        const call = carrier.calls.findLast((one) => one.number === to);
        expect(call?.phone.record[seen] ?? null).not.toBeNull();
        return call as LabCall;
      },
      { timeoutMs: 20_000 },
    );

  async function carry(to: string, { channel, ends }: Plan): Promise<void> {
    const speech = { code: '7391', repeat: 1 };
    const { id } = await site.client.start({ to, ...(channel === undefined ? speech : { channel }) });
    if (ends === undefined) return;
    const call = await phoneOf(to, ends.afterMs === null ? 'ringingAt' : 'answeredAt');
    // The length of the call is what is tried here.
    await sleep(ends.afterMs ?? 0);
    if (ends.by === 'callee') call.phone.hangUp();
    else await site.client.ask('DELETE', `/v1/verifications/${id}`);
  }

  async function records(): Promise<readonly Cdr[]> {
    const rows = await store.cdrs.page({ after: 0, upTo: 1000 }, 1000);
    return rows.map(({ record }) => JSON.parse(record) as Cdr);
  }

  it('is what the packets on the wire say, second by second', async () => {
    const calls = Object.keys(INCREMENTS).flatMap((prefix) =>
      PLANS.map((plan, i) => [`${prefix}${10 + i}00${plan.suffix}`, plan] as const),
    );
    await Promise.all(calls.map(([to, plan]) => carry(to, plan)));
    await eventually(async () => expect(await records()).toHaveLength(calls.length), { timeoutMs: 20_000 });

    const captured = billedSeconds(await capture.read(), incrementOf);
    const ours = site.wire.map(({ at, text }) => ({ at, message: messageOf(text) }));
    const read = billedSeconds(ours, incrementOf);
    expect(captured.size).toBe(calls.length);
    expect([...captured.values()]).not.toContain(Number.NaN);
    const billed = await records();
    // Whoever stalls reads late. Where the whole process did so while an edge passed, its time is not the wire's.
    const sure = billed.filter(({ callee }) => captured.get(callee) === read.get(callee));
    expect(sure.length).toBeGreaterThanOrEqual(COMPARED);
    expect(sure.map(({ callee, billableSeconds }) => [callee, billableSeconds])).toEqual(
      sure.map(({ callee }) => [callee, captured.get(callee)]),
    );
    // None was left out, and each increment did what it is for.
    const charged = (increment: string) =>
      new Set(billed.filter((one) => one.increment === increment).map((one) => one.billableSeconds));
    expect(charged('60/60')).toEqual(new Set([0, 60]));
    expect(charged('30/6')).toEqual(new Set([0, 30]));
    expect(charged('1/1').size).toBeGreaterThan(2);
    expect(charged('2/3').size).toBeGreaterThan(2);
    expect(billed.filter(({ answeredAt }) => answeredAt !== null)).toHaveLength((calls.length * 20) / 25);
    expect(site.faults()).toEqual([]);
  });
});
