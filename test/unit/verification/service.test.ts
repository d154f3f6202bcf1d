import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../../src/secret.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import type { Trunk } from '../../../src/trunk/definition.ts';
import type { ClientPermits } from '../../../src/verification/preparation.ts';
import { VerificationService } from '../../../src/verification/service.ts';
import type { StartRequest, VerificationSettings } from '../../../src/verification/terms.ts';
import { DEFAULT_VERIFICATION_SETTINGS } from '../../../src/verification/terms.ts';
import { Vault } from '../../../src/verification/vault.ts';
import type { Verification } from '../../../src/verification/verification.ts';
import { eventually } from '../../support/eventually.ts';
import { OPEN_ENTRANCE } from '../../support/open-entrance.ts';
import { NOW, someTrunk } from '../../support/records.ts';
import { routed } from '../../support/routed.ts';
import { seededRandom } from '../../support/sip/seeded-random.ts';
import { DELIVERY, FLASH, Switchboard } from '../../support/switchboard.ts';

const CODE = '493817';
const TO = '+4930123456';
const vault = new Vault(Buffer.alloc(32, 3), randomBytes);

let folder: string;
let store: SqliteStore;
let switchboard: Switchboard;
let now: number;
let trunks: readonly Trunk[];
let ids: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-service-'));
  store = new SqliteStore({ path: join(folder, 'db.sqlite'), synchronous: 'normal' });
  switchboard = new Switchboard();
  now = NOW;
  trunks = [someTrunk({ flashPool: [{ first: '+498990000100', last: '+498990000104' }] })];
  ids = 0;
});

afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

function serviceWith(
  settings: Partial<VerificationSettings> = {},
  onFinal: (verification: Verification) => void = () => {},
  permits: ClientPermits = OPEN_ENTRANCE.permits,
): VerificationService {
  return new VerificationService({
    ...OPEN_ENTRANCE,
    permits,
    routing: routed(trunks).routing,
    store,
    dialer: switchboard,
    vault,
    onFinal,
    speechIsAway: () => false,
    resolveLocale: (locale) => (locale.startsWith('en') ? 'en-US' : undefined),
    now: () => now,
    newId: (prefix) => `${prefix}_${++ids}`,
    randomBytes,
    settings: { ...DEFAULT_VERIFICATION_SETTINGS, ...settings },
    delivery: DELIVERY,
    flash: { store, trunks, random: seededRandom(5), pausedUntil: () => undefined, settings: FLASH },
  });
}

async function started(request: Partial<StartRequest> = {}): Promise<string> {
  const { verification } = await serviceWith().start({ to: TO, code: new Secret(CODE), ...request }, 'shop');
  return verification.id;
}

describe('start', () => {
  it('stores a verification with its call, and dials after it has answered', async () => {
    const { verification, replayed } = await serviceWith().start(
      { to: '+49 30 123456', locale: 'en-GB' },
      'shop',
    );
    expect(switchboard.dialled).toEqual([]);
    expect(replayed).toBe(false);
    expect(verification).toEqual({
      id: 'ver_1',
      to: TO,
      locale: 'en-US',
      reference: null,
      status: 'pending',
      codeLength: 6,
      repeat: 2,
      sayAs: 'digits',
      gender: null,
      template: null,
      channel: 'voice',
      flash: null,
      delivery: { gate: null, repeat: null, onMachine: null, voiceAfterMs: 20_000 },
      approvedBy: null,
      checks: 0,
      maxChecks: 5,
      createdAt: NOW,
      expiresAt: NOW + 600_000,
      endedAt: null,
      callId: 'call_2',
    });
    expect(await store.call('call_2')).toMatchObject({ state: 'queued', verificationId: 'ver_1', to: TO });
    await eventually(() => expect(switchboard.dialled).toEqual(['call_2']));
  });

  it('seals a code of its own making that can be opened and checked', async () => {
    const { verification } = await serviceWith().start({ to: TO, codeLength: 8 }, null);
    const stored = await store.verification(verification.id);
    const code = vault.open(verification.id, String(stored?.sealedCode)).reveal();
    expect(code).toMatch(/^[0-9]{8}$/);
    expect((await serviceWith().check(verification.id, { code }, null)).verdict).toBe('approved');
  });

  it('makes codes of letters and digits where they are spelled in words, and takes letters of either case', async () => {
    const { verification } = await serviceWith().start({ to: TO, sayAs: 'nato', codeLength: 8 }, null);
    const stored = await store.verification(verification.id);
    const code = vault.open(verification.id, String(stored?.sealedCode)).reveal();
    expect(code).toMatch(/^[2-9A-HJ-NP-Z]{8}$/);
    expect((await serviceWith().check(verification.id, { code: code.toLowerCase() }, null)).verdict).toBe(
      'approved',
    );
    const own = await serviceWith().start({ to: TO, sayAs: 'nato', code: new Secret('k7qx') }, null);
    expect((await serviceWith().check(own.verification.id, { code: 'K7QX' }, null)).verdict).toBe('approved');
  });

  it('takes letters for no code where only digits are said', async () => {
    const letters = serviceWith().start({ to: TO, code: new Secret('K7QX') }, null);
    await expect(letters).rejects.toMatchObject({ code: 'invalid_request' });
    const id = await started();
    await expect(serviceWith().check(id, { code: '49381a' }, 'shop')).rejects.toMatchObject({
      code: 'invalid_request',
    });
    expect((await store.verification(id))?.checks).toBe(0);
  });

  it('takes the code of the client, and shows it nowhere', async () => {
    const { verification } = await serviceWith().start(
      { to: TO, code: new Secret('12345678') },
      'shop',
      'key',
    );
    expect(verification.codeLength).toBe(8);
    const stored = await store.verification(verification.id);
    expect(JSON.stringify([verification, stored])).not.toContain('12345678');
    expect(verification).not.toHaveProperty('codeDigest');
    expect(verification).not.toHaveProperty('sealedCode');
  });

  it.each([
    [{ to: 'anna' }, 'invalid_number'],
    [{ to: 'sip:anna@pbx.example' }, 'target_not_allowed'],
    [{ to: TO, locale: 'de-DE' }, 'unsupported_locale'],
    [{ to: TO, codeLength: 3 }, 'invalid_request'],
    [{ to: TO, codeLength: 11 }, 'invalid_request'],
    [{ to: TO, code: new Secret('12ab') }, 'invalid_request'],
    [{ to: TO, code: new Secret('123') }, 'invalid_request'],
    [{ to: TO, code: new Secret('1234'), codeLength: 6 }, 'invalid_request'],
    [{ to: TO, ttlSeconds: 29 }, 'invalid_request'],
    [{ to: TO, ttlSeconds: 601 }, 'invalid_request'],
    [{ to: TO, ttlSeconds: 60.5 }, 'invalid_request'],
    [{ to: TO, maxChecks: 0 }, 'invalid_request'],
    [{ to: TO, maxChecks: 11 }, 'invalid_request'],
    [{ to: TO, repeat: 6 }, 'invalid_request'],
    [{ to: TO, reference: 'x'.repeat(257) }, 'invalid_request'],
    [{ to: TO, reference: 'a\0b' }, 'invalid_request'],
  ])('refuses %j as %s, and stores nothing', async (request, code) => {
    await expect(serviceWith().start(request, 'shop')).rejects.toMatchObject({ code });
    expect(await store.calls({ limit: 1 })).toEqual([]);
    expect(switchboard.reserved.size).toBe(0);
  });

  it('lowers its own default to the maximum of the operator', async () => {
    const { verification } = await serviceWith({ maxTtlSeconds: 120 }).start({ to: TO }, null);
    expect(verification.expiresAt).toBe(NOW + 120_000);
  });

  it('refuses where no line is free, says when to come back, and stores nothing', async () => {
    switchboard.lines = 0;
    await expect(serviceWith().start({ to: TO }, 'shop')).rejects.toMatchObject({
      code: 'capacity',
      retryAfterSeconds: 5,
    });
    expect(await store.calls({ limit: 1 })).toEqual([]);
  });

  it('refuses where no call could be carried, names what is missing, and stores nothing', async () => {
    switchboard.lacks = ['drachtio', 'media server'];
    await expect(serviceWith().start({ to: TO }, 'shop', 'k1')).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: 'Calls cannot be carried at the moment. Missing: drachtio, media server.',
      retryAfterSeconds: 5,
    });
    expect(await store.calls({ limit: 1 })).toEqual([]);
    expect(switchboard.reserved.size).toBe(0);
    switchboard.lacks = [];
    expect((await serviceWith().start({ to: TO }, 'shop', 'k1')).replayed).toBe(false);
  });

  it('takes no more than there are lines, however many come at once', async () => {
    switchboard.lines = 3;
    const service = serviceWith();
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => service.start({ to: TO }, null)),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  });

  it('gives the line back where nothing could be stored', async () => {
    await store.close();
    await expect(serviceWith().start({ to: TO }, 'shop')).rejects.toMatchObject({
      code: 'store_unavailable',
    });
    expect(switchboard.reserved.size).toBe(0);
  });
});

describe('start with an Idempotency-Key', () => {
  it('answers a repetition as the first time, and dials once', async () => {
    const request = { to: TO, code: new Secret(CODE) };
    const first = await serviceWith().start(request, 'shop', 'k1');
    await serviceWith().check(first.verification.id, { code: CODE }, 'shop');
    now += 3_600_000;
    const second = await serviceWith().start({ code: new Secret(CODE), to: TO }, 'shop', 'k1');
    expect(second).toEqual({ verification: first.verification, replayed: true });
    await eventually(() => expect(switchboard.dialled).toEqual([first.verification.callId]));
    expect(switchboard.reserved).toEqual(new Set([first.verification.callId]));
  });

  it('refuses the key with another body, be it only the code', async () => {
    await serviceWith().start({ to: TO, code: new Secret(CODE) }, 'shop', 'k1');
    for (const request of [{ to: TO }, { to: TO, code: new Secret('493818') }, { to: TO, repeat: 2 }]) {
      await expect(serviceWith().start(request, 'shop', 'k1')).rejects.toMatchObject({
        code: 'idempotency_key_reused',
      });
    }
    expect(switchboard.reserved.size).toBe(1);
  });

  it.each([
    ['no call could be carried', { lacks: ['drachtio'] }],
    ['no line is free', { lines: 0 }],
  ])('answers a repetition although %s', async (_what, trouble) => {
    const first = await serviceWith().start({ to: TO }, 'shop', 'k1');
    Object.assign(switchboard, trouble);
    expect(await serviceWith().start({ to: TO }, 'shop', 'k1')).toEqual({ ...first, replayed: true });
    await expect(serviceWith().start({ to: TO, repeat: 3 }, 'shop', 'k1')).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    });
    await expect(serviceWith().start({ to: TO }, 'bank', 'k1')).rejects.toMatchObject({
      retryAfterSeconds: 5,
    });
    await eventually(() => expect(switchboard.dialled).toEqual([first.verification.callId]));
    expect(switchboard.reserved).toEqual(new Set([first.verification.callId]));
    now += 24 * 3_600_000;
    await expect(serviceWith().start({ to: TO }, 'shop', 'k1')).rejects.toMatchObject({
      retryAfterSeconds: 5,
    });
  });

  it('keeps clients apart, and forgets after a day', async () => {
    await serviceWith().start({ to: TO }, 'shop', 'k1');
    expect((await serviceWith().start({ to: TO }, 'bank', 'k1')).replayed).toBe(false);
    expect((await serviceWith().start({ to: TO }, null, 'k1')).replayed).toBe(false);
    now += 24 * 3_600_000;
    expect((await serviceWith().start({ to: TO }, 'shop', 'k1')).replayed).toBe(false);
  });

  it('dials once for many that come at once', async () => {
    const service = serviceWith();
    const results = await Promise.all(
      Array.from({ length: 8 }, () => service.start({ to: TO }, 'shop', 'k1')),
    );
    expect(new Set(results.map(({ verification }) => verification.id)).size).toBe(1);
    await eventually(() => expect(switchboard.dialled).toHaveLength(1));
    expect(switchboard.reserved.size).toBe(1);
  });
});

describe('check', () => {
  it('approves the right code once', async () => {
    const id = await started();
    expect(await serviceWith().check(id, { code: CODE }, 'shop')).toMatchObject({
      verdict: 'approved',
      verification: { status: 'approved', checks: 1 },
    });
    await expect(serviceWith().check(id, { code: CODE }, 'shop')).rejects.toMatchObject({
      code: 'not_pending',
      message: expect.stringContaining('approved'),
    });
  });

  it('counts wrong codes up to the limit', async () => {
    const id = await started({ maxChecks: 2 });
    expect(await serviceWith().check(id, { code: '000000' }, 'shop')).toMatchObject({
      verdict: 'wrong',
      verification: { status: 'pending', checks: 1 },
    });
    expect(await serviceWith().check(id, { code: '4938' }, 'shop')).toMatchObject({
      verdict: 'wrong',
      verification: { status: 'max_checks_reached' },
    });
    await expect(serviceWith().check(id, { code: CODE }, 'shop')).rejects.toMatchObject({
      code: 'not_pending',
    });
  });

  it.each(['', '12', 'abcdef', '４９３８１７', ' 493817'])('refuses %j without counting it', async (code) => {
    const id = await started();
    await expect(serviceWith().check(id, { code }, 'shop')).rejects.toMatchObject({
      code: 'invalid_request',
    });
    expect((await serviceWith().get(id, 'shop')).checks).toBe(0);
  });

  it('is too late after the time', async () => {
    const id = await started({ ttlSeconds: 60 });
    now += 60_000;
    await expect(serviceWith().check(id, { code: CODE }, 'shop')).rejects.toMatchObject({
      code: 'not_pending',
      message: expect.stringContaining('expired'),
    });
  });
});

describe('what belongs to somebody else', () => {
  it.each([['bank'], [null]])('is not there for %s, and is not touched', async (client) => {
    const id = await started();
    const service = serviceWith();
    for (const attempt of [
      service.get(id, client),
      service.check(id, { code: CODE }, client),
      service.check(id, { code: '000000' }, client),
      service.cancel(id, client),
      service.get('ver_x', client),
    ]) {
      await expect(attempt).rejects.toMatchObject({ code: 'not_found' });
    }
    expect(await service.get(id, 'shop')).toMatchObject({ status: 'pending', checks: 0 });
    expect(switchboard.hungUp).toEqual([]);
  });
});

describe('get', () => {
  it('shows as expired what is past its time, before anybody has swept', async () => {
    const id = await started();
    now += 600_000;
    expect(await serviceWith().get(id, 'shop')).toMatchObject({ status: 'expired', endedAt: NOW + 600_000 });
  });
});

describe('cancel', () => {
  it('ends the verification and hangs up, and does no harm twice', async () => {
    const id = await started();
    const canceled = await serviceWith().cancel(id, 'shop');
    expect(canceled).toMatchObject({ status: 'canceled', endedAt: NOW });
    now += 5;
    expect(await serviceWith().cancel(id, 'shop')).toEqual(canceled);
    expect(switchboard.hungUp).toEqual([canceled.callId, canceled.callId]);
  });

  it('tells once of an approval that comes while it is being canceled', async () => {
    const id = await started();
    const told: string[] = [];
    const service = serviceWith({}, ({ status }) => void told.push(status));
    const [checked, canceled] = await Promise.all([
      service.check(id, { code: CODE }, 'shop'),
      service.cancel(id, 'shop'),
    ]);
    expect([checked.verdict, canceled.status]).toEqual(['approved', 'approved']);
    expect(told).toEqual(['approved']);
  });

  it('leaves an approved one approved, and hangs up all the same', async () => {
    const id = await started();
    await serviceWith().check(id, { code: CODE }, 'shop');
    expect((await serviceWith().cancel(id, 'shop')).status).toBe('approved');
    expect(switchboard.hungUp).toHaveLength(1);
  });
});

describe("a client's own words", () => {
  const allowed = 'Your code for the shop is {code}.';

  it.each([
    ['a template', { template: 'Send us {code} and win' }],
    ['a question before the code', { gate: { prompt: 'Win now: press 1' } }],
    ['what a flash call says', { channel: 'flash', flash: { fallbackText: 'Call +49 900 1' } }],
  ] as const)('are those of its list: %s', async (_what, words) => {
    const service = serviceWith({}, undefined, {
      cli: () => true,
      template: (_client, text) => text === allowed,
    });
    await expect(service.start({ to: TO, ...words }, 'shop')).rejects.toMatchObject({
      code: 'template_not_allowed',
    });
    const { verification } = await service.start({ to: TO, template: allowed }, 'shop');
    expect(verification.template).toBe(allowed);
  });
});
