import { describe, expect, it } from 'vitest';
import { Observations } from '../../../src/cluster/observations.ts';

const LEASE = 1000;
const BEAT = 100;

/** An observer that looks at each beat, from 0 on, and whose questions take 10 ms. */
function observer(): {
  observations: Observations;
  look: (askedAt: number, beats: Record<string, string>) => readonly string[];
} {
  const observations = new Observations({ patienceMs: LEASE, gapMs: 2.5 * BEAT });
  return {
    observations,
    look: (askedAt, beats) =>
      observations
        .see(new Map(Object.entries(beats)), { askedAt, heardAt: askedAt + 10 })
        .map(({ token }) => token),
  };
}

describe('Observations', () => {
  it('sees a death within the lease and two beats of it, and not before the lease', () => {
    const { look } = observer();
    // `b` beats for the last time at 250, between two looks.
    let seenAt = -1;
    for (let at = 0; at < 3000 && seenAt < 0; at += BEAT) {
      if (look(at, { a: `${at}`, b: at < 250 ? '1' : '2' }).includes('b')) seenAt = at;
    }
    expect(seenAt).toBeGreaterThanOrEqual(250 + LEASE);
    expect(seenAt).toBeLessThanOrEqual(250 + LEASE + 2 * BEAT);
  });

  it('takes a count that went back, as after a failover, for a beat', () => {
    const { look } = observer();
    for (let at = 0; at < 900; at += BEAT) look(at, { b: '7' });
    expect(look(900, { b: '5' })).toEqual([]);
    for (let at = 1000; at < 1900; at += BEAT) expect(look(at, { b: '5' })).toEqual([]);
    expect(look(1900, { b: '5' })).toEqual([]);
    expect(look(2000, { b: '5' })).toEqual(['b']);
  });

  it('begins anew with all of them after a gap', () => {
    const { look } = observer();
    for (let at = 0; at <= 900; at += BEAT) look(at, { b: '1', c: '1' });
    // It was stopped, or Redis was away.
    expect(look(4000, { b: '1', c: '1' })).toEqual([]);
    for (let at = 4100; at <= 5000; at += BEAT) expect(look(at, { b: '1', c: `${at}` })).toEqual([]);
    expect(look(5100, { b: '1', c: '5100' })).toEqual(['b']);
  });

  it('begins anew where an answer took long', () => {
    const { observations, look } = observer();
    for (let at = 0; at <= 900; at += BEAT) look(at, { b: '1' });
    const late = observations.see(new Map([['b', '1']]), { askedAt: 1000, heardAt: 2500 });
    expect(late).toEqual([]);
    expect(look(2600, { b: '1' })).toEqual([]);
  });

  it('waits a lease for one that is expected and never comes', () => {
    const { observations, look } = observer();
    look(0, {});
    observations.expect('ghost', 50);
    for (let at = 100; at <= 1000; at += BEAT) expect(look(at, {})).toEqual([]);
    expect(look(1100, {})).toEqual(['ghost']);
  });

  it('says it again until the token is forgotten', () => {
    const { observations, look } = observer();
    for (let at = 0; at <= 1000; at += BEAT) look(at, { b: '1' });
    expect(look(1100, { b: '1' })).toEqual(['b']);
    expect(look(1200, { b: '1' })).toEqual(['b']);
    observations.forget('b');
    expect(look(1300, {})).toEqual([]);
    expect(observations.stillMs(1400).size).toBe(0);
  });
});
