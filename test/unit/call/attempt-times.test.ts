import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalCapacity } from '../../../src/trunk/local-capacity.ts';
import { DialerRig, THREE_TRUNKS } from '../../support/dialer-rig.ts';
import { eventually } from '../../support/eventually.ts';
import { someTrunk } from '../../support/records.ts';
import { routed } from '../../support/routed.ts';
import type { Step } from '../../support/scripted-engine.ts';
import {
  ANSWERED,
  GOODBYE,
  RINGING,
  refused,
  ScriptedEngine,
  TRYING,
} from '../../support/scripted-engine.ts';

const AGAIN: Step = { type: 'again' };

let rig: DialerRig;

beforeEach(async () => {
  rig = await DialerRig.open();
});

afterEach(async () => {
  await rig.close();
});

describe('a call whose INVITE is challenged', () => {
  const challenged = { 'alpha.example': [TRYING, AGAIN, AGAIN, RINGING, ANSWERED, GOODBYE] };

  it('takes the moment of one INVITE for each, and one channel', async () => {
    const trunk = someTrunk({ cps: 1000, channels: 1 });
    // Time that passes by being looked at: the last second is as long as the test.
    let time = 0;
    const capacity = new LocalCapacity([trunk], { elapsed: () => time++, recent: new Map() });
    const dialer = rig.dialer(new ScriptedEngine(challenged), { ...routed([trunk]), capacity });
    const ids = [await rig.accept('a'), await rig.accept('b')];
    for (const id of ids) dialer.dial(id);
    const calls = await Promise.all(ids.map((id) => rig.endOf(id)));
    expect(calls.map(({ disposition }) => disposition)).toEqual(['answered', 'answered']);
    expect(calls.map(({ attempts }) => attempts.length)).toEqual([1, 1]);
    await eventually(async () => expect(await capacity.use()).toMatchObject([{ inUse: 0, invites: 6 }]));
    expect(calls[0]?.timeline.map(({ type }) => type)).not.toContain('again');
  });

  it('waits for its moment, and is hung up meanwhile without another INVITE', async () => {
    const ways = routed([someTrunk({ cps: 1 })]);
    const engine = new ScriptedEngine({ 'alpha.example': [TRYING, AGAIN, RINGING, 'wait'] });
    const dialer = rig.dialer(engine, ways);
    const callId = await rig.accept();
    dialer.dial(callId);
    await eventually(() => expect(engine.invited).toHaveLength(1), { timeoutMs: 5000 });
    expect((await rig.store.call(callId))?.state).toBe('dialing');
    dialer.hangUp(callId);
    expect(await rig.endOf(callId)).toMatchObject({ disposition: 'canceled', attempts: [{}] });
    expect(await ways.capacity.use()).toMatchObject([{ inUse: 0, waiting: 0 }]);
  });
});

describe('the time of a call', () => {
  it('is bounded on each trunk by what the configuration says', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': [TRYING, RINGING, ANSWERED, GOODBYE] });
    const dialer = rig.dialer(engine, {}, { attemptTimeoutMs: 12_345 });
    const callId = await rig.accept();
    dialer.dial(callId);
    await rig.endOf(callId);
    expect(engine.invited[0]?.timeouts).toMatchObject({ attemptMs: 12_345, setupMs: 8000, ringMs: 30_000 });
  });

  it('ends where no trunk is tried any more, whatever is left to try', async () => {
    let now = Date.now();
    const hosts = THREE_TRUNKS.map(({ host }) => host);
    const engine = new ScriptedEngine(
      Object.fromEntries(hosts.map((host) => [host, [TRYING, refused(503)]])),
    );
    const dialer = rig.dialer(
      engine,
      {
        now: () => now,
        // Each attempt takes its time.
        onAttempt: () => void (now += 700),
      },
      { deadlineMs: 1000 },
    );
    const callId = await rig.accept();
    dialer.dial(callId);
    const call = await rig.endOf(callId);
    expect(call.attempts.map(({ trunkId }) => trunkId)).toEqual(['alpha', 'beta']);
    expect(call.disposition).toBe('trunk_failure');
  });
});
