import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { callAnswer, verificationAnswer } from '../../../src/api/schemas.ts';
import { ERROR_TABLE } from '../../../src/errors.ts';

const sections = new Map(
  readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')
    .split(/^## /m)
    .map((section) => [section.slice(0, section.indexOf('\n')), section]),
);

/** First columns of the rows of a section whose first column is code, the backticks taken off. */
function rowsOf(heading: string): string[][] {
  return (sections.get(heading) ?? '')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim().replaceAll('`', ''))
        .slice(1, -1),
    );
}

describe('docs/errors.md', () => {
  it('has every error code with its status and whether to retry, and no other', () => {
    const told = rowsOf('Error codes').map(([code, status, retry]) => [code, status, retry]);
    const known = Object.entries(ERROR_TABLE).map(([code, { status, retryable }]) => [
      code,
      String(status),
      retryable ? 'yes' : 'no',
    ]);
    expect(told).toEqual(known);
  });

  it('explains every disposition, and no other', () => {
    expect(rowsOf('Dispositions of a call').map(([disposition]) => disposition)).toEqual(
      callAnswer.shape.disposition.unwrap().options,
    );
  });

  it('explains every status of a verification, and no other', () => {
    expect(rowsOf('Statuses of a verification').map(([status]) => status)).toEqual(
      verificationAnswer.shape.status.options,
    );
  });
});
