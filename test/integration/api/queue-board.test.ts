import { randomBytes } from 'node:crypto';
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerOtherMethods, collectRoutes } from '../../../src/api/methods.ts';
import { queueBoard } from '../../../src/api/queue-board.ts';
import { createKey } from '../../../src/clients/keys.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { RedisServer } from '../../support/redis-server.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const operator = createKey('ops', randomBytes);
const shop = createKey('shop', randomBytes);
const keys = [
  { id: operator.id, hash: operator.hash, operator: true },
  { id: shop.id, hash: shop.hash },
];
const SECRET = 'sealed-482910';
const JOB = 'wish-0123456789ab';

interface ShownQueue {
  readonly name: string;
  readonly counts: Record<string, number>;
  readonly jobs: readonly { readonly id: string; readonly data: Record<string, unknown> }[];
  readonly readOnlyMode: boolean;
}

function bearer({ key }: { key: string }): { authorization: string } {
  return { authorization: `Bearer ${key}` };
}

function basic(user: string, password: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

describeWithPeer('redis-server', 'the board of the queues', () => {
  let redis: RedisServer;
  let service: Service;
  let queues: readonly Queue[];
  let listed: readonly Queue[];

  beforeAll(async () => {
    redis = await RedisServer.start();
    queues = [newQueue('trunk-first'), newQueue('trunk-second')];
    listed = queues;
    await addJob('trunk-first', JOB);
    await addJob('trunk-first', 'wish-2');
    service = await startService({ api: { host: '0.0.0.0', keys } });
    const routes = collectRoutes(service.api);
    await queueBoard(service.api, { queues: () => listed });
    answerOtherMethods(service.api, routes);
  });

  afterAll(async () => {
    await service?.close();
    for (const queue of queues ?? []) await queue.getBackend().close(true);
    await redis?.remove();
  });

  function newQueue(name: string): Queue {
    const { host, port } = redis;
    const queue = new Queue(name, {
      connection: { host, port, commandTimeout: 800, maxRetriesPerRequest: 0, enableOfflineQueue: false },
      prefix: `{votp-q-${name}}`,
    });
    queue.on('error', () => undefined);
    return queue;
  }

  async function addJob(name: string, jobId: string): Promise<void> {
    const queue = queues.find((one) => one.name === name);
    await queue?.waitUntilReady();
    const data = { callId: 'call_1', trunkId: 'first', sealed: SECRET, to: '+4930123456' };
    await queue?.add('call', data, { jobId, priority: 7 });
  }

  const get = (path: string, headers: Record<string, string> = bearer(operator)) =>
    service.api.inject({ url: `/admin/queues${path}`, headers });

  async function shownQueues(query = ''): Promise<readonly ShownQueue[]> {
    const reply = await get(`/api/queues${query}`);
    expect(reply.statusCode).toBe(200);
    return reply.json<{ queues: readonly ShownQueue[] }>().queues;
  }

  it.each(['', '/', '/queue/trunk-first', `/queue/trunk-first/${JOB}`])(
    'serves its page at "%s", which leads nowhere else',
    async (path) => {
      const reply = await get(path);
      expect(reply.statusCode).toBe(200);
      expect(reply.headers['content-type']).toContain('text/html');
      expect(reply.body).toContain('<base href="/admin/queues/" />');
      expect(reply.body).not.toMatch(/(?:href|src)="(?:https?:)?\/\//);
    },
  );

  it('serves the files of the page, with the right to load no others', async () => {
    const page = await get('/');
    const files = [...page.body.matchAll(/(?:href|src)="(static\/[^"]+)"/g)].map(([, file = '']) => file);
    expect(files.some((file) => file.endsWith('.js'))).toBe(true);
    expect(files.some((file) => file.endsWith('.css'))).toBe(true);
    for (const file of files) {
      const reply = await get(`/${file}`);
      expect([file, reply.statusCode]).toEqual([file, 200]);
    }
    const csp = String(page.headers['content-security-policy']);
    expect(csp).toContain("default-src 'none'");
    expect(csp).toContain("script-src 'self';");
    expect(csp).not.toMatch(/https?:|\*/);
    const docs = await service.api.inject('/openapi.json');
    expect(docs.headers['content-security-policy']).not.toBe(csp);
  });

  it('tells how many jobs each queue has', async () => {
    const shown = await shownQueues();
    expect(shown.map(({ name, readOnlyMode }) => ({ name, readOnlyMode }))).toEqual([
      { name: 'trunk-first', readOnlyMode: true },
      { name: 'trunk-second', readOnlyMode: true },
    ]);
    expect(shown[0]?.counts).toMatchObject({ prioritized: 2, active: 0 });
    expect(shown[1]?.counts).toMatchObject({ prioritized: 0, active: 0 });
  });

  it('tells of jobs nothing but ids and times', async () => {
    const [first] = await shownQueues('?activeQueue=trunk-first&status=prioritized&page=1&jobsPerPage=10');
    expect(first?.jobs.map(({ id }) => id).toSorted()).toEqual([JOB, 'wish-2']);
    expect(first?.jobs[0]?.data).toEqual({ callId: 'call_1', trunkId: 'first' });
    const one = await get(`/api/queues/trunk-first/${JOB}`);
    expect(one.json()).toMatchObject({ job: { id: JOB, data: { callId: 'call_1' } }, status: 'prioritized' });
    const flow = await get(`/api/queues/trunk-first/${JOB}/flow`);
    expect(flow.json()).toEqual({ nodeId: JOB, isFlowNode: false, flowRoot: null });
    expect((await get(`/api/queues/trunk-first/${JOB}/logs`)).json()).toEqual([]);
    for (const text of [JSON.stringify(first), one.body]) {
      expect(text).not.toContain(SECRET);
      expect(text).not.toContain('4930123456');
    }
  });

  it('shows no queue that is gone, and those that come', async () => {
    const [first, second] = queues;
    listed = second === undefined ? [] : [second];
    try {
      expect((await shownQueues()).map(({ name }) => name)).toEqual(['trunk-second']);
      expect((await get(`/api/queues/${first?.name}/${JOB}`)).statusCode).toBe(404);
    } finally {
      listed = queues;
    }
    expect((await shownQueues()).map(({ name }) => name).toSorted()).toEqual(['trunk-first', 'trunk-second']);
  });

  it.each<[string, Record<string, string>]>([
    ['nothing', {}],
    ['another key', bearer(createKey('x', randomBytes))],
    ['another password', basic('ops', createKey('x', randomBytes).key)],
    ['no password', basic('ops', '')],
    ['the key as the user', basic(operator.key, '')],
    ['the hash', basic('ops', operator.hash)],
    ['no base64', { authorization: `Basic ${operator.key}!` }],
    ['a huge one', basic('ops', operator.key + 'x'.repeat(4000))],
  ])('asks for the key where there is %s', async (_what, headers) => {
    for (const path of [
      '',
      '/',
      '/api/queues',
      '/static/images/logo.svg',
      `/api/queues/trunk-first/${JOB}`,
    ]) {
      const reply = await get(path, headers);
      expect(reply.statusCode).toBe(401);
      expect(reply.headers['www-authenticate']).toMatch(/^Basic realm=/);
      expect(reply.json()).toMatchObject({ error: { code: 'unauthorized' } });
    }
  });

  it.each<[string, Record<string, string>]>([
    ['Bearer', bearer(shop)],
    ['Basic', basic('ops', shop.key)],
  ])('is for operators only, by %s', async (_what, headers) => {
    for (const path of ['/', '/api/queues']) {
      const reply = await get(path, headers);
      expect(reply.statusCode).toBe(403);
      expect(reply.json()).toMatchObject({ error: { code: 'forbidden' } });
    }
  });

  it.each(['', 'ops', 'anybody at all'])('takes the key as the password of user "%s"', async (user) => {
    expect((await get('/', basic(user, operator.key))).statusCode).toBe(200);
    expect((await get('/api/queues', basic(user, operator.key))).statusCode).toBe(200);
  });

  it('takes passwords nowhere else', async () => {
    for (const url of ['/v1/calls', '/v1/cdrs', '/metrics']) {
      const reply = await service.api.inject({ url, headers: basic('ops', operator.key) });
      expect(reply.statusCode).toBe(401);
      expect(reply.headers['www-authenticate']).toBe('Bearer');
    }
  });

  it('has nothing that changes a queue', async () => {
    const before = await shownQueues();
    for (const [method, path, status] of [
      ['PUT', '/api/queues/pause', 404],
      ['PUT', '/api/queues/resume', 404],
      ['PUT', '/api/queues/trunk-first/pause', 405],
      ['PUT', '/api/queues/trunk-first/empty', 405],
      ['PUT', '/api/queues/trunk-first/obliterate', 405],
      ['PUT', '/api/queues/trunk-first/promote', 405],
      ['PUT', '/api/queues/trunk-first/concurrency', 405],
      ['PUT', '/api/queues/trunk-first/retry/failed', 404],
      ['PUT', '/api/queues/trunk-first/clean/completed', 404],
      ['PUT', `/api/queues/trunk-first/${JOB}/retry`, 404],
      ['PUT', `/api/queues/trunk-first/${JOB}/clean`, 404],
      ['PUT', `/api/queues/trunk-first/${JOB}/promote`, 404],
      ['PATCH', `/api/queues/trunk-first/${JOB}/update-data`, 404],
      ['POST', '/api/queues/trunk-first/add', 405],
      ['POST', '/api/queues', 405],
      ['DELETE', '', 405],
    ] as const) {
      const reply = await service.api.inject({
        method,
        url: `/admin/queues${path}`,
        headers: bearer(operator),
        payload: { name: 'call', data: {}, jobData: {}, concurrency: 9 },
      });
      expect([method, path, reply.statusCode]).toEqual([method, path, status]);
      if (status === 405) expect(reply.headers['allow']).toBe('GET');
    }
    expect(await shownQueues()).toEqual(before);
  });

  it.each([
    ['/api/queues?activeQueue=%25E0%25A4%25A', 400],
    ['/api/queues?status=everything', 400],
    ['/api/queues?activeQueue=trunk-first&jobsPerPage=1000000', 400],
    ['/api/queues?activeQueue=trunk-first&page=-1', 400],
    ['/api/queues?status=active&status=failed', 400],
    ['/api/queues/trunk-none/1', 404],
    ['/api/queues/trunk-first/none', 404],
    ['/api/queues/trunk-first/prioritized', 404],
    ['/api/queues/__proto__/1', 404],
    ['/api/redis/stats', 404],
    ['/static/../index.ejs', 404],
    ['/static/%2e%2e/index.ejs', 404],
    ['/none', 404],
  ])('answers %s with %i, as the API does', async (path, status) => {
    const reply = await get(path);
    expect(reply.statusCode).toBe(status);
    expect(reply.json()).toMatchObject({ error: { requestId: expect.any(String) } });
  });

  it('is limited as other routes are, and in no document', async () => {
    for (const path of ['/', '/api/queues', '/static/images/logo.svg']) {
      expect((await get(path)).headers['ratelimit-limit']).toBe('600');
    }
    expect((await service.api.inject('/openapi.json')).body).not.toContain('/admin/');
  });

  it('says so when Redis is away', async () => {
    await redis.stop('SIGKILL');
    const reply = await get('/api/queues');
    expect(reply.statusCode).toBe(503);
    expect(reply.json()).toMatchObject({ error: { code: 'store_unavailable' } });
    expect(reply.headers['retry-after']).toBeDefined();
    expect(service.faults()).toEqual([]);
    // Its page and its files are there, to say it.
    expect((await get('/')).statusCode).toBe(200);
  });
});

describe('without API keys', () => {
  it('whoever uses this machine may look', async () => {
    const service = await startService();
    try {
      await queueBoard(service.api, { queues: () => [] });
      const reply = await service.api.inject('/admin/queues/api/queues');
      expect(reply.json()).toEqual({ queues: [] });
      const foreign = await service.api.inject({ url: '/admin/queues', headers: { host: 'evil.example' } });
      expect(foreign.statusCode).toBe(400);
    } finally {
      await service.close();
    }
  });
});
