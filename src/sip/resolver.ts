import { promises as dns, type SrvRecord } from 'node:dns';
import { isIP } from 'node:net';
import type { Peer } from './transport.ts';

/** The look-ups that are needed, as node:dns gives them. */
export interface Dns {
  resolveSrv(name: string): Promise<SrvRecord[]>;
  lookup(name: string, options: { all: true }): Promise<{ address: string; family: number }[]>;
}

export interface Destination {
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port?: number | undefined;
  readonly transport: Peer['transport'];
}

/** RFC 3261 §19.1.2, and RFC 3263 §4.2 for the names of SRV. */
const DEFAULT_PORTS = { udp: 5060, tcp: 5060, tls: 5061 } as const;
const SERVICES = { udp: '_sip._udp', tcp: '_sip._tcp', tls: '_sips._tcp' } as const;

/**
 * Where to send a request, in the order in which to try (RFC 3263 §4): an address as it is; a name with a
 * port by A and AAAA; a name alone by SRV, and by A and AAAA where it has none. Empty: the name leads nowhere.
 */
export async function resolveDestination(
  to: Destination,
  options: { dns?: Dns; random?: () => number } = {},
): Promise<Peer[]> {
  const { dns: lookups = dns, random = Math.random } = options;
  const { host, transport } = to;
  if (isIP(host) !== 0) return [{ transport, address: host, port: to.port ?? DEFAULT_PORTS[transport] }];
  if (to.port !== undefined) return addresses(lookups, host, to.port, transport);
  const records = await lookups.resolveSrv(`${SERVICES[transport]}.${host}`).catch((): SrvRecord[] => []);
  // RFC 2782: a single record with target "." says that the service is not offered.
  if (records.length === 1 && (records[0]?.name === '' || records[0]?.name === '.')) return [];
  const peers: Peer[] = [];
  for (const record of orderSrv(records, random)) {
    peers.push(...(await addresses(lookups, record.name, record.port, transport)));
  }
  return records.length > 0 ? peers : addresses(lookups, host, DEFAULT_PORTS[transport], transport);
}

async function addresses(
  lookups: Dns,
  name: string,
  port: number,
  transport: Peer['transport'],
): Promise<Peer[]> {
  const found = await lookups.lookup(name, { all: true }).catch(() => []);
  return found.map(({ address }) => ({ transport, address, port }));
}

/** By priority, and within one priority drawn by weight (RFC 2782). `random` gives [0, 1). */
export function orderSrv(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  const left = [...records].sort((a, b) => a.priority - b.priority || a.weight - b.weight);
  const ordered: SrvRecord[] = [];
  while (left.length > 0) {
    const priority = left[0]?.priority;
    const group = left.filter((record) => record.priority === priority);
    let draw = random() * group.reduce((sum, record) => sum + record.weight, 0);
    const chosen = group.find((record) => (draw -= record.weight) < 0) ?? group[0];
    if (chosen === undefined) break;
    ordered.push(chosen);
    left.splice(left.indexOf(chosen), 1);
  }
  return ordered;
}
