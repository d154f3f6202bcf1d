import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EmbeddedEngine } from '../../../src/engine/embedded/embedded-engine.ts';
import type { LabCarrier } from '../../../src/lab/carrier.ts';
import { Secret } from '../../../src/secret.ts';
import type { Trunk } from '../../../src/trunk/definition.ts';
import { HEALTH_RULES, HealthProbes } from '../../../src/trunk/health.ts';
import { optionsProbe } from '../../../src/trunk/options-probe.ts';
import { REGISTRATION_RULES, Registrations } from '../../../src/trunk/registrations.ts';
import { TrunkStates } from '../../../src/trunk/trunk-states.ts';
import { startEmbedded } from '../../support/embedded.ts';
import { eventually } from '../../support/eventually.ts';
import { LAB_CREDENTIALS, startCarrier } from '../../support/lab.ts';
import { someTrunk } from '../../support/records.ts';

const clock = { now: Date.now, elapsed: () => performance.now() };
/** What a pause between two requests takes here, whatever it should. */
const PAUSE_MS = 5;
let engine: EmbeddedEngine;
let carrier: LabCarrier;
const faults: unknown[] = [];
/** An OPTIONS came: what the carrier says to it. */
const arrivals = new EventEmitter<{ options: ['silent' | number] }>();
const closing: (() => Promise<void>)[] = [];

async function startWatchedCarrier(port = 0): Promise<LabCarrier> {
  const lab = await startCarrier({
    port,
    onFault: (error) => faults.push(error),
    onWire: ({ direction, text }) => {
      if (direction === 'in' && text.startsWith('OPTIONS')) arrivals.emit('options', carrier.optionsAnswer);
    },
  });
  return lab.carrier;
}

beforeAll(async () => {
  engine = await startEmbedded({ t1Ms: 500, onFault: (error) => faults.push(error) });
  carrier = await startWatchedCarrier();
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});
afterAll(async () => {
  await engine.close(AbortSignal.timeout(2000));
  await carrier.close();
  expect(faults).toEqual([]);
});

function trunkTo(change: Partial<Trunk> = {}): Trunk {
  const { username, password } = LAB_CREDENTIALS;
  return someTrunk({ host: '127.0.0.1', port: carrier.port, username, password, ...change });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => undefined);
}

describe('probes of a trunk', () => {
  /** The carrier was closed: what was on its way then is lost, and nobody is told. */
  let gone = false;
  /** Patience is over when a request has arrived at a carrier that stays silent: how fast that is does not matter. */
  const patience = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        arrivals.off('options', arrived);
        resolve();
      };
      const arrived = (said: 'silent' | number): void => {
        if (said === 'silent') end();
      };
      if (gone) setTimeout(end, PAUSE_MS);
      arrivals.on('options', arrived);
      signal.addEventListener('abort', end, { once: true });
    });

  /** Probes without end, the states that came of them, and what the carrier did with each. */
  function probing(transport: 'udp' | 'tcp') {
    const states: string[] = [];
    const probed: boolean[] = [];
    let begun = 0;
    const probe = optionsProbe(engine);
    const health = new HealthProbes({
      clock,
      random: () => 0.5,
      wait: (ms, signal) => (ms === HEALTH_RULES.patienceMs ? patience(signal) : pause(PAUSE_MS, signal)),
      probe: async (trunk, signal) => {
        begun++;
        const answer = await probe(trunk, signal);
        probed.push(answer?.alive === true);
        return answer;
      },
      onChange: (_, { state }) => states.push(`${state} after ${begun}`),
    });
    const trunkStates = new TrunkStates({ clock, health: (id) => health.of(id) });
    closing.push(() => health.close());
    health.watch([trunkTo({ transport, optionsIntervalSeconds: 10 })]);
    return { states, probed, health, condition: () => trunkStates.of('alpha').condition };
  }

  it.each([
    ['says nothing', 'udp'],
    ['is not there', 'tcp'],
  ] as const)('leave one that %s after three, and find it again after two', async (_case, transport) => {
    const { states, probed, condition } = probing(transport);
    await eventually(() => expect(probed.length).toBeGreaterThan(2));
    expect(condition()).toBe('up');
    const { port } = carrier;
    if (transport === 'tcp') {
      await carrier.close();
      gone = true;
      arrivals.emit('options', 'silent');
    } else carrier.optionsAnswer = 'silent';
    await eventually(() => expect(condition()).toBe('down'));
    if (transport === 'tcp') {
      gone = false;
      carrier = await startWatchedCarrier(port);
    } else carrier.optionsAnswer = 200;
    await eventually(() => expect(condition()).toBe('up'));
    expect(states).toHaveLength(3);
    const [firstDead, firstBack] = [probed.indexOf(false), probed.indexOf(true, probed.indexOf(false))];
    expect(states).toEqual(['up after 1', `down after ${firstDead + 3}`, `up after ${firstBack + 2}`]);
  });

  it('take any response for a sign of life', async () => {
    carrier.optionsAnswer = 503;
    const { probed, health } = probing('udp');
    await eventually(() => expect(probed.length).toBeGreaterThan(4));
    carrier.optionsAnswer = 200;
    expect(health.of('alpha')).toMatchObject({ state: 'up', detail: '503 Service Unavailable' });
  });
});

describe('a trunk that we register with', () => {
  function registering() {
    const changes: string[] = [];
    const { patienceMs, farewellMs } = REGISTRATION_RULES;
    const registrations = new Registrations({
      engine,
      clock,
      random: () => 0.5,
      wait: (ms, signal) => pause(ms === patienceMs || ms === farewellMs ? ms : PAUSE_MS, signal),
      onChange: (_, { state }) => changes.push(state),
    });
    const states = new TrunkStates({ clock, registration: (id) => registrations.of(id) });
    closing.push(() => registrations.close());
    return { registrations, changes, condition: () => states.of('alpha').condition };
  }

  const register = { expiresSeconds: 600, user: '+4930123' };
  const bound = () => carrier.registrar.bindings.filter(({ aor }) => aor === 'sip:+4930123@127.0.0.1');

  it('is up as long as we are registered, which is renewed, and taken back at the end', async () => {
    const { registrations, changes, condition } = registering();
    registrations.watch([trunkTo({ register })]);
    expect(condition()).toBe('down');
    await eventually(() => expect(condition()).toBe('up'));
    const { until } = registrations.of('alpha');
    expect(until).toBeGreaterThan(Date.now() + 500_000);
    const [first] = bound();
    await eventually(() => expect(bound()[0]?.cseq).toBeGreaterThan((first?.cseq ?? 0) + 2));
    expect(bound()).toEqual([{ ...first, cseq: expect.any(Number), until: expect.any(Number) }]);
    expect(changes).toEqual(['registered']);
    await registrations.close();
    expect(bound()).toEqual([]);
    expect(registrations.of('alpha').state).toBe('none');
  });

  it('is down with a wrong password, and up again with the right one', async () => {
    const { registrations, condition } = registering();
    registrations.watch([trunkTo({ register, password: new Secret('another') })]);
    await eventually(() => expect(registrations.of('alpha').state).toBe('failed'));
    expect(registrations.of('alpha').detail).toBe('401 Unauthorized');
    expect(condition()).toBe('down');
    expect(bound()).toEqual([]);
    registrations.watch([trunkTo({ register })]);
    await eventually(() => expect(condition()).toBe('up'));
    expect(bound()).toHaveLength(1);
  });

  it('is down when the registrar does not want us any more', async () => {
    const { registrations, changes, condition } = registering();
    registrations.watch([trunkTo({ register })]);
    await eventually(() => expect(condition()).toBe('up'));
    carrier.registrar.refusal = 403;
    await eventually(() => expect(condition()).toBe('down'));
    carrier.registrar.refusal = undefined;
    await eventually(() => expect(condition()).toBe('up'));
    expect(changes).toEqual(['registered', 'failed', 'registered']);
  });
});
