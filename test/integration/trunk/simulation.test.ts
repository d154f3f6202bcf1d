import { describe, expect, it } from 'vitest';
import type { Disposition } from '../../../src/call/call.ts';
import type { LegEnd } from '../../../src/engine/engine.ts';
import { someTrunk } from '../../support/records.ts';
import type { Carried, Carrier, Happening } from './carriage.ts';
import { Carriage } from './carriage.ts';

const ALIVE = { alive: true, detail: '200 OK' };

/** What becomes of the callee's phone, whoever carries the call: by its number. */
const FATES = [
  'answered',
  'answered',
  'answered',
  'busy',
  'answered',
  'no_answer',
  'answered',
  'declined',
  'answered',
  'blocked',
] as const satisfies readonly Disposition[];

function fateOf(number: number): (typeof FATES)[number] {
  return FATES[number % FATES.length] ?? 'answered';
}

function ended(afterMs: number, end: LegEnd): Happening {
  return [afterMs, { type: 'ended', end }];
}

function refused(afterMs: number, status: number, reason: string, retryAfterSeconds?: number): Happening {
  const retry = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
  return ended(afterMs, { kind: 'rejected', sip: { status, reason, ...retry } });
}

/** One that reaches the phone after so long. */
function carrying(delayMs: number, approves: (number: number) => boolean): Carrier {
  const ringing: Happening = [delayMs, { type: 'ringing', leftover: {} }];
  const answered: Happening = [4000, { type: 'answered', codec: 'PCMU', leftover: {} }];
  return {
    invite: (number) => {
      switch (fateOf(number)) {
        case 'answered':
          return [ringing, answered, ended(20_000, { kind: 'hung_up', by: 'us', why: 'prompt_finished' })];
        case 'busy':
          return [refused(delayMs, 486, 'Busy Here')];
        case 'no_answer':
          return [ringing, ended(30_000, { kind: 'ring_timeout' })];
        case 'declined':
          return [ringing, refused(3000, 603, 'Decline')];
        case 'blocked':
          return [refused(delayMs, 603, 'Network Blocked')];
      }
    },
    options: () => ALIVE,
    approves,
  };
}

const DEAD: Carrier = {
  invite: () => [ended(8000, { kind: 'setup_timeout' })],
  options: () => 'silence',
  approves: () => false,
};

/** Refuses everything, and asks for a rest now and then. */
const REFUSING: Carrier = {
  invite: (number) => [refused(50, 503, 'Service Unavailable', number % 50 === 0 ? 5 : undefined)],
  options: () => ({ alive: true, detail: '503 Service Unavailable' }),
  approves: () => false,
};

/** The same numbers for the same seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function triesOf(carried: readonly Carried[], trunkId: string): number {
  return carried.flatMap(({ call }) => call.attempts).filter((attempt) => attempt.trunkId === trunkId).length;
}

function mostInASecond(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  let from = 0;
  let most = 0;
  for (const [i, at] of sorted.entries()) {
    while (at - (sorted[from] ?? at) >= 1000) from += 1;
    most = Math.max(most, i - from + 1);
  }
  return most;
}

async function place(carriage: Carriage, from: number, count: number, everyMs: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    carriage.place(from + i, `+4930${String(100_000 + from + i)}`);
    await carriage.clock.pass(everyMs);
  }
}

describe('2,000 calls over three trunks, one dead, one slow, one refusing', () => {
  it('end with the right result each, and find the dead one again when it is back', async () => {
    const trunks = [
      someTrunk({ id: 'dead', cps: 20, channels: 100, optionsIntervalSeconds: 30 }),
      someTrunk({ id: 'refusing', cps: 10, channels: 50, optionsIntervalSeconds: 30 }),
      someTrunk({ id: 'slow', cps: 12, channels: 350, optionsIntervalSeconds: 30 }),
    ];
    const slow = carrying(6000, (number) => number % 3 > 0);
    const carriage = new Carriage(trunks, { dead: DEAD, refusing: REFUSING, slow }, seeded(1));
    await place(carriage, 0, 2000, 100);
    await carriage.clock.pass(120_000);
    const { carried } = carriage;

    expect(carried).toHaveLength(2000);
    for (const { number, result } of carried) expect([number, result]).toEqual([number, fateOf(number)]);
    for (const { call } of carried) {
      const rang = call.attempts.findIndex(({ ringingAt }) => ringingAt !== null);
      expect(rang === -1 || rang === call.attempts.length - 1).toBe(true);
    }
    // 8 s of calls before the first of them is known to have failed, then trials until OPTIONS have told it.
    expect(triesOf(carried, 'dead')).toBeLessThan(100);
    expect(triesOf(carried, 'refusing')).toBeLessThan(30);
    expect(carriage.states.of('dead').condition).toBe('down');
    expect(carriage.health.of('dead').since - carried[0]!.call.createdAt).toBeLessThan(40_000);
    for (const { id, cps = 0, channels = 0 } of trunks) {
      expect(mostInASecond(carriage.invites[id] ?? [])).toBeLessThanOrEqual(cps);
      expect(carriage.mostUp[id]).toBeLessThanOrEqual(channels);
    }
    expect(carriage.results.figures('slow')).toMatchObject({
      attempts: 200,
      pddMs: { p50: 6000, p95: 6000 },
    });

    carriage.carriers['dead'] = carrying(300, () => true);
    await carriage.clock.pass(60_000);
    await place(carriage, 2000, 200, 200);
    await carriage.clock.pass(120_000);
    const later = carried.slice(2000);
    expect(later).toHaveLength(200);
    for (const { number, result } of later) expect([number, result]).toEqual([number, fateOf(number)]);
    expect(triesOf(later, 'dead')).toBeGreaterThan(180);
    expect(carriage.states.of('dead').condition).toBe('up');

    for (const use of await carriage.capacity.use()) expect(use).toMatchObject({ inUse: 0, waiting: 0 });
    await carriage.health.close();
    expect(carriage.clock.pending).toBe(0);
  });

  it('end as capacity where there is room for none of them in time', async () => {
    const trunks = [someTrunk({ id: 'small', channels: 2 })];
    const carriage = new Carriage(trunks, { small: carrying(1000, () => true) }, seeded(1));
    await place(carriage, 0, 20, 0);
    await carriage.clock.pass(200_000);
    const lost = carriage.carried.filter(({ result }) => result === 'capacity');
    expect(carriage.mostUp['small']).toBe(2);
    expect(lost.length).toBeGreaterThan(0);
    for (const { call, passed } of lost) {
      expect(passed).toEqual([{ trunkId: 'small', why: 'deadline' }]);
      expect((call.endedAt ?? 0) - call.createdAt).toBe(60_000);
    }
    expect(carriage.dialled).toEqual(Array.from({ length: 20 - lost.length }, (_, i) => i));
  });
});

describe('a trunk whose verifications never succeed', () => {
  it('loses its traffic but for a few probes, and has it again when they succeed', async () => {
    const trunks = [someTrunk({ id: 'mute' }), someTrunk({ id: 'good' })];
    let cured = false;
    const carriage = new Carriage(
      trunks,
      {
        mute: carrying(500, (number) => cured && number % 3 > 0),
        good: carrying(500, (number) => number % 3 > 0),
      },
      seeded(5),
    );
    const share = (from: number): number =>
      triesOf(carriage.carried.slice(from), 'mute') / (carriage.carried.length - from);
    await place(carriage, 0, 1000, 500);
    await carriage.clock.pass(60_000);
    // It answers all the while: nothing but approvals tells it from the other one.
    expect(carriage.results.figures('mute').asr).toBeGreaterThan(0.5);
    // Two minutes until the first of its calls count, and 60 of them.
    expect(triesOf(carriage.carried, 'mute')).toBeLessThan(400);
    expect(share(500)).toBeGreaterThan(0);
    expect(share(500)).toBeLessThan(0.05);
    cured = true;
    await place(carriage, 1000, 3000, 500);
    await carriage.clock.pass(60_000);
    expect(share(3500)).toBeGreaterThan(0.95);
    await carriage.health.close();
  });
});
