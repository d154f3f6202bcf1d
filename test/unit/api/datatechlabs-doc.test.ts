import { describe, expect, it } from 'vitest';
import { DATATECHLABS_CODES } from '../../../src/api/datatechlabs-envelope.ts';
import { playRequest, statusAnswer } from '../../../src/api/datatechlabs-schemas.ts';
import type { ErrorCode } from '../../../src/errors.ts';
import { ERROR_TABLE } from '../../../src/errors.ts';
import { DocTables } from '../../support/doc-tables.ts';

const page = new DocTables('datatechlabs.md');

describe('docs/datatechlabs.md', () => {
  it('has the number of every error code, and no other', () => {
    expect(page.rowsOf('Errors')).toEqual(
      Object.entries(DATATECHLABS_CODES).map(([code, number]) => [
        String(number),
        code,
        String(ERROR_TABLE[code as ErrorCode].status),
      ]),
    );
  });

  it('has no number twice, and none that means success', () => {
    const numbers = Object.values<number>(DATATECHLABS_CODES);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(Math.min(...numbers)).toBeGreaterThan(0);
  });

  it('explains every field of a request, and no other', () => {
    const told = page.rowsOf('POST /voice/call/play').map(([field]) => field);
    const item = Object.keys(playRequest.shape.playlist.element.shape).map((key) => `playlist[].${key}`);
    const known = Object.keys(playRequest.shape).flatMap((key) =>
      key === 'playlist' ? [key, ...item] : [key],
    );
    expect(told).toEqual(known);
  });

  it('explains every field of a status, and no other', () => {
    const told = page
      .rowsOf('GET /voice/call/status/{request_id}')
      .flatMap(([fields = '']) => fields.split(', '));
    expect(told.toSorted()).toEqual(Object.keys(statusAnswer.shape.data.shape).toSorted());
  });
});
