import type Database from 'libsql';
import { GENESIS } from '../cdr/chain.ts';

/**
 * The schema, a step for each version ever released; a step is never changed once it is out.
 *
 * Verifications and calls name each other without foreign keys: each has a retention of its own, and either
 * may go first.
 */
const MIGRATIONS: readonly string[] = [
  `
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
  `,
  // Calls that prove nothing: SQLite cannot take a NOT NULL away, so the table is made anew.
  `
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
  `,
  // Flash calls: what a verification hides, and which callee was shown which number.
  `
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
  `,
  // Call detail records. Columns that are looked for are read out of the record itself: they cannot say anything else.
  `
  CREATE TABLE cdrs (
    seq INTEGER PRIMARY KEY,
    record TEXT NOT NULL,
    hash TEXT NOT NULL,
    call_id TEXT GENERATED ALWAYS AS (json_extract(record, '$.callId')) VIRTUAL,
    attempt INTEGER GENERATED ALWAYS AS (json_extract(record, '$.attempt')) VIRTUAL,
    recorded_at INTEGER GENERATED ALWAYS AS (json_extract(record, '$.recordedAt')) VIRTUAL
  ) STRICT;
  CREATE UNIQUE INDEX cdrs_by_attempt ON cdrs (call_id, attempt);
  CREATE INDEX cdrs_by_time ON cdrs (recorded_at);

  CREATE TABLE cdr_ends (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    anchor_seq INTEGER NOT NULL,
    anchor_hash TEXT NOT NULL,
    head_seq INTEGER NOT NULL,
    head_hash TEXT NOT NULL,
    head_recorded_at INTEGER NOT NULL,
    CHECK (anchor_seq <= head_seq)
  ) STRICT;
  INSERT INTO cdr_ends VALUES (1, 0, '${GENESIS.hash}', 0, '${GENESIS.hash}', 0);

  CREATE TRIGGER cdrs_in_order BEFORE INSERT ON cdrs
    WHEN NEW.seq <> (SELECT COALESCE((SELECT MAX(seq) FROM cdrs), (SELECT anchor_seq FROM cdr_ends)) + 1)
    BEGIN SELECT RAISE(ABORT, 'call detail records are numbered without gaps'); END;
  CREATE TRIGGER cdrs_never_changed BEFORE UPDATE ON cdrs
    BEGIN SELECT RAISE(ABORT, 'call detail records are never changed'); END;
  CREATE TRIGGER cdrs_deleted_from_the_start BEFORE DELETE ON cdrs
    WHEN OLD.seq > (SELECT anchor_seq FROM cdr_ends)
    BEGIN SELECT RAISE(ABORT, 'call detail records are deleted by their retention only'); END;
  `,
  // Who carries a call.
  'ALTER TABLE calls ADD COLUMN node TEXT;',
  // Texts of clients' own.
  'ALTER TABLE verifications ADD COLUMN template TEXT;',
  // What was asked for how often.
  `
  CREATE TABLE limit_counts (
    key TEXT PRIMARY KEY,
    slots TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX limit_counts_by_expiry ON limit_counts (expires_at);
  CREATE TABLE limit_pauses (
    key TEXT PRIMARY KEY,
    times INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX limit_pauses_by_expiry ON limit_pauses (expires_at);
  `,
  // Who is told of calls, and what verifications are found under.
  `
  CREATE TABLE aliases (
    alias TEXT PRIMARY KEY,
    verification_id TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX aliases_by_verification ON aliases (verification_id);
  CREATE TRIGGER aliases_go_with_verifications AFTER DELETE ON verifications
    BEGIN DELETE FROM aliases WHERE verification_id = OLD.id; END;

  CREATE TABLE notices (
    id TEXT PRIMARY KEY,
    client_id TEXT,
    call_id TEXT NOT NULL,
    verification_id TEXT,
    target TEXT NOT NULL,
    told_of_call INTEGER NOT NULL,
    told_of_verification INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    tried_since INTEGER,
    due_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_error TEXT,
    claimed_by TEXT,
    look_at INTEGER NOT NULL,
    again INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX notices_by_age ON notices (created_at, id);
  CREATE INDEX notices_open ON notices (look_at, id) WHERE state = 'open';
  CREATE INDEX notices_dead ON notices (created_at, id) WHERE state = 'dead';
  `,
];

/**
 * Brings a database to the version of this program, in one transaction, also where several processes start
 * with it at once.
 *
 * @throws Error where a newer program has written it
 */
export function migrate(database: Database.Database): void {
  if (versionOf(database) === MIGRATIONS.length) {
    return;
  }
  database
    .transaction(() => {
      // Once more: another process may have been first.
      const version = versionOf(database);
      if (version > MIGRATIONS.length) {
        throw new Error(
          `the database has version ${version}, and this program knows only ${MIGRATIONS.length}: it was written by a newer one`,
        );
      }
      for (const step of MIGRATIONS.slice(version)) {
        database.exec(step);
      }
      database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
    })
    .immediate();
}

function versionOf(database: Database.Database): number {
  const row = database.prepare('PRAGMA user_version').get() as { readonly user_version: number };
  return row.user_version;
}
