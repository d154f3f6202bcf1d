import { describe, expect, it } from 'vitest';
import { within } from '../../../../src/engine/leg/deadline.ts';

describe('within', () => {
  it('gives what the work gives', async () => {
    await expect(within(60_000, Promise.resolve(7), 'late')).resolves.toBe(7);
    await expect(within(60_000, Promise.reject(new Error('no')), 'late')).rejects.toThrow('no');
  });

  it('complains when the time is up, and takes no notice of what comes later', async () => {
    let fail: (error: Error) => void = () => undefined;
    const work = new Promise<never>((_, reject) => {
      fail = reject;
    });
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    try {
      await expect(within(5, work, 'the server says nothing')).rejects.toThrow('the server says nothing');
      fail(new Error('too late'));
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  });

  it('leaves no timer behind, however the work ends', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const running = within(60_000, new Promise((resolve) => setImmediate(resolve)), 'late');
    expect(timers()).toBe(before + 1);
    await running;
    await within(60_000, Promise.reject(new Error('no')), 'late').catch(() => undefined);
    expect(timers()).toBe(before);
  });
});
