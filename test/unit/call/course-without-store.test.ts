import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DialerRig, unreachable } from '../../support/dialer-rig.ts';
import { eventually } from '../../support/eventually.ts';
import type { Step } from '../../support/scripted-engine.ts';
import {
  ANSWERED,
  GOODBYE,
  PROMPT_FINISHED,
  RINGING,
  ScriptedEngine,
  TRYING,
} from '../../support/scripted-engine.ts';

const TALK: readonly Step[] = [TRYING, RINGING, ANSWERED, PROMPT_FINISHED, GOODBYE];

let rig: DialerRig;

beforeEach(async () => {
  rig = await DialerRig.open();
});

afterEach(async () => {
  await rig.close();
});

describe('a store that fails in mid-call', () => {
  it('keeps the INVITE back, and writes the end when it is there again', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK, 'beta.example': TALK });
    let down = true;
    const failing = rig.storeWith({
      saveCall: unreachable,
      finishCall: (...args) => (down ? unreachable() : rig.store.finishCall(...args)),
    });
    const dialer = rig.dialer(engine, { store: failing });
    const callId = await rig.accept();
    dialer.dial(callId);
    await eventually(() => expect(rig.logged.join('\n')).toContain('did not come back in time'));
    expect(engine.up).toBe(0);
    expect(dialer.active()).toBe(1);
    down = false;
    expect(await rig.endOf(callId)).toMatchObject({ disposition: 'failed', blame: 'us' });
    expect(engine.invited).toEqual([]);
    expect(await rig.statusOf()).toBe('failed');
    await eventually(() => expect(dialer.active()).toBe(0));
  });

  it('goes on with a short failure before the INVITE', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    let failures = 2;
    const failing = rig.storeWith({
      saveCall: (call) => (failures-- > 0 ? unreachable() : rig.store.saveCall(call)),
    });
    const callId = await rig.accept();
    rig.dialer(engine, { store: failing }).dial(callId);
    expect((await rig.endOf(callId)).disposition).toBe('answered');
  });

  it('goes on with a call that rings or speaks', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const failing = rig.storeWith({
      saveCall: (call) => (call.state === 'dialing' ? rig.store.saveCall(call) : unreachable()),
    });
    const callId = await rig.accept();
    rig.dialer(engine, { store: failing }).dial(callId);
    const call = await rig.endOf(callId);
    expect(call.disposition).toBe('answered');
    expect(call.timeline.map(({ type }) => type)).toContain('ringing');
    expect(await rig.statusOf()).toBe('pending');
  });

  it('still hangs up when asked to', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const dialer = rig.dialer(
      engine,
      { store: rig.storeWith({ saveCall: unreachable }) },
      { storePatienceMs: 60_000 },
    );
    const callId = await rig.accept();
    dialer.dial(callId);
    await eventually(() => expect(engine.up).toBe(1));
    dialer.hangUp(callId);
    expect((await rig.endOf(callId)).disposition).toBe('canceled');
    expect(engine.up).toBe(0);
  });

  it('hangs up a call that somebody else has ended', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': [TRYING, RINGING, ANSWERED, 'wait'] });
    const callId = await rig.accept();
    const meddling = rig.storeWith({
      saveCall: async (call) => call.state === 'dialing' && rig.store.saveCall(call),
    });
    const dialer = rig.dialer(engine, { store: meddling });
    dialer.dial(callId);
    await eventually(() => expect(dialer.active()).toBe(0));
    expect(engine.up).toBe(0);
    expect(rig.logged.join('\n')).toContain('another process has ended a call');
  });

  it('does not dial what it cannot read, and does not hold up the end of the process', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const dialer = rig.dialer(engine, { store: rig.storeWith({ call: unreachable }) });
    dialer.dial(await rig.accept());
    await dialer.drain(AbortSignal.abort());
    await eventually(() => expect(dialer.active()).toBe(0));
    expect(engine.invited).toEqual([]);
    expect(await rig.store.unfinishedCalls()).toHaveLength(1);
  }, 15_000);
});
