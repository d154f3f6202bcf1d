import type { DeadQuery, Notice, NoticeCounts, NoticeStore, Written } from '../webhooks/notice.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import type { Column, Row } from './sqlite-rows.ts';

/** What reads and writes a database file. */
type Statements = Pick<SqliteDatabase, 'read' | 'write' | 'get' | 'all' | 'run'>;

/** `look_at` is when the next one may claim it: its time, and while somebody works on it the end of that claim. */
const INSERT =
  'INSERT INTO notices (id, client_id, call_id, verification_id, target, told_of_call, told_of_verification, delivered, state, tries, tried_since, due_at, created_at, last_error, look_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)';
const SELECT = 'SELECT * FROM notices WHERE id = ?';
const CLAIM =
  "UPDATE notices SET claimed_by = ?, look_at = ?, again = 0 WHERE id = ? AND state = 'open' AND look_at <= ?";
const WRITE =
  'UPDATE notices SET told_of_call = ?, told_of_verification = ?, delivered = ?, state = ?, tries = ?, tried_since = ?, last_error = ? WHERE id = ? AND claimed_by = ?';
const KEEP_CLAIM = 'UPDATE notices SET look_at = ? WHERE id = ?';
const GIVE_BACK = 'UPDATE notices SET claimed_by = NULL, again = 0, due_at = ?, look_at = ? WHERE id = ?';
const LOOK_AGAIN = 'UPDATE notices SET again = 0 WHERE id = ?';
const NOTE_CLAIMED =
  "UPDATE notices SET again = 1 WHERE id = ? AND state = 'open' AND claimed_by IS NOT NULL AND look_at > ?";
const MAKE_DUE =
  "UPDATE notices SET due_at = min(due_at, ?), look_at = min(look_at, ?) WHERE id = ? AND state = 'open' AND tries = 0 AND (claimed_by IS NULL OR look_at <= ?)";
const IS_DUE = "SELECT id FROM notices WHERE id = ? AND state = 'open' AND look_at <= ?";
const REVIVE =
  "UPDATE notices SET state = 'open', tries = 0, tried_since = NULL, claimed_by = NULL, again = 0, due_at = ?, look_at = ? WHERE id = ? AND state = 'dead'";

const MAX_A_PAGE = 500;

/** Notices in a SQLite file. */
export class SqliteNotices implements NoticeStore {
  readonly #database: Statements;

  constructor(database: Statements) {
    this.#database = database;
  }

  /** Stores a new one; inside `write`, with its call. */
  add(notice: Notice): void {
    this.#database.run(
      INSERT,
      notice.id,
      notice.clientId,
      notice.callId,
      notice.verificationId,
      JSON.stringify(notice.target),
      notice.toldOfCall,
      notice.toldOfVerification,
      notice.delivered,
      notice.state,
      notice.tries,
      notice.triedSince,
      notice.dueAt,
      notice.createdAt,
      notice.lastError,
      notice.dueAt,
    );
  }

  get(id: string): Promise<Notice | undefined> {
    return this.#database.read(() => this.#get(id));
  }

  due(now: number, limit: number): Promise<readonly string[]> {
    const sql = "SELECT id FROM notices WHERE state = 'open' AND look_at <= ? ORDER BY look_at, id LIMIT ?";
    return this.#database.read(() => this.#database.all(sql, now, limit).map(({ id }) => String(id)));
  }

  claim(id: string, by: string, now: number, until: number): Promise<Notice | undefined> {
    return this.#database.write(() =>
      this.#database.run(CLAIM, by, until, id, now) > 0 ? this.#get(id) : undefined,
    );
  }

  progress(notice: Notice, by: string, until: number): Promise<boolean> {
    return this.#database.write(() => {
      if (!this.#write(notice, by)) return false;
      this.#database.run(KEEP_CLAIM, until, notice.id);
      return true;
    });
  }

  put(notice: Notice, by: string): Promise<Written> {
    return this.#database.write((): Written => {
      if (!this.#write(notice, by)) return 'lost';
      const { id, state, tries, dueAt } = notice;
      if (state === 'open' && tries === 0 && this.#looksAgain(id)) return 'again';
      this.#database.run(GIVE_BACK, dueAt, dueAt, id);
      return 'kept';
    });
  }

  finish(id: string, by: string): Promise<Written> {
    return this.#database.write((): Written => {
      if (this.#database.get(SELECT, id)?.['claimed_by'] !== by) return 'lost';
      if (this.#looksAgain(id)) return 'again';
      this.#database.run('DELETE FROM notices WHERE id = ?', id);
      return 'kept';
    });
  }

  async wake(id: string, now: number): Promise<boolean> {
    // Most calls have none: reading costs no write.
    if ((await this.get(id)) === undefined) return false;
    return this.#database.write(() => {
      if (this.#database.run(NOTE_CLAIMED, id, now) === 0) this.#database.run(MAKE_DUE, now, now, id, now);
      return this.#database.get(IS_DUE, id, now) !== undefined;
    });
  }

  dead({ clientId, limit, after }: DeadQuery): Promise<readonly Notice[]> {
    const conditions = ["state = 'dead'"];
    const values: Column[] = [];
    if (clientId !== undefined) {
      conditions.push('client_id IS ?');
      values.push(clientId);
    }
    if (after !== undefined) {
      conditions.push('(created_at, id) < (SELECT created_at, id FROM notices WHERE id = ?)');
      values.push(after);
    }
    const sql = `SELECT * FROM notices WHERE ${conditions.join(' AND ')} ORDER BY created_at DESC, id DESC LIMIT ?`;
    const count = Math.max(1, Math.min(limit, MAX_A_PAGE));
    return this.#database.read(() => this.#database.all(sql, ...values, count).map(noticeOf));
  }

  revive(id: string, now: number): Promise<boolean> {
    return this.#database.write(() => this.#database.run(REVIVE, now, now, id) > 0);
  }

  counts(): Promise<NoticeCounts> {
    const sql =
      "SELECT count(*) AS found, min(created_at) AS oldest FROM notices WHERE state = 'open' UNION ALL SELECT count(*), NULL FROM notices WHERE state = 'dead'";
    return this.#database.read(() => {
      const [open, dead] = this.#database.all(sql);
      const oldest = open?.['oldest'] ?? null;
      return {
        open: Number(open?.['found']),
        dead: Number(dead?.['found']),
        oldestOpenAt: oldest === null ? null : Number(oldest),
      };
    });
  }

  #get(id: string): Notice | undefined {
    const row = this.#database.get(SELECT, id);
    return row === undefined ? undefined : noticeOf(row);
  }

  #write(notice: Notice, by: string): boolean {
    const { toldOfCall, toldOfVerification, delivered, state, tries, triedSince, lastError, id } = notice;
    const told = [toldOfCall, toldOfVerification, delivered];
    return this.#database.run(WRITE, ...told, state, tries, triedSince, lastError, id, by) > 0;
  }

  /** Whether something happened since it was looked at; that is known from now on. */
  #looksAgain(id: string): boolean {
    if (this.#database.get(SELECT, id)?.['again'] !== 1) return false;
    return this.#database.run(LOOK_AGAIN, id) > 0;
  }
}

/** Trusts its own table. */
function noticeOf(row: Row): Notice {
  return {
    id: row['id'],
    clientId: row['client_id'],
    callId: row['call_id'],
    verificationId: row['verification_id'],
    target: JSON.parse(String(row['target'])),
    toldOfCall: row['told_of_call'],
    toldOfVerification: row['told_of_verification'],
    delivered: row['delivered'],
    state: row['state'],
    tries: row['tries'],
    triedSince: row['tried_since'],
    dueAt: row['due_at'],
    createdAt: row['created_at'],
    lastError: row['last_error'],
  } as Notice;
}
