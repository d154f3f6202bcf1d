import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AdmissionRequest } from '../../../src/call/acceptance.ts';
import type { Client } from '../../../src/clients/client.ts';
import { ClientRegistry } from '../../../src/clients/registry.ts';
import { configFrom } from '../../../src/config.ts';
import type { Refusal } from '../../../src/limits/gate.ts';
import { Gate } from '../../../src/limits/gate.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import type { Store } from '../../../src/store/store.ts';
import type { Trunk } from '../../../src/trunk/definition.ts';
import type { Settings } from '../app/site.ts';
import { clientWith } from '../client.ts';
import { NOW } from '../records.ts';

const TRUNK = { id: 'carrier', host: 'sip.carrier.example', cli: '+4930123456' };

/** A gate over a store, with a clock that the test moves. */
export interface Door {
  readonly gate: Gate;
  readonly store: Store;
  readonly refusals: readonly Refusal[];
  /** Lines of the log so far. */
  readonly warnings: readonly string[];
  now(): number;
  pass(ms: number): void;
  /** As a new configuration would. */
  replaceTrunks(trunks: Settings['trunks']): void;
  /** `to` and what differs from a request of the client `shop`. @returns 'admitted', or what it was refused with */
  ask(to: string, change?: Partial<AdmissionRequest>): Promise<string>;
  close(): Promise<void>;
}

/** Over a store in a folder of its own. */
export async function openDoor(
  settings: Partial<Settings> = {},
  clients: readonly Client[] = [clientWith()],
): Promise<Door> {
  const folder = await mkdtemp(join(tmpdir(), 'voice-otp-limits-'));
  const store = new SqliteStore({ path: join(folder, 'db.sqlite'), synchronous: 'normal' });
  return {
    ...doorTo(store, settings, clients),
    close: async () => {
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Over a store that others may share. */
export function doorTo(
  store: Store,
  settings: Partial<Settings> = {},
  clients: readonly Client[] = [clientWith()],
): Omit<Door, 'close'> {
  const configOf = (trunks: Settings['trunks']) =>
    configFrom({ destinations: { countries: 'all' }, ...settings, trunks });
  const config = configOf(settings.trunks ?? [TRUNK]);
  const routing: { trunks: readonly Trunk[] } = { trunks: config.trunks };
  const refusals: Refusal[] = [];
  const warnings: string[] = [];
  let now = NOW;
  const gate = new Gate({
    limits: store.limits,
    clients: new ClientRegistry(clients, () => now),
    routing,
    now: () => now,
    settings: config,
    log: { info: () => {}, warn: (_, message) => void warnings.push(message), error: () => {} },
    onRefused: (refusal) => void refusals.push(refusal),
  });
  return {
    gate,
    store,
    refusals,
    warnings,
    now: () => now,
    pass: (ms) => void (now += ms),
    replaceTrunks: (trunks) => void (routing.trunks = configOf(trunks).trunks),
    ask: async (to, change) => {
      try {
        await gate.admit({ clientId: 'shop', to, channel: 'voice', endUserAddress: undefined, ...change });
        return 'admitted';
      } catch (error) {
        return (error as { code: string }).code;
      }
    },
  };
}
