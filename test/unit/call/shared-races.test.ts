import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Dialer, DialerOptions } from '../../../src/call/dialer.ts';
import { AppError } from '../../../src/errors.ts';
import type { Store } from '../../../src/store/store.ts';
import { DialerRig } from '../../support/dialer-rig.ts';
import { eventually } from '../../support/eventually.ts';
import { acceptFlash, checkCaller, RANG } from '../../support/flash-calls.ts';
import { PeerCircle } from '../../support/peer-circle.ts';
import type { Step } from '../../support/scripted-engine.ts';
import {
  ANSWERED,
  ended,
  GOODBYE,
  PROMPT_FINISHED,
  RINGING,
  refused,
  ScriptedEngine,
  TRYING,
} from '../../support/scripted-engine.ts';
import { SharedCapacity } from '../../support/shared-capacity.ts';

const TALK: readonly Step[] = [TRYING, RINGING, ANSWERED, PROMPT_FINISHED, GOODBYE];
const RINGS: readonly Step[] = [TRYING, RINGING, 'wait'];

/** A promise that a test settles. */
class Gate {
  readonly passed: Promise<void>;
  open: () => void = () => undefined;

  constructor() {
    this.passed = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}

let rig: DialerRig;
let circle: PeerCircle;
let capacity: SharedCapacity;

beforeEach(async () => {
  rig = await DialerRig.open();
  circle = new PeerCircle();
  capacity = new SharedCapacity();
});

afterEach(async () => {
  await rig.close();
});

function node(token: string, engine: ScriptedEngine, change: Partial<DialerOptions> = {}): Dialer {
  const dialer = rig.dialer(engine, { peers: circle.join(token), capacity, ...change });
  circle.listen(token, (message) => dialer.told(message));
  return dialer;
}

async function belongsTo(token: string, callId: string): Promise<string> {
  await rig.store.moveCall(callId, { from: null, to: token, attempt: 'none' });
  return callId;
}

async function waitingAt(token: string, name = 'a'): Promise<string> {
  return belongsTo(token, await rig.accept(name));
}

/** The store, whose `moveCall` of one call waits for the gate before it does anything, or after. */
function movingSlowly(callId: string, gate: Gate, when: 'before' | 'after'): Store {
  return rig.storeWith({
    moveCall: async (id, move) => {
      if (id === callId && when === 'before') await gate.passed;
      const moved = await rig.store.moveCall(id, move);
      if (id === callId && when === 'after') await gate.passed;
      return moved;
    },
  });
}

/** A flash call that has rung, with a voice call to follow half a minute later, whose node has died since. */
async function leftWaiting(): Promise<string> {
  const callId = await acceptFlash(rig, 'auto', { delivery: { voiceAfterMs: 30_000 } });
  await belongsTo('dead', callId);
  const engine = new ScriptedEngine({ 'beta.example': RANG });
  const dead = node('dead', engine);
  dead.dial(callId);
  await eventually(async () => expect((await rig.store.call(callId))?.timeline.at(-1)?.type).toBe('waiting'));
  circle.die('dead');
  return callId;
}

describe('a flash call that a voice call follows', () => {
  it('uses the permit in hand for one INVITE, and asks for another one', async () => {
    const engine = new ScriptedEngine({
      'beta.example': [TRYING, ended({ kind: 'no_ring' })],
      'alpha.example': TALK,
    });
    const two = node('two', engine);
    const callId = await belongsTo('one', await acceptFlash(rig, 'auto'));
    const offer = { callId, from: 'one', trunkId: 'beta' };
    const taken = await two.takeOver(offer, capacity.permit('beta'));
    await taken?.over;
    expect((await rig.store.call(callId))?.disposition).toBe('answered');
    expect(engine.invited.map(({ nextHop }) => nextHop.host)).toEqual(['beta.example', 'alpha.example']);
    expect(capacity.wishes.map(({ trunkId }) => trunkId)).toEqual(['alpha']);
    expect(capacity.held).toBe(0);
  });

  it('can be had by others as soon as it waits for its voice call, also where nothing rang', async () => {
    const engine = new ScriptedEngine({ 'beta.example': [TRYING, ended({ kind: 'no_ring' })] });
    const one = node('one', engine);
    const callId = await belongsTo('one', await acceptFlash(rig, 'auto'));
    capacity.theirs = ['alpha'];
    one.dial(callId);
    await eventually(() => expect(capacity.wishes).toHaveLength(2));
    await eventually(() => expect(one.active()).toBe(0));
    const move = { from: 'one', to: 'two', attempt: 'none' } as const;
    expect((await rig.store.moveCall(callId, move))?.node).toBe('two');
  });

  it('waits once for a check, whoever carries it on', async () => {
    const callId = await leftWaiting();
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    await node('two', engine, { now: () => Date.now() + 31_000 }).recover();
    const call = await rig.endOf(callId);
    expect(call.disposition).toBe('answered');
    expect(call.timeline.filter(({ type }) => type === 'waiting')).toHaveLength(1);
  });

  it('has its deadline from the beginning of its voice call on', async () => {
    const callId = await leftWaiting();
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    await node('two', engine, { now: () => Date.now() + 80_000 }).recover();
    expect((await rig.endOf(callId)).disposition).toBe('answered');
  });

  it('has rung, whoever finds that it has proven what it should', async () => {
    const callId = await leftWaiting();
    expect((await checkCaller(rig))?.verdict).toBe('approved');
    await node('two', new ScriptedEngine({})).recover();
    expect((await rig.endOf(callId)).disposition).toBe('rang');
  });
});

describe('a permit in hand', () => {
  it('is given back at once where its trunk is not to be used', async () => {
    const two = node('two', new ScriptedEngine({ 'alpha.example': RINGS }));
    const callId = await waitingAt('one');
    await two.takeOver({ callId, from: 'one', trunkId: 'unknown' }, capacity.permit('unknown'));
    await eventually(async () => expect((await rig.store.call(callId))?.state).toBe('ringing'));
    expect(capacity.held).toBe(1);
    two.hangUp(callId);
    await rig.endOf(callId);
  });
});

describe('a process that was given up while an INVITE waited for its moment', () => {
  it('does not send it, though it is trusted again under another name', async () => {
    const moment = new Gate();
    capacity.moment = moment.passed;
    let token = 'one';
    const member = circle.join('one');
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const peers: DialerOptions['peers'] = {
      get token() {
        return token;
      },
      isAlive: () => true,
      isTrusted: () => true,
      send: (to, message) => member.send(to, message),
    };
    const one = node('one', engine, { peers });
    const callId = await waitingAt('one');
    one.dial(callId);
    await eventually(async () => expect((await rig.store.call(callId))?.state).toBe('dialing'));
    await rig.store.moveCall(callId, { from: 'one', to: 'two', attempt: 'any' });
    token = 'one again';
    moment.open();
    await eventually(() => expect(one.active()).toBe(0));
    expect(engine.invited).toEqual([]);
    expect(capacity.held).toBe(0);
    expect(await rig.store.call(callId)).toMatchObject({ state: 'dialing', node: 'two' });
  });

  it('asks for another moment where the call is still its own: the first one may be long ago', async () => {
    const one = node('one', new ScriptedEngine({ 'alpha.example': TALK }));
    const callId = await waitingAt('one');
    circle.trust('one', false);
    one.dial(callId);
    await eventually(() => expect(capacity.moments).toBe(1));
    circle.trust('one', true);
    expect((await rig.endOf(callId)).disposition).toBe('answered');
    expect(capacity.moments).toBe(2);
  });
});

describe('a hang-up', () => {
  it('reaches whoever got the call just before', async () => {
    capacity.full = ['alpha', 'beta', 'gamma'];
    const one = node('one', new ScriptedEngine({}));
    const two = node('two', new ScriptedEngine({ 'alpha.example': RINGS }));
    const callId = await waitingAt('one');
    one.dial(callId);
    await eventually(() => expect(capacity.wishes).not.toHaveLength(0));
    await two.takeOver({ callId, from: 'one', trunkId: 'alpha' }, capacity.permit('alpha'));
    await eventually(async () => expect((await rig.store.call(callId))?.state).toBe('ringing'));
    // It has not heard yet that it has lost it.
    one.hangUp(callId);
    expect(await rig.endOf(callId)).toMatchObject({ disposition: 'canceled', node: 'two' });
  });

  it('reaches a call that is being taken over from a process that is no more', async () => {
    circle.join('dead');
    const first = await waitingAt('dead', 'first');
    const second = await waitingAt('dead', 'second');
    circle.die('dead');
    const gate = new Gate();
    const store = movingSlowly(second, gate, 'before');
    const two = node('two', new ScriptedEngine({ 'alpha.example': RINGS }), { store });
    const recovery = two.recover();
    await eventually(async () => expect((await rig.store.call(first))?.node).toBe('two'));
    const read = Promise.resolve(store.call(first));
    two.hangUp(first);
    await read;
    gate.open();
    await recovery;
    expect((await rig.endOf(first)).disposition).toBe('canceled');
    two.hangUp(second);
    await rig.endOf(second);
  });

  it('is not forgotten because the store cannot be read for a moment', async () => {
    let away = true;
    const one = node('one', new ScriptedEngine({ 'alpha.example': RINGS }));
    const store = rig.storeWith({
      call: async (id) => {
        if (!away) return rig.store.call(id);
        away = false;
        throw new AppError('store_unavailable');
      },
    });
    const two = node('two', new ScriptedEngine({}), { store });
    const callId = await waitingAt('one');
    one.dial(callId);
    await eventually(async () => expect((await rig.store.call(callId))?.state).toBe('ringing'));
    two.hangUp(callId);
    expect((await rig.endOf(callId)).disposition).toBe('canceled');
  });
});

describe('a process that is about to end', () => {
  it('gives back what it was just getting', async () => {
    const gate = new Gate();
    const callId = await waitingAt('one');
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const two = node('two', engine, { store: movingSlowly(callId, gate, 'after') });
    const taking = two.takeOver({ callId, from: 'one', trunkId: 'alpha' }, capacity.permit('alpha'));
    await eventually(async () => expect((await rig.store.call(callId))?.node).toBe('two'));
    const drained = two.drain(AbortSignal.abort());
    gate.open();
    expect(await taking).toBeUndefined();
    await drained;
    expect(await rig.store.call(callId)).toMatchObject({ state: 'queued', node: 'one' });
    expect(engine.invited).toEqual([]);
  });

  it('leaves to others what waits for room, and hangs up what is up', async () => {
    const one = node('one', new ScriptedEngine({ 'alpha.example': RINGS }));
    const up = await waitingAt('one', 'up');
    one.dial(up);
    await eventually(async () => expect((await rig.store.call(up))?.state).toBe('ringing'));
    capacity.full = ['alpha', 'beta', 'gamma'];
    const waits = await waitingAt('one', 'waits');
    one.dial(waits);
    await eventually(() => expect(capacity.wishes).not.toHaveLength(1));
    await one.drain(AbortSignal.abort());
    expect((await rig.endOf(up)).disposition).toBe('canceled');
    expect(await rig.store.call(waits)).toMatchObject({ state: 'queued', node: 'one' });
    expect(await rig.statusOf('waits')).toBe('pending');
    circle.die('one');
    capacity.full = [];
    await node('two', new ScriptedEngine({ 'alpha.example': TALK })).recover();
    expect((await rig.endOf(waits)).disposition).toBe('answered');
    expect(capacity.held).toBe(0);
  });

  it('looks after nobody any more', async () => {
    const callId = await waitingAt('dead');
    const two = node('two', new ScriptedEngine({ 'alpha.example': TALK }));
    await two.drain(AbortSignal.abort());
    expect(await two.recover()).toBe(0);
    expect((await rig.store.call(callId))?.node).toBe('dead');
  });
});

describe('those who look after the calls of a process that is no more', () => {
  it('carry what they have got, though the store failed at another one', async () => {
    const first = await waitingAt('dead', 'first');
    await waitingAt('dead', 'second');
    const store = rig.storeWith({
      moveCall: async (id, move) => {
        if (id !== first) throw new AppError('store_unavailable');
        return rig.store.moveCall(id, move);
      },
    });
    const two = node('two', new ScriptedEngine({ 'alpha.example': TALK }), { store });
    await expect(two.recover()).rejects.toMatchObject({ code: 'store_unavailable' });
    expect((await rig.endOf(first)).disposition).toBe('answered');
  });

  it('let be what is dialled here meanwhile, also where its deadline passes', async () => {
    const stray = await waitingAt('two', 'stray');
    const slow = await waitingAt('dead', 'slow');
    const gate = new Gate();
    let aheadMs = 0;
    const two = node('two', new ScriptedEngine({ 'alpha.example': RINGS }), {
      store: movingSlowly(slow, gate, 'after'),
      now: () => Date.now() + aheadMs,
    });
    const recovery = two.takeOverFrom(() => true);
    await eventually(async () => expect((await rig.store.call(slow))?.node).toBe('two'));
    two.dial(stray);
    await eventually(async () => expect((await rig.store.call(stray))?.state).toBe('ringing'));
    aheadMs = 100_000;
    gate.open();
    await recovery;
    expect((await rig.endOf(slow)).disposition).toBe('interrupted');
    expect(await rig.store.call(stray)).toMatchObject({ state: 'ringing', attempts: [{ trunkId: 'alpha' }] });
    two.hangUp(stray);
    await rig.endOf(stray);
  });
});

// A number that no trunk has a route to says so everywhere; here only that failover goes on after the permit in hand.
describe('a call that goes on after its permit in hand', () => {
  it('asks for room on the next trunk', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': [TRYING, refused(503)], 'beta.example': TALK });
    const two = node('two', engine);
    const callId = await waitingAt('one');
    const taken = await two.takeOver({ callId, from: 'one', trunkId: 'alpha' }, capacity.permit('alpha'));
    await taken?.over;
    expect(capacity.wishes.map(({ trunkId }) => trunkId)).toEqual(['beta']);
    expect(capacity.held).toBe(0);
  });
});
