import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp } from '../../../src/app.ts';
import { configFrom } from '../../../src/config.ts';
import { createLogger } from '../../../src/log.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { Client } from '../../support/app/client.ts';
import { LAB_TRUNK, type Site, startSite, testSettings } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { storePast } from '../../support/past-calls.ts';

interface TrunkJson {
  readonly id: string;
  readonly condition: string;
  readonly reasons: readonly { readonly detail: string }[];
  readonly health: { readonly state: string; readonly detail: string | null };
  readonly registration: {
    readonly state: string;
    readonly until: string | null;
    readonly detail: string | null;
  };
}

let homer: Socket;
let packets: Buffer[];
let site: Site;

beforeAll(async () => {
  packets = [];
  homer = createSocket('udp4').on('message', (bytes) => packets.push(bytes));
  homer.bind(0, '127.0.0.1');
  await once(homer, 'listening');
  const hep = { host: '127.0.0.1', port: homer.address().port, captureId: 7, password: 'homer-secret' };
  site = await startSite({
    settings: { trace: { hep } },
    trunks: (port) => [
      { ...LAB_TRUNK, port, optionsIntervalSeconds: 1, register: { expiresSeconds: 60 } },
      { ...LAB_TRUNK, id: 'refused', port, password: 'wrong', register: { user: 'other' }, priority: 0 },
      { ...LAB_TRUNK, id: 'silent', port },
    ],
  });
});

afterAll(async () => {
  homer.close();
});

async function trunks(): Promise<Record<string, TrunkJson>> {
  const { body } = await site.client.ask<{ trunks: TrunkJson[] }>('GET', '/v1/trunks');
  return Object.fromEntries(body.trunks.map((trunk) => [trunk.id, trunk]));
}

describe('the ways of a service', () => {
  it('are asked for signs of life and registered with, and shown with what came of it', async () => {
    const seen = await eventually(
      async () => {
        const all = await trunks();
        expect(all['lab']).toMatchObject({
          condition: 'up',
          health: { state: 'up' },
          registration: { state: 'registered' },
        });
        expect(all['refused']?.registration.state).toBe('failed');
        return all;
      },
      { timeoutMs: 10_000 },
    );
    expect(seen['lab']?.health.detail).toMatch(/^200/);
    expect(Date.parse(seen['lab']?.registration.until ?? '')).toBeGreaterThan(Date.now());
    expect(seen['refused']).toMatchObject({ condition: 'down', reasons: [{}] });
    expect(seen['refused']?.reasons[0]?.detail).toMatch(/^not registered: 40/);
    expect(seen['silent']).toMatchObject({
      condition: 'up',
      health: { state: 'unknown', detail: null },
      registration: { state: 'none', until: null, detail: null },
    });
    expect(site.carrier.registrar.bindings).toHaveLength(1);
    expect(site.log()).toMatch(/"trunkId":"refused","state":"failed"/);
  });

  it('are not used where we are not registered, whatever their place', async () => {
    const { callId } = await site.client.start({ to: '+442079460200', codeLength: 4, repeat: 1 });
    const call = await site.client.ended(callId);
    expect(call.attempts.map(({ trunkId }) => trunkId)).toEqual(['lab']);
    const said = (): string => packets.map((bytes) => bytes.toString('latin1')).join('\n');
    await eventually(() => expect(said()).toMatch(/BYE sip:/));
    expect(packets[0]?.subarray(0, 4).toString()).toBe('HEP3');
    expect(said()).toContain(callId);
    expect(said()).toContain('homer-secret');
    expect(said()).not.toContain('442079460200');
    expect(said()).not.toMatch(/response="/);
  });

  it('are told that we are gone', async () => {
    const { registrar } = site.carrier;
    expect(registrar.bindings).toHaveLength(1);
    await site.close();
    expect(registrar.bindings).toEqual([]);
    expect(site.faults()).toEqual([]);
  });
});

describe('the results of trunks', () => {
  it('go on after a restart from what the store knows', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-ways-'));
    const settings = testSettings(folder);
    const before = new SqliteStore({ path: join(folder, 'store.db'), synchronous: 'normal' });
    for (let i = 0; i < 5; i++) {
      await storePast(before, {
        name: `past${i}`,
        trunkId: 'lab',
        at: Date.now() - 600_000 + i * 1000,
        approved: i < 3,
      });
    }
    await before.close();
    const logger = createLogger({ level: 'silent' });
    const app = await startApp(configFrom({ ...settings, trunks: [{ ...LAB_TRUNK, port: 9 }] }), { logger });
    try {
      const { body } = await new Client(app.url).ask<{ trunks: object[] }>('GET', '/v1/trunks');
      expect(body.trunks).toMatchObject([
        { id: 'lab', figures: { attempts: 5, answered: 5, approvals: { approved: 3, of: 5, rate: 0.6 } } },
      ]);
    } finally {
      await app.close(AbortSignal.abort());
      await rm(folder, { recursive: true, force: true });
    }
  });
});
