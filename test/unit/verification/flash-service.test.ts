import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../../src/secret.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { VerificationService } from '../../../src/verification/service.ts';
import type { StartRequest } from '../../../src/verification/terms.ts';
import { DEFAULT_VERIFICATION_SETTINGS } from '../../../src/verification/terms.ts';
import { Vault } from '../../../src/verification/vault.ts';
import { OPEN_ENTRANCE } from '../../support/open-entrance.ts';
import { NOW, someTrunk } from '../../support/records.ts';
import { routed } from '../../support/routed.ts';
import { seededRandom } from '../../support/sip/seeded-random.ts';
import { DELIVERY, FLASH, Switchboard } from '../../support/switchboard.ts';

const TO = '+4930123456';
const vault = new Vault(Buffer.alloc(32, 3), randomBytes);

let folder: string;
let store: SqliteStore;
let switchboard: Switchboard;
let service: VerificationService;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-flash-service-'));
  store = new SqliteStore({ path: join(folder, 'db.sqlite'), synchronous: 'normal' });
  switchboard = new Switchboard();
  let ids = 0;
  const trunks = [someTrunk({ flashPool: [{ first: '+498990000100', last: '+498990000104' }] })];
  service = new VerificationService({
    ...OPEN_ENTRANCE,
    routing: routed(trunks).routing,
    store,
    dialer: switchboard,
    vault,
    speechIsAway: () => false,
    resolveLocale: () => 'en-US',
    now: () => NOW,
    newId: (prefix) => `${prefix}_${++ids}`,
    randomBytes,
    settings: DEFAULT_VERIFICATION_SETTINGS,
    delivery: DELIVERY,
    flash: {
      store,
      trunks,
      random: seededRandom(5),
      pausedUntil: () => undefined,
      settings: FLASH,
    },
  });
});

afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** A verification and the number that will call. */
async function begin(request: Partial<StartRequest> = {}): Promise<{ id: string; cli: string }> {
  const { verification } = await service.start({ to: TO, channel: 'flash', ...request }, 'shop');
  const sealed = (await store.verification(verification.id))?.sealedCli;
  return { id: verification.id, cli: vault.open(verification.id, String(sealed)).reveal() };
}

describe('a flash call', () => {
  it('tells what the phone has to match, and never the number', async () => {
    const started = await service.start({ to: TO, channel: 'flash' }, 'shop', 'key');
    const stored = await store.verification(started.verification.id);
    const cli = vault.open(started.verification.id, String(stored?.sealedCli)).reveal();
    expect(cli).toMatch(/^\+49899000010[0-4]$/);
    expect(started.verification).toMatchObject({
      channel: 'flash',
      maxChecks: 2,
      delivery: null,
      flash: { prefix: '+49899000', hiddenDigits: 4, guessProbability: 0.4 },
    });
    const call = await store.call(started.verification.callId);
    for (const record of [started, stored, call]) {
      expect(JSON.stringify(record)).not.toContain(cli.slice(1));
      expect(JSON.stringify(record)).not.toContain(`"${cli.slice(-4)}"`);
    }
    expect(stored).toMatchObject({ codeDigest: null, sealedCode: null });
  });

  it('is approved by the last digits of the number that called, once', async () => {
    const { id, cli } = await begin();
    const national = `0${cli.slice(3, 5)} ${cli.slice(5)}`;
    expect(await service.check(id, { callerId: national }, 'shop')).toMatchObject({
      verdict: 'approved',
      verification: { approvedBy: 'caller_id', checks: 1 },
    });
    await expect(service.check(id, { callerId: cli }, 'shop')).rejects.toMatchObject({ code: 'not_pending' });
    expect(switchboard.settled).toHaveLength(1);
  });

  it('counts wrong numbers up to its own limit, which a request may only lower', async () => {
    const { id, cli } = await begin({ maxChecks: 9 });
    const wrong = { callerId: '+498990009999' };
    expect((await service.check(id, wrong, 'shop')).verification.status).toBe('pending');
    expect((await service.check(id, wrong, 'shop')).verification.status).toBe('max_checks_reached');
    await expect(service.check(id, { callerId: cli }, 'shop')).rejects.toMatchObject({ code: 'not_pending' });
    const { verification } = await service.start(
      { to: '+4930999999', channel: 'flash', maxChecks: 1 },
      'shop',
    );
    expect(verification).toMatchObject({ maxChecks: 1, flash: { guessProbability: 0.2 } });
  });

  it('refuses what is no number without counting it, and has no code', async () => {
    const { id, cli } = await begin();
    const code = cli.slice(-4);
    for (const bad of [{ callerId: '104' }, { callerId: 'private' }, { code }, { code, callerId: cli }, {}]) {
      await expect(service.check(id, bad, 'shop')).rejects.toMatchObject({ code: 'invalid_request' });
    }
    expect((await service.get(id, 'shop')).checks).toBe(0);
    await expect(begin({ code: new Secret('1234') })).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('takes no second number for a repeated request', async () => {
    const request = { to: TO, channel: 'flash' } as const;
    const first = await service.start(request, 'shop', 'key');
    for (let i = 0; i < 5; i++) {
      expect(await service.start(request, 'shop', 'key')).toMatchObject({
        replayed: true,
        verification: first.verification,
      });
    }
    // Two of the five may be taken while four are needed.
    expect((await service.start(request, 'shop')).verification.flash?.guessProbability).toBe(0.5);
    await expect(service.start(request, 'shop')).rejects.toMatchObject({ code: 'flash_exhausted' });
  });

  it('becomes a voice call where none can be placed and the request leaves it open', async () => {
    await begin();
    await begin();
    const { verification } = await service.start({ to: TO, channel: 'auto' }, 'shop');
    expect(verification).toMatchObject({ channel: 'auto', flash: null, codeLength: 6 });
    const stored = await store.verification(verification.id);
    const code = vault.open(verification.id, String(stored?.sealedCode)).reveal();
    expect((await service.check(verification.id, { code }, 'shop')).verdict).toBe('approved');
  });

  it('and a voice call together are approved by either proof', async () => {
    for (const by of ['code', 'caller_id'] as const) {
      const { id, cli } = await begin({ to: by === 'code' ? TO : '+4930999999', channel: 'auto' });
      const sealed = (await store.verification(id))?.sealedCode;
      const submission =
        by === 'code' ? { code: vault.open(id, String(sealed)).reveal() } : { callerId: cli };
      expect(await service.check(id, submission, 'shop')).toMatchObject({
        verdict: 'approved',
        verification: { approvedBy: by },
      });
    }
  });
});
