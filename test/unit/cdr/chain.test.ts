import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cdrsOf } from '../../../src/cdr/cdr.ts';
import type { ChainKnowledge, ChainMark, ChainReport, ChainRow } from '../../../src/cdr/chain.ts';
import { chained, formatLine, GENESIS, readLine, verifyChain } from '../../../src/cdr/chain.ts';
import { readExport } from '../../../src/cdr/export.ts';
import { endedCall } from '../../support/cdr-calls.ts';

type Rows = readonly (ChainRow & ChainMark)[];

function chainOf(calls: number, after: ChainMark = GENESIS): Rows {
  const rows: (ChainRow & ChainMark)[] = [];
  for (let call = 0; call < calls; call += 1) {
    for (const content of cdrsOf(endedCall(`${call}`))) {
      rows.push(chained(content, rows.at(-1) ?? after, 1000 + call));
    }
  }
  return rows;
}

const ROWS = chainOf(5);
const LAST = ROWS[9] as ChainMark;

function sha256(text: string): string {
  return createHash('sha256').update(Buffer.from(text, 'utf8')).digest('hex');
}

function changed(index: number, change: (row: ChainRow) => ChainRow): readonly ChainRow[] {
  return ROWS.map((row, place) => (place === index ? change(row) : row));
}

function without(index: number): Rows {
  return ROWS.filter((_, place) => place !== index);
}

async function breakOf(rows: readonly ChainRow[], known: ChainKnowledge = {}): Promise<unknown> {
  const { broken } = await verifyChain(rows, known);
  return broken === null ? null : [broken.seq, broken.why];
}

describe('a chain', () => {
  it('is what docs say: the hash of a text that holds the hash before', () => {
    const [first, second] = ROWS as unknown as readonly [ChainRow, ChainRow];
    expect(first.record).toMatch(
      /^\{"v":2,"seq":1,"previous":"0{64}","recordedAt":1000,"callId":"call_0","attempt":1,/,
    );
    expect(first.hash).toBe(sha256(first.record));
    expect(second.record).toContain(`{"v":2,"seq":2,"previous":"${first.hash}",`);
    expect(first.record).not.toMatch(/\n|": |, "/);
  });

  it('is verified from its beginning to its head', async () => {
    const whole: ChainReport = {
      rows: 10,
      anchor: GENESIS,
      head: { seq: 10, hash: LAST.hash },
      broken: null,
    };
    expect(await verifyChain(ROWS)).toEqual(whole);
    expect(await verifyChain(ROWS, { anchor: GENESIS, head: LAST, noted: ROWS[3] })).toEqual(whole);
    expect(await verifyChain([])).toEqual({ rows: 0, anchor: null, head: null, broken: null });
    expect(await verifyChain([], { anchor: LAST, head: LAST, noted: LAST })).toMatchObject({ broken: null });
  });

  it('can be verified in parts, each by the head of the one before', async () => {
    const { head } = await verifyChain(ROWS.slice(0, 4));
    const part = await verifyChain(ROWS.slice(4), { anchor: head ?? undefined });
    expect(part).toMatchObject({ rows: 6, anchor: { seq: 4, hash: ROWS[3]?.hash }, broken: null });
    expect(await breakOf(ROWS.slice(4), { anchor: GENESIS })).toEqual([1, 'number']);
    expect(await breakOf(ROWS.slice(4), { anchor: { seq: 4, hash: LAST.hash } })).toEqual([5, 'previous']);
  });

  it('breaks where a row was changed, taken out, put in, doubled or moved', async () => {
    const cheaper = (row: ChainRow): ChainRow => ({ ...row, record: row.record.replace(':61,', ':1,') });
    expect(await breakOf(changed(3, cheaper))).toEqual([4, 'hash']);
    const resealed = (row: ChainRow): ChainRow => ({ ...cheaper(row), hash: sha256(cheaper(row).record) });
    expect(await breakOf(changed(3, resealed))).toEqual([5, 'previous']);
    expect(await breakOf(without(3))).toEqual([4, 'number']);
    expect(await breakOf(without(0), { anchor: GENESIS })).toEqual([1, 'number']);
    expect(await breakOf([...ROWS.slice(0, 4), ...ROWS.slice(3)])).toEqual([5, 'number']);
    expect(await breakOf([...ROWS.slice(0, 3), ROWS[4] as ChainRow, ROWS[3] as ChainRow])).toEqual([
      4,
      'number',
    ]);
    expect(await breakOf(changed(3, () => ({ record: '{}', hash: sha256('{}') })))).toEqual([4, 'malformed']);
  });

  it('breaks at any single character that is another one', async () => {
    const report = await fc.check(
      fc.asyncProperty(fc.nat(9), fc.nat(1000), async (index, at) => {
        const flip = (row: ChainRow): ChainRow => {
          const place = at % row.record.length;
          const other = row.record[place] === 'x' ? 'y' : 'x';
          return { ...row, record: row.record.slice(0, place) + other + row.record.slice(place + 1) };
        };
        const { broken } = await verifyChain(changed(index, flip), { anchor: GENESIS });
        return broken?.seq === index + 1;
      }),
    );
    expect(report.failed).toBe(false);
  });

  it('says nothing of a tail that is cut off, or forged anew, unless a mark was noted', async () => {
    const cut = ROWS.slice(0, 7);
    expect(await breakOf(cut)).toBeNull();
    expect(await breakOf(cut, { head: LAST })).toEqual([8, 'tail']);
    expect(await breakOf(cut, { noted: ROWS[8] })).toEqual([8, 'tail']);
    expect(await breakOf(cut, { noted: ROWS[5] })).toBeNull();
    const forged = [...ROWS.slice(0, 7), ...chainOf(2, ROWS[6])];
    expect(await breakOf(forged)).toBeNull();
    expect(await breakOf(forged, { noted: ROWS[8] })).toEqual([9, 'noted']);
    expect(await breakOf(forged, { head: { seq: 11, hash: LAST.hash } })).toEqual([11, 'noted']);
    expect(await breakOf(forged, { head: LAST })).toEqual([11, 'noted']);
    expect(await breakOf([...ROWS.slice(4)], { noted: { seq: 4, hash: LAST.hash } })).toEqual([4, 'noted']);
    expect(await breakOf([], { anchor: ROWS[2], head: ROWS[2], noted: LAST })).toEqual([4, 'tail']);
  });
});

describe('a file', () => {
  const file = ROWS.map((row) => `${formatLine(row)}\n`).join('');

  async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }

  const verify = (text: string, size = 1000): Promise<ChainReport> =>
    verifyChain(readExport(inPieces(Buffer.from(text), size)));

  it('has JSON lines, from each of which the hash can be taken out again', () => {
    for (const [index, line] of file.trimEnd().split('\n').entries()) {
      const { hash, ...rest } = JSON.parse(line) as Record<string, unknown>;
      expect(sha256(JSON.stringify(rest))).toBe(hash);
      expect(rest['seq']).toBe(index + 1);
      expect(readLine(line)).toEqual({ record: ROWS[index]?.record, hash });
    }
  });

  it('is verified whatever pieces it comes in, with or without its last line end', async () => {
    for (const size of [1, 7, 1024, 1e6])
      expect(await verify(file, size)).toMatchObject({ rows: 10, broken: null });
    expect(await verify(file.trimEnd())).toMatchObject({ rows: 10, head: { seq: 10 }, broken: null });
    expect(await verify('')).toMatchObject({ rows: 0, head: null, broken: null });
  });

  it('keeps characters of any kind', async () => {
    const content = {
      ...cdrsOf(endedCall('a'))[0],
      sipReason: 'Ü\u2028\u0000"\ud800😀","hash":"00"}',
    } as never;
    const row = chained(content, GENESIS, 1);
    expect(await verify(`${formatLine(row)}\n`, 3)).toMatchObject({ rows: 1, broken: null });
  });

  it('breaks where a line is cut short, empty or none of ours', async () => {
    const broken = async (text: string): Promise<unknown> => (await verify(text)).broken;
    expect(await broken(file.slice(0, -40))).toMatchObject({ seq: 10, why: 'malformed' });
    expect(await broken(file.replace('\n', '\n\n'))).toMatchObject({ seq: 2, why: 'malformed' });
    expect(await broken(`\ufeff${file}`)).toMatchObject({ seq: 1, why: 'malformed' });
    expect(await broken('x'.repeat(3_000_000))).toMatchObject({ seq: 1, why: 'malformed' });
    expect(await broken(file.replaceAll('"callee":"+4930', '"callee":"+4931'))).toMatchObject({
      seq: 1,
      why: 'hash',
    });
  });
});
