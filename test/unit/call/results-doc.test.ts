import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { LegHistory } from '../../../src/call/outcome.ts';
import { judge } from '../../../src/call/outcome.ts';
import { retryOf } from '../../../src/trunk/retry.ts';

const DOC = readFileSync(new URL('../../../docs/results.md', import.meta.url), 'utf8');

const BEFORE: LegHistory = {
  rang: false,
  flash: false,
  progressed: false,
  earlier: [],
  retryRejected: false,
};

interface Sight {
  readonly status: number;
  readonly reason: string;
  readonly q850: number | undefined;
}

/** A line of the table, and every response that it speaks of. */
const LINES = DOC.split('\n')
  .filter((line) => /^\| \d/.test(line))
  .map((line) => {
    const [sip = '', q850 = '', disposition = '', blame = '', next = ''] = line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim());
    const causes = q850.split(', ').flatMap((cause) => (/^\d+$/.test(cause) ? [Number(cause)] : []));
    const seen = sip
      .replace(', only with', '')
      .split(', ')
      .flatMap((one): Sight[] => {
        const [status = '', ...reason] = one.split(' ');
        const said = { status: Number(status), reason: reason.join(' ') };
        const alone = sip.includes('only with') ? [] : [undefined];
        return [...alone, ...causes].map((cause) => ({ ...said, q850: cause }));
      });
    return { title: `${sip} (${q850})`, seen, disposition: disposition.replaceAll('`', ''), blame, next };
  });

function judged({ status, reason, q850 }: Sight, history: Partial<LegHistory> = {}) {
  const sip = { status, reason, ...(q850 === undefined ? {} : { q850 }) };
  return judge({ kind: 'rejected', sip }, { ...BEFORE, ...history });
}

/** What a trunk makes of it whose `retry` says so. */
function overridden(sight: Sight, wanted: 'next_trunk' | 'never'): string {
  const { retry, disposition } = judged(sight);
  const { status } = sight;
  return retryOf({ retry: { [status]: wanted } }, { retry, disposition, status, rang: false });
}

describe('docs/results.md', () => {
  it('has a line for every status that means something of its own', () => {
    const told = new Set(LINES.flatMap(({ seen }) => seen.map(({ status }) => status)));
    for (let status = 300; status < 700; status++) {
      if (told.has(status)) continue;
      const hundred = Math.floor(status / 100);
      const unknown = judged({ status: hundred * 100 + 99, reason: '', q850: undefined });
      const ofClass = hundred === 3 ? judged({ status: 300, reason: '', q850: undefined }) : unknown;
      expect(judged({ status, reason: '', q850: undefined }), String(status)).toEqual(ofClass);
    }
  });

  it.each(LINES)('says of $title what becomes of it', ({ seen, disposition, blame, next }) => {
    expect(seen.length).toBeGreaterThan(0);
    for (const sight of seen) {
      const first = judged(sight);
      const again = judged(sight, { earlier: [first.disposition] });
      const allowed = judged(sight, { retryRejected: true });
      expect(first, JSON.stringify(sight)).toMatchObject({ disposition, blame });
      const goesOn = [first, again, allowed].map(({ retry }) => retry === 'next_trunk');
      expect(goesOn, JSON.stringify(sight)).toEqual(
        {
          yes: [true, true, true],
          once: [true, false, true],
          no: [false, false, false],
          never: [false, false, false],
          'no, unless `retryRejected`': [false, false, true],
        }[next],
      );
      expect(overridden(sight, 'never')).toBe('never');
      expect(overridden(sight, 'next_trunk')).toBe(next === 'never' ? 'never' : 'next_trunk');
    }
  });
});
