import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CdrChainAnswer } from '../../../src/api/cdr-schemas.ts';
import type { Cdr } from '../../../src/cdr/cdr.ts';
import { verifyChain } from '../../../src/cdr/chain.ts';
import { readExport } from '../../../src/cdr/export.ts';
import { createKey } from '../../../src/clients/keys.ts';
import { fillCdrs, tamperWithCdrs } from '../../support/cdr-fill.ts';
import { eventually } from '../../support/eventually.ts';
import { NOW } from '../../support/records.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const shop = createKey('shop', randomBytes);
const bank = createKey('bank', randomBytes);
const boss = createKey('boss', randomBytes);
const KEYS = [
  { id: 'shop', hash: shop.hash },
  { id: 'boss', hash: boss.hash, operator: true },
];

type Reply = Awaited<ReturnType<Service['api']['inject']>>;

let service: Service;

function get(url: string, headers: Record<string, string> = {}): Promise<Reply> {
  return service.api.inject({ url, headers });
}

const at = (ms: number): string => new Date(NOW + ms).toISOString();

function rowsOf(body: string): Cdr[] {
  return body
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Cdr);
}

describe('who may read call detail records', () => {
  afterEach(() => service.close());

  it('verifies them: the key of an operator', async () => {
    service = await startService({ api: { keys: KEYS } });
    const url = '/v1/cdrs/verify';
    const statusWith = async (headers: Record<string, string>): Promise<[number, string | undefined]> => {
      const reply = await get(url, headers);
      return [reply.statusCode, /"code":"(\w+)"/.exec(reply.body)?.[1]];
    };
    expect(await statusWith({})).toEqual([401, 'unauthorized']);
    expect(await statusWith({ authorization: `Bearer ${shop.key}` })).toEqual([403, 'forbidden']);
    expect(await statusWith({ authorization: `Bearer ${boss.key}` })).toEqual([200, undefined]);
  });

  it('exports them: a client its own, an operator those of all', async () => {
    service = await startService({ api: { keys: [...KEYS, { id: 'bank', hash: bank.hash }] } });
    fillCdrs(service.storePath, 300);
    tamperWithCdrs(
      service.storePath,
      `UPDATE cdrs SET record = replace(record, '"clientId":"shop"', '"clientId":"bank"') WHERE seq % 3 = 0`,
    );
    const seqsFor = async ({ key }: { key: string }, query = ''): Promise<readonly number[]> => {
      const { body } = await get(`/v1/cdrs${query}`, { authorization: `Bearer ${key}` });
      return rowsOf(body).map(({ seq }) => seq);
    };
    const all = Array.from({ length: 600 }, (_, index) => index + 1);
    expect(await seqsFor(boss)).toEqual(all);
    expect(await seqsFor(shop)).toEqual(all.filter((seq) => seq % 3 !== 0));
    expect(await seqsFor(bank, `?from=${at(300)}`)).toEqual(all.filter((seq) => seq % 3 === 0 && seq > 300));
  });

  it('without keys whoever uses this machine', async () => {
    service = await startService();
    expect((await get('/v1/cdrs')).statusCode).toBe(200);
    expect((await get('/v1/cdrs', { host: 'evil.example' })).statusCode).toBe(400);
  });
});

describe('GET /v1/cdrs', () => {
  beforeEach(async () => {
    service = await startService();
    fillCdrs(service.storePath, 300);
  });
  afterEach(() => service.close());

  it('is a file that can be verified', async () => {
    const reply = await get('/v1/cdrs');
    expect(reply.headers).toMatchObject({
      'content-type': 'application/x-ndjson; charset=utf-8',
      'content-disposition': 'attachment; filename="cdrs.ndjson"',
      'cache-control': 'no-store',
    });
    async function* bytes(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(reply.body);
    }
    expect(await verifyChain(readExport(bytes()))).toMatchObject({ rows: 600, broken: null });
  });

  it.each<[string, string, string]>([
    ['/v1/cdrs?format=csv', '*/*', 'text/csv'],
    ['/v1/cdrs', 'text/csv', 'text/csv'],
    ['/v1/cdrs', 'application/x-ndjson;q=0.5, text/*;q=0.9', 'text/csv'],
    ['/v1/cdrs', 'text/csv;q=0, */*', 'application/x-ndjson'],
    ['/v1/cdrs', 'text/html, application/json', 'application/x-ndjson'],
    ['/v1/cdrs?format=ndjson', 'text/csv', 'application/x-ndjson'],
  ])('%s with Accept: %s is %s', async (url, accept, type) => {
    const reply = await get(url, { accept });
    expect(reply.headers['content-type']).toBe(`${type}; charset=utf-8`);
    expect(reply.body.startsWith('{"v":2,"seq":1,')).toBe(type !== 'text/csv');
  });

  it('has no cell in which a spreadsheet would find a formula', async () => {
    const { body } = await get('/v1/cdrs?format=csv');
    const lines = body.split('\r\n');
    expect(lines).toHaveLength(602);
    expect(lines[1]).toContain(",'=1+1,");
    expect(lines[1]).toContain(',+498912345,+4930123456,');
    expect(body).not.toMatch(/,=/);
  });

  it('has each record in exactly one of ranges that follow one another', async () => {
    const seqs: number[] = [];
    for (let from = 0; from < 600; from += 250) {
      const reply = await get(`/v1/cdrs?from=${at(from)}&to=${at(from + 250)}`);
      seqs.push(...rowsOf(reply.body).map(({ seq }) => seq));
    }
    expect(seqs).toEqual(Array.from({ length: 600 }, (_, index) => index + 1));
    const offset = encodeURIComponent(at(599).replace('Z', '+00:00'));
    expect(rowsOf((await get(`/v1/cdrs?from=${offset}`)).body)).toHaveLength(1);
    expect((await get('/v1/cdrs?to=2020-01-01')).body).toBe('');
  });

  it.each([
    ['from=yesterday', 'query.from: expected a date'],
    ['from=2026-02-30', 'query.from: expected a date'],
    ['to=1750000000000', 'query.to: expected a date'],
    ['from=2026-11-02&to=2026-11-01', 'query.to: expected a time after `from`'],
    ['from=2026-11-01&to=2026-11-01', 'query.to: expected a time after `from`'],
    ['format=xml', 'query.format: '],
    ['since=2026-11-01', 'query: has a key that is not known: since'],
  ])('refuses %s', async (query, message) => {
    const reply = await get(`/v1/cdrs?${query}`);
    expect([reply.statusCode, reply.json<{ error: { message: string } }>().error.message]).toEqual([
      400,
      expect.stringContaining(message),
    ]);
  });

  it('answers 503 where the store is away', async () => {
    await service.store.close();
    for (const url of ['/v1/cdrs', '/v1/cdrs/verify']) {
      const reply = await get(url);
      expect([reply.statusCode, reply.json()]).toMatchObject([503, { error: { code: 'store_unavailable' } }]);
    }
  });

  it('is cut off, and not complete, where records are missing', async () => {
    tamperWithCdrs(service.storePath, 'DELETE FROM cdrs WHERE seq = 450');
    await service.api.listen({ host: '127.0.0.1', port: 0 });
    const { port } = service.api.server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/v1/cdrs`);
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow(/terminated/);
  });
});

describe('GET /v1/cdrs/verify', () => {
  beforeEach(async () => {
    service = await startService();
    fillCdrs(service.storePath, 300);
  });
  afterEach(() => service.close());

  const verify = async (query = ''): Promise<CdrChainAnswer> =>
    (await get(`/v1/cdrs/verify${query}`)).json<CdrChainAnswer>();

  it('tells how far the chain reaches, whole or in part', async () => {
    const whole = await verify();
    expect(whole).toMatchObject({
      valid: true,
      rows: 600,
      first: 1,
      last: 600,
      anchor: { seq: 0 },
      broken: null,
    });
    const part = await verify(`?from=${at(100)}&to=${at(200)}`);
    expect(part).toMatchObject({ valid: true, rows: 100, first: 101, last: 200, head: { seq: 200 } });
    const next = await verify(`?from=${at(200)}`);
    expect(next).toMatchObject({ valid: true, first: 201, last: 600, anchor: part.head, head: whole.head });
    const none = await verify('?to=2020-01-01');
    expect(none).toMatchObject({ valid: true, rows: 0, first: null, last: null });
    const noted = `?noted=${part.head?.seq}:${part.head?.hash}`;
    expect(await verify(noted)).toEqual(whole);
  });

  it('names the first record that is wrong', async () => {
    const { head } = await verify();
    const noted = `?noted=${head?.seq}:${head?.hash}`;
    tamperWithCdrs(
      service.storePath,
      `UPDATE cdrs SET record = replace(record, '"billableSeconds":61', '"billableSeconds":60') WHERE seq > 400`,
    );
    expect(await verify()).toMatchObject({ valid: false, last: 401, broken: { seq: 402, why: 'hash' } });
    expect(await verify(`?to=${at(400)}`)).toMatchObject({ valid: true, last: 400 });
    expect(await verify(`?from=${at(300)}`)).toMatchObject({ valid: false, broken: { seq: 402 } });
    tamperWithCdrs(service.storePath, 'DELETE FROM cdrs WHERE seq > 390');
    expect(await verify()).toMatchObject({ valid: false, broken: { seq: 391, why: 'tail' } });
    expect(await verify(`?from=${at(350)}`)).toMatchObject({
      valid: false,
      broken: { seq: 391, why: 'tail' },
    });
    tamperWithCdrs(
      service.storePath,
      'UPDATE cdr_ends SET (head_seq, head_hash) = (SELECT seq, hash FROM cdrs WHERE seq = 390)',
    );
    expect(await verify()).toMatchObject({ valid: true, last: 390 });
    expect(await verify(noted)).toMatchObject({ valid: false, broken: { seq: 391, why: 'tail' } });
  });

  it.each(['?noted=5', `?noted=5:${'0'.repeat(64)}&from=2026-11-01`, '?format=csv'])(
    'refuses %s',
    async (query) => {
      expect((await get(`/v1/cdrs/verify${query}`)).statusCode).toBe(400);
    },
  );
});

describe('a reader that is slow, or goes away', () => {
  const CALLS = 25_000;
  const PAGES = (2 * CALLS) / 200;
  const sockets: Socket[] = [];
  let port: number;
  /** Bytes of the whole export. */
  let size: number;
  /** Pages that were read since the beginning of the test. */
  let pages = 0;

  beforeAll(async () => {
    service = await startService();
    fillCdrs(service.storePath, CALLS);
    const { cdrs } = service.store;
    const page = cdrs.page.bind(cdrs);
    // No spy: that would keep all that was answered.
    cdrs.page = (span, limit) => {
      pages += 1;
      return page(span, limit);
    };
    await service.api.listen({ host: '127.0.0.1', port: 0 });
    ({ port } = service.api.server.address() as AddressInfo);
    const rows = await service.store.cdrs.page({ after: 0, upTo: 1000 }, 1000);
    pages = 0;
    size = (rows.reduce((sum, { record }) => sum + record.length, 0) / rows.length) * 2 * CALLS;
  });
  afterAll(() => service.close());
  afterEach(() => {
    pages = 0;
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  /** A client that reads the head of the answer and nothing else. */
  async function stalled(path = '/v1/cdrs'): Promise<{ socket: Socket; head: string }> {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await once(socket, 'readable');
    const head = String(socket.read());
    return { socket, head };
  }

  /** Waits until nothing more is read for many turns of the event loop, which the server shares with this test. */
  async function quiet(): Promise<number> {
    for (let turns = 0, seen = -1; turns < 300; turns += 1) {
      if (pages !== seen) turns = 0;
      seen = pages;
      await turn();
    }
    return pages;
  }

  it('fills no memory', async () => {
    // What the first request loads is not of this one.
    await get('/v1/cdrs?to=2020-01-01');
    const before = await memory();
    pages = 0;
    const { head } = await stalled();
    expect(head).toMatch(/^HTTP\/1\.1 200 OK/);
    // What the system buffers of a connection is some megabytes.
    expect(await quiet()).toBeLessThan(PAGES / 2);
    expect((await memory()) - before).toBeLessThan(size / 4);
  });

  it('is one of few, and makes room when it goes', async () => {
    const readers = [];
    for (let n = 0; n < 8; n += 1) readers.push(await stalled());
    const one = await stalled('/v1/cdrs/verify');
    expect(one.head).toMatch(/^HTTP\/1\.1 429 .*retry-after: 10/is);
    for (const { socket } of readers) socket.destroy();
    await eventually(async () => expect((await get('/v1/cdrs?to=2020-01-01')).statusCode).toBe(200));
  });

  it('ends a verification by going away', async () => {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.write('GET /v1/cdrs/verify HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await eventually(() => expect(pages).toBeGreaterThan(0), { intervalMs: 1 });
    socket.destroy();
    expect(await quiet()).toBeLessThan(PAGES);
    expect((await get('/v1/cdrs/verify')).json()).toMatchObject({ valid: true, rows: 2 * CALLS });
  });

  it('does not keep the service from stopping', async () => {
    const { socket, head } = await stalled();
    expect(head).toMatch(/^HTTP\/1\.1 200 OK/);
    const closed = once(socket, 'close');
    await service.api.close();
    socket.resume();
    await closed;
  });
});

/** Bytes that are in use, once nothing is left to collect. */
async function memory(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let round = 0; round < 5; round += 1) {
    collect();
    await turn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
