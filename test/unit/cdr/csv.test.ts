import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cdr, CdrContent } from '../../../src/cdr/cdr.ts';
import { cdrsOf } from '../../../src/cdr/cdr.ts';
import { chained, GENESIS } from '../../../src/cdr/chain.ts';
import { CSV_HEADER, csvLine } from '../../../src/cdr/csv.ts';
import { endedCall } from '../../support/cdr-calls.ts';
import { NOW } from '../../support/records.ts';

const RATE = { amount: '0.0125', increment: '60/60', currency: 'EUR' };
const [REFUSED, ANSWERED] = cdrsOf(endedCall('a', { rate: RATE })) as [CdrContent, CdrContent];

function lineOf(content: CdrContent, change: Partial<CdrContent> = {}): string {
  return csvLine(chained({ ...content, ...change }, GENESIS, NOW));
}

/** Lines and cells of a CSV text (RFC 4180), read by a separator of the reader's choice. */
function cellsOf(text: string, separator = ','): readonly string[][] {
  const lines: string[][] = [[]];
  let cell = '';
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const c = text[at] ?? '';
    if (quoted && c === '"' && text[at + 1] === '"') cell += text[++at];
    else if (c === '"' && (quoted || cell === '')) quoted = !quoted;
    else if (quoted) cell += c;
    else if (c === separator) {
      lines.at(-1)?.push(cell);
      cell = '';
    } else if (c === '\r' && text[at + 1] === '\n') {
      lines.at(-1)?.push(cell);
      lines.push([]);
      cell = '';
      at += 1;
    } else cell += c;
  }
  return lines.slice(0, -1);
}

function rowOf(content: CdrContent, change: Partial<CdrContent> = {}): Readonly<Record<string, string>> {
  const [names = [], cells = [], ...more] = cellsOf(CSV_HEADER + lineOf(content, change));
  expect(more).toEqual([]);
  expect(cells).toHaveLength(names.length);
  return Object.fromEntries(names.map((name, index) => [name, cells[index] ?? '']));
}

describe('csvLine', () => {
  it('has an empty cell for what a record of version 1 does not say', () => {
    const { record, hash } = chained(ANSWERED, GENESIS, NOW);
    const { segments: _, ...older } = { ...(JSON.parse(record) as Cdr), v: 1 };
    const names = cellsOf(CSV_HEADER)[0] ?? [];
    const cells = cellsOf(csvLine({ record: JSON.stringify(older), hash }))[0] ?? [];
    expect([names.at(-1), cells.at(-1), cells.length]).toEqual(['segments', '', names.length]);
  });

  it('has a cell for each column, and a column for each key', () => {
    const names = cellsOf(CSV_HEADER)[0] ?? [];
    const keys = Object.keys(JSON.parse(chained(REFUSED, GENESIS, NOW).record) as object);
    expect([...names].sort()).toEqual(
      [...keys.map((key) => (key === 'priceMicros' ? 'price' : key)), 'hash'].sort(),
    );
    expect(rowOf(ANSWERED)).toMatchObject({
      seq: '1',
      callId: 'call_a',
      cli: '+498912345',
      callee: '+4930123456',
      answeredAt: '2025-06-15T15:06:45.300Z',
      billableSeconds: '120',
      rate: '0.0125',
      price: '0.025000',
      currency: 'EUR',
      promptFinished: 'false',
      sipReason: '',
      hash: chained(ANSWERED, GENESIS, NOW).hash,
    });
    expect(rowOf(ANSWERED, { segments: 2 })).toMatchObject({ segments: '2' });
    expect(rowOf(REFUSED)).toMatchObject({
      segments: '',
      answeredAt: '',
      talkMs: '',
      price: '0.000000',
      codec: '',
    });
  });

  it('quotes what RFC 4180 wants quoted', () => {
    expect(rowOf(REFUSED)).toMatchObject({ sipReason: 'Full, "sorry"' });
    expect(lineOf(REFUSED)).toContain(',"Full, ""sorry""",');
    expect(lineOf(REFUSED)).toMatch(/^[^\r\n]+\r\n$/);
  });

  it.each([
    ['=1+1', "'=1+1"],
    ['+1+cmd|x', "'+1+cmd|x"],
    ['-2', "'-2"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', "\t'=1"],
    [' ;" =1', ' ;" \'=1'],
    ['a;=1', "a;'=1"],
    ['a\r\n=1', "a\r\n'=1"],
    ['＝1', "'＝1"],
    ['a=b', 'a=b'],
    ['Busy - here', 'Busy - here'],
    ['+4930123456', '+4930123456'],
    ['+44161496••••', '+44161496••••'],
    ['+49 30', "'+49 30"],
  ])('neutralises %j', (text, cell) => {
    expect(rowOf(REFUSED, { sipReason: text })['sipReason']).toBe(cell);
  });

  it('leaves no cell that begins a formula, by whichever separator it is read', () => {
    const noise = fc.string({ unit: fc.constantFrom(...'=+-@\t\r\n;,"| a1（＝'.split('')), maxLength: 12 });
    fc.assert(
      fc.property(noise, noise, (one, other) => {
        const line = lineOf(REFUSED, { sipReason: one, reasonText: other });
        for (const separator of [',', ';', '\t']) {
          for (const cell of cellsOf(line, separator).flat()) {
            if (!/^\+[\d•]+$/.test(cell)) expect(cell).not.toMatch(/^[=+\-@＝]/);
          }
        }
        expect(cellsOf(line)).toHaveLength(1);
      }),
      { numRuns: 300 },
    );
  });
});
