import { describe, expect, it } from 'vitest';
import { EventQueue } from '../../../../src/engine/leg/event-queue.ts';

describe('EventQueue', () => {
  it('hands on in order, whether the reader or the event comes first', async () => {
    const queue = new EventQueue<number>();
    const early = queue.next();
    for (const item of [1, 2, 3]) queue.push(item);
    expect([await early, await queue.next(), await queue.next()]).toEqual([1, 2, 3]);
    const late = queue.next();
    queue.push(4);
    expect(await late).toBe(4);
  });
});
