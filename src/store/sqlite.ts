import { createHash } from 'node:crypto';
import type { Call } from '../call/call.ts';
import { isInAttempt } from '../call/call.ts';
import { leastUsed } from '../trunk/cli-pool.ts';
import { digestsEqual } from '../verification/vault.ts';
import type { Checked, Submitted, Verification } from '../verification/verification.ts';
import { applyCheck, endVerification, expectedDigest, expire } from '../verification/verification.ts';
import { NOTICE_GRACE_MS } from '../webhooks/notice.ts';
import type { LedgerRow } from './cdr-ledger.ts';
import { SqliteCdrs } from './sqlite-cdrs.ts';
import type { SqliteOptions } from './sqlite-database.ts';
import { SqliteDatabase } from './sqlite-database.ts';
import { SqliteLimits, SWEEP_LIMITS } from './sqlite-limits.ts';
import { SqliteNotices } from './sqlite-notices.ts';
import type { Column } from './sqlite-rows.ts';
import {
  CALL_COLUMNS,
  callOf,
  callRow,
  countedCliOf,
  VERIFICATION_COLUMNS,
  verificationOf,
  verificationRow,
} from './sqlite-rows.ts';
import type {
  Accepted,
  AlsoStored,
  CallMove,
  CallQuery,
  CliRequest,
  CliTaken,
  IdempotentRequest,
  Repeated,
  Store,
} from './store.ts';

const INSERT_VERIFICATION = insertInto('verifications', VERIFICATION_COLUMNS);
const INSERT_CALL = insertInto('calls', CALL_COLUMNS);
const NAME_VERIFICATION = 'INSERT OR REPLACE INTO aliases (alias, verification_id) VALUES (?, ?)';
const SELECT_VERIFICATION = 'SELECT * FROM verifications WHERE id = ?';
const SELECT_CALL = 'SELECT * FROM calls WHERE id = ?';
const UPDATE_VERIFICATION =
  'UPDATE verifications SET status = ?, checks = ?, sealed_code = ?, sealed_cli = ?, approved_by = ?, ended_at = ? WHERE id = ?';
const UPDATE_CALL =
  "UPDATE calls SET state = ?, disposition = ?, blame = ?, ended_at = ?, sealed_playlist = ?, prompt = ?, attempts = ?, timeline = ? WHERE id = ? AND state <> 'ended' AND node IS ?";
const MOVE_CALL = 'UPDATE calls SET node = ? WHERE id = ?';
const FORGET_SEALED =
  'UPDATE verifications SET sealed_code = NULL, sealed_cli = NULL WHERE id = ? AND (sealed_code IS NOT NULL OR sealed_cli IS NOT NULL)';

/** Those that a callee was not shown lately. */
const ELIGIBLE_CLIS = `
  SELECT given.value AS cli, COALESCE(counted.uses, 0) AS uses, COALESCE(counted.used_at, 0) AS used_at
  FROM json_each(?) AS given
  LEFT JOIN cli_counts AS counted ON counted.pool = ? AND counted.cli = given.value
  WHERE NOT EXISTS (SELECT 1 FROM cli_uses AS shown WHERE shown.callee = ? AND shown.cli = given.value AND shown.used_at > ?)
  ORDER BY given.id`;
const NOTE_CLI = 'INSERT OR REPLACE INTO cli_uses (callee, cli, used_at) VALUES (?, ?, ?)';
const COUNT_CLI =
  'INSERT INTO cli_counts (pool, cli, uses, used_at) VALUES (?, ?, 1, ?) ON CONFLICT (pool, cli) DO UPDATE SET uses = uses + 1, used_at = excluded.used_at';

const MAX_CALLS_A_PAGE = 500;
/** Rows that a sweep takes at a time: other writes get their turn in between. */
const SWEEP_ROWS = 500;

/** Where records are written beside the ledger. */
export interface RecordSink {
  /** Resolves when they are there to stay; the same ones may come again. @throws AppError store_unavailable */
  append(rows: readonly LedgerRow[]): Promise<void>;
}

export interface SqliteStoreOptions extends SqliteOptions {
  readonly sink?: RecordSink;
}

/** The store of a single node: one SQLite file. */
export class SqliteStore implements Store {
  readonly cdrs: SqliteCdrs;
  readonly notices: SqliteNotices;
  readonly limits: SqliteLimits;
  readonly #database: SqliteDatabase;
  readonly #sink: RecordSink | undefined;

  /** Opens the file, and makes or migrates it. @throws AppError store_unavailable */
  constructor({ sink, ...options }: SqliteStoreOptions) {
    this.#database = new SqliteDatabase(options);
    this.cdrs = new SqliteCdrs(this.#database);
    this.notices = new SqliteNotices(this.#database);
    this.limits = new SqliteLimits(this.#database);
    this.#sink = sink;
  }

  accept(
    verification: Verification | null,
    call: Call,
    request: IdempotentRequest | null,
    { alias, notice }: AlsoStored = {},
  ): Promise<Accepted> {
    const database = this.#database;
    return database.write((): Accepted => {
      if (request !== null) {
        const earlier = this.#earlierAnswer(request, call.createdAt);
        if (earlier !== undefined) {
          return earlier;
        }
        // A row with this key that is still there has expired.
        database.run(
          'INSERT OR REPLACE INTO idempotent_requests (key, fingerprint, reply, expires_at) VALUES (?, ?, ?, ?)',
          request.key,
          request.fingerprint,
          request.reply,
          request.expiresAt,
        );
      }
      if (verification !== null) {
        database.run(INSERT_VERIFICATION, ...verificationRow(verification));
        if (alias !== undefined) database.run(NAME_VERIFICATION, alias, verification.id);
      }
      database.run(INSERT_CALL, ...callRow(call));
      if (notice !== undefined) this.notices.add(notice);
      return { kind: 'accepted' };
    });
  }

  earlierAnswer(
    request: Pick<IdempotentRequest, 'key' | 'fingerprint'>,
    now: number,
  ): Promise<Repeated | undefined> {
    return this.#database.read(() => this.#earlierAnswer(request, now));
  }

  verification(id: string): Promise<Verification | undefined> {
    return this.#database.read(() => this.#verification(id));
  }

  latest(alias: string): Promise<string | undefined> {
    return this.#database.read(() => {
      const row = this.#database.get('SELECT verification_id FROM aliases WHERE alias = ?', alias);
      return row === undefined ? undefined : String(row['verification_id']);
    });
  }

  check(id: string, { by, digest }: Submitted, now: number): Promise<Checked | undefined> {
    return this.#database.write(() => {
      const verification = this.#verification(id);
      if (verification === undefined) {
        return undefined;
      }
      const expected = expectedDigest(verification, by);
      const checked = applyCheck(
        verification,
        by,
        expected !== undefined && digestsEqual(expected, digest),
        now,
      );
      this.#update(verification, checked.verification);
      return checked;
    });
  }

  endVerification(
    id: string,
    status: 'failed' | 'canceled' | 'expired',
    now: number,
  ): Promise<Verification | undefined> {
    return this.#database.write(() => this.#end(id, status, now));
  }

  takeCli({ clis, callee, now, reuseWindowMs, fewest, random }: CliRequest): Promise<CliTaken> {
    const database = this.#database;
    const given = JSON.stringify(clis);
    const pool = createHash('sha256').update(given).digest('base64url');
    return database.write(() => {
      const eligible = database
        .all(ELIGIBLE_CLIS, given, pool, callee, now - reuseWindowMs)
        .map(countedCliOf);
      const choices = eligible.length;
      const candidates = choices < fewest ? [] : leastUsed(eligible);
      const cli = candidates[Math.floor(random * candidates.length)]?.cli;
      if (cli !== undefined) {
        database.run(NOTE_CLI, callee, cli, now);
        database.run(COUNT_CLI, pool, cli, now);
      }
      return { cli, choices, candidates: candidates.length };
    });
  }

  call(id: string): Promise<Call | undefined> {
    return this.#database.read(() => this.#call(id));
  }

  calls(query: CallQuery): Promise<readonly Call[]> {
    const conditions: string[] = [];
    const values: Column[] = [];
    const where = (condition: string, value: Column | undefined): void => {
      if (value !== undefined) {
        conditions.push(condition);
        values.push(value);
      }
    };
    where('client_id = ?', query.clientId);
    where('verification_id = ?', query.verificationId);
    where('state = ?', query.state);
    where('(created_at, id) < (SELECT created_at, id FROM calls WHERE id = ?)', query.after);
    // Said once more in the words of the partial index, so that it is used.
    if (query.state !== undefined && query.state !== 'ended') {
      conditions.push("state <> 'ended'");
    }
    const sql = `SELECT * FROM calls ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''} ORDER BY created_at DESC, id DESC LIMIT ?`;
    const limit = Math.max(1, Math.min(query.limit, MAX_CALLS_A_PAGE));
    return this.#database.read(() => this.#database.all(sql, ...values, limit).map(callOf));
  }

  unfinishedCalls(): Promise<readonly Call[]> {
    const sql = "SELECT * FROM calls WHERE state <> 'ended' ORDER BY created_at, id";
    return this.#database.read(() => this.#database.all(sql).map(callOf));
  }

  saveCall(call: Call): Promise<boolean> {
    return this.#database.write(() => this.#updateCall(call));
  }

  moveCall(id: string, { from, to, attempt }: CallMove): Promise<Call | undefined> {
    return this.#database.write(() => {
      const call = this.#call(id);
      if (call === undefined || call.state === 'ended' || call.node !== from) return undefined;
      if (attempt === 'none' && isInAttempt(call)) return undefined;
      this.#database.run(MOVE_CALL, to, id);
      return { ...call, node: to };
    });
  }

  async finishCall(call: Call, failVerification: boolean, now: number): Promise<boolean> {
    const finished = await this.#finish(call, failVerification, now);
    if (finished && this.#sink !== undefined) await this.#sink.append(await this.cdrs.ofCall(call.id));
    return finished;
  }

  #finish(call: Call, failVerification: boolean, now: number): Promise<boolean> {
    return this.#database.write(() => {
      if (!this.#updateCall(call)) {
        const stored = this.#call(call.id);
        return stored?.state === 'ended' && stored.node === call.node && stored.endedAt === call.endedAt;
      }
      this.cdrs.append(call, now);
      if (call.verificationId === null) {
        return true;
      }
      if (failVerification) {
        this.#end(call.verificationId, 'failed', now);
      }
      this.#database.run(FORGET_SEALED, call.verificationId);
      return true;
    });
  }

  async sweep(now: number, keepUntil: Parameters<Store['sweep']>[1]): Promise<number> {
    await this.#drainRows(
      "UPDATE verifications SET status = 'expired', ended_at = expires_at, sealed_code = NULL, sealed_cli = NULL WHERE id IN (SELECT id FROM verifications WHERE status = 'pending' AND expires_at <= ? LIMIT ?)",
      now,
    );
    const requests = await this.#drainRows(
      'DELETE FROM idempotent_requests WHERE key IN (SELECT key FROM idempotent_requests WHERE expires_at <= ? LIMIT ?)',
      now,
    );
    const verifications = await this.#drainRows(
      'DELETE FROM verifications WHERE id IN (SELECT id FROM verifications WHERE ended_at IS NOT NULL AND ended_at < ? LIMIT ?)',
      keepUntil.verificationsBefore,
    );
    // By their beginning: so a call that nobody ended goes too.
    const calls = await this.#drainRows(
      'DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE created_at < ? LIMIT ?)',
      keepUntil.callsBefore,
    );
    await this.#drainRows(
      'DELETE FROM notices WHERE id IN (SELECT id FROM notices WHERE created_at < ? LIMIT ?)',
      Math.min(keepUntil.verificationsBefore, keepUntil.callsBefore) - NOTICE_GRACE_MS,
    );
    await this.#drainRows(
      'DELETE FROM cli_uses WHERE (callee, cli) IN (SELECT callee, cli FROM cli_uses WHERE used_at <= ? LIMIT ?)',
      keepUntil.cliUsesBefore,
    );
    // All numbers of a list at a time: one that began anew beside the others would be used before them.
    await this.#drainRows(
      'DELETE FROM cli_counts WHERE pool IN (SELECT pool FROM cli_counts GROUP BY pool HAVING MAX(used_at) < ? LIMIT ?)',
      keepUntil.callsBefore,
    );
    for (const sql of SWEEP_LIMITS) await this.#drainRows(sql, now);
    const cdrs = keepUntil.cdrsBefore === undefined ? 0 : await this.cdrs.drop(keepUntil.cdrsBefore);
    return requests + verifications + calls + cdrs;
  }

  async ping(): Promise<void> {
    await this.#database.write(() =>
      this.#database.run('UPDATE heartbeat SET beats = beats + 1 WHERE id = 1'),
    );
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  /** Repeats a statement that takes a time and a number of rows until nothing is left to do. */
  async #drainRows(sql: string, time: number): Promise<number> {
    let total = 0;
    for (;;) {
      const changed = await this.#database.write(() => this.#database.run(sql, time, SWEEP_ROWS));
      total += changed;
      if (changed < SWEEP_ROWS) {
        return total;
      }
    }
  }

  #earlierAnswer(
    { key, fingerprint }: Pick<IdempotentRequest, 'key' | 'fingerprint'>,
    now: number,
  ): Repeated | undefined {
    const known = this.#database.get(
      'SELECT fingerprint, reply FROM idempotent_requests WHERE key = ? AND expires_at > ?',
      key,
      now,
    );
    if (known === undefined) {
      return undefined;
    }
    return known['fingerprint'] === fingerprint
      ? { kind: 'replayed', reply: String(known['reply']) }
      : { kind: 'key_reused' };
  }

  #verification(id: string): Verification | undefined {
    const row = this.#database.get(SELECT_VERIFICATION, id);
    return row === undefined ? undefined : verificationOf(row);
  }

  #call(id: string): Call | undefined {
    const row = this.#database.get(SELECT_CALL, id);
    return row === undefined ? undefined : callOf(row);
  }

  #end(id: string, status: 'failed' | 'canceled' | 'expired', now: number): Verification | undefined {
    const verification = this.#verification(id);
    if (verification === undefined) {
      return undefined;
    }
    const ended = endVerification(expire(verification, now), status, now);
    this.#update(verification, ended);
    return ended;
  }

  #update(before: Verification, after: Verification): void {
    if (after !== before) {
      this.#database.run(
        UPDATE_VERIFICATION,
        after.status,
        after.checks,
        after.sealedCode,
        after.sealedCli,
        after.approvedBy,
        after.endedAt,
        after.id,
      );
    }
  }

  #updateCall(call: Call): boolean {
    return (
      this.#database.run(
        UPDATE_CALL,
        call.state,
        call.disposition,
        call.blame,
        call.endedAt,
        call.sealedPlaylist,
        call.prompt === null ? null : JSON.stringify(call.prompt),
        JSON.stringify(call.attempts),
        JSON.stringify(call.timeline),
        call.id,
        call.node,
      ) > 0
    );
  }
}

function insertInto(table: string, columns: readonly string[]): string {
  return `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
}
