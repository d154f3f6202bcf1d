import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RouteAnswer, TrunkAnswer } from '../../../src/api/trunk-schemas.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const TRUNKS = [
  {
    id: 'cheap',
    host: 'a.example',
    cli: '+493098765432',
    prefixes: [{ prefix: '+49', price: { amount: '0.01' }, currency: 'EUR' }],
  },
  { id: 'world', host: 'b.example', cli: '+493098765432', cps: 5, channels: 10 },
  { id: 'french', host: 'c.example', cli: '+33123456789', prefixes: [{ prefix: '+33' }] },
];

let service: Service;
beforeEach(async () => {
  service = await startService({ trunks: TRUNKS });
});
afterEach(() => service.close());

async function get(url: string): Promise<{ status: number; body: unknown }> {
  const reply = await service.api.inject({ method: 'GET', url });
  return { status: reply.statusCode, body: reply.json() };
}

async function routes(query: string): Promise<RouteAnswer> {
  const { status, body } = await get(`/v1/routes?${query}`);
  expect(status).toBe(200);
  return body as RouteAnswer;
}

describe('GET /v1/trunks', () => {
  it('tells state, use and figures in the order of the configuration', async () => {
    const { status, body } = await get('/v1/trunks');
    expect(status).toBe(200);
    const { trunks } = body as { trunks: TrunkAnswer[] };
    expect(trunks.map(({ id, condition }) => [id, condition])).toEqual([
      ['cheap', 'up'],
      ['world', 'up'],
      ['french', 'up'],
    ]);
    expect(trunks[1]?.use).toEqual({ cps: 5, channels: 10, inUse: 0, invites: 0, waiting: 0 });
    expect(trunks[0]).toMatchObject({
      health: { state: 'unknown', detail: null },
      registration: { state: 'none', until: null, detail: null },
    });
    expect(trunks[0]?.figures).toMatchObject({
      attempts: 0,
      asr: null,
      approvals: { of: 0, rate: null },
    });
  });
});

describe('GET /v1/routes', () => {
  const placesOf = ({ trunks }: RouteAnswer): [string, number | null, string][] =>
    trunks.map(({ trunkId, place, why }) => [trunkId, place, why]);

  it('says which trunks a call would try, and why not the others', async () => {
    const body = await routes('to=%2B4930123456');
    expect(placesOf(body)).toEqual([
      ['cheap', 1, 'order'],
      ['world', 2, 'order'],
      ['french', null, 'prefix_not_served'],
    ]);
    expect(body.trunks[0]).toMatchObject({ prefix: '+49', price: '0.01 EUR', increment: '60/60' });
  });

  it('heeds a carrier and a calling number that are asked for', async () => {
    const body = await routes('to=%2B4930123456&carrierId=world');
    expect(placesOf(body).find(([, place]) => place === 1)).toEqual(['world', 1, 'carrier_id']);
    const shown = await routes('to=%2B33123456780&from=%2B33123456789');
    expect(placesOf(shown).filter(([, place]) => place !== null)).toEqual([['french', 1, 'order']]);
  });

  it.each(['/v1/routes', '/v1/routes?to=12', '/v1/routes?to=%2B4930123456&x=1'])(
    'refuses %s',
    async (url) => {
      expect((await get(url)).status).toBe(400);
    },
  );
});
