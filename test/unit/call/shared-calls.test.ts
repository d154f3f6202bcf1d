import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Dialer } from '../../../src/call/dialer.ts';
import { DialerRig } from '../../support/dialer-rig.ts';
import { eventually } from '../../support/eventually.ts';
import { PeerCircle } from '../../support/peer-circle.ts';
import type { Step } from '../../support/scripted-engine.ts';
import {
  ANSWERED,
  GOODBYE,
  PROMPT_FINISHED,
  RINGING,
  refused,
  ScriptedEngine,
  TRYING,
} from '../../support/scripted-engine.ts';
import { SharedCapacity } from '../../support/shared-capacity.ts';

const TALK: readonly Step[] = [TRYING, RINGING, ANSWERED, PROMPT_FINISHED, GOODBYE];
const NO_ROUTE: readonly Step[] = [TRYING, refused(503)];

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

function node(
  token: string,
  engine: ScriptedEngine,
  settings: Parameters<DialerRig['dialer']>[2] = {},
): Dialer {
  const dialer = rig.dialer(engine, { peers: circle.join(token), capacity }, settings);
  circle.listen(token, (message) => dialer.told(message));
  return dialer;
}

/** A call that a node has taken, and waits with. */
async function waitingAt(token: string, name = 'a'): Promise<string> {
  const callId = await rig.accept(name);
  await rig.store.moveCall(callId, { from: null, to: token, attempt: 'none' });
  return callId;
}

describe('a call that another process gets room for', () => {
  it('is over here, and nothing of it is written', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const dialer = node('one', engine);
    const callId = await waitingAt('one');
    capacity.theirs = ['alpha'];
    dialer.dial(callId);
    await eventually(() => expect(capacity.wishes).toHaveLength(1));
    await eventually(() => expect(dialer.active()).toBe(0));
    expect(engine.invited).toEqual([]);
    expect(await rig.store.call(callId)).toMatchObject({ state: 'queued', node: 'one', attempts: [] });
  });

  it('is carried there, with the permit that is in hand', async () => {
    const engine = new ScriptedEngine({ 'beta.example': TALK });
    const dialer = node('two', engine);
    node('one', new ScriptedEngine({}));
    const callId = await waitingAt('one');
    const permit = capacity.permit('beta');
    const taken = await dialer.takeOver({ callId, from: 'one', trunkId: 'beta' }, permit);
    await taken?.over;
    expect(await rig.store.call(callId)).toMatchObject({ disposition: 'answered', node: 'two' });
    expect(engine.invited.map(({ nextHop }) => nextHop.host)).toEqual(['beta.example']);
    expect(capacity.wishes).toEqual([]);
    expect(capacity.held).toBe(0);
    expect(circle.heard('one')).toEqual([{ kind: 'moved', callId }]);
  });

  it('goes on with the trunks that were not tried', async () => {
    const first = new ScriptedEngine({ 'alpha.example': NO_ROUTE });
    const one = node('one', first);
    const callId = await waitingAt('one');
    capacity.theirs = ['beta'];
    one.dial(callId);
    await eventually(() => expect(one.active()).toBe(0));
    // The attempt that is over is stored as such, else nobody else could have had it.
    const waiting = await rig.store.call(callId);
    expect(waiting?.attempts).toMatchObject([{ trunkId: 'alpha', disposition: 'trunk_failure' }]);
    capacity.theirs = [];
    const second = new ScriptedEngine({ 'beta.example': NO_ROUTE, 'gamma.example': TALK });
    const offer = { callId, from: 'one', trunkId: 'beta' };
    const taken = await node('two', second).takeOver(offer, capacity.permit('beta'));
    await taken?.over;
    const call = await rig.store.call(callId);
    expect(call?.attempts.map(({ trunkId }) => trunkId)).toEqual(['alpha', 'beta', 'gamma']);
    expect(call?.disposition).toBe('answered');
    expect(first.invited).toHaveLength(1);
    expect(second.invited).toHaveLength(2);
  });

  it('is not to be had while it is in an attempt, has ended, or belongs to a third one', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': [TRYING, RINGING, 'wait'] });
    const one = node('one', engine);
    const two = node('two', new ScriptedEngine({}));
    const callId = await waitingAt('one');
    one.dial(callId);
    await eventually(async () => expect((await rig.store.call(callId))?.state).toBe('ringing'));
    const offer = { callId, from: 'one', trunkId: 'alpha' };
    expect(await two.takeOver(offer, capacity.permit('alpha'))).toBeUndefined();
    expect(await two.takeOver({ ...offer, from: 'zero' }, capacity.permit('alpha'))).toBeUndefined();
    two.hangUp(callId);
    await rig.endOf(callId);
    expect(await two.takeOver(offer, capacity.permit('alpha'))).toBeUndefined();
    expect(circle.heard('one')).toEqual([{ kind: 'hang_up', callId }]);
  });
});

describe('the calls of a process that is no more', () => {
  it('are dialled by another one where no INVITE can have left, and closed where one may have', async () => {
    circle.join('dead');
    await waitingAt('dead', 'waiting');
    await rig.leaveOpen('trying', TRYING);
    await rig.store.moveCall('call_trying', { from: null, to: 'dead', attempt: 'any' });
    circle.die('dead');
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    expect(await node('two', engine).recover()).toBe(2);
    expect((await rig.endOf('call_waiting')).disposition).toBe('answered');
    expect(await rig.endOf('call_trying')).toMatchObject({ disposition: 'interrupted', node: 'two' });
    expect(engine.invited).toHaveLength(1);
    expect(engine.leftovers).toHaveLength(1);
  });

  it('are not dialled after their deadline', async () => {
    circle.join('dead');
    await waitingAt('dead');
    circle.die('dead');
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const dialer = node('two', engine, { deadlineMs: 0 });
    await dialer.recover();
    expect(await rig.endOf('call_a')).toMatchObject({ disposition: 'interrupted', attempts: [] });
    expect(engine.invited).toEqual([]);
  });

  it('go to one of several that look after them at the same time', async () => {
    circle.join('dead');
    for (let index = 0; index < 20; index += 1) await waitingAt('dead', String(index));
    circle.die('dead');
    const engines = [1, 2, 3].map(() => new ScriptedEngine({ 'alpha.example': TALK }));
    const found = await Promise.all(
      engines.map((engine, index) => node(`node ${index}`, engine, { maxConcurrent: 99 }).recover()),
    );
    expect(found.reduce((sum, count) => sum + count)).toBe(20);
    for (let index = 0; index < 20; index += 1) {
      expect((await rig.endOf(`call_${index}`)).attempts).toHaveLength(1);
    }
    expect(engines.flatMap(({ invited }) => invited)).toHaveLength(20);
  });

  it('are not dialled where their client was told that they were not taken', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const dialer = node('one', engine);
    const [refused_, lost] = [await waitingAt('one', 'refused'), await waitingAt('one', 'lost')];
    dialer.disown(refused_);
    expect(await dialer.takeOverFrom((token) => token === 'one')).toBe(2);
    expect(await rig.endOf(refused_)).toMatchObject({ disposition: 'interrupted', attempts: [] });
    expect((await rig.endOf(lost)).disposition).toBe('answered');
    expect(engine.invited).toHaveLength(1);
  });

  it('are left alone while it lives', async () => {
    node('one', new ScriptedEngine({}));
    const callId = await waitingAt('one');
    expect(await node('two', new ScriptedEngine({})).recover()).toBe(0);
    expect((await rig.store.call(callId))?.node).toBe('one');
  });
});

describe('a process that stood still', () => {
  it('dials nothing that another one has got meanwhile', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const one = node('one', engine);
    const callId = await waitingAt('one');
    circle.trust('one', false);
    one.dial(callId);
    await eventually(async () => expect((await rig.store.call(callId))?.state).toBe('dialing'));
    await rig.store.moveCall(callId, { from: 'one', to: 'two', attempt: 'any' });
    circle.trust('one', true);
    await eventually(() => expect(one.active()).toBe(0));
    expect(engine.invited).toEqual([]);
    expect(await rig.store.call(callId)).toMatchObject({ state: 'dialing', node: 'two' });
  });

  it('goes on with what is still its own', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const one = node('one', engine, { storePatienceMs: 5000 });
    const callId = await waitingAt('one');
    circle.trust('one', false);
    one.dial(callId);
    await eventually(async () => expect((await rig.store.call(callId))?.state).toBe('dialing'));
    circle.trust('one', true);
    expect((await rig.endOf(callId)).disposition).toBe('answered');
  });

  it('hangs up what another one carries by now', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': [TRYING, RINGING, ANSWERED, 'wait'] });
    const one = node('one', engine);
    const callId = await waitingAt('one');
    one.dial(callId);
    await eventually(async () => expect((await rig.store.call(callId))?.state).toBe('answered'));
    await rig.store.moveCall(callId, { from: 'one', to: 'two', attempt: 'any' });
    await one.checkLines();
    await eventually(() => expect(one.active()).toBe(0));
    expect(engine.up).toBe(0);
    expect(await rig.store.call(callId)).toMatchObject({ state: 'answered', node: 'two' });
  });

  it('hangs up what another one has closed by now', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': [TRYING, RINGING, ANSWERED, 'wait'] });
    const one = node('one', engine);
    const callId = await waitingAt('one');
    one.dial(callId);
    await eventually(async () => expect((await rig.store.call(callId))?.state).toBe('answered'));
    circle.die('one');
    await node('two', new ScriptedEngine({})).recover();
    await rig.endOf(callId);
    await one.checkLines();
    await eventually(() => expect(one.active()).toBe(0));
    expect(engine.up).toBe(0);
    expect((await rig.store.call(callId))?.disposition).toBe('interrupted');
  });
});
