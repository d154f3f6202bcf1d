import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { timeLimit } from '../../src/time-limit.ts';
import { eventually } from '../support/eventually.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe('a time limit', () => {
  it('comes though nobody but a listener holds it, and garbage is collected meanwhile', async () => {
    let over = 0;
    const never = new AbortController();
    for (let i = 0; i < 50; i++) timeLimit(100, never.signal).addEventListener('abort', () => over++);
    for (let i = 0; i < 3; i++) {
      await sleep(10);
      collectGarbage();
    }
    await eventually(() => expect(over).toBe(50));
  });

  it('is over at once with any of the others, for its reason', () => {
    const other = new AbortController();
    const limit = timeLimit(60_000, new AbortController().signal, other.signal);
    expect(limit.aborted).toBe(false);
    other.abort('hung up');
    expect(limit.reason).toBe('hung up');
    expect(timeLimit(60_000, other.signal).aborted).toBe(true);
  });

  it('says that it was the time', async () => {
    const limit = timeLimit(1);
    await eventually(() => expect(limit.aborted).toBe(true));
    expect(limit.reason).toMatchObject({ name: 'TimeoutError' });
  });
});
