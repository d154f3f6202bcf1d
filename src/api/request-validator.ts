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
    const [first] = result.error.issues;
    const issue = first === undefined ? undefined : nearest(first, data);
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
  return key !== undefined && /^[a-z][a-zA-Z_-]{1,31}$/.test(key) ? `: ${key}` : '';
}

/**
 * Where a value fits none of several kinds, but has all keys that one of them must have, and only that one, the
 * problem with this kind; otherwise the issue as it is.
 */
function nearest(issue: z.core.$ZodIssue, data: unknown): Pick<z.core.$ZodIssue, 'path' | 'message'> {
  if (issue.code !== 'invalid_union') {
    return issue;
  }
  const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)[key], data);
  const meant = issue.errors.filter((issues) => !issues.some((one) => isMissing(one, value)));
  const [problem] = meant.length === 1 ? (meant[0] ?? []) : [];
  return problem === undefined ? issue : { ...problem, path: [...issue.path, ...problem.path] };
}

/** Whether the issue is that the value lacks a key, or is nothing that could have one. */
function isMissing(issue: z.core.$ZodIssue, value: unknown): boolean {
  if (issue.code !== 'invalid_type') {
    return false;
  }
  const [key] = issue.path;
  return key === undefined || !Object.hasOwn(value as object, key);
}
