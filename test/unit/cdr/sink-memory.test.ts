import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RowName } from '../../../src/cdr/sink-memory.ts';
import { rowName, SinkMemory } from '../../../src/cdr/sink-memory.ts';

const named = (seq: number): RowName => ({ seq, callId: `call ${seq}"\n`, attempt: 1 });

function filled(...files: readonly (readonly number[])[]): SinkMemory {
  const memory = SinkMemory.empty();
  for (const [index, seqs] of files.entries()) {
    if (index > 0) memory.turn();
    for (const seq of seqs) memory.add(named(seq));
  }
  return memory;
}

describe('what a sink remembers', () => {
  it('is which numbers it lacks', () => {
    expect(SinkMemory.empty().missing(0)).toEqual([]);
    expect(SinkMemory.empty().missing(3)).toEqual([{ after: 0, upTo: 3 }]);
    expect(filled([1, 2, 3]).missing(3)).toEqual([]);
    expect(filled([4, 2, 1, 8]).missing(10)).toEqual([
      { after: 2, upTo: 3 },
      { after: 4, upTo: 7 },
      { after: 8, upTo: 10 },
    ]);
    // A gap before the file that was finished last but one is given up.
    expect(filled([1, 2], [4, 5], []).missing(6)).toEqual([{ after: 5, upTo: 6 }]);
    expect(filled([1, 2], [4, 5]).missing(6)).toEqual([
      { after: 2, upTo: 3 },
      { after: 5, upTo: 6 },
    ]);
  });

  it('is which records lie in the two newest files', () => {
    const memory = filled([1, 2], [3], [4]);
    expect([1, 2, 3, 4, 5].map((seq) => memory.has(named(seq)))).toEqual([false, false, true, true, false]);
    expect(memory.has({ seq: 9, callId: named(4).callId, attempt: 1 })).toBe(true);
    expect(memory.has({ ...named(4), attempt: 2 })).toBe(false);
  });

  it('is the same after it was written down and the file was finished', () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { minLength: 1 });
    fc.assert(
      fc.property(numbers, numbers, (older, newer) => {
        const memory = filled(older, newer);
        const read = SinkMemory.read(memory.text());
        memory.turn();
        expect(read?.missing(70)).toEqual(memory.missing(70));
        for (let seq = 1; seq <= 60; seq += 1) expect(read?.has(named(seq))).toBe(newer.includes(seq));
      }),
    );
  });

  it('is not read from what was cut off or is something else', () => {
    const text = filled([1, 2, 3]).text();
    for (let end = 0; end < text.length; end += 1)
      expect(SinkMemory.read(text.slice(0, end))).toBeUndefined();
    for (const other of ['', '{}', 'null\n', '[]\n', `${text}x`])
      expect(SinkMemory.read(other)).toBeUndefined();
  });

  it('begins with what lies in the last file where nothing was written down', () => {
    const memory = SinkMemory.ofLastFile([named(7), named(5)]);
    expect(memory.missing(8)).toEqual([
      { after: 5, upTo: 6 },
      { after: 7, upTo: 8 },
    ]);
    expect(SinkMemory.ofLastFile([]).missing(1)).toEqual([{ after: 0, upTo: 1 }]);
  });

  it('holds no text of what is no record', () => {
    expect(() => rowName('{"seq":1,"callId":"call_1"}')).toThrow(/^not a call detail record$/);
    expect(() => rowName('null')).toThrow(/^not a call detail record$/);
  });
});
