import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DialerRig } from '../../support/dialer-rig.ts';
import { eventually } from '../../support/eventually.ts';
import type { Step } from '../../support/scripted-engine.ts';
import {
  ANSWERED,
  GOODBYE,
  PROMPT_FINISHED,
  RINGING,
  ScriptedEngine,
  SENT,
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

describe('hanging up', () => {
  it.each([
    ['before the phone rings', [TRYING, 'wait'], 'canceled', 'failed'],
    ['while it rings', [TRYING, RINGING, 'wait'], 'canceled', 'failed'],
    ['in mid-prompt', [TRYING, RINGING, ANSWERED, 'wait'], 'answered', 'pending'],
  ] as const)('%s', async (_name, script, disposition, status) => {
    const engine = new ScriptedEngine({ 'alpha.example': script, 'beta.example': TALK });
    const dialer = rig.dialer(engine);
    const callId = await rig.accept();
    dialer.dial(callId);
    await eventually(() => expect(engine.invited).toHaveLength(1));
    dialer.hangUp(callId);
    const call = await rig.endOf(callId);
    expect(call.disposition).toBe(disposition);
    expect(await rig.statusOf()).toBe(status);
    expect(engine.invited).toHaveLength(1);
    await eventually(() => expect(dialer.active()).toBe(0));
    dialer.hangUp(callId);
  });

  it('works before anything is dialled', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const dialer = rig.dialer(engine);
    const callId = await rig.accept();
    dialer.dial(callId);
    dialer.hangUp(callId);
    expect((await rig.endOf(callId)).disposition).toBe('canceled');
    expect(engine.invited).toEqual([]);
  });
});

describe('lines', () => {
  it('are as many as were set, and come back', async () => {
    const dialer = rig.dialer(new ScriptedEngine({ 'alpha.example': TALK }), {}, { maxConcurrent: 2 });
    expect(dialer.reserve('call_a')).toBe(true);
    expect(dialer.reserve('call_b')).toBe(true);
    expect(dialer.room()).toBe(false);
    expect(dialer.reserve('call_c')).toBe(false);
    dialer.release('call_b');
    expect(dialer.room()).toBe(true);
    dialer.dial(await rig.accept('a'));
    dialer.release('call_a');
    expect(dialer.active()).toBe(1);
    await rig.endOf('call_a');
    await eventually(() => expect(dialer.active()).toBe(0));
  });
});

describe('recover', () => {
  it('closes what an earlier process left, and hangs up its phones', async () => {
    await rig.leaveOpen('queued');
    await rig.leaveOpen('ringing', TRYING, RINGING);
    await rig.leaveOpen('talking', TRYING, RINGING, ANSWERED);
    const engine = new ScriptedEngine({});
    expect(await rig.dialer(engine).recover()).toBe(3);
    expect(await rig.store.unfinishedCalls()).toEqual([]);
    for (const name of ['queued', 'ringing', 'talking']) {
      expect(await rig.store.call(`call_${name}`)).toMatchObject({ disposition: 'interrupted', blame: 'us' });
    }
    expect(new Set(engine.leftovers.map(({ step }) => step))).toEqual(new Set(['answered', 'ringing']));
    // The code may have been heard before the process died.
    expect(await rig.statusOf('talking')).toBe('pending');
    expect(await rig.statusOf('ringing')).toBe('failed');
    expect(await rig.dialer(engine).recover()).toBe(0);
  });

  it('ends an INVITE that had left with what was told of it then', async () => {
    // The first dialer stands for the process that died: it stays where it is.
    const dialer = rig.dialer(new ScriptedEngine({ 'alpha.example': [TRYING, SENT, 'wait'] }));
    const callId = await rig.accept();
    dialer.dial(callId);
    await eventually(async () =>
      expect((await rig.store.call(callId))?.attempts[0]?.leftover).toEqual({ step: 'sent' }),
    );
    const engine = new ScriptedEngine({});
    expect(await rig.dialer(engine).recover()).toBe(1);
    expect(engine.leftovers).toEqual([{ step: 'sent' }]);
  });

  it('closes the call where its far end is silent or its engine fails', async () => {
    await rig.leaveOpen('a', TRYING, RINGING);
    const engine = new ScriptedEngine({});
    engine.ending = async () => {
      throw new Error('bug');
    };
    await rig.dialer(engine).recover();
    expect((await rig.store.call('call_a'))?.disposition).toBe('interrupted');
  });

  it('does not hold up the start for phones that say nothing', async () => {
    const engine = new ScriptedEngine({});
    engine.ending = () => new Promise(() => undefined);
    const msFor = async (phones: readonly string[]): Promise<number> => {
      for (const phone of phones) await rig.leaveOpen(phone, TRYING, RINGING);
      const begun = performance.now();
      await rig.dialer(engine).recover();
      return performance.now() - begun;
    };
    const ofOneMs = await msFor(['one']);
    const ofTwentyMs = await msFor(Array.from({ length: 20 }, (_, index) => String(index)));
    // One after the other they would take twenty times as long.
    expect(ofTwentyMs / ofOneMs).toBeLessThan(4);
    await eventually(async () => expect(await rig.store.unfinishedCalls()).toEqual([]));
    expect(engine.leftovers).toHaveLength(21);
  });

  it('leaves calls of its own alone', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': [TRYING, RINGING, 'wait'] });
    const dialer = rig.dialer(engine);
    const callId = await rig.accept();
    dialer.dial(callId);
    await eventually(() => expect(engine.invited).toHaveLength(1));
    expect(await dialer.recover()).toBe(0);
    dialer.hangUp(callId);
    await rig.endOf(callId);
  });
});

describe('drain', () => {
  it('takes nothing new, and waits for what is under way', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': [TRYING, RINGING, ANSWERED, 'wait'] });
    const dialer = rig.dialer(engine);
    const callId = await rig.accept();
    dialer.reserve(callId);
    dialer.dial(callId);
    await eventually(() => expect(engine.invited).toHaveLength(1));
    const draining = dialer.drain(new AbortController().signal);
    expect(dialer.room()).toBe(false);
    expect(dialer.reserve('call_b')).toBe(false);
    const first = await Promise.race([
      draining.then(() => 'drained'),
      rig.store.ping().then(() => 'still up'),
    ]);
    expect(first).toBe('still up');
    dialer.hangUp(callId);
    await draining;
    expect((await rig.store.call(callId))?.state).toBe('ended');
  });

  it('hangs up what is left when the time is over', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': [TRYING, RINGING, 'wait'] });
    const dialer = rig.dialer(engine);
    for (const name of ['a', 'b', 'c']) {
      dialer.dial(await rig.accept(name));
    }
    await eventually(() => expect(engine.invited).toHaveLength(3));
    const timeIsOver = new AbortController();
    const draining = dialer.drain(timeIsOver.signal);
    timeIsOver.abort();
    await draining;
    expect(dialer.active()).toBe(0);
    expect(engine.up).toBe(0);
    expect(await rig.store.unfinishedCalls()).toEqual([]);
  });

  it('has nothing to do where nothing is under way', async () => {
    const drained = rig.dialer(new ScriptedEngine({})).drain(new AbortController().signal);
    await expect(drained).resolves.toBeUndefined();
  });
});
