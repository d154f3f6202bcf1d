import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PlainAnswer, PlainRequest } from '../../../src/engine/engine.ts';
import type { Trunk } from '../../../src/trunk/definition.ts';
import { Registrations, type RegistrationsOptions } from '../../../src/trunk/registrations.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { NOW, someTrunk } from '../../support/records.ts';

const SILENCE: PlainAnswer = { kind: 'no_response' };

let clock: FakeClock;
let registrations: Registrations;
/** Of each REGISTER the seconds from the beginning, its user, and what it asks for. */
let asked: [number, string, number | undefined][];
let changes: string[];
let answer: (request: PlainRequest, signal: AbortSignal) => Promise<PlainAnswer>;

function said(
  status: number,
  more: { expiresSeconds?: number; retryAfterSeconds?: number } = {},
): PlainAnswer {
  const { expiresSeconds, ...sip } = more;
  return {
    kind: 'response',
    sip: { status, reason: 'Why', ...sip },
    ...(expiresSeconds === undefined ? {} : { expiresSeconds }),
  };
}

function registering(id: string, change: Partial<Trunk> = {}): Trunk {
  return someTrunk({ id, username: id, register: { expiresSeconds: 600 }, ...change });
}

function registrationsWith(change: Partial<RegistrationsOptions> = {}): Registrations {
  return new Registrations({
    engine: {
      request: (request, signal) => {
        const user = /^sip:(.*)@/.exec(request.to)?.[1] ?? '';
        asked.push([(clock.now() - NOW) / 1000, user, request.expiresSeconds]);
        return answer(request, signal);
      },
    },
    clock,
    wait: clock.wait,
    random: () => 0.5,
    onChange: (id, { state }) => changes.push(`${(clock.now() - NOW) / 1000} ${id} ${state}`),
    ...change,
  });
}

const times = (): number[] => asked.map(([at]) => at);
const silent = (_: PlainRequest, signal: AbortSignal): Promise<PlainAnswer> =>
  new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(SILENCE));
  });

beforeEach(() => {
  clock = new FakeClock();
  asked = [];
  changes = [];
  answer = async ({ expiresSeconds = 0 }) => said(200, { expiresSeconds });
  registrations = registrationsWith();
});
afterEach(async () => {
  const closing = registrations.close();
  await clock.passAll(10_000);
  await closing;
  expect(clock.pending).toBe(0);
});

describe('Registrations', () => {
  it('registers the trunks that want it at once, and says so', async () => {
    registrations.watch([registering('alpha'), someTrunk({ id: 'beta', username: 'beta' })]);
    expect(registrations.of('alpha')).toEqual({ state: 'pending', since: NOW, until: null, detail: null });
    await clock.pass(1000);
    expect(asked).toEqual([[0, 'alpha', 600]]);
    expect(registrations.of('alpha')).toEqual({
      state: 'registered',
      since: NOW,
      until: NOW + 600_000,
      detail: '200 Why',
    });
    expect(registrations.of('beta')).toEqual({ state: 'none', since: NOW, until: null, detail: null });
    expect(changes).toEqual(['0 alpha registered']);
  });

  it('renews when half to nine tenths of what was granted are over', async () => {
    const draws = [0, 0.999, 0.5, 0.25];
    registrations = registrationsWith({ random: () => draws.shift() ?? 0.5 });
    answer = async () => said(200, { expiresSeconds: 100 });
    registrations.watch([registering('alpha')]);
    await clock.pass(270_000);
    const at = times();
    expect(at.map((one, i) => Math.round(one - (at[i - 1] ?? 0)))).toEqual([0, 50, 90, 70, 60]);
    expect(changes).toEqual(['0 alpha registered']);
    expect(registrations.of('alpha').until).toBe(NOW + 370_000 - 40);
  });

  it('asks nobody more often than once a second, whatever is granted', async () => {
    answer = async () => said(200, { expiresSeconds: 1 });
    registrations.watch([registering('alpha')]);
    await clock.pass(10_000);
    expect(asked.length).toBeLessThanOrEqual(11);
  });

  it('tries again with growing pauses, up to five minutes, and faster when it had been well', async () => {
    answer = async () => SILENCE;
    registrations.watch([registering('alpha')]);
    await clock.pass(700_000);
    const at = times();
    expect(at.map((one, i) => one - (at[i - 1] ?? 0))).toEqual([0, 2, 4, 8, 16, 32, 64, 128, 256]);
    expect(registrations.of('alpha')).toEqual({
      state: 'failed',
      since: NOW,
      until: null,
      detail: 'no response',
    });
    answer = async () => said(200, { expiresSeconds: 600 });
    await clock.pass(400_000);
    expect(registrations.of('alpha').state).toBe('registered');
    asked.length = 0;
    answer = async () => said(503);
    await clock.pass(425_000);
    const again = times();
    expect(again.slice(1, 4).map((one, i) => one - (again[i] ?? 0))).toEqual([2, 4, 8]);
  });

  it('waits longer after a refusal, and as long as the registrar wants', async () => {
    answer = async () => said(403);
    registrations.watch([registering('alpha')]);
    await clock.pass(100_000);
    expect(times()).toEqual([0, 30, 90]);
    answer = async () => said(503, { retryAfterSeconds: 1000 });
    await clock.pass(1_200_000);
    expect(times()).toEqual([0, 30, 90, 210, 1210]);
    answer = async () => said(500, { retryAfterSeconds: 1_000_000 });
    await clock.pass(5_000_000);
    expect(times().slice(5)).toEqual([2210, 5810]);
  });

  it('is registered until what was granted runs out, though nobody answers any more', async () => {
    answer = async () => said(200, { expiresSeconds: 100 });
    registrations.watch([registering('alpha')]);
    await clock.pass(60_000);
    answer = silent;
    await clock.pass(39_999);
    expect(registrations.of('alpha')).toMatchObject({ state: 'registered', until: NOW + 100_000 });
    await clock.pass(1);
    expect(registrations.of('alpha')).toMatchObject({ state: 'failed', since: NOW + 100_000, until: null });
    expect(changes).toEqual(['0 alpha registered', '100 alpha failed']);
  });

  it('tells that one ran out in the middle of a pause', async () => {
    answer = async () => said(200, { expiresSeconds: 100 });
    registrations.watch([registering('alpha')]);
    await clock.pass(60_000);
    answer = async () => said(503, { retryAfterSeconds: 120 });
    await clock.pass(100_000);
    expect(changes).toEqual(['0 alpha registered', '100 alpha failed']);
    expect(registrations.of('alpha')).toMatchObject({ state: 'failed', detail: '503 Why' });
    expect(times()).toEqual([0, 70]);
  });

  it.each([
    ['says no', said(403)],
    ['keeps it for no time', said(200, { expiresSeconds: 0 })],
  ])('is registered no more when the registrar %s', async (_case, no) => {
    answer = async () => said(200, { expiresSeconds: 100 });
    registrations.watch([registering('alpha')]);
    await clock.pass(60_000);
    answer = async () => no;
    await clock.pass(10_000);
    expect(changes).toEqual(['0 alpha registered', '70 alpha failed']);
  });

  it('asks one REGISTER of a trunk at a time, and gives up one that takes too long', async () => {
    const signals: AbortSignal[] = [];
    answer = (_, signal) => {
      signals.push(signal);
      return new Promise(() => undefined);
    };
    registrations.watch([registering('alpha')]);
    await clock.pass(31_999);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    await clock.pass(2500);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });

  it('goes on when the engine throws', async () => {
    answer = () => {
      throw new Error('a bug');
    };
    registrations.watch([registering('alpha')]);
    await clock.pass(1000);
    expect(registrations.of('alpha')).toMatchObject({ state: 'failed', detail: 'a bug' });
  });
});

describe('Registrations that are not wanted any more', () => {
  it('are taken back when the trunk is gone', async () => {
    registrations.watch([registering('alpha'), registering('beta')]);
    await clock.pass(1000);
    registrations.watch([registering('beta')]);
    await clock.pass(1000);
    expect(asked.slice(2)).toEqual([[1, 'alpha', 0]]);
    expect(registrations.of('alpha').state).toBe('none');
    expect(registrations.of('beta').state).toBe('registered');
  });

  it('are all taken back at the end, side by side, and in time', async () => {
    registrations.watch([registering('alpha'), registering('beta')]);
    await clock.pass(1000);
    answer = silent;
    const closing = registrations.close().then(() => clock.now() - NOW);
    await clock.pass(10_000);
    expect(await closing).toBe(4000);
    expect(asked.slice(2)).toEqual([
      [1, 'alpha', 0],
      [1, 'beta', 0],
    ]);
  });

  it('are not taken back where there are none', async () => {
    answer = async () => said(403);
    registrations.watch([registering('alpha')]);
    await clock.pass(1000);
    await registrations.close();
    expect(asked).toEqual([[0, 'alpha', 600]]);
  });

  it('are taken back where the answer had not come yet', async () => {
    answer = silent;
    registrations.watch([registering('alpha')]);
    await clock.pass(1000);
    answer = async () => said(200);
    await registrations.close();
    expect(asked.slice(1)).toEqual([[1, 'alpha', 0]]);
  });

  it('are taken back at the old place before the new one is asked', async () => {
    registrations.watch([registering('alpha')]);
    await clock.pass(1000);
    const places: string[] = [];
    answer = async ({ requestUri, expiresSeconds }) => {
      places.push(`${requestUri} ${expiresSeconds}`);
      return said(200);
    };
    registrations.watch([registering('alpha', { host: 'new.example' })]);
    expect(registrations.of('alpha').state).toBe('pending');
    await clock.pass(1000);
    expect(places).toEqual(['sip:alpha.example 0', 'sip:new.example 600']);
    expect(registrations.of('alpha').state).toBe('registered');
  });

  it('stay where the trunk has another name and the same account', async () => {
    registrations.watch([registering('alpha')]);
    await clock.pass(1000);
    registrations.watch([registering('beta', { username: 'alpha' })]);
    await clock.pass(1000);
    expect(asked.slice(1)).toEqual([[1, 'alpha', 600]]);
  });

  it('stay where the definition says otherwise what does not matter to them, and follow it', async () => {
    registrations.watch([registering('alpha')]);
    await clock.pass(1000);
    registrations.watch([registering('alpha', { cps: 5, register: { expiresSeconds: 300 } })]);
    expect(registrations.of('alpha').state).toBe('registered');
    await clock.pass(450_000);
    expect(asked.slice(1)).toEqual([[420, 'alpha', 300]]);
  });

  it('are tried again at once with a new configuration where they had failed', async () => {
    answer = async () => said(403);
    registrations.watch([registering('alpha')]);
    await clock.pass(1000);
    answer = async () => said(200);
    registrations.watch([registering('alpha')]);
    await clock.pass(0);
    expect(times()).toEqual([0, 1]);
    expect(registrations.of('alpha').state).toBe('registered');
  });
});
