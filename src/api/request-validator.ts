import type { FastifySchemaCompiler } from 'fastify';
import { z } from 'zod';
import { AppError } from '../errors.ts';

/** Names of the parts of a request, as a client knows them. */
const PARTS: Readonly<Record<string, string>> = { querystring: 'query', params: 'path' };

/**
 * Validates a part of a request and tells the first problem, led by its path: `body.to: required`. No message
 * repeats what was sent: the body holds a code, and a log or a screen may hold the answer.
 */
export const requestValidator: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  return (data: unknown) => {
    const result = schema.safeParse(data, { error: expected });
    if (result.success) {
      return { value: result.data };
    }
    const [issue] = result.error.issues;
    const part = PARTS[httpPart ?? ''] ?? httpPart ?? 'request';
    const path = [part, ...(issue?.path ?? [])].map(String).join('.');
    return {
      error: new AppError('invalid_request', { message: `${path}: ${issue?.message ?? 'not valid'}` }),
    };
  };
};

/** Messages without the input. Keys that are not known are not repeated either: they are input too. */
function expected(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') {
    return issue.input === undefined || issue.input === null ? 'required' : `expected ${issue.expected}`;
  }
  return issue.code === 'unrecognized_keys'
    ? `has a key that is not known${knownName(issue.keys[0])}`
    : undefined;
}

/** The key's name where it looks like a mistyped one of ours, and not like data. */
function knownName(key: string | undefined): string {
  return key !== undefined && /^[a-zA-Z_-]{1,32}$/.test(key) ? `: ${key}` : '';
}
