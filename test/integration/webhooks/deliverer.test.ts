import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { eventually } from '../../support/eventually.ts';
import { freePorts } from '../../support/free-ports.ts';
import {
  acceptedNotice,
  courseOf,
  type DelivererWishes,
  delivererFor,
  SECRET,
} from '../../support/notice-rig.ts';
import { answers, type Received, stalls, takes, WebhookReceiver } from '../../support/webhook-receiver.ts';

const WHOLE_COURSE = [
  'verification.created',
  'call.queued',
  'call.trying',
  'call.ringing',
  'call.answered',
  'verification.approved',
  'call.prompt_finished',
  'call.attempt_ended',
  'call.ended',
];

let folder: string;
let store: SqliteStore;
const ends: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-webhooks-'));
  store = new SqliteStore({ path: join(folder, 'db.sqlite'), synchronous: 'normal' });
});

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

async function receiver(...about: Parameters<typeof WebhookReceiver.start>): Promise<WebhookReceiver> {
  const started = await WebhookReceiver.start(...about);
  ends.push(() => started.stop());
  return started;
}

function deliverer(receivers: readonly Pick<WebhookReceiver, 'port'>[], wishes: DelivererWishes = {}) {
  const started = delivererFor(store, receivers, wishes);
  ends.push(() => started.close());
  return started.deliverer;
}

type Accepted = Awaited<ReturnType<typeof acceptedNotice>>;

/** Has a call go its whole way, as a node stores it, and its verification be approved meanwhile. */
async function goOn({ call, verificationId }: Accepted, wake: (callId: string) => void): Promise<void> {
  const { ringing, answered, ended } = courseOf(call);
  await store.saveCall(ringing);
  wake(call.id);
  await store.saveCall(answered);
  wake(call.id);
  await store.check(verificationId, { by: 'code', digest: 'd'.repeat(64) }, call.createdAt + 3);
  wake(call.id);
  await store.finishCall(ended, false, ended.endedAt ?? 0);
  wake(call.id);
}

interface Told {
  readonly id: string;
  readonly type: string;
  readonly createdAt: string;
  readonly data: Record<string, unknown>;
}

/** Checked by an implementation that is not ours. */
function verified({ body, headers }: Received, secret = SECRET): Told {
  return new Webhook(secret).verify(body, headers as Record<string, string>) as Told;
}

describe('a receiver that takes everything', () => {
  it('is told all there is, once and in order, signed', async () => {
    const a = await receiver();
    const telling = deliverer([a]);
    const accepted = await acceptedNotice(store);
    telling.wake(accepted.call.id);
    await eventually(() => expect(a.types()).toEqual(WHOLE_COURSE.slice(0, 2)));
    await goOn(accepted, (id) => telling.wake(id));
    await eventually(async () => expect(await store.notices.get(accepted.noticeId)).toBeUndefined());
    expect(a.types().toSorted()).toEqual(WHOLE_COURSE.toSorted());
    expect(a.types().filter((type) => type.startsWith('call.'))).toEqual(
      WHOLE_COURSE.filter((type) => type.startsWith('call.')),
    );
    const told = a.received.map((one) => verified(one));
    expect(new Set(told.map(({ id }) => id)).size).toBe(WHOLE_COURSE.length);
    expect(a.received.map(({ headers }) => headers['webhook-id'])).toEqual(told.map(({ id }) => id));
    expect(told[0]).toEqual({
      id: `evt_${accepted.call.id.slice(5)}_v0`,
      type: 'verification.created',
      createdAt: new Date(accepted.call.createdAt).toISOString(),
      data: expect.objectContaining({
        verificationId: accepted.verificationId,
        callId: accepted.call.id,
        to: '+4930123456',
        reference: 'order 7',
        channel: 'voice',
        status: 'pending',
      }) as unknown,
    });
    expect(told.find(({ type }) => type === 'verification.approved')?.data).toMatchObject({
      status: 'approved',
      approvedBy: 'code',
      checks: 1,
    });
    expect(told.at(-1)?.data).toMatchObject({ detail: { disposition: 'answered' } });
    expect(telling.counts).toEqual({ delivered: WHOLE_COURSE.length, failed: 0, dead: 0 });
  });

  it('is told with the signatures of both secrets while they are replaced', async () => {
    const a = await receiver();
    const next = `whsec_${Buffer.alloc(24, 9).toString('base64')}`;
    const telling = deliverer([a], { secrets: [SECRET, next] });
    telling.wake((await acceptedNotice(store)).call.id);
    const [first] = await eventually(() => {
      expect(a.received.length).toBeGreaterThan(0);
      return a.received;
    });
    expect(verified(first as Received).type).toBe('verification.created');
    expect(verified(first as Received, next).type).toBe('verification.created');
    expect(() => verified({ ...(first as Received), body: `${first?.body} ` })).toThrow(/signature/i);
  });

  it('is told that a verification has expired, although nobody looks at it', async () => {
    const a = await receiver();
    deliverer([a]);
    const { call } = await acceptedNotice(store, {}, { ttlSeconds: 1 });
    await store.finishCall(courseOf(call).ended, false, call.createdAt);
    await eventually(() => expect(a.types().at(-1)).toBe('verification.expired'));
    await eventually(async () => expect((await store.notices.counts()).open).toBe(0));
  });

  it('is told what it wants to hear only', async () => {
    const a = await receiver();
    const telling = deliverer([a]);
    const accepted = await acceptedNotice(store, { events: ['call.answered', 'verification.approved'] });
    await goOn(accepted, (id) => telling.wake(id));
    await eventually(async () => expect(await store.notices.get(accepted.noticeId)).toBeUndefined());
    expect(a.types()).toEqual(['call.answered', 'verification.approved']);
  });
});

describe('a receiver that does not take it', () => {
  it('that fails is asked again, with the same event first, and misses nothing', async () => {
    let count = 0;
    const a = await receiver((response, received) => {
      count += 1;
      if (count % 3 === 0) takes(response, received);
      else answers(count % 3 === 1 ? 500 : 404)(response, received);
    });
    const telling = deliverer([a]);
    const accepted = await acceptedNotice(store);
    await goOn(accepted, (id) => telling.wake(id));
    await eventually(async () => expect(await store.notices.get(accepted.noticeId)).toBeUndefined(), {
      timeoutMs: 8000,
    });
    const ids = a.received.map((one) => verified(one).id);
    // Each came three times in a row, until it was taken.
    expect(ids).toHaveLength(3 * WHOLE_COURSE.length);
    for (const [index, id] of ids.entries()) expect(id).toBe(ids[index - (index % 3)]);
    const bodies = new Map(a.received.map(({ body, headers }) => [headers['webhook-id'], body]));
    expect(a.received.every(({ body, headers }) => bodies.get(headers['webhook-id']) === body)).toBe(true);
    expect(telling.counts).toMatchObject({
      delivered: WHOLE_COURSE.length,
      failed: 2 * WHOLE_COURSE.length,
    });
  });

  it('that stalls keeps no other one waiting', async () => {
    const [a, b] = [await receiver(stalls), await receiver()];
    const telling = deliverer([a, b], { settings: { timeoutMs: 1500 } });
    for (let i = 0; i < 30; i += 1) telling.wake((await acceptedNotice(store)).call.id);
    await eventually(() => expect(a.open).toBe(4));
    const startedAt = performance.now();
    telling.wake((await acceptedNotice(store, { url: 'http://b.test/told' })).call.id);
    await eventually(() => expect(b.types()).toEqual(WHOLE_COURSE.slice(0, 2)));
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(a.mostOpen).toBe(4);
    // It is given up after its time.
    await eventually(() => expect(telling.counts.failed).toBeGreaterThan(0));
  });

  it('that stalls leaves room for others in what is looked at, however much waits for it', async () => {
    const [a, b] = [await receiver(stalls), await receiver()];
    await Promise.all(Array.from({ length: 260 }, () => acceptedNotice(store)));
    const last = await acceptedNotice(store, { url: 'http://b.test/told' });
    deliverer([a, b], { settings: { timeoutMs: 5000 } });
    await eventually(() => expect(b.types()).toEqual(WHOLE_COURSE.slice(0, 2)));
    // What is too much for the line is not looked at for a while.
    await eventually(async () => {
      const due = await store.notices.due(Date.now(), 500);
      expect(due.length).toBeLessThanOrEqual(200);
      expect(due).not.toContain(last.noticeId);
    });
    expect((await store.notices.counts()).open).toBe(261);
    expect(a.mostOpen).toBe(4);
  });

  it('that stalls hides nobody from the looks, where many of its kind have long lines', async () => {
    const a = await receiver(answers(503));
    const stalling = [await receiver(stalls), await receiver(stalls), await receiver(stalls)];
    for (const host of ['b', 'c', 'd']) {
      await Promise.all(
        Array.from({ length: 210 }, () => acceptedNotice(store, { url: `http://${host}.test/told` })),
      );
    }
    deliverer([a, ...stalling], { settings: { timeoutMs: 8000, longestPauseMs: 8000 } });
    await eventually(() => expect(stalling.map(({ open }) => open)).toEqual([4, 4, 4]));
    // All lines are full. Nobody hears of this one but by looking.
    await acceptedNotice(store, { url: 'http://a.test/told' });
    await eventually(() => expect(a.received.length).toBeGreaterThan(0));
    a.behaviour = takes;
    await eventually(() => expect(a.types().slice(-2)).toEqual(WHOLE_COURSE.slice(0, 2)));
  });

  it('that stalls, at a new host for each call of one client, keeps no other client waiting', async () => {
    const dead = await Promise.all(Array.from({ length: 6 }, () => receiver(stalls)));
    const well = await receiver();
    const telling = deliverer([...dead, well], {
      settings: { timeoutMs: 8000, maxConcurrent: 4, maxPerHost: 2 },
    });
    const named = { format: 'restcomm', fields: { accountSid: 'AC1' } } as const;
    for (const host of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const target = { ...named, url: `http://${host}.test/told` };
      const accepted = await acceptedNotice(store, target, { clientId: 'mallory' });
      await store.saveCall(courseOf(accepted.call).ringing);
      telling.wake(accepted.call.id);
    }
    const open = (): number => dead.reduce((sum, one) => sum + one.open, 0);
    await eventually(() => expect(open()).toBeGreaterThan(2));
    telling.wake((await acceptedNotice(store, { url: 'http://g.test/told' })).call.id);
    await eventually(() => expect(well.types()).toEqual(WHOLE_COURSE.slice(0, 2)));
    // In the first round: of no request was the end known.
    expect(telling.counts.failed).toBe(0);
    expect(open()).toBe(3);
  });

  it('that redirects is not followed, to wherever that leads', async () => {
    const secret = await receiver();
    for (const [status, to] of [
      [302, `http://127.0.0.1:${secret.port}/`],
      [307, `http://[::ffff:127.0.0.1]:${secret.port}/`],
      [308, 'http://b.test/'],
    ] as const) {
      const a = await receiver(answers(status, { location: to }));
      const telling = delivererFor(store, [a, secret]);
      const { call, noticeId } = await acceptedNotice(store);
      telling.deliverer.wake(call.id);
      await eventually(() => expect(a.received.length).toBeGreaterThan(1));
      await eventually(async () => expect((await store.notices.get(noticeId))?.lastError).not.toBeNull());
      await telling.close();
      const notice = await store.notices.claim(noticeId, 'test', Date.now() + 60_000, Date.now() + 120_000);
      await store.notices.finish(notice?.id ?? '', 'test');
    }
    expect(secret.connections).toBe(0);
  });

  it('that is a private address is never asked', async () => {
    const secret = await receiver();
    const telling = deliverer([], { settings: { giveUpMs: 50 } });
    const { call, noticeId } = await acceptedNotice(store, { url: `http://127.0.0.1:${secret.port}/` });
    telling.wake(call.id);
    await eventually(async () => expect((await store.notices.get(noticeId))?.state).toBe('dead'));
    expect((await store.notices.get(noticeId))?.lastError).toMatch(/^refused: .*not public/);
    expect(secret.connections).toBe(0);
  });

  it('that dies is told the rest when it is back on its port', async () => {
    const port = await freePorts(1);
    const a = await receiver(takes, port);
    const telling = deliverer([a]);
    const accepted = await acceptedNotice(store);
    telling.wake(accepted.call.id);
    await eventually(() => expect(a.types()).toEqual(WHOLE_COURSE.slice(0, 2)));
    await a.stop();
    await goOn(accepted, (id) => telling.wake(id));
    await eventually(() => expect(telling.counts.failed).toBeGreaterThan(2));
    const back = await receiver(takes, port);
    await eventually(async () => expect(await store.notices.get(accepted.noticeId)).toBeUndefined());
    expect([...a.types(), ...back.types()].toSorted()).toEqual(WHOLE_COURSE.toSorted());
    for (const one of back.received) verified(one);
  });

  it('says when it wants to be asked again, within bounds', async () => {
    const a = await receiver(answers(503, { 'retry-after': '3600' }));
    const telling = deliverer([a], { settings: { longestPauseMs: 20_000 } });
    const { call, noticeId } = await acceptedNotice(store);
    telling.wake(call.id);
    await eventually(async () => expect((await store.notices.get(noticeId))?.tries).toBe(1));
    const pauseMs = ((await store.notices.get(noticeId))?.dueAt ?? 0) - Date.now();
    expect(pauseMs).toBeGreaterThan(15_000);
    expect(pauseMs).toBeLessThanOrEqual(20_000);
    // Whatever happens meanwhile.
    telling.wake(call.id);
    await eventually(() => expect(telling.counts.failed).toBe(1));
  });

  it('is given up after its time, and told all of it when that is asked for', async () => {
    const a = await receiver(answers(500));
    const telling = deliverer([a], { settings: { giveUpMs: 200 } });
    const accepted = await acceptedNotice(store);
    telling.wake(accepted.call.id);
    const [dead] = await eventually(async () => {
      const found = await store.notices.dead({ clientId: 'shop', limit: 9 });
      expect(found).toHaveLength(1);
      return found;
    });
    expect(dead).toMatchObject({
      id: accepted.noticeId,
      lastError: 'answered with status 500',
      delivered: 0,
    });
    expect(telling.counts.dead).toBe(1);
    const tries = a.received.length;
    expect(tries).toBeGreaterThan(1);
    // What happens after that is kept for later.
    await goOn(accepted, (id) => telling.wake(id));
    a.behaviour = takes;
    expect(await telling.redeliver(accepted.noticeId)).toBe(true);
    expect(await telling.redeliver(accepted.noticeId)).toBe(false);
    await eventually(async () => expect(await store.notices.get(accepted.noticeId)).toBeUndefined());
    expect(a.types().slice(tries).toSorted()).toEqual(WHOLE_COURSE.toSorted());
    expect(a.types()[tries]).toBe('verification.created');
  });

  it('that is gone for good is given up at once', async () => {
    const a = await receiver(answers(410));
    const telling = deliverer([a]);
    const { call, noticeId } = await acceptedNotice(store);
    telling.wake(call.id);
    await eventually(async () => expect((await store.notices.get(noticeId))?.state).toBe('dead'));
    expect(a.received).toHaveLength(1);
  });

  it('is not asked by a process that ends, which gives its claims back', async () => {
    const a = await receiver(stalls);
    const telling = delivererFor(store, [a], { settings: { timeoutMs: 10_000 } });
    const { call, noticeId } = await acceptedNotice(store);
    telling.deliverer.wake(call.id);
    await eventually(() => expect(a.open).toBe(1));
    await telling.close();
    await eventually(() => expect(a.open).toBe(0));
    expect(await store.notices.due(Date.now(), 9)).toEqual([noticeId]);
    expect(await store.notices.get(noticeId)).toMatchObject({ tries: 0, delivered: 0 });
    a.behaviour = takes;
    deliverer([a]);
    await eventually(() => expect(a.types().slice(1)).toEqual(WHOLE_COURSE.slice(0, 2)));
  });
});

describe('a clock that is set ahead by days', () => {
  const DAYS_MS = 2 * 86_400_000;
  let ahead = 0;
  beforeEach(() => {
    ahead = 0;
  });
  const now = (): number => Date.now() + ahead;

  async function tried(noticeId: string): Promise<number> {
    return (await store.notices.get(noticeId))?.tries ?? 0;
  }

  it('gives up nothing that waits for its next try', async () => {
    const a = await receiver(answers(500));
    const telling = deliverer([a], { now, settings: { giveUpMs: 86_400_000 } });
    const { call, noticeId } = await acceptedNotice(store);
    telling.wake(call.id);
    await eventually(async () => expect(await tried(noticeId)).toBeGreaterThan(1));
    ahead = DAYS_MS;
    const before = await tried(noticeId);
    await eventually(async () => expect(await tried(noticeId)).toBeGreaterThan(before + 2));
    expect(telling.counts.dead).toBe(0);
    const { triedSince } = (await store.notices.get(noticeId)) ?? {};
    // Without the pause that was planned: up to 150 ms.
    expect(triedSince).toBeGreaterThanOrEqual(call.createdAt + DAYS_MS - 150);
    a.behaviour = takes;
    const rest = [...WHOLE_COURSE.slice(0, 2), 'verification.expired'];
    await eventually(() => expect(a.types().slice(-3)).toEqual(rest));
  });

  it('gives up nothing that is being asked, at the first try and later', async () => {
    const a = await receiver((response, received) => {
      ahead += DAYS_MS;
      answers(500)(response, received);
    });
    const telling = deliverer([a], { now, settings: { giveUpMs: 86_400_000 } });
    const { call, noticeId } = await acceptedNotice(store);
    telling.wake(call.id);
    await eventually(async () => expect(await tried(noticeId)).toBeGreaterThan(3));
    expect(telling.counts.dead).toBe(0);
  });

  it('gives up nothing whose line is full', async () => {
    const a = await receiver(stalls);
    for (let i = 0; i < 210; i += 1) await acceptedNotice(store);
    const late = await acceptedNotice(store);
    const dueAt = Date.now() + 1;
    const failing = await store.notices.claim(late.noticeId, 'test', dueAt, dueAt + 1000);
    const since = dueAt - 1000;
    if (failing !== undefined) {
      await store.notices.put({ ...failing, tries: 3, triedSince: since, dueAt }, 'test');
    }
    ahead = DAYS_MS;
    deliverer([a], { now, settings: { timeoutMs: 8000 } });
    const parked = await eventually(async () => {
      const found = await store.notices.get(late.noticeId);
      expect(found?.dueAt).toBeGreaterThan(dueAt);
      return found;
    });
    expect(parked).toMatchObject({ tries: 3, state: 'open' });
    expect((parked?.triedSince ?? 0) - since).toBeGreaterThan(DAYS_MS - 10);
  });

  it('counts what was waited for a turn, and gives up after that time', async () => {
    const a = await receiver(stalls);
    const telling = deliverer([a], {
      now,
      settings: { timeoutMs: 300, maxPerHost: 1, giveUpMs: 900, firstPauseMs: 10, longestPauseMs: 10 },
    });
    const all: string[] = [];
    for (let i = 0; i < 4; i += 1) {
      const { call, noticeId } = await acceptedNotice(store);
      all.push(noticeId);
      telling.wake(call.id);
    }
    await eventually(async () => expect((await store.notices.counts()).dead).toBe(4), { timeoutMs: 12_000 });
    // One waits for three others between two tries.
    for (const noticeId of all) expect(await tried(noticeId)).toBeLessThan(4);
  });
});

describe('callbacks of other systems', () => {
  it('Restcomm: status callbacks in order with their numbers, as form or query', async () => {
    const a = await receiver();
    const telling = deliverer([a]);
    for (const method of ['POST', 'GET'] as const) {
      const accepted = await acceptedNotice(store, {
        format: 'restcomm',
        url: 'http://a.test/status?order=7',
        method,
        fields: { accountSid: 'AC1' },
      });
      await goOn(accepted, (id) => telling.wake(id));
      await eventually(async () => expect(await store.notices.get(accepted.noticeId)).toBeUndefined());
      const got = a.received.splice(0);
      const forms = got.map(({ body, path }) =>
        Object.fromEntries(new URLSearchParams(method === 'POST' ? body : path.split('?')[1])),
      );
      expect(got.every((one) => one.method === method && one.path.startsWith('/status?order=7'))).toBe(true);
      expect(forms.map(({ CallStatus, SequenceNumber }) => [CallStatus, SequenceNumber])).toEqual([
        ['initiated', '0'],
        ['ringing', '1'],
        ['in-progress', '2'],
        ['completed', '3'],
      ]);
      expect(forms.at(-1)).toMatchObject({
        CallSid: `CA${accepted.call.id.slice(5)}`,
        AccountSid: 'AC1',
        From: '+498912345',
        To: '+4930123456',
        ApiVersion: '2012-04-24',
        Direction: 'outbound-api',
        CallDuration: '3',
        CallbackSource: 'call-progress-events',
      });
      expect(forms[0]?.['Timestamp']).toMatch(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000$/);
    }
  });

  it('MessageBird: reports of the status', async () => {
    const a = await receiver();
    const telling = deliverer([a]);
    const accepted = await acceptedNotice(store, {
      format: 'messagebird',
      url: 'http://a.test/report',
      method: 'GET',
    });
    await goOn(accepted, (id) => telling.wake(id));
    await eventually(async () => expect(await store.notices.get(accepted.noticeId)).toBeUndefined());
    const queries = a.received.map(({ path }) => Object.fromEntries(new URLSearchParams(path.split('?')[1])));
    expect(queries).toMatchObject([
      { status: 'sent', id: accepted.verificationId.slice(4), reference: 'order 7', recipient: '4930123456' },
      { status: 'verified', statusDatetime: expect.stringMatching(/^\d{4}-.*T.*\+00:00$/) as unknown },
    ]);
  });
});
