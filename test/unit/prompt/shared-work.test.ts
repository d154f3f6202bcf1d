import { describe, expect, it } from 'vitest';
import { SharedWork } from '../../../src/prompt/shared-work.ts';

/** Work that ends when it is told to, or when it is stopped. */
class Work {
  readonly signals: AbortSignal[] = [];
  #end: (result: string) => void = () => {};
  #fail: (error: Error) => void = () => {};

  readonly begin = (signal: AbortSignal): Promise<string> => {
    this.signals.push(signal);
    return new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  };

  end(result: string): void {
    this.#end(result);
  }

  fail(error: Error): void {
    this.#fail(error);
  }
}

describe('work that several want', () => {
  it('is done once for all who come while it lasts, by its key', async () => {
    const shared = new SharedWork<string>();
    const [one, other] = [new Work(), new Work()];
    const { signal } = new AbortController();
    const all = [undefined, signal, signal].map((of) => shared.do('a', of, one.begin));
    const another = shared.do('b', signal, other.begin);
    one.end('one');
    other.end('other');
    expect(await Promise.all([...all, another])).toEqual(['one', 'one', 'one', 'other']);
    const later = shared.do('a', signal, one.begin);
    one.end('later');
    expect([await later, one.signals.length, other.signals.length]).toEqual(['later', 2, 1]);
  });

  it('fails for all of them, and is begun anew by the next', async () => {
    const shared = new SharedWork<string>();
    const work = new Work();
    const all = [new AbortController().signal, undefined].map((of) => shared.do('a', of, work.begin));
    work.fail(new Error('broken'));
    for (const one of await Promise.allSettled(all))
      expect(one).toMatchObject({ reason: { message: 'broken' } });
    const next = shared.do('a', undefined, work.begin);
    work.end('whole');
    expect(await next).toBe('whole');
  });

  it('goes on while one is there, and is stopped by the last who leaves', async () => {
    const shared = new SharedWork<string>();
    const work = new Work();
    const [a, b] = [new AbortController(), new AbortController()];
    const all = [a, b].map(({ signal }) => shared.do('a', signal, work.begin));
    a.abort(new Error('a left'));
    await expect(all[0]).rejects.toThrow('a left');
    expect(work.signals[0]?.aborted).toBe(false);
    b.abort(new Error('b left'));
    expect(work.signals[0]?.reason).toMatchObject({ message: 'b left' });
    // Whoever comes in the same moment has work that nobody stops, also when the first one ends.
    const next = shared.do('a', new AbortController().signal, work.begin);
    await expect(all[1]).rejects.toThrow('b left');
    const joined = shared.do('a', undefined, work.begin);
    work.end('done');
    expect([await next, await joined, work.signals.length]).toEqual(['done', 'done', 2]);
  });

  it('is not stopped while somebody waits to the end', async () => {
    const shared = new SharedWork<string>();
    const work = new Work();
    const stop = new AbortController();
    const patient = shared.do('a', undefined, work.begin);
    const leaver = shared.do('a', stop.signal, work.begin);
    stop.abort(new Error('left'));
    await expect(leaver).rejects.toThrow('left');
    work.end('done');
    expect([await patient, work.signals[0]?.aborted]).toEqual(['done', false]);
  });

  it('is not begun for who has left already', async () => {
    const work = new Work();
    const gone = AbortSignal.abort(new Error('gone'));
    await expect(new SharedWork<string>().do('a', gone, work.begin)).rejects.toThrow('gone');
    expect(work.signals).toEqual([]);
  });
});
