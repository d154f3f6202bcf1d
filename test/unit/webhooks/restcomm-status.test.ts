import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Disposition } from '../../../src/call/call.ts';
import { restcommStatusOf } from '../../../src/webhooks/restcomm-status.ts';

describe('the status of a call', () => {
  it.each([
    ['queued', 'queued'],
    ['dialing', 'queued'],
    ['ringing', 'ringing'],
    ['answered', 'in-progress'],
  ] as const)('that is %s is %s', (state, status) => {
    expect(restcommStatusOf({ state, disposition: null })).toBe(status);
  });

  it('that has ended is the one that the document says, for every end', () => {
    const doc = readFileSync(join(import.meta.dirname, '../../../docs/restcomm-calls.md'), 'utf8');
    const rows = [...doc.matchAll(/^\| `([a-z-]+)` \| (`[a-z_]+`(?:, `[a-z_]+`)*) \|$/gm)];
    const told = rows.flatMap(([, status, ends]) =>
      [...String(ends).matchAll(/`([a-z_]+)`/g)].map(([, end]) => [String(end), status] as const),
    );
    const errors = readFileSync(join(import.meta.dirname, '../../../docs/errors.md'), 'utf8');
    const listed = errors.split(/^## /m).find((part) => part.startsWith('Dispositions of a call')) ?? '';
    const known = [...listed.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, name]) => String(name));
    expect(known.length).toBeGreaterThan(20);
    expect(told.map(([end]) => end).toSorted()).toEqual(known.filter((end) => end !== 'sent').toSorted());
    for (const [end, status] of told) {
      expect([end, restcommStatusOf({ state: 'ended', disposition: end as Disposition })]).toEqual([
        end,
        status,
      ]);
    }
  });
});
