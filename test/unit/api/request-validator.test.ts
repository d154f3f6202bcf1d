import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { requestValidator } from '../../../src/api/request-validator.ts';

const SECRET = 'your code is 482913';

const item = z.union(
  [
    z.strictObject({ text: z.string().max(20), speed: z.number().optional() }),
    z.strictObject({ file: z.string().regex(/^\w+$/) }),
  ],
  {
    error: 'expected one of text, file',
  },
);
const schema = z.strictObject({
  list: z.array(item),
  name: z.union([z.string(), z.number()], { error: 'expected a name' }).optional(),
});

function messageFor(data: unknown): string | undefined {
  const validate = requestValidator({ schema, method: 'POST', url: '/', httpPart: 'body' });
  const result: unknown = validate(data);
  return (result as { error?: Error }).error?.message;
}

describe('what fits none of several kinds', () => {
  it.each<[unknown, string]>([
    [{}, 'body.list.1: expected one of text, file'],
    [null, 'body.list.1: expected one of text, file'],
    [SECRET, 'body.list.1: expected one of text, file'],
    [[SECRET], 'body.list.1: expected one of text, file'],
    [{ text: SECRET, file: 'a' }, 'body.list.1: expected one of text, file'],
    [{ speed: 1 }, 'body.list.1: expected one of text, file'],
    [{ text: 5 }, 'body.list.1.text: expected string'],
    [{ text: null }, 'body.list.1.text: required'],
    [{ text: 'a', speed: SECRET }, 'body.list.1.speed: expected number'],
    [{ text: 'a', volume: 5 }, 'body.list.1: has a key that is not known: volume'],
    [{ text: 'a', [SECRET]: 5 }, 'body.list.1: has a key that is not known'],
    [{ text: 'a', KXQZWV: 5 }, 'body.list.1: has a key that is not known'],
  ])('%j: %s', (bad, message) => {
    expect(messageFor({ list: [{ file: 'a' }, bad] })).toBe(message);
  });

  it('is told by the limits of the kind that was meant', () => {
    expect(messageFor({ list: [{ text: SECRET.repeat(2) }] })).toMatch(/^body\.list\.0\.text: .*20/);
    expect(messageFor({ list: [{ file: SECRET }] })).toMatch(/^body\.list\.0\.file: /);
    expect(messageFor({ list: [{ file: SECRET }] })).not.toContain(SECRET);
  });

  it('is told as it is where the kinds have no keys', () => {
    expect(messageFor({ list: [], name: {} })).toBe('body.name: expected a name');
    expect(messageFor({ list: [], name: 5 })).toBeUndefined();
  });
});
