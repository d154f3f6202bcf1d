import { rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { LabCall } from '../../../src/lab/carrier.ts';
import { Recogniser } from '../../../src/lab/recogniser.ts';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import type { Client } from '../../support/app/client.ts';
import { LEASE_MS, Nodes } from '../../support/app/nodes.ts';
import type { Served } from '../../support/app/process.ts';
import { shortSounds } from '../../support/app/short-sounds.ts';
import { LAB_TRUNK } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';

const number = (suffix: string): string => `+442079460${suffix}`;
/** The system's clock of a process: a quarter of an hour behind those of the others, or ahead of them. */
const CLOCK_OFF = (minutes: number): string =>
  `data:text/javascript,${encodeURIComponent(`const now = Date.now; Date.now = () => now() + ${minutes * 60_000};`)}`;
/** Until a node is given up, and its calls are closed. */
const GIVEN_UP = { timeoutMs: LEASE_MS * 6 };

let sounds: string;
let recogniser: Recogniser;
let nodes: Nodes | undefined;

beforeAll(async () => {
  sounds = await shortSounds();
  recogniser = new Recogniser((await PromptLibrary.load(sounds)).clips('en-US'));
});

afterAll(async () => {
  await rm(sounds, { recursive: true, force: true });
});

afterEach(async () => {
  await nodes?.close();
  nodes = undefined;
});

async function two(change: Parameters<typeof Nodes.prepare>[1] = {}): Promise<readonly [Served, Served]> {
  nodes = await Nodes.prepare(sounds, change);
  return Promise.all([nodes.start('one'), nodes.start('two')]);
}

function home(): Nodes {
  if (nodes === undefined) throw new Error('no nodes were prepared');
  return nodes;
}

/** Which of the nodes carries a call that is up: the one whose log says nothing of another one. */
async function carrierOf(callId: string, served: readonly Served[]): Promise<Served> {
  const given = served.filter((one) =>
    one.output().includes(`"callId":"${callId}","msg":"another process got room`),
  );
  const [carrying, more] = served.filter((one) => !given.includes(one));
  // Whoever accepted it and did not give it away, or whoever got it.
  if (carrying === undefined || (given.length > 0 && more !== undefined))
    throw new Error('nobody carries it');
  return carrying;
}

async function state(client: Client, callId: string, wanted: string): Promise<void> {
  await eventually(async () => expect((await client.call(callId)).state).toBe(wanted));
}

function codeHeardBy(call: LabCall): string {
  const { groups } = recogniser.recognise(call.phone.heard);
  return groups.find(({ length }) => length === 4) ?? groups.join();
}

/** All records that the nodes have, by the ledger. */
async function records(
  client: Client,
): Promise<readonly { readonly callId: string; readonly attempt: number }[]> {
  const { text } = await client.ask('GET', '/v1/cdrs?format=ndjson');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { callId: string; attempt: number });
}

describeWithPeer('redis-server', 'several nodes over one Redis', () => {
  it('show, check, cancel and hang up each other’s calls, and tell their events', async () => {
    const [one, two_] = await two();
    const heard = await one.client.insist({ to: number('200'), codeLength: 4, repeat: 1 });
    const events = two_.client.events(heard.callId);
    await state(two_.client, heard.callId, 'answered');
    const told = await events;
    const call = await one.client.ended(heard.callId);
    expect(told).toEqual(call.timeline);
    expect(await two_.client.call(heard.callId)).toEqual(call);
    const code = codeHeardBy(await home().phone(number('200')));
    expect((await two_.client.check(heard.id, code)).body.approved).toBe(true);
    expect((await one.client.verification(heard.id)).status).toBe('approved');

    for (const [asked, hangs] of [
      [one, two_],
      [two_, one],
    ] as const) {
      const ringing = await asked.client.insist({ to: number('180') });
      await state(hangs.client, ringing.callId, 'ringing');
      expect((await hangs.client.ask('DELETE', `/v1/calls/${ringing.callId}`)).status).toBe(202);
      expect(await asked.client.ended(ringing.callId)).toMatchObject({ disposition: 'canceled' });
      const canceled = await asked.client.insist({ to: number('180') });
      await state(asked.client, canceled.callId, 'ringing');
      await hangs.client.ask('DELETE', `/v1/verifications/${canceled.id}`);
      expect(await hangs.client.ended(canceled.callId)).toMatchObject({ disposition: 'canceled' });
    }
    expect(
      home()
        .phones(number('180'))
        .map(({ phone }) => phone.record.end),
    ).toEqual(Array(4).fill('canceled'));
  });

  it('refuse a namesake, and answer a request that is repeated at another one: it is dialled once', async () => {
    const [one, two_] = await two();
    const namesake = home().start('one');
    await expect(namesake).rejects.toThrow(/in use by another process|another process is called/);
    const body = { to: number('486') };
    const headers = { 'idempotency-key': 'order 7' };
    const answers = await Promise.all(
      [one, two_, one, two_].map(({ client }) => client.ask('POST', '/v1/verifications', body, headers)),
    );
    expect(new Set(answers.map(({ body: { id } }) => id)).size).toBe(1);
    const [callId = ''] = answers.map(({ body: given }) => given.callId);
    await one.client.ended(callId);
    expect(home().phones(number('486'))).toHaveLength(1);
  });

  it('go by the same time, whatever their clocks say', async () => {
    nodes = await Nodes.prepare(sounds, { trunks: [{ ...LAB_TRUNK, channels: 1 }] });
    const [ahead, behind] = await Promise.all([
      nodes.start('one', { preload: [CLOCK_OFF(15)] }),
      nodes.start('two', { preload: [CLOCK_OFF(-15)] }),
    ]);
    const begun = Date.now() - 1000;
    const started = await Promise.all(
      [ahead, behind, ahead, behind].map(({ client }) =>
        client.insist({ to: number('200'), codeLength: 4, repeat: 1, ttlSeconds: 60 }),
      ),
    );
    for (const { id, callId } of started) {
      const call = await behind.client.ended(callId);
      expect(call.disposition).toBe('answered');
      const times = call.timeline.map(({ at }) => Date.parse(at));
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(Math.min(...times)).toBeGreaterThan(begun);
      expect(Math.max(...times)).toBeLessThan(Date.now() + 1000);
      expect((await ahead.client.verification(id)).status).toBe('pending');
    }
    const heard = nodes.phones(number('200')).map(codeHeardBy);
    const checked = await Promise.all(
      started.flatMap(({ id }) =>
        heard.map(async (code) => (await ahead.client.check(id, code)).body.status),
      ),
    );
    expect(checked.filter((status) => status === 'approved').length).toBeGreaterThan(0);
  });

  it('keep to the limits of a trunk together, and carry what another one waits with', async () => {
    const [one, two_] = await two({ trunks: [{ ...LAB_TRUNK, channels: 2 }] });
    const started = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        (i < 6 ? one : two_).client.insist({ to: number('486'), reference: String(i) }),
      ),
    );
    for (const { callId } of started) {
      expect((await two_.client.ended(callId)).disposition).toBe('busy');
    }
    expect(home().phones(number('486'))).toHaveLength(8);
    const found = await records(one.client);
    expect(found).toHaveLength(8);
    expect(new Set(found.map(({ callId }) => callId)).size).toBe(8);
  });
});

describeWithPeer('redis-server', 'a node that dies', () => {
  it('has its calls ended by another one, which dials those that waited', async () => {
    const [one, two_] = await two({ trunks: [{ ...LAB_TRUNK, channels: 1 }] });
    const up = await one.client.insist({ to: number('200'), codeLength: 4, repeat: 5 });
    await state(one.client, up.callId, 'answered');
    const carrying = await carrierOf(up.callId, [one, two_]);
    const other = carrying === one ? two_ : one;
    const phone = await home().phone(number('200'));
    await eventually(() => expect(codeHeardBy(phone)).toHaveLength(4), { timeoutMs: 10_000 });
    const waiting = await Promise.all(
      Array.from({ length: 3 }, () => carrying.client.insist({ to: number('486') })),
    );
    expect(home().phones(number('486'))).toEqual([]);
    await carrying.kill();

    await eventually(() => expect(phone.phone.record.end).toBe('they_hung_up'), GIVEN_UP);
    const closed = await other.client.ended(up.callId);
    expect(closed).toMatchObject({ disposition: 'interrupted', blame: 'us' });
    expect((await other.client.check(up.id, codeHeardBy(phone))).body.approved).toBe(true);
    for (const { callId } of waiting) expect((await other.client.ended(callId)).disposition).toBe('busy');
    expect(home().phones(number('486'))).toHaveLength(3);
    expect(await records(other.client)).toHaveLength(4);
  });

  it('ends its calls itself where it is back at once', async () => {
    const [one, two_] = await two({ cluster: { leaseMs: 20_000 } });
    const started = await Promise.all(
      [one, two_, one, two_].map(({ client }) => client.insist({ to: number('200'), repeat: 5 })),
    );
    await Promise.all(started.map(({ callId }) => state(one.client, callId, 'answered')));
    await one.kill();
    const again = await home().start('one');
    const ended = await eventually(async () => {
      const calls = await Promise.all(started.map(({ callId }) => again.client.call(callId)));
      const interrupted = calls.filter(({ disposition }) => disposition === 'interrupted');
      expect(interrupted.length).toBeGreaterThan(0);
      return interrupted;
    });
    // The others go on: nobody waits for the lease, and nobody is hung up who lives.
    for (const { callId } of started) {
      if (!ended.some(({ id }) => id === callId)) await two_.client.ask('DELETE', `/v1/calls/${callId}`);
      const { disposition } = await two_.client.ended(callId);
      expect(['interrupted', 'answered']).toContain(disposition);
    }
    expect(home().carrier.calls.map(({ phone }) => phone.record.end)).not.toContain(null);
  });
});

describeWithPeer('redis-server', 'a node that stands still', () => {
  it('dials nothing when it goes on, and takes part again', async () => {
    const [one, two_] = await two({ trunks: [{ ...LAB_TRUNK, channels: 1 }] });
    const up = await one.client.insist({ to: number('200'), repeat: 5 });
    await state(one.client, up.callId, 'answered');
    const frozen = await carrierOf(up.callId, [one, two_]);
    const other = frozen === one ? two_ : one;
    const waiting = await frozen.client.insist({ to: number('486') });
    process.kill(frozen.pid, 'SIGSTOP');
    expect(
      (
        await eventually(async () => {
          const call = await other.client.call(up.callId);
          expect(call.state).toBe('ended');
          return call;
        }, GIVEN_UP)
      ).disposition,
    ).toBe('interrupted');
    expect((await other.client.ended(waiting.callId)).disposition).toBe('busy');
    process.kill(frozen.pid, 'SIGCONT');
    await eventually(() => expect(frozen.output()).toMatch(/gave it up/), GIVEN_UP);
    const next = await frozen.client.insist({ to: number('603') });
    expect((await other.client.ended(next.callId)).disposition).toBe('declined');
    expect(home().phones(number('486'))).toHaveLength(1);
    expect(home().phones(number('200'))).toHaveLength(1);
    await eventually(async () =>
      expect((await frozen.client.call(up.callId)).disposition).toBe('interrupted'),
    );
    expect(await records(one.client)).toHaveLength(3);
  });
});

describeWithPeer('redis-server', 'without Redis', () => {
  it('refuses at once, lets calls go on, and tells their ends when it is back', async () => {
    const [one, two_] = await two();
    const up = await Promise.all(
      [one, two_].map(({ client }) => client.insist({ to: number('200'), codeLength: 4, repeat: 3 })),
    );
    await Promise.all(up.map(({ callId }) => state(one.client, callId, 'answered')));
    await home().redis.stop();
    for (const { client } of [one, two_]) {
      const begun = performance.now();
      const refused = await client.ask('POST', '/v1/verifications', { to: number('200') });
      expect([refused.status, refused.body.error.code]).toEqual([503, 'store_unavailable']);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(performance.now() - begun).toBeLessThan(1500);
      expect((await client.ask('GET', '/readyz')).status).toBe(503);
    }
    await eventually(
      () =>
        expect(
          home()
            .phones(number('200'))
            .map(({ phone }) => phone.record.end),
        ).toEqual(['they_hung_up', 'they_hung_up']),
      { timeoutMs: 20_000 },
    );
    for (const call of home().phones(number('200'))) expect(codeHeardBy(call)).toHaveLength(4);
    await home().redis.again();
    for (const { callId } of up) {
      const call = await eventually(async () => {
        const found = await two_.client.call(callId);
        expect(found.state).toBe('ended');
        return found;
      });
      expect(call).toMatchObject({ disposition: 'answered', promptFinished: true });
    }
    await eventually(async () => expect(await records(one.client)).toHaveLength(2));
    const next = await one.client.insist({ to: number('486') });
    expect((await two_.client.ended(next.callId)).disposition).toBe('busy');
  });
});

describeWithPeer('redis-server', 'SIGTERM', () => {
  it('turns /readyz first, then takes no calls, and leaves those that wait to the others', async () => {
    const [one, two_] = await two({
      trunks: [{ ...LAB_TRUNK, channels: 1 }],
      calls: { noticeMs: 1000, drainMs: 20_000 },
    });
    const up = await one.client.insist({ to: number('200'), codeLength: 4, repeat: 2 });
    await state(one.client, up.callId, 'answered');
    const carrying = await carrierOf(up.callId, [one, two_]);
    const other = carrying === one ? two_ : one;
    carrying.child.kill('SIGTERM');
    await eventually(async () => expect((await carrying.client.ask('GET', '/readyz')).status).toBe(503));
    // A load balancer that has not looked yet.
    const late = await carrying.client.insist({ to: number('486') });
    await eventually(async () =>
      expect((await carrying.client.ask('POST', '/v1/verifications', { to: number('486') })).status).toBe(
        503,
      ),
    );
    expect((await other.client.ended(up.callId)).disposition).toBe('answered');
    expect((await other.client.ended(late.callId)).disposition).toBe('busy');
    expect(await carrying.exited).toEqual({ code: 0, signal: null });
    expect(codeHeardBy(await home().phone(number('200')))).toHaveLength(4);
    const next = await other.client.insist({ to: number('486') });
    expect((await other.client.ended(next.callId)).disposition).toBe('busy');
  });
});
