import { describe, expect, it } from 'vitest';
import { header } from '../../../src/sip/message.ts';
import type { FatedCall } from '../../support/app/fated-calls.ts';
import { fatedCalls, place, recordsOf } from '../../support/app/fated-calls.ts';
import { RawPeer } from '../../support/app/raw-peer.ts';
import { LAB_TRUNK, type Settings, type Site, startSite } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { SlowLink } from '../../support/slow-link.ts';

/** Whatever the slow trunk answers is late by this. */
const LATE_MS = 400;
/** More calls do not try a trunk that is out of service: after 10 s, 20 s later, 40 s later … */
const TRIALS = 10;

/** What the refusing trunk says to a number, all of it before any phone rings: the next trunk is to be tried. */
const REFUSALS = [
  { status: 503, headers: [] },
  { status: 500, headers: [] },
  { status: 403, headers: [] },
  { status: 502, headers: [] },
  { status: 503, headers: [['Retry-After', '2']] },
] as const;

type Trunk = Settings['trunks'][number];

interface Load {
  readonly count: number;
  /** Calls at a time. */
  readonly atOnce: number;
  readonly dead: Pick<Trunk, 'port' | 'transport'>;
  /** What an attempt by the dead trunk comes to. */
  readonly deadEnd: string;
}

interface Carried extends Load {
  readonly site: Site;
  readonly calls: readonly FatedCall[];
  readonly ids: readonly string[];
  readonly refusing: RawPeer;
}

interface TrunkJson {
  readonly id: string;
  readonly condition: string;
  readonly use: { readonly inUse: number; readonly waiting: number };
  readonly figures: { readonly pddMs: { readonly p50: number } | null };
}

/** Carries calls over three trunks: one that is dead, one that refuses, and last one that is slow. */
async function carry(load: Load, look: (carried: Carried) => Promise<void>): Promise<void> {
  const { count, atOnce, dead } = load;
  const link = await SlowLink.start(LATE_MS);
  const refusing = await RawPeer.start((request, peer) => {
    if (request.method !== 'INVITE') return;
    const digit = Number(/(\d)\d{3}@/.exec(request.uri)?.[1] ?? 0);
    const { status, headers } = REFUSALS[digit % REFUSALS.length] ?? REFUSALS[0];
    peer.reply(request, status, { headers });
  });
  const more = { host: '127.0.0.1', cli: LAB_TRUNK.cli };
  const site = await startSite({
    // Lines are free a little after the calls that they carried.
    settings: { calls: { maxConcurrent: 2 * atOnce, lingerMs: 0 }, sip: { t1Ms: 500 } },
    trunks: (port) => {
      link.target = port;
      return [
        { ...more, id: 'dead', setupTimeoutMs: 500, ...dead },
        { ...more, id: 'refusing', port: refusing.port, setupTimeoutMs: 30_000, retryRejected: true },
        { ...more, id: 'slow', port: link.port, setupTimeoutMs: 30_000 },
      ];
    },
  });
  try {
    const calls = fatedCalls(count);
    const ids = await place(site.client, calls, atOnce);
    await look({ ...load, site, calls, ids, refusing });
    const up = (): unknown[] => site.carrier.calls.filter(({ phone }) => phone.record.end === null);
    await eventually(() => expect(up()).toEqual([]));
    expect(site.faults()).toEqual([]);
  } finally {
    await site.close();
    await refusing.close();
    await link.close();
  }
}

/** INVITEs, each once however often it was sent. */
function invitesTo({ requests }: RawPeer): number {
  const callIds = requests.filter(({ method }) => method === 'INVITE').map((one) => header(one, 'Call-ID'));
  return new Set(callIds).size;
}

/** Each call went by the slow trunk in the end, and nowhere twice; answers how many attempts each trunk has had. */
async function expectRightResults({
  site,
  calls,
  ids,
  deadEnd,
}: Carried): Promise<Readonly<Record<string, number>>> {
  const { chain, byCall } = await recordsOf(site);
  expect(chain.broken).toBeNull();
  const ends: Record<string, readonly string[]> = {
    dead: [deadEnd],
    refusing: ['trunk_failure trunk', 'rejected trunk'],
  };
  const tries: Record<string, number> = {};
  const wrong: unknown[] = [];
  for (const [index, { to, result }] of calls.entries()) {
    const cdrs = byCall.get(ids[index] ?? '') ?? [];
    const ways = cdrs.map(({ trunkId }) => trunkId);
    const right = cdrs.every(({ callee, attempt, trunkId, disposition, blame }, i) => {
      const allowed = trunkId === 'slow' ? [result] : ends[trunkId];
      return callee === to && attempt === i + 1 && allowed?.includes(`${disposition} ${blame}`);
    });
    if (!right || ways.at(-1) !== 'slow' || new Set(ways).size < ways.length)
      wrong.push({ to, result, cdrs });
    for (const way of ways) tries[way] = (tries[way] ?? 0) + 1;
  }
  expect(wrong).toEqual([]);
  // No record of anything else.
  expect([byCall.size, chain.rows]).toEqual([calls.length, Object.values(tries).reduce((a, b) => a + b)]);
  return tries;
}

async function expectLeft({ site, atOnce }: Carried, tries: Readonly<Record<string, number>>): Promise<void> {
  // Those that were under way before the fifth of them had failed, and a trial now and then.
  for (const id of ['dead', 'refusing']) expect(tries[id]).toBeLessThan(atOnce + TRIALS);
  const { trunks } = (await site.client.ask<{ trunks: readonly TrunkJson[] }>('GET', '/v1/trunks')).body;
  const conditions = trunks.map(({ condition }) => (condition === 'half_open' ? 'open' : condition));
  expect(conditions).toEqual(['open', 'open', 'up']);
  // What the dead one never answered may still be there for all that we know (RFC 3261 Timer B).
  for (const { id, use } of trunks)
    expect(use).toMatchObject({ waiting: 0, ...(id === 'dead' ? {} : { inUse: 0 }) });
  expect(trunks[2]?.figures.pddMs?.p50).toBeGreaterThan(LATE_MS);
}

/** Each phone was rung by one INVITE. */
function expectOneRingEach({ site, calls }: Carried): void {
  const called = site.carrier.calls.map(({ number }) => number);
  expect(called.toSorted()).toEqual(calls.map(({ to }) => to).toSorted());
}

describe.concurrent('calls over three trunks, one dead, one refusing, one slow', () => {
  it('end with the right result each, 2,000 of them, and the two are left alone', async () => {
    const silent = await RawPeer.start(() => undefined);
    const load = {
      count: 2000,
      atOnce: 128,
      dead: { port: silent.port },
      deadEnd: 'trunk_timeout trunk',
    } as const;
    await carry(load, async (carried) => {
      const tries = await expectRightResults(carried);
      expect(tries).toEqual({
        dead: invitesTo(silent),
        refusing: invitesTo(carried.refusing),
        slow: carried.count,
      });
      await expectLeft(carried, tries);
      expectOneRingEach(carried);
    });
    await silent.close();
  }, 300_000);

  it.each([
    { transport: 'udp', deadEnd: 'trunk_timeout trunk' },
    { transport: 'tcp', deadEnd: 'trunk_failure trunk' },
  ] as const)(
    'end right as well where nothing listens at all ($transport)',
    async ({ transport, deadEnd }) => {
      const gone = await RawPeer.start(() => undefined);
      const { port } = gone;
      await gone.close();
      const load = { count: 100, atOnce: 20, dead: { port, transport }, deadEnd } as const;
      await carry(load, async (carried) => {
        const tries = await expectRightResults(carried);
        expect(tries).toMatchObject({ refusing: invitesTo(carried.refusing), slow: carried.count });
        await expectLeft(carried, tries);
        expectOneRingEach(carried);
      });
    },
    300_000,
  );
});
