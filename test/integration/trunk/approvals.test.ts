import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { shownCaller } from '../../../src/lab/caller-id.ts';
import { RawPeer } from '../../support/app/raw-peer.ts';
import { LAB_TRUNK, type Site, startSite } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';

/** A verification counts when its call began so long ago. */
const RIPE_MS = 121_000;
const DAY_MS = 86_400_000;
/** Of each kind, at the same time: enough to tell a trunk that proves nothing from one that does. */
const VERIFICATIONS = 64;
const LATER = 60;
/** So many of those have a probability of less than one in a million, where each is a probe with 2 %. */
const PROBES = 10;

interface Kind {
  /** What the lab phone does. */
  readonly suffix: string;
  readonly request: Readonly<Record<string, unknown>>;
  /** The same, for a phone that rings until the call is canceled. */
  readonly longRequest: Readonly<Record<string, unknown>>;
}

interface WayJson {
  readonly trunkId: string;
  readonly place: number | null;
  readonly why: string;
}

let site: Site;
/** Rings and answers every call by itself: what is said or shown reaches nobody. */
let mute: RawPeer;
/** What is on the clock of the system beside the time. */
let aheadMs = 0;
let numbers = 0;

const SAID = { code: '4938', repeat: 1 };
const TALKS: Kind = { suffix: '200', request: SAID, longRequest: SAID };
const RINGS: Kind = {
  suffix: '180',
  request: { channel: 'flash' },
  longRequest: { channel: 'flash', ringHoldMs: 8000 },
};

function number(suffix: string): string {
  numbers += 1;
  return `+4420${10_000 + numbers}${suffix}`;
}

beforeAll(async () => {
  const now = Date.now;
  vi.spyOn(Date, 'now').mockImplementation(() => now() + aheadMs);
  mute = await RawPeer.start((request, peer) => {
    if (request.method === 'BYE') return peer.reply(request, 200);
    if (request.method === 'CANCEL') {
      peer.reply(request, 200);
      const invite = peer.requests.find((one) => one.method === 'INVITE' && one.uri === request.uri);
      return invite === undefined ? undefined : peer.reply(invite, 487);
    }
    if (request.method !== 'INVITE') return;
    peer.reply(request, 180);
    if (request.uri.includes('200@')) peer.reply(request, 200);
  });
  const more = { host: '127.0.0.1', priority: 1, weight: 50, cli: LAB_TRUNK.cli };
  site = await startSite({
    settings: { calls: { lingerMs: 0 }, flash: { ringHoldMs: 500 } },
    trunks: (port) => [
      {
        ...more,
        id: 'mute',
        port: mute.port,
        flashPool: [{ first: '+498990001000', last: '+498990001199' }],
      },
      { ...more, id: 'good', port, flashPool: [{ first: '+498990002000', last: '+498990002199' }] },
    ],
  });
});

afterAll(async () => {
  await site.close();
  await mute.close();
  vi.restoreAllMocks();
});

/** A verification whose callee submits what came to their phone, if anything did. */
async function verify({ suffix, request }: Kind): Promise<void> {
  const to = number(suffix);
  const { id, callId } = await site.client.start({ to, ...request });
  await site.client.ended(callId);
  const call = site.carrier.calls.find((one) => one.number === to);
  if (call === undefined) return;
  // Whether a machine under load tears a digit is for other tests.
  const heard = call.phone.record.packets > 0 ? { code: request.code } : undefined;
  const proof = request.code === undefined ? { callerId: shownCaller(call.invite) } : heard;
  await site.client.ask('POST', `/v1/verifications/${id}/check`, proof);
}

function times<T>(count: number, work: () => Promise<T>): Promise<readonly T[]> {
  return Promise.all(Array.from({ length: count }, work));
}

/** By which trunk each of so many calls went first; all are canceled, and so prove nothing either way. */
async function firstTrunks({ longRequest }: Kind): Promise<readonly string[]> {
  return times(LATER, async () => {
    const { id, callId } = await site.client.start({ to: number('180'), ...longRequest });
    const trunkId = await eventually(
      async () => {
        const [first] = (await site.client.call(callId)).attempts;
        if (first === undefined) throw new Error('it was not dialled');
        return first.trunkId;
      },
      { timeoutMs: 60_000, intervalMs: 100 },
    );
    await site.client.ask('DELETE', `/v1/verifications/${id}`);
    return trunkId;
  });
}

/** The ways of such a call. */
async function ways({ request: { channel = 'voice' } }: Kind): Promise<Readonly<Record<string, WayJson>>> {
  const path = `/v1/routes?to=%2B442010000200&channel=${String(channel)}`;
  const { body } = await site.client.ask<{ trunks: readonly WayJson[] }>('GET', path);
  return Object.fromEntries(body.trunks.map((way) => [way.trunkId, way]));
}

/** Not of each call: one in fifty is a probe. */
async function expectUnapproved(kind: Kind): Promise<void> {
  await eventually(async () =>
    expect(await ways(kind)).toMatchObject({
      mute: { place: 2, why: 'unapproved', approvals: { approved: 0 } },
      good: { place: 1, why: 'order' },
    }),
  );
}

describe('a trunk that carries every call and proves none', () => {
  it('loses its calls but for a few, and is tried anew when that is a day ago', {
    timeout: 180_000,
  }, async () => {
    const kinds = [TALKS, RINGS];
    await Promise.all(kinds.map((kind) => times(VERIFICATIONS, () => verify(kind))));
    // Codes may still be on their way.
    for (const kind of kinds) {
      expect(await ways(kind)).toMatchObject({
        mute: { why: 'order', approvals: { of: 0 } },
        good: { why: 'order', approvals: { of: 0 } },
      });
    }
    aheadMs += RIPE_MS;
    for (const kind of kinds) {
      await expectUnapproved(kind);
      const byMute = (await firstTrunks(kind)).filter((id) => id === 'mute');
      expect(byMute.length).toBeLessThan(PROBES);
    }
    const probed = async (): Promise<void> =>
      expect(await ways(TALKS)).toMatchObject({ mute: { place: 1, why: 'probe' } });
    await eventually(probed, { timeoutMs: 60_000, intervalMs: 0 });

    aheadMs += DAY_MS;
    for (const kind of kinds) {
      expect(await ways(kind)).toMatchObject({ mute: { why: 'order' }, good: { why: 'order' } });
    }
    // The clock was wrong, and is set right: nothing is forgotten for it.
    aheadMs -= DAY_MS;
    await expectUnapproved(TALKS);
    expect(site.faults()).toEqual([]);
  });
});
