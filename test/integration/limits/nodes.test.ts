import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { NewCallRequest } from '../../../src/call/call-service.ts';
import { CallService } from '../../../src/call/call-service.ts';
import { AppError } from '../../../src/errors.ts';
import type { RedisLink } from '../../../src/redis/connection.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import type { Store } from '../../../src/store/store.ts';
import { VerificationService } from '../../../src/verification/service.ts';
import { DEFAULT_VERIFICATION_SETTINGS } from '../../../src/verification/terms.ts';
import { Vault } from '../../../src/verification/vault.ts';
import { clientWith } from '../../support/client.ts';
import { eventually } from '../../support/eventually.ts';
import type { Door } from '../../support/limits/door.ts';
import { doorTo } from '../../support/limits/door.ts';
import { OPEN_ENTRANCE } from '../../support/open-entrance.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { someTrunk } from '../../support/records.ts';
import { readyLinkTo } from '../../support/redis-outage.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { redisStore } from '../../support/redis-store.ts';
import { routed } from '../../support/routed.ts';
import { DELIVERY, FLASH, Switchboard } from '../../support/switchboard.ts';

const KEY = 'order-7';
const REQUEST: NewCallRequest = {
  to: '+4930123456',
  playlist: { items: [{ url: 'http://files.example/hello.wav' }], repeat: 1, repeatPauseMs: 0 },
};
const ALONE = { perMinute: null, perHour: null, perDay: null, pausesSeconds: [30] };
const TWICE = { perMinute: 2, perHour: null, perDay: null, pausesSeconds: [] };
const EVER = { perMinute: null, perHour: null, perDay: null, pausesSeconds: [] };
const POOL = [{ first: '+498990000100', last: '+498990000103' }];

type Accept = Store['accept'];
type NumberLimits = Readonly<Record<'perMinute' | 'perHour' | 'perDay', number | null>> & {
  readonly pausesSeconds: number[];
};

/** One of several that share a store. */
interface Node {
  readonly calls: CallService;
  readonly verifications: VerificationService;
  readonly door: Omit<Door, 'close'>;
  /** How often it has looked whether a request was answered before. */
  looks(): number;
}

function nodeOf(
  shared: Store,
  number: NumberLimits = ALONE,
  accept: Accept = (...all) => shared.accept(...all),
): Node {
  const door = doorTo(shared, { limits: { number, prefix: { perHour: null }, country: { perHour: null } } }, [
    clientWith(),
    clientWith({ id: 'bank' }),
  ]);
  let looks = 0;
  const store: Store = Object.assign(Object.create(shared) as Store, {
    accept,
    earlierAnswer: (...all: Parameters<Store['earlierAnswer']>) => {
      looks += 1;
      return shared.earlierAnswer(...all);
    },
    takeCli: (request: Parameters<Store['takeCli']>[0]) => shared.takeCli(request),
  });
  const trunks = [someTrunk({ flashPool: POOL })];
  const ports = {
    ...OPEN_ENTRANCE,
    gate: door.gate,
    store,
    dialer: new Switchboard(),
    vault: new Vault(Buffer.alloc(32, 3), randomBytes),
    routing: routed(trunks).routing,
    now: () => door.now(),
    newId: (prefix: string, family: string) => `${prefix}_${randomBytes(15).toString('hex')}${family}`,
    randomBytes,
  };
  return {
    door,
    looks: () => looks,
    calls: new CallService({ ...ports, callees: { sipTargets: [] }, prompts: { check: async () => {} } }),
    verifications: new VerificationService({
      ...ports,
      speechIsAway: () => false,
      resolveLocale: () => 'en-US',
      settings: DEFAULT_VERIFICATION_SETTINGS,
      delivery: DELIVERY,
      flash: { store, trunks, random: () => 0, pausedUntil: () => undefined, settings: FLASH },
    }),
  };
}

/** Until what is asked for has an answer, or has looked for one more than once. */
async function waitsOrIsAnswered(asked: Promise<unknown>, node: Node, looks = 2): Promise<void> {
  let isAnswered = false;
  const answered = (): void => void (isAnswered = true);
  asked.then(answered, answered);
  await eventually(() => expect(isAnswered || node.looks() >= looks).toBe(true));
}

/** Storing that waits until the test says how it goes on. */
function held(shared: Store) {
  const begin = promised();
  const goOn = promised();
  const accept: Accept = async (...all) => {
    begin.resolve();
    await goOn.promise;
    return shared.accept(...all);
  };
  return { accept, began: begin.promise, release: goOn.resolve, fail: goOn.reject };
}

function promised(): { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } {
  let [resolve, reject] = [(): void => {}, (_error: Error): void => {}];
  const promise = new Promise<void>((done, failed) => {
    [resolve, reject] = [done, failed];
  });
  return { promise, resolve: () => resolve(), reject: (error) => reject(error) };
}

function tests(store: () => Store): void {
  it('counts once, and both get the answer of the first, however late that is stored', async () => {
    const slow = held(store());
    const [here, there] = [nodeOf(store(), ALONE, slow.accept), nodeOf(store())];
    const first = here.calls.start(REQUEST, 'shop', KEY);
    await slow.began;
    const second = there.calls.start(REQUEST, 'shop', KEY);
    await waitsOrIsAnswered(second, there);
    slow.release();
    const { call } = await first;
    expect(await second).toEqual({ call, replayed: true });
    expect([...here.door.refusals, ...there.door.refusals]).toEqual([]);
    expect(await there.door.ask(REQUEST.to)).toBe('limit_reached');
  });

  it('counts no request twice, not even for a moment', async () => {
    const slow = held(store());
    const [here, there] = [nodeOf(store(), TWICE, slow.accept), nodeOf(store(), TWICE)];
    const first = here.calls.start(REQUEST, 'shop', KEY);
    await slow.began;
    const second = there.calls.start(REQUEST, 'shop', KEY);
    await waitsOrIsAnswered(second, there);
    expect(await there.door.ask(REQUEST.to)).toBe('admitted');
    expect(await there.door.ask(REQUEST.to)).toBe('limit_reached');
    slow.release();
    const { call } = await first;
    expect((await second).call.id).toBe(call.id);
  });

  it.each([
    ['of a pool that has too few for two', TWICE],
    ['where nothing is limited either', EVER],
  ])('is a verification with one calling number, %s', async (_, settings) => {
    const slow = held(store());
    const [here, there] = [nodeOf(store(), settings, slow.accept), nodeOf(store(), settings)];
    const request = { to: REQUEST.to, channel: 'flash' } as const;
    const first = here.verifications.start(request, 'shop', KEY);
    await slow.began;
    const second = there.verifications.start(request, 'shop', KEY);
    await waitsOrIsAnswered(second, there);
    slow.release();
    const { verification } = await first;
    expect(await second).toMatchObject({ verification: { id: verification.id }, replayed: true });
  });

  it('goes on with the second where the first came to nothing', async () => {
    const slow = held(store());
    const [here, there] = [nodeOf(store(), ALONE, slow.accept), nodeOf(store())];
    const first = here.calls.start(REQUEST, 'shop', KEY).catch((error: AppError) => error.code);
    await slow.began;
    const second = there.calls.start(REQUEST, 'shop', KEY);
    await waitsOrIsAnswered(second, there);
    slow.fail(new AppError('invalid_playlist'));
    expect(await first).toBe('invalid_playlist');
    expect((await second).replayed).toBe(false);
    expect(await here.door.ask(REQUEST.to)).toBe('limit_reached');
  });

  it('is refused where it was another request under that key, and not for what is counted', async () => {
    const slow = held(store());
    const [here, there] = [nodeOf(store(), ALONE, slow.accept), nodeOf(store())];
    const first = here.calls.start(REQUEST, 'shop', KEY);
    await slow.began;
    const second = there.calls.start({ ...REQUEST, reference: 'other' }, 'shop', KEY);
    await waitsOrIsAnswered(second, there);
    slow.release();
    await expect(second).rejects.toMatchObject({ code: 'idempotency_key_reused' });
    await first;
  });

  it('is never answered with what another client asked for', async () => {
    const slow = held(store());
    const [here, there] = [nodeOf(store(), ALONE, slow.accept), nodeOf(store())];
    const first = here.calls.start(REQUEST, 'shop', KEY);
    await slow.began;
    await expect(there.calls.start(REQUEST, 'bank', KEY)).rejects.toMatchObject({ code: 'limit_reached' });
    const other = await there.calls.start({ ...REQUEST, to: '+4989123456' }, 'bank', KEY);
    expect(other).toMatchObject({ call: { clientId: 'bank' }, replayed: false });
    slow.release();
    expect((await first).call.id).not.toBe(other.call.id);
  });

  it('is refused at once for what others counted', async () => {
    const node = nodeOf(store());
    expect(await node.door.ask(REQUEST.to)).toBe('admitted');
    for (let asked = 1; asked < 3; asked += 1) {
      await expect(node.calls.start(REQUEST, 'shop', KEY)).rejects.toMatchObject({ code: 'limit_reached' });
      expect(node.looks()).toBe(asked);
    }
    node.door.pass(30_000);
    expect((await node.calls.start(REQUEST, 'shop', KEY)).replayed).toBe(false);
  });

  it('has one answer where many nodes are asked', async () => {
    const nodes = Array.from({ length: 6 }, () => nodeOf(store()));
    const all = await Promise.all(
      nodes.flatMap(({ calls }) => [1, 2, 3].map(() => calls.start(REQUEST, 'shop', KEY))),
    );
    expect(new Set(all.map(({ call }) => call.id)).size).toBe(1);
    expect(all.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(nodes.flatMap(({ door }) => door.refusals)).toEqual([]);
  });
}

describe('one Idempotency-Key at two nodes at once, over one SQLite file', () => {
  let folder: string;
  let store: SqliteStore;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-nodes-'));
    store = new SqliteStore({ path: join(folder, 'db.sqlite'), synchronous: 'normal' });
  });
  afterEach(async () => {
    vi.useRealTimers();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  tests(() => store);

  it('does not wait for ever for a first one that stands still', async () => {
    const slow = held(store);
    const [here, there] = [nodeOf(store, TWICE, slow.accept), nodeOf(store, TWICE)];
    const first = here.calls.start(REQUEST, 'shop', KEY);
    await slow.began;
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    const second = there.calls.start(REQUEST, 'shop', KEY);
    const answered = second.then(() => 'answered');
    while ((await Promise.race([answered, vi.advanceTimersByTimeAsync(100)])) !== 'answered');
    vi.useRealTimers();
    const { call, replayed } = await second;
    expect(replayed).toBe(false);
    slow.release();
    expect(await first).toEqual({ call, replayed: true });
    // What was counted for the first was given back.
    expect(await there.door.ask(REQUEST.to)).toBe('admitted');
  });
});

describeWithPeer('redis-server', 'one Idempotency-Key at two nodes at once, over one Redis', () => {
  let server: RedisServer;
  let link: RedisLink;
  let store: Store;
  let prefixes = 0;
  beforeAll(async () => {
    server = await RedisServer.start();
    link = await readyLinkTo({ url: `redis://127.0.0.1:${server.port}` });
  });
  beforeEach(() => {
    prefixes += 1;
    store = redisStore(link.client, `n${prefixes}`);
  });
  afterEach(() => store.close());
  afterAll(async () => {
    await link.close();
    await server.remove();
  });

  tests(() => store);
});
