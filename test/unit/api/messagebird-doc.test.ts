import { readFileSync } from 'node:fs';
import type { FastifyRequest } from 'fastify';
import { describe, expect, it } from 'vitest';
import { MESSAGEBIRD_ERRORS, messageBirdErrors, TOKEN_ERRORS } from '../../../src/api/messagebird-errors.ts';
import { verifyAnswer, verifyRequest } from '../../../src/api/messagebird-schemas.ts';
import { verifyRequest as restcommVerify, sendRequest } from '../../../src/api/restcomm-2fa-schemas.ts';
import type { ErrorCode } from '../../../src/errors.ts';
import { AppError, ERROR_TABLE } from '../../../src/errors.ts';

/** Rows of the tables in a section of a document, the backticks taken off. */
function rowsOf(document: string, heading: string): string[][] {
  const text = readFileSync(new URL(`../../../docs/${document}`, import.meta.url), 'utf8');
  const section = text.split(/^## /m).find((one) => one.startsWith(`${heading}\n`)) ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| code'))
    .map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim().replaceAll('`', ''))
        .slice(1, -1),
    );
}

const firstColumn = (rows: string[][]) => rows.map(([first]) => first).filter((field) => field !== 'field');
const NO_REQUEST = {} as FastifyRequest;

interface Told {
  readonly errors: readonly [{ code: number; description: string; parameter: string | null }];
}

describe('docs/messagebird.md', () => {
  const rows = rowsOf('messagebird.md', 'Errors');

  it('has how every error is told, and no other', () => {
    const told = (Object.keys(MESSAGEBIRD_ERRORS) as ErrorCode[]).map((code) => {
      const { status, body } = messageBirdErrors.answer(new AppError(code), NO_REQUEST);
      const [{ code: number, parameter }] = (body as Told).errors;
      return [String(number), code, parameter ?? 'none', String(status)];
    });
    expect(rows.filter(({ length }) => length === 4)).toEqual(told);
    expect(new Set(told.map(([, code]) => code))).toEqual(new Set(Object.keys(ERROR_TABLE)));
  });

  it('has the texts that applications compare', () => {
    const texts = rows.filter(([first]) => first?.startsWith('The token')).map(([first]) => first);
    expect(texts).toEqual(Object.values(TOKEN_ERRORS));
  });

  it('explains every field of a request and of the object, and no other', () => {
    expect(firstColumn(rowsOf('messagebird.md', 'POST /verify'))).toEqual(Object.keys(verifyRequest.shape));
    expect(firstColumn(rowsOf('messagebird.md', 'The Verify object'))).toEqual(
      Object.keys(verifyAnswer.shape),
    );
  });
});

describe('an error of the Verify API', () => {
  const answerTo = (message: string): unknown =>
    messageBirdErrors.answer(new AppError('invalid_request', { message }), NO_REQUEST);
  const of = (code: number, description: string, parameter: string | null) => ({
    status: 422,
    body: { errors: [{ code, description, parameter }] },
  });

  it.each([
    ['body.recipient: required', of(9, 'recipient is required', 'recipient')],
    ['body.tokenLength: too small', of(10, 'tokenLength is invalid: too small', 'tokenLength')],
    ['body.template.0: odd: very', of(10, 'template is invalid: odd: very', 'template')],
    ['query.token: required', of(10, 'The token is invalid', 'token')],
    ['query: has a key that is not known', of(21, 'query: has a key that is not known', null)],
    ['The body is not valid JSON.', of(21, 'The body is not valid JSON.', null)],
  ])('tells of the parameter that %s is about', (message, expected) => {
    expect(answerTo(message)).toEqual(expected);
  });

  it('has a status whose body every SDK reads, where the client can do something about it', () => {
    for (const code of Object.keys(ERROR_TABLE) as ErrorCode[]) {
      const { status } = messageBirdErrors.answer(new AppError(code), NO_REQUEST);
      const waits = ERROR_TABLE[code].status >= 500 || [413, 415, 429].includes(ERROR_TABLE[code].status);
      expect([code, waits || [401, 404, 405, 422].includes(status)]).toEqual([code, true]);
    }
  });
});

describe('docs/restcomm-2fa.md', () => {
  it('explains every field of both requests, and no other', () => {
    expect(firstColumn(rowsOf('restcomm-2fa.md', 'POST /2fa/send'))).toEqual(Object.keys(sendRequest.shape));
    expect(firstColumn(rowsOf('restcomm-2fa.md', 'POST /2fa/verify'))).toEqual(
      Object.keys(restcommVerify.shape),
    );
  });

  it('has the status of every error that it lists', () => {
    const rows = rowsOf('restcomm-2fa.md', 'Errors');
    expect(rows.length).toBeGreaterThan(5);
    for (const [code = '', status] of rows.filter(([first]) => first !== 'wrong_code')) {
      expect([code, status]).toEqual([code, String(ERROR_TABLE[code as ErrorCode]?.status)]);
    }
  });
});
