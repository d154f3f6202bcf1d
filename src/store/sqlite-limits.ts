import type { Count, GrowingPause, LimitStore, Taken } from '../limits/limit-store.ts';
import type { Pauses, Slots } from '../limits/slots.ts';
import {
  minus,
  pauseLeft,
  pausesAt,
  plus,
  slotAt,
  slotEnd,
  slotsAt,
  slotsOf,
  slotsText,
  waitFor,
  withoutPause,
} from '../limits/slots.ts';
import type { SqliteDatabase } from './sqlite-database.ts';

const SELECT_SLOTS = 'SELECT slots FROM limit_counts WHERE key = ?';
const STORE_SLOTS = 'INSERT OR REPLACE INTO limit_counts (key, slots, expires_at) VALUES (?, ?, ?)';
const UPDATE_SLOTS = 'UPDATE limit_counts SET slots = ? WHERE key = ?';
const SELECT_PAUSES = 'SELECT times, last_at FROM limit_pauses WHERE key = ?';
const STORE_PAUSES =
  'INSERT OR REPLACE INTO limit_pauses (key, times, last_at, expires_at) VALUES (?, ?, ?, ?)';
const UPDATE_PAUSES = 'UPDATE limit_pauses SET times = ?, last_at = ? WHERE key = ?';
const FORGET = 'DELETE FROM limit_pauses WHERE key = ?';

/** How rows that count no more are deleted; each takes a time and a number of rows. */
export const SWEEP_LIMITS = ['limit_counts', 'limit_pauses'].map(
  (table) =>
    `DELETE FROM ${table} WHERE key IN (SELECT key FROM ${table} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
);

/** Counts in a SQLite file: a row for each key, whatever it has counted. */
export class SqliteLimits implements LimitStore {
  readonly #database: SqliteDatabase;

  constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  take(counts: readonly Count[], pauses: readonly GrowingPause[], now: number): Promise<Taken> {
    return this.#database.write((): Taken => {
      const counted = counts.map((count) => {
        const slots = slotsAt(this.#slots(count.key), slotAt(now, count.windowMs));
        return { ...count, slots, wait: waitFor(slots, count, now) };
      });
      const paused = pauses.map((pause) => {
        const before = pausesAt(this.#pauses(pause.key), pause, now);
        return { ...pause, before, wait: pauseLeft(before, pause, now) };
      });
      const [longest] = [...counted, ...paused].toSorted((a, b) => b.wait - a.wait);
      if (longest !== undefined && longest.wait > 0) {
        return { kind: 'refused', key: longest.key, retryAfterMs: longest.wait };
      }
      for (const { key, windowMs, amount, slots } of counted) {
        const after = slotsText(plus(slots, amount));
        this.#database.run(STORE_SLOTS, key, after, slotEnd(slots.latest, windowMs));
      }
      for (const { key, before, forgetMs } of paused) {
        this.#database.run(STORE_PAUSES, key, (before?.times ?? 0) + 1, now, now + forgetMs);
      }
      return { kind: 'taken' };
    });
  }

  giveBack(
    counts: readonly Omit<Count, 'max'>[],
    pauses: readonly Omit<GrowingPause, 'forgetMs'>[],
    at: number,
    now: number,
  ): Promise<void> {
    return this.#database.write(() => {
      for (const { key, windowMs, amount } of counts) {
        const known = this.#slots(key);
        if (known === undefined) continue;
        const after = minus(slotsAt(known, slotAt(now, windowMs)), slotAt(at, windowMs), amount);
        this.#database.run(UPDATE_SLOTS, slotsText(after), key);
      }
      for (const pause of pauses) {
        const known = this.#pauses(pause.key);
        const before = known === undefined ? undefined : withoutPause(known, pause, at);
        if (before === undefined) this.#database.run(FORGET, pause.key);
        else this.#database.run(UPDATE_PAUSES, before.times, before.lastAt, pause.key);
      }
    });
  }

  forget(pauseKeys: readonly string[]): Promise<void> {
    return this.#database.write(() => {
      for (const key of pauseKeys) this.#database.run(FORGET, key);
    });
  }

  #slots(key: string): Slots | undefined {
    const row = this.#database.get(SELECT_SLOTS, key);
    return row === undefined ? undefined : slotsOf(String(row['slots']));
  }

  #pauses(key: string): Pauses | undefined {
    const row = this.#database.get(SELECT_PAUSES, key);
    return row === undefined ? undefined : { times: Number(row['times']), lastAt: Number(row['last_at']) };
  }
}
