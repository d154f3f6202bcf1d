import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Call } from '../../../src/call/call.ts';
import type { PromptPort } from '../../../src/prompt/prepared-prompt.ts';
import type { Delivery } from '../../../src/verification/verification.ts';
import { CODE, DialerRig, unreachable } from '../../support/dialer-rig.ts';
import { eventually } from '../../support/eventually.ts';
import { DELIVERY } from '../../support/flash-calls.ts';
import { SOME_PROMPT } from '../../support/records.ts';
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

const CONFIRM: Delivery = { ...DELIVERY, gate: { key: null, waitMs: 8000, text: null } };
const KEY: Delivery = { ...DELIVERY, gate: { key: '1', waitMs: 8000, text: null } };
const OPENED: Step = { type: 'gate_opened' };
const KEYED: readonly Step[] = [
  { type: 'dtmf', digit: '4', durationMs: 100 },
  { type: 'dtmf', digit: '9', durationMs: 100 },
];
const MEDIA = { packetsSent: 90, packetsReceived: 90, jitterMs: 1, promptSentMs: 0 };

/** The end of an answered leg of whose prompt so much was sent. */
function over(
  why: 'no_key' | 'machine' | 'peer' | 'prompt_finished',
  promptSentMs: number,
  packetsReceived = 90,
): Step {
  const by = why === 'peer' ? 'callee' : 'us';
  return {
    type: 'ended',
    end: { kind: 'hung_up', by, why },
    media: { ...MEDIA, promptSentMs, packetsReceived },
  };
}

let rig: DialerRig;

beforeEach(async () => {
  rig = await DialerRig.open();
});

afterEach(async () => {
  await rig.close();
});

async function run(
  steps: readonly Step[],
  delivery: Delivery | null,
  change: Parameters<DialerRig['dialer']>[1] = {},
): Promise<{ call: Call; engine: ScriptedEngine; status: string | undefined }> {
  const engine = new ScriptedEngine({ 'alpha.example': [TRYING, RINGING, ANSWERED, ...steps] });
  const callId = await rig.accept('a', { delivery });
  rig.dialer(engine, change).dial(callId);
  return { call: await rig.endOf(callId), engine, status: await rig.statusOf() };
}

describe('a gate', () => {
  it('is part of the leg, with the question and the key', async () => {
    const { engine, call, status } = await run([...KEYED, OPENED, PROMPT_FINISHED, GOODBYE], {
      ...KEY,
      repeat: { key: '0', times: 2 },
    });
    const [leg] = engine.invited;
    expect(leg).toMatchObject({ gate: { asks: 2, waitMs: 8000 }, repeat: { key: '0', times: 2 } });
    expect(leg?.gate?.keys.reveal()).toBe('1');
    expect(call.timeline.map(({ type }) => type)).toContain('gate_opened');
    expect(status).toBe('pending');
    expect(await rig.store.verification('ver_a')).toMatchObject({ checks: 0, approvedBy: null });
  });

  it('may have a repeat key without a gate', async () => {
    const { engine } = await run([PROMPT_FINISHED, GOODBYE], { ...DELIVERY, repeat: { key: '#', times: 1 } });
    expect(engine.invited[0]).toMatchObject({ repeat: { key: '#', times: 1 } });
    expect(engine.invited[0]?.gate).toBeUndefined();
  });

  it.each<[string, readonly Step[], string, string]>([
    ['nobody pressed a key', [over('no_key', 0)], 'no_key', 'failed'],
    ['the callee hung up before the key', [over('peer', 0)], 'answered', 'failed'],
    ['the callee hung up in the code', [OPENED, over('peer', 700)], 'answered', 'pending'],
    ['a machine answered', [over('machine', 0)], 'machine', 'failed'],
  ])('where %s', async (_what, steps, disposition, status) => {
    const result = await run(steps, KEY);
    expect([result.call.disposition, result.status]).toEqual([disposition, status]);
    expect((await rig.store.verification('ver_a'))?.sealedCode).toBeNull();
  });
});

describe('a machine', () => {
  it.each<[string, number, string]>([
    ['that heard nothing fails the verification', 0, 'failed'],
    ['that heard something leaves it pending', 900, 'pending'],
  ])('%s', async (_what, sentMs, status) => {
    const told: Step = { type: 'detected', verdict: 'machine', reason: 'long_greeting' };
    const delivery: Delivery = { ...DELIVERY, onMachine: 'hangup' };
    const result = await run([told, over('machine', sentMs)], delivery);
    expect(result.engine.invited[0]?.detection).toEqual({
      onMachine: 'hangup',
      decideMs: 4000,
      toneMs: 30_000,
    });
    expect(result.call).toMatchObject({ disposition: 'machine', attempts: [{ answeredBy: 'machine' }] });
    expect(result.status).toBe(status);
  });
});

describe('confirm', () => {
  it('approves the verification once when the right keys were pressed', async () => {
    let approved = 0;
    const { engine, call } = await run(
      [...KEYED, OPENED, PROMPT_FINISHED, over('prompt_finished', 10)],
      CONFIRM,
      {
        onApproved: () => {
          approved += 1;
        },
      },
    );
    expect(engine.invited[0]?.gate?.keys.reveal()).toBe(CODE);
    expect(await rig.store.verification('ver_a')).toMatchObject({
      status: 'approved',
      approvedBy: 'keys',
      checks: 1,
      sealedCode: null,
    });
    expect(approved).toBe(1);
    expect(JSON.stringify(call) + rig.logged.join('\n')).not.toMatch(/493817|"digit"/);
  });

  it('approves it also where the callee hangs up at once', async () => {
    const { status, call } = await run([OPENED, over('peer', 0)], CONFIRM);
    expect([status, call.disposition]).toEqual(['approved', 'answered']);
  });

  it('approves it also where the store is away for a moment, and ends no sooner', async () => {
    let failures = 3;
    const { status } = await run([OPENED, over('peer', 0)], CONFIRM, {
      store: rig.storeWith({
        check: (...args) => (failures-- > 0 ? unreachable() : rig.store.check(...args)),
      }),
    });
    expect([status, failures]).toEqual(['approved', -1]);
  });

  it('fails it where the keys were not pressed', async () => {
    const { status, call } = await run([...KEYED, over('no_key', 0)], CONFIRM);
    expect([status, call.disposition]).toEqual(['failed', 'no_key']);
  });

  it('approves nothing that was canceled meanwhile', async () => {
    let approved = 0;
    const { status } = await run([OPENED, over('prompt_finished', 10)], CONFIRM, {
      onApproved: () => {
        approved += 1;
      },
      store: rig.storeWith({
        check: async (...args) => {
          await rig.store.endVerification('ver_a', 'canceled', Date.now());
          return rig.store.check(...args);
        },
      }),
    });
    expect([status, approved]).toEqual(['canceled', 0]);
    expect(rig.logged.join('\n')).toContain('no longer pending');
  });

  it('does not hold up the end of the process where the store stays away', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': [TRYING, RINGING, ANSWERED, OPENED, 'wait'] });
    const callId = await rig.accept('a', { delivery: CONFIRM });
    const dialer = rig.dialer(engine, { store: rig.storeWith({ check: unreachable }) });
    dialer.dial(callId);
    await eventually(async () => expect((await rig.store.call(callId))?.state).toBe('answered'));
    await dialer.drain(AbortSignal.abort());
    expect(dialer.active()).toBe(0);
    expect(rig.logged.join('\n')).toContain('an approval by keys could not be stored');
  }, 15_000);

  it('asks on the next trunk where the first fails', async () => {
    const engine = new ScriptedEngine({
      'alpha.example': [TRYING, refused(503)],
      'beta.example': [TRYING, RINGING, ANSWERED, OPENED, over('prompt_finished', 10)],
    });
    const callId = await rig.accept('a', { delivery: CONFIRM });
    rig.dialer(engine).dial(callId);
    await rig.endOf(callId);
    expect(await rig.statusOf()).toBe('approved');
  });
});

describe('what was delivered', () => {
  /** Four characters that end after 1, 2, 3 and 4 s, said twice. */
  const MARKS = {
    codes: [
      [1000, 2000, 3000, 4000],
      [6000, 7000, 8000, 9000],
    ],
  };
  const marked = async () => ({
    speech: { sampleRate: 8000, parts: [80] },
    report: SOME_PROMPT,
    marks: MARKS,
  });
  const prompts: PromptPort = {
    forCode: marked,
    forGate: marked,
    forConfirmation: async () => ({ ask: await marked(), confirmed: await marked() }),
    forPlaylist: marked,
  };

  it.each([
    [0, 0, 0],
    [999, 0, 0],
    [1000, 1, 0],
    [3999, 3, 0],
    [4000, 4, 1],
    [6500, 4, 1],
    [9000, 4, 2],
  ])('of which %i ms were sent is told in characters and codes', async (sentMs, characters, codes) => {
    const { call } = await run([...KEYED, over('peer', sentMs)], null, { prompts });
    expect(call.attempts[0]?.delivered).toMatchObject({ characters, codes, keys: 2 });
  });

  it('is nothing where nobody answered, or no media was set up', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': [TRYING, RINGING, refused(486)] });
    const callId = await rig.accept('busy');
    rig.dialer(engine, { prompts }).dial(callId);
    expect((await rig.endOf(callId)).attempts[0]?.delivered).toBeNull();
  });

  it('says that an answer may be false where no sound came for a second or more', async () => {
    const quick = await run([over('peer', 400, 0)], null, { prompts });
    expect(quick.call.attempts[0]?.delivered?.falseAnswer).toBe(false);
    const engine = new ScriptedEngine({
      'alpha.example': [
        TRYING,
        RINGING,
        ANSWERED,
        ...Array.from({ length: 1000 }, (): Step => ({ type: 'progress', status: 182 })),
        over('prompt_finished', 9000, 0),
      ],
    });
    const callId = await rig.accept('b');
    rig.dialer(engine, { prompts }).dial(callId);
    expect((await rig.endOf(callId)).attempts[0]?.delivered?.falseAnswer).toBe(true);
  });
});
