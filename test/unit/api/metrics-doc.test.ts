import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../../src/api/metrics.ts';
import { DocTables } from '../../support/doc-tables.ts';

/** The table stands before the first heading. */
const INTRODUCTION = '# Metrics';

describe('docs/metrics.md', () => {
  it('has every metric of ours, and no other, and says which are histograms', async () => {
    const { text } = await createMetrics({ activeCalls: () => 0 }).page();
    const known = Object.fromEntries(
      [...text.matchAll(/^# TYPE (voice_otp_\w+) (\w+)$/gm)].map(([, name = '', type]) => [name, type]),
    );
    const told = new DocTables('metrics.md').rowsOf(INTRODUCTION);
    expect(new Set(told.map(([name]) => name))).toEqual(new Set(Object.keys(known)));
    const histograms = told.filter(([, , gist = '']) => gist.startsWith('histogram')).map(([name]) => name);
    expect(new Set(histograms)).toEqual(
      new Set(Object.keys(known).filter((name) => known[name] === 'histogram')),
    );
  });
});
