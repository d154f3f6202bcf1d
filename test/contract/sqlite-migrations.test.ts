import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endCall } from '../../src/call/apply.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { acceptedPair, NOW } from '../support/records.ts';

/** What the first release made of an empty file. */
const VERSION_1 = `
  CREATE TABLE verifications (
    id TEXT PRIMARY KEY,
    client_id TEXT,
    callee TEXT NOT NULL,
    locale TEXT NOT NULL,
    reference TEXT,
    status TEXT NOT NULL,
    code_length INTEGER NOT NULL,
    code_digest TEXT NOT NULL,
    sealed_code TEXT,
    repeat INTEGER NOT NULL,
    checks INTEGER NOT NULL,
    max_checks INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    call_id TEXT NOT NULL,
    CHECK (checks <= max_checks),
    CHECK ((status = 'pending') = (ended_at IS NULL))
  ) STRICT;
  CREATE INDEX verifications_pending ON verifications (expires_at) WHERE status = 'pending';
  CREATE INDEX verifications_ended ON verifications (ended_at) WHERE ended_at IS NOT NULL;

  CREATE TABLE calls (
    id TEXT PRIMARY KEY,
    verification_id TEXT NOT NULL,
    client_id TEXT,
    callee TEXT NOT NULL,
    state TEXT NOT NULL,
    disposition TEXT,
    blame TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    attempts TEXT NOT NULL,
    timeline TEXT NOT NULL,
    CHECK ((state = 'ended') = (ended_at IS NOT NULL))
  ) STRICT;
  CREATE INDEX calls_by_age ON calls (created_at, id);
  CREATE INDEX calls_by_client ON calls (client_id, created_at, id);
  CREATE INDEX calls_by_verification ON calls (verification_id, created_at, id);
  CREATE INDEX calls_unfinished ON calls (created_at, id) WHERE state <> 'ended';

  CREATE TABLE idempotent_requests (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    reply TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX idempotent_requests_by_expiry ON idempotent_requests (expires_at);

  CREATE TABLE heartbeat (id INTEGER PRIMARY KEY CHECK (id = 1), beats INTEGER NOT NULL) STRICT;
  INSERT INTO heartbeat VALUES (1, 0);
  PRAGMA user_version = 1;
`;

/** What the second release made of that. */
const TO_VERSION_2 = `
  ALTER TABLE verifications ADD COLUMN say_as TEXT NOT NULL DEFAULT 'digits';
  ALTER TABLE verifications ADD COLUMN gender TEXT;

  ALTER TABLE calls RENAME TO old_calls;
  DROP INDEX calls_by_age;
  DROP INDEX calls_by_client;
  DROP INDEX calls_by_verification;
  DROP INDEX calls_unfinished;
  CREATE TABLE calls (
    id TEXT PRIMARY KEY,
    verification_id TEXT,
    client_id TEXT,
    callee TEXT NOT NULL,
    reference TEXT,
    wishes TEXT NOT NULL,
    sealed_playlist TEXT,
    prompt TEXT,
    state TEXT NOT NULL,
    disposition TEXT,
    blame TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    attempts TEXT NOT NULL,
    timeline TEXT NOT NULL,
    CHECK ((state = 'ended') = (ended_at IS NOT NULL)),
    CHECK (state <> 'ended' OR sealed_playlist IS NULL)
  ) STRICT;
  INSERT INTO calls
    SELECT id, verification_id, client_id, callee, NULL, '{"cli":null,"trunkId":null,"ringTimeoutMs":null}', NULL, NULL,
      state, disposition, blame, created_at, ended_at, attempts, timeline
    FROM old_calls;
  DROP TABLE old_calls;
  CREATE INDEX calls_by_age ON calls (created_at, id);
  CREATE INDEX calls_by_client ON calls (client_id, created_at, id);
  CREATE INDEX calls_by_verification ON calls (verification_id, created_at, id) WHERE verification_id IS NOT NULL;
  CREATE INDEX calls_unfinished ON calls (created_at, id) WHERE state <> 'ended';
  PRAGMA user_version = 2;
`;

/** What the third release made of that. */
const TO_VERSION_3 = `
  ALTER TABLE verifications ADD COLUMN channel TEXT NOT NULL DEFAULT 'voice';
  ALTER TABLE verifications ADD COLUMN flash TEXT;
  ALTER TABLE verifications ADD COLUMN cli_digest TEXT;
  ALTER TABLE verifications ADD COLUMN sealed_cli TEXT;
  ALTER TABLE verifications ADD COLUMN delivery TEXT;
  ALTER TABLE verifications ADD COLUMN approved_by TEXT;
  UPDATE verifications SET approved_by = 'code' WHERE status = 'approved';
  CREATE TABLE cli_uses (
    callee TEXT NOT NULL,
    cli TEXT NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (callee, cli)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX cli_uses_by_time ON cli_uses (used_at);
  CREATE TABLE cli_counts (
    pool TEXT NOT NULL,
    cli TEXT NOT NULL,
    uses INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (pool, cli)
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = 3;
`;

const WRITTEN_BY_1 = `
  INSERT INTO calls VALUES ('call_a', 'ver_a', 'shop', '+4930123456', 'ended', 'busy', 'callee', 1, 2, '[]', '[]');
  INSERT INTO calls VALUES ('call_b', 'ver_b', NULL, '+4930123456', 'queued', NULL, NULL, 3, NULL, '[]', '[]');
  INSERT INTO verifications VALUES ('ver_a', 'shop', '+4930123456', 'en-US', 'mine', 'approved', 6, '${'d'.repeat(64)}',
    NULL, 2, 1, 5, 1, 600001, 2, 'call_a');
  INSERT INTO verifications VALUES ('ver_b', NULL, '+4930123456', 'en-US', NULL, 'pending', 6, '${'d'.repeat(64)}',
    'sealed', 2, 0, 5, 3, ${NOW}, NULL, 'call_b');
  INSERT INTO idempotent_requests VALUES ('shop 1', 'f', '{"id":"ver_b"}', ${NOW});
`;

const WRITTEN_BY_2 = `
  UPDATE verifications SET say_as = 'nato', gender = 'female' WHERE id = 'ver_b';
  INSERT INTO calls VALUES ('call_p', NULL, 'shop', '+4930123456', 'order 7',
    '{"cli":"+498912345","trunkId":"alpha","ringTimeoutMs":20000}', 'sealed', NULL, 'queued', NULL, NULL, 4, NULL, '[]', '[]');
`;

/** An attempt as the first release wrote it, under way: answered 4 s ago. */
const OLD_ATTEMPT = {
  trunkId: 'alpha',
  cli: '+498912345',
  startedAt: NOW,
  ringingAt: NOW + 500,
  earlyMediaAt: null,
  answeredAt: NOW + 1000,
  endedAt: null,
  codec: 'PCMU',
  sipStatus: null,
  sipReason: null,
  q850: null,
  disposition: null,
  blame: null,
  hungUpBy: null,
  promptFinished: false,
  media: null,
  leftover: {},
};

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-migrations-'));
  path = join(folder, 'db.sqlite');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function write(...statements: readonly string[]): void {
  const database = new Database(path);
  for (const statement of statements) database.exec(statement);
  database.close();
}

/** Every table and index, and the columns of each. */
function shape(file: string): readonly unknown[] {
  const database = new Database(file, { readonly: true });
  const names = database.prepare(
    "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name",
  );
  const columns = database.prepare('SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_xinfo(?)');
  const found = (names.all() as { readonly type: string; readonly name: string }[]).map(({ type, name }) => [
    type,
    name,
    columns.all(name),
  ]);
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as Record<string, unknown>;
  database.close();
  return [version, ...found];
}

describe.each([
  [1, [VERSION_1, WRITTEN_BY_1]],
  [2, [VERSION_1, WRITTEN_BY_1, TO_VERSION_2, WRITTEN_BY_2]],
  [3, [VERSION_1, WRITTEN_BY_1, TO_VERSION_2, WRITTEN_BY_2, TO_VERSION_3]],
] as const)('a database of version %d', (version, statements) => {
  let store: SqliteStore;

  beforeEach(() => {
    write(...statements);
    store = new SqliteStore({ path, synchronous: 'normal' });
  });

  afterEach(() => store.close());

  it('becomes like a new one', async () => {
    await store.close();
    const fresh = join(folder, 'fresh.sqlite');
    await new SqliteStore({ path: fresh, synchronous: 'normal' }).close();
    expect(shape(path)).toEqual(shape(fresh));
    // A second time there is nothing to do.
    await new SqliteStore({ path, synchronous: 'normal' }).close();
    expect(shape(path)).toEqual(shape(fresh));
  });

  it('keeps its records', async () => {
    const wishes = { cli: null, trunkId: null, ringTimeoutMs: null };
    expect(await store.call('call_a')).toMatchObject({ disposition: 'busy', reference: null, wishes });
    expect(await store.call('call_b')).toMatchObject({ state: 'queued', wishes, prompt: null, attempts: [] });
    expect(await store.verification('ver_a')).toMatchObject({
      channel: 'voice',
      flash: null,
      delivery: null,
      cliDigest: null,
      approvedBy: 'code',
    });
    expect(await store.verification('ver_b')).toMatchObject({
      approvedBy: null,
      sealedCode: 'sealed',
      sealedCli: null,
      ...(version === 1 ? { sayAs: 'digits', gender: null } : { sayAs: 'nato', gender: 'female' }),
    });
    if (version > 1) {
      const given = { cli: '+498912345', trunkId: 'alpha', ringTimeoutMs: 20_000 };
      expect(await store.call('call_p')).toMatchObject({
        verificationId: null,
        reference: 'order 7',
        wishes: given,
      });
    }
  });

  it('is worked with as before', async () => {
    const check = await store.check('ver_b', { by: 'code', digest: 'd'.repeat(64) }, NOW - 1);
    expect(check).toMatchObject({
      verdict: 'approved',
      verification: { approvedBy: 'code', sealedCode: null },
    });
    const { verification, call } = acceptedPair('c');
    const request = { key: 'shop 1', fingerprint: 'f', reply: '{}', expiresAt: NOW };
    expect(await store.accept(verification, { ...call, createdAt: NOW - 1 }, request)).toMatchObject({
      kind: 'replayed',
    });
    expect(await store.accept(verification, call, null)).toEqual({ kind: 'accepted' });
    const asked = { clis: ['+4989900'], callee: '+49301', now: NOW, reuseWindowMs: 1, fewest: 1, random: 0 };
    expect((await store.takeCli(asked)).cli).toBe('+4989900');
    const limits = { verificationsBefore: NOW * 2, callsBefore: NOW * 2, cliUsesBefore: NOW * 2 };
    await store.sweep(NOW * 2, limits);
    expect(await store.calls({ limit: 9 })).toEqual([]);
  });
});

it('has records of calls that end from now on, those included that an older program began', async () => {
  write(VERSION_1, WRITTEN_BY_1);
  write(
    `UPDATE calls SET state = 'answered', attempts = '${JSON.stringify([OLD_ATTEMPT])}' WHERE id = 'call_b'`,
  );
  const store = new SqliteStore({ path, synchronous: 'normal' });
  const [call] = await store.unfinishedCalls();
  if (call === undefined) throw new Error('no call is under way');
  await store.finishCall(endCall(call, NOW + 5000, 'interrupted', 'us'), false, NOW + 5000);
  const rows = await store.cdrs.page({ after: 0, upTo: 9 }, 9);
  expect(rows.map(({ record }) => JSON.parse(record) as unknown)).toMatchObject([
    {
      seq: 1,
      callId: 'call_b',
      channel: 'voice',
      talkMs: 4000,
      billableSeconds: 4,
      priceMicros: null,
      keysPressed: null,
    },
  ]);
  await store.close();
});

it('is brought along once where two programs open it at the same time', async () => {
  write(VERSION_1, WRITTEN_BY_1);
  const stores = [1, 2].map(() => new SqliteStore({ path, synchronous: 'normal' }));
  expect(await Promise.all(stores.map(async (store) => (await store.calls({ limit: 9 })).length))).toEqual([
    2, 2,
  ]);
  await Promise.all(stores.map((store) => store.close()));
});
