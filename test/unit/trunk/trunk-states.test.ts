import { beforeEach, describe, expect, it } from 'vitest';
import type { TrunkHealth } from '../../../src/trunk/health.ts';
import type { RegistrationState } from '../../../src/trunk/registrations.ts';
import { TrunkStates } from '../../../src/trunk/trunk-states.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { NOW } from '../../support/records.ts';

let clock: FakeClock;
let health: TrunkHealth;
let states: TrunkStates;

beforeEach(() => {
  clock = new FakeClock();
  health = { state: 'unknown', since: NOW, against: 0, detail: null };
  states = new TrunkStates({ clock, health: () => health });
});

function fail(times: number): void {
  for (let i = 0; i < times; i++) states.begin('alpha')?.end('fails');
}

describe('TrunkStates', () => {
  it('takes a trunk for up that nothing speaks against', () => {
    expect(states.of('alpha')).toEqual({ condition: 'up', since: NOW, reasons: [], trial: false });
    expect(new TrunkStates({ clock }).of('alpha').condition).toBe('up');
  });

  it('lets one rest that asks for it, for so long', async () => {
    await clock.pass(500);
    states.rest('alpha', 20);
    expect(states.of('alpha')).toEqual({
      condition: 'resting',
      since: NOW + 500,
      reasons: [
        {
          condition: 'resting',
          since: NOW + 500,
          until: NOW + 20_500,
          detail: 'it asked for a rest (Retry-After)',
        },
      ],
      trial: false,
    });
    expect(states.of('beta').condition).toBe('up');
    await clock.pass(19_999);
    expect(states.of('alpha').condition).toBe('resting');
    await clock.pass(1);
    expect(states.of('alpha')).toEqual({ condition: 'up', since: NOW + 20_500, reasons: [], trial: false });
  });

  it.each([[0], [-5], [Number.NaN]])('does not heed a rest of %d seconds', (seconds) => {
    states.rest('alpha', seconds);
    expect(states.of('alpha').condition).toBe('up');
  });

  it('believes no more than five minutes of a rest, whatever the clock is set to', async () => {
    states.rest('alpha', 86_400);
    clock.epoch -= 1_000_000;
    await clock.pass(299_999);
    expect(states.of('alpha').condition).toBe('resting');
    await clock.pass(1);
    expect(states.of('alpha').condition).toBe('up');
  });

  it('is open by results, and half open later', async () => {
    fail(5);
    expect(states.begin('alpha')).toBeUndefined();
    expect(states.of('alpha')).toEqual({
      condition: 'open',
      since: NOW,
      reasons: [
        { condition: 'open', since: NOW, until: NOW + 10_000, detail: '5 of its last 5 calls failed' },
      ],
      trial: false,
    });
    await clock.pass(10_000);
    expect(states.of('alpha')).toMatchObject({ condition: 'half_open', trial: true });
    const trial = states.begin('alpha');
    expect(states.of('alpha')).toMatchObject({ condition: 'half_open', trial: false });
    await clock.pass(1000);
    trial?.end('carries');
    states.begin('alpha')?.end('carries');
    states.begin('alpha')?.end('carries');
    expect(states.of('alpha')).toEqual({ condition: 'up', since: NOW + 11_000, reasons: [], trial: false });
  });

  it('says all that speaks against a trunk, the gravest first', async () => {
    fail(5);
    states.rest('alpha', 60);
    health = { state: 'down', since: NOW - 7, against: 0, detail: 'ECONNREFUSED' };
    expect(states.of('alpha')).toMatchObject({
      condition: 'down',
      since: NOW - 7,
      reasons: [
        { condition: 'down', until: null, detail: 'no sign of life: ECONNREFUSED' },
        { condition: 'open' },
        { condition: 'resting' },
      ],
    });
    health = { state: 'up', since: NOW, against: 0, detail: '200 OK' };
    await clock.pass(10_000);
    expect(states.of('alpha').reasons.map(({ condition }) => condition)).toEqual(['resting', 'half_open']);
  });

  it('takes one for down that wants us to register, until we are', () => {
    let registration: RegistrationState = { state: 'pending', since: NOW, until: null, detail: null };
    states = new TrunkStates({ clock, registration: () => registration });
    const reason = { condition: 'down', since: NOW, until: null };
    expect(states.of('alpha')).toEqual({
      condition: 'down',
      since: NOW,
      reasons: [{ ...reason, detail: 'not registered: no answer so far' }],
      trial: false,
    });
    registration = { state: 'failed', since: NOW + 5, until: null, detail: '403 Forbidden' };
    expect(states.of('alpha').reasons).toEqual([
      { ...reason, since: NOW + 5, detail: 'not registered: 403 Forbidden' },
    ]);
    registration = { state: 'registered', since: NOW + 9, until: NOW + 600_000, detail: '200 OK' };
    expect(states.of('alpha')).toEqual({ condition: 'up', since: NOW + 9, reasons: [], trial: false });
    registration = { state: 'none', since: NOW, until: null, detail: null };
    expect(states.of('alpha').condition).toBe('up');
  });

  it('forgets trunks that are configured no more', () => {
    fail(5);
    states.rest('beta', 60);
    states.keep(['beta']);
    expect(states.of('alpha').condition).toBe('up');
    expect(states.of('beta').condition).toBe('resting');
  });
});
