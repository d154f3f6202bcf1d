import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Trunk } from '../../../src/trunk/definition.ts';
import type { HealthOptions, Probe, ProbeAnswer, TrunkHealth } from '../../../src/trunk/health.ts';
import { afterProbe, HEALTH_RULES, HealthProbes } from '../../../src/trunk/health.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { NOW, someTrunk } from '../../support/records.ts';

const OK: ProbeAnswer = { alive: true, detail: '200 OK' };
const SILENCE: ProbeAnswer = { alive: false, detail: 'no response' };
const UNKNOWN: TrunkHealth = { state: 'unknown', since: NOW, against: 0, detail: null };

/** The states after each of the probes: `-` without, `+` with a sign of life. */
function states(probes: string, from = UNKNOWN): readonly string[] {
  let health = from;
  return [...probes].map((probe, i) => {
    health = afterProbe(health, probe === '+' ? OK : SILENCE, HEALTH_RULES, NOW + i);
    return health.state;
  });
}

describe('afterProbe', () => {
  it('believes the first sign of life, and silence only three times in a row', () => {
    expect(states('+')).toEqual(['up']);
    expect(states('---')).toEqual(['unknown', 'unknown', 'down']);
    expect(states('+--+--+---')).toEqual([...['up', 'up', 'up', 'up', 'up', 'up', 'up', 'up', 'up'], 'down']);
  });

  it('comes back after two signs of life in a row', () => {
    const down: TrunkHealth = { state: 'down', since: NOW, against: 0, detail: 'no response' };
    expect(states('+-+-++', down)).toEqual(['down', 'down', 'down', 'down', 'down', 'up']);
  });

  it('keeps since when it is so, and what was said last', () => {
    const up = afterProbe(UNKNOWN, OK, HEALTH_RULES, NOW + 1);
    const again = afterProbe(up, { alive: true, detail: '404 Not Found' }, HEALTH_RULES, NOW + 9);
    expect(again).toEqual({ state: 'up', since: NOW + 1, against: 0, detail: '404 Not Found' });
    const doubt = afterProbe(again, SILENCE, HEALTH_RULES, NOW + 10);
    expect(doubt).toEqual({ state: 'up', since: NOW + 1, against: 1, detail: 'no response' });
  });
});

describe('HealthProbes', () => {
  let clock: FakeClock;
  let probes: HealthProbes;
  /** Seconds from the beginning, and trunk, of each probe. */
  let asked: [number, string][];
  let changes: string[];
  let answer: Probe;

  beforeEach(() => {
    clock = new FakeClock();
    asked = [];
    changes = [];
    answer = async () => OK;
    probes = probesWith({});
  });

  afterEach(async () => {
    await probes.close();
    expect(clock.pending).toBe(0);
  });

  function probesWith(change: Partial<HealthOptions>): HealthProbes {
    return new HealthProbes({
      clock,
      wait: clock.wait,
      random: () => 0.5,
      probe: (trunk, signal) => {
        asked.push([(clock.now() - NOW) / 1000, trunk.id]);
        return answer(trunk, signal);
      },
      onChange: (id, { state }) => changes.push(`${id} ${state}`),
      ...change,
    });
  }

  const probed = (change: Partial<Trunk> = {}): Trunk => someTrunk({ optionsIntervalSeconds: 30, ...change });

  it('asks the trunks that are to be asked, at their intervals', async () => {
    probes.watch([probed(), someTrunk({ id: 'beta' }), probed({ id: 'gamma', optionsIntervalSeconds: 60 })]);
    await clock.pass(95_000);
    expect(asked).toEqual([
      [1, 'alpha'],
      [1, 'gamma'],
      [31, 'alpha'],
      [61, 'gamma'],
      [61, 'alpha'],
      [91, 'alpha'],
    ]);
    expect(probes.of('alpha')).toEqual({ state: 'up', since: NOW + 1000, against: 0, detail: '200 OK' });
    expect(probes.of('beta')).toEqual({ state: 'unknown', since: NOW, against: 0, detail: null });
  });

  it('varies the intervals, by a fifth at most', async () => {
    const draws = [0.5, 0, 0.999, 0.25];
    probes = probesWith({ random: () => draws.shift() ?? 0.5 });
    probes.watch([probed()]);
    await clock.pass(100_000);
    const times = asked.map(([at]) => at);
    expect(times.map((at, i) => Math.round(at - (times[i - 1] ?? 0)))).toEqual([1, 24, 36, 27]);
  });

  it('leaves a dead trunk within three probes, asked faster, and finds it again within two', async () => {
    probes.watch([probed()]);
    await clock.pass(2000);
    answer = async () => {
      throw new Error('ECONNREFUSED');
    };
    await clock.pass(29_000);
    expect(probes.of('alpha')).toMatchObject({ state: 'up', against: 1 });
    await clock.pass(15_000);
    expect(probes.of('alpha')).toEqual({
      state: 'down',
      since: NOW + 46_000,
      against: 0,
      detail: 'ECONNREFUSED',
    });
    expect(asked.map(([at]) => at)).toEqual([1, 31, 38.5, 46]);
    answer = async () => ({ alive: true, detail: '503 Service Unavailable' });
    await clock.pass(37_500);
    expect(probes.of('alpha')).toMatchObject({ state: 'up', since: NOW + 83_500 });
    expect(changes).toEqual(['alpha up', 'alpha down', 'alpha up']);
  });

  it('takes one for dead that says nothing, tells it to stop, and asks again', async () => {
    const signals: AbortSignal[] = [];
    answer = (_, signal) => {
      signals.push(signal);
      return new Promise(() => undefined);
    };
    probes.watch([probed()]);
    await clock.pass(5999);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    await clock.pass(40_000);
    expect(probes.of('alpha')).toMatchObject({ state: 'down', detail: 'no response' });
    expect(signals.slice(0, 3).map(({ aborted }) => aborted)).toEqual([true, true, true]);
  });

  it('learns nothing from a probe that a fault of our own kept from being sent', async () => {
    probes.watch([probed()]);
    await clock.pass(2000);
    const before = probes.of('alpha');
    answer = async () => null;
    await clock.pass(300_000);
    expect(asked).toHaveLength(11);
    expect(probes.of('alpha')).toEqual(before);
    answer = async () => SILENCE;
    await clock.pass(75_000);
    expect(probes.of('alpha').state).toBe('down');
    answer = async () => null;
    await clock.pass(300_000);
    expect(probes.of('alpha').state).toBe('down');
    expect(changes).toEqual(['alpha up', 'alpha down']);
  });

  it('follows a new configuration, and forgets a trunk that is somewhere else now', async () => {
    answer = async () => SILENCE;
    probes.watch([probed(), probed({ id: 'beta' })]);
    await clock.pass(30_000);
    expect([probes.of('alpha').state, probes.of('beta').state]).toEqual(['down', 'down']);
    probes.watch([probed({ optionsIntervalSeconds: 10 }), probed({ id: 'beta', host: 'new.example' })]);
    expect([probes.of('alpha').state, probes.of('beta').state]).toEqual(['down', 'unknown']);
    probes.watch([probed()]);
    await clock.pass(0);
    asked.length = 0;
    await clock.pass(60_000);
    expect(new Set(asked.map(([, id]) => id))).toEqual(new Set(['alpha']));
  });

  it('ends a probe that is under way when it is closed', async () => {
    let aborted = false;
    answer = (_, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          aborted = true;
          resolve(SILENCE);
        });
      });
    probes.watch([probed()]);
    await clock.pass(2000);
    await probes.close();
    expect(aborted).toBe(true);
    expect(probes.of('alpha').state).toBe('unknown');
  });
});
