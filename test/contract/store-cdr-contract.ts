import { expect, it } from 'vitest';
import { endCall } from '../../src/call/apply.ts';
import type { Cdr } from '../../src/cdr/cdr.ts';
import { cdrsOf } from '../../src/cdr/cdr.ts';
import { GENESIS } from '../../src/cdr/chain.ts';
import { exportCdrs, verifyLedger } from '../../src/cdr/export.ts';
import type { Store } from '../../src/store/store.ts';
import { answeredCall, endedCall } from '../support/cdr-calls.ts';
import { acceptedPair, NOW } from '../support/records.ts';

const NOTHING = { verificationsBefore: 0, callsBefore: 0, cliUsesBefore: 0 };

/** What every store promises of call detail records. */
export function cdrTests(store: () => Store, beside: () => Promise<Store>): void {
  /** Accepts a call and ends it, its two attempts with it. */
  async function carry(name: string, now: number, on = store()): Promise<void> {
    const call = endedCall(name);
    await on.accept(null, { ...call, state: 'queued', disposition: null, endedAt: null }, null);
    await on.finishCall(call, false, now);
  }

  const written = async (after = 0): Promise<readonly Cdr[]> =>
    (await store().cdrs.page({ after, upTo: 1e9 }, 5000)).map(({ record }) => JSON.parse(record) as Cdr);

  it('writes a record of each attempt with the end of its call', async () => {
    expect(await store().cdrs.ends()).toEqual({ anchor: GENESIS, head: GENESIS });
    await carry('a', NOW + 70_000);
    const rows = await written();
    const [first, second] = cdrsOf(endedCall('a'));
    const hash = (await store().cdrs.page({ after: 0, upTo: 1 }, 1))[0]?.hash;
    const head = { v: 2, recordedAt: NOW + 70_000 };
    expect(rows).toEqual([
      { ...head, seq: 1, previous: GENESIS.hash, ...first },
      { ...head, seq: 2, previous: hash, ...second },
    ]);
    expect((await store().cdrs.ofCall('call_a')).map(({ seq }) => seq)).toEqual([1, 2]);
    expect(await store().cdrs.ofCall('call_b')).toEqual([]);
    expect(await verifyLedger(store().cdrs)).toMatchObject({ rows: 2, anchor: GENESIS, broken: null });
  });

  it('writes them once, whoever ends the call and however often', async () => {
    const { call } = acceptedPair('a');
    const up = { ...answeredCall('a'), verificationId: call.verificationId };
    await store().accept(null, call, null);
    await store().saveCall(up);
    expect((await store().cdrs.ends()).head).toEqual(GENESIS);
    // As a process that was started again does it, while the first one has not quite died.
    const other = await beside();
    const interrupted = endCall(up, NOW + 9000, 'interrupted', 'us');
    await Promise.all(
      [store(), other, store(), other].map((on) => on.finishCall(interrupted, false, NOW + 9000)),
    );
    await store().finishCall(endedCall('a'), false, NOW + 70_000);
    const rows = await written();
    expect(rows.map(({ attempt, disposition }) => [attempt, disposition])).toEqual([
      [1, 'trunk_failure'],
      [2, 'interrupted'],
    ]);
    // From the answer to the moment at which the later process closed it: 3.7 s.
    expect(rows[1]).toMatchObject({ endedAt: NOW + 9000, talkMs: 3700, billableSeconds: 4 });
  });

  it('writes nothing of a call that was never dialled, and none of a call that is not there', async () => {
    const { call } = acceptedPair('a');
    await store().accept(null, call, null);
    await store().finishCall(endCall(call, NOW + 5, 'canceled', 'none'), false, NOW + 5);
    await store().finishCall(endedCall('x'), false, NOW + 5);
    expect((await store().cdrs.ends()).head).toEqual(GENESIS);
  });

  it('numbers without gaps what many write at once, from two processes', async () => {
    const other = await beside();
    const names = Array.from({ length: 60 }, (_, index) => `${index}`);
    await Promise.all(names.map((name, index) => carry(name, NOW, index % 2 === 0 ? store() : other)));
    const rows = await written();
    expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: 120 }, (_, index) => index + 1));
    expect(new Set(rows.map(({ callId, attempt }) => `${callId} ${attempt}`)).size).toBe(120);
    expect(await verifyLedger(other.cdrs)).toMatchObject({ rows: 120, broken: null });
  });

  it('finds what was written within a time, also when the clock went back', async () => {
    for (const [name, now] of [
      ['a', 100],
      ['b', 200],
      ['c', 150],
      ['d', 300],
    ] as const) {
      await carry(name, now);
    }
    expect((await written()).map(({ recordedAt }) => recordedAt)).toEqual([
      100, 100, 200, 200, 200, 200, 300, 300,
    ]);
    const span = (from: number, to: number): unknown => store().cdrs.span(from, to);
    expect(await span(0, 1000)).toEqual({ after: 0, upTo: 8 });
    expect(await span(100, 200)).toEqual({ after: 0, upTo: 2 });
    expect(await span(101, 300)).toEqual({ after: 2, upTo: 6 });
    expect(await span(300, 301)).toEqual({ after: 6, upTo: 8 });
    expect(await span(301, 999)).toEqual({ after: 8, upTo: 8 });
    expect(await span(250, 200)).toEqual({ after: 6, upTo: 6 });
    expect((await store().cdrs.page({ after: 2, upTo: 6 }, 3)).map(({ seq }) => seq)).toEqual([3, 4, 5]);
  });

  it('deletes the oldest, keeps the hash of the last of them, and goes on numbering', async () => {
    for (const [name, now] of [
      ['a', 100],
      ['b', 200],
    ] as const) {
      await carry(name, now);
    }
    const last = (await store().cdrs.page({ after: 1, upTo: 2 }, 1))[0];
    expect(await store().sweep(NOW, NOTHING)).toBe(0);
    expect(await store().sweep(NOW, { ...NOTHING, cdrsBefore: 200 })).toBe(2);
    const anchor = { seq: 2, hash: last?.hash };
    expect(await verifyLedger(store().cdrs)).toMatchObject({ rows: 2, anchor, broken: null });
    expect(await store().cdrs.span(0, 1000)).toEqual({ after: 2, upTo: 4 });
    expect(await store().cdrs.drop(1000)).toBe(2);
    const { anchor: end, head } = await store().cdrs.ends();
    expect(end).toEqual(head);
    expect(await verifyLedger(store().cdrs, head)).toMatchObject({ rows: 0, broken: null });
    await carry('c', 50);
    // Nothing is recorded before what is gone.
    expect(await written()).toMatchObject([
      { seq: 5, previous: head.hash, recordedAt: 200 },
      { seq: 6, recordedAt: 200 },
    ]);
    expect(await verifyLedger(store().cdrs, head)).toMatchObject({ rows: 2, broken: null });
  });

  it('exports what had been written when the export began', async () => {
    await carry('a', 100);
    const pieces: string[] = [];
    for await (const piece of exportCdrs(store().cdrs, { from: 0, to: 1e15 }, 'csv')) {
      if (pieces.push(piece) === 1) await carry('b', 100);
    }
    expect(pieces.join('').split('\r\n')).toHaveLength(1 + 2 + 1);
    expect(pieces.join('')).not.toContain('call_b');
  });
}
