import type { SrvRecord } from 'node:dns';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Dns, orderSrv, resolveDestination } from '../../../src/sip/resolver.ts';
import { seededRandom } from '../../support/sip/seeded-random.ts';

const srv = (name: string, priority: number, weight: number, port = 5060): SrvRecord => ({
  ...{ name, priority, weight, port },
});

/** A name server with these records; it notes what it was asked. */
function dns(records: Readonly<Record<string, readonly (SrvRecord | string)[]>>) {
  const asked: string[] = [];
  const look = (name: string) => {
    asked.push(name);
    const found = records[name];
    if (found === undefined) throw Object.assign(new Error(`ENOTFOUND ${name}`), { code: 'ENOTFOUND' });
    return found;
  };
  const server: Dns = {
    resolveSrv: async (name) => look(name).filter((record) => typeof record !== 'string'),
    lookup: async (name) =>
      look(name)
        .filter((record) => typeof record === 'string')
        .map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
  };
  return { asked, server };
}

const first = () => 0;
const udp = (address: string, port = 5060) => ({ transport: 'udp', address, port });

describe('resolveDestination (RFC 3263 §4)', () => {
  it.each([
    ['192.0.2.1', undefined, 5060],
    ['192.0.2.1', 5070, 5070],
    ['2001:db8::1', undefined, 5060],
  ])('an address as it is: %s port %s', async (host, port, wanted) => {
    const { asked, server } = dns({});
    const peers = await resolveDestination({ host, port, transport: 'udp' }, { dns: server });
    expect([peers, asked]).toEqual([[udp(host, wanted)], []]);
  });

  it('a name with a port by its addresses, without SRV', async () => {
    const { asked, server } = dns({ 'a.example': ['192.0.2.1', '2001:db8::1'] });
    const peers = await resolveDestination(
      { host: 'a.example', port: 5080, transport: 'tcp' },
      { dns: server },
    );
    expect(peers).toEqual([
      { transport: 'tcp', address: '192.0.2.1', port: 5080 },
      { transport: 'tcp', address: '2001:db8::1', port: 5080 },
    ]);
    expect(asked).toEqual(['a.example']);
  });

  it('a name alone by SRV of its transport: by priority, each target with all its addresses', async () => {
    const { asked, server } = dns({
      '_sip._tcp.a.example': [srv('late.a.example', 20, 0, 5062), srv('early.a.example', 10, 0, 5061)],
      'early.a.example': ['192.0.2.1', '192.0.2.2'],
      'late.a.example': ['192.0.2.3'],
    });
    const peers = await resolveDestination(
      { host: 'a.example', transport: 'tcp' },
      { dns: server, random: first },
    );
    expect(peers.map(({ address, port }) => [address, port])).toEqual([
      ['192.0.2.1', 5061],
      ['192.0.2.2', 5061],
      ['192.0.2.3', 5062],
    ]);
    expect(asked[0]).toBe('_sip._tcp.a.example');
  });

  it('a name over TLS by SRV of sips, and else on port 5061', async () => {
    const { asked, server } = dns({
      '_sips._tcp.a.example': [srv('sbc.a.example', 10, 0, 5062)],
      'sbc.a.example': ['192.0.2.1'],
      'b.example': ['192.0.2.2'],
    });
    const look = (host: string) =>
      resolveDestination({ host, transport: 'tls' }, { dns: server, random: first });
    expect(await look('a.example')).toEqual([{ transport: 'tls', address: '192.0.2.1', port: 5062 }]);
    expect(await look('b.example')).toEqual([{ transport: 'tls', address: '192.0.2.2', port: 5061 }]);
    expect(await look('192.0.2.3')).toEqual([{ transport: 'tls', address: '192.0.2.3', port: 5061 }]);
    expect(asked).toEqual(['_sips._tcp.a.example', 'sbc.a.example', '_sips._tcp.b.example', 'b.example']);
  });

  it('a target that leads nowhere is passed over', async () => {
    const { server } = dns({
      '_sip._udp.a.example': [srv('gone.a.example', 1, 0), srv('here.a.example', 2, 0)],
      'here.a.example': ['192.0.2.1'],
    });
    const peers = await resolveDestination({ host: 'a.example', transport: 'udp' }, { dns: server });
    expect(peers).toEqual([udp('192.0.2.1')]);
  });

  it('falls back to the addresses of the name where it has no SRV', async () => {
    const { server } = dns({ 'a.example': ['192.0.2.1'] });
    const peers = await resolveDestination({ host: 'a.example', transport: 'udp' }, { dns: server });
    expect(peers).toEqual([udp('192.0.2.1')]);
  });

  it('does not fall back where SRV records lead nowhere: they said where to go', async () => {
    const { server } = dns({
      '_sip._udp.a.example': [srv('gone.a.example', 1, 0)],
      'a.example': ['192.0.2.1'],
    });
    expect(await resolveDestination({ host: 'a.example', transport: 'udp' }, { dns: server })).toEqual([]);
  });

  it.each(['.', ''])('target %j: the service is not offered (RFC 2782)', async (name) => {
    const { server } = dns({ '_sip._udp.a.example': [srv(name, 0, 0, 0)], 'a.example': ['192.0.2.1'] });
    expect(await resolveDestination({ host: 'a.example', transport: 'udp' }, { dns: server })).toEqual([]);
  });

  it('a name that does not exist leads nowhere, and throws nothing', async () => {
    const { server } = dns({});
    expect(await resolveDestination({ host: 'a.example', transport: 'udp' }, { dns: server })).toEqual([]);
  });
});

describe('orderSrv (RFC 2782)', () => {
  const record = fc.record({
    name: fc.string(),
    priority: fc.integer({ min: 0, max: 3 }),
    weight: fc.integer({ min: 0, max: 65535 }),
    port: fc.integer({ min: 1, max: 65535 }),
  });

  it('gives every record once, by priority', () => {
    fc.assert(
      fc.property(
        fc.array(record),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (records, draw) => {
          const ordered = orderSrv(records, () => draw);
          expect(new Set(ordered)).toEqual(new Set(records));
          expect(ordered).toHaveLength(records.length);
          const priorities = ordered.map(({ priority }) => priority);
          expect(priorities).toEqual([...priorities].sort((a, b) => a - b));
        },
      ),
    );
  });

  it('draws by weight within a priority', () => {
    const random = seededRandom(1);
    const records = [srv('heavy', 1, 75), srv('light', 1, 25), srv('never', 1, 0), srv('later', 2, 1000)];
    const firsts: Record<string, number> = {};
    for (let i = 0; i < 4000; i++) {
      const name = orderSrv(records, random)[0]?.name ?? '';
      firsts[name] = (firsts[name] ?? 0) + 1;
    }
    expect(firsts.heavy).toBeGreaterThan(2850);
    expect(firsts.heavy).toBeLessThan(3150);
    expect((firsts.heavy ?? 0) + (firsts.light ?? 0)).toBe(4000);
  });
});
