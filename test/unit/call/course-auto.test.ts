import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Dialer } from '../../../src/call/dialer.ts';
import { DialerRig, THREE_TRUNKS, unreachable } from '../../support/dialer-rig.ts';
import { eventually } from '../../support/eventually.ts';
import { acceptFlash, checkCaller, RANG, SHOWN } from '../../support/flash-calls.ts';
import { routed } from '../../support/routed.ts';
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

const TALK: readonly Step[] = [TRYING, RINGING, ANSWERED, PROMPT_FINISHED, GOODBYE];

/** Those of the calling number; not in a time, which has any digits. */
const DIGITS = /(?<!\b1[78]\d{2,9})7137/;

let rig: DialerRig;

beforeEach(async () => {
  rig = await DialerRig.open();
});

afterEach(async () => {
  await rig.close();
});

/** The trunk beta carries the flash call, and alpha the voice call. */
function engineWith(flash: readonly Step[]): ScriptedEngine {
  return new ScriptedEngine({ 'beta.example': flash, 'alpha.example': TALK });
}

/** A call whose flash attempt is over, and which waits for a check. */
async function waiting(
  change: Parameters<DialerRig['dialer']>[1] = {},
  more: Parameters<typeof acceptFlash>[2] = {},
): Promise<{ callId: string; dialer: Dialer; engine: ScriptedEngine }> {
  const engine = engineWith(RANG);
  const callId = await acceptFlash(rig, 'auto', more);
  const dialer = rig.dialer(engine, change);
  dialer.dial(callId);
  await eventually(async () => expect((await rig.store.call(callId))?.timeline.at(-1)?.type).toBe('waiting'));
  return { callId, dialer, engine };
}

describe('a flash call', () => {
  it('is one attempt on its own trunk, with its own number, and shows no more than the prefix', async () => {
    const engine = engineWith(RANG);
    const callId = await acceptFlash(rig, 'flash');
    rig.dialer(engine).dial(callId);
    const call = await rig.endOf(callId);
    expect(call).toMatchObject({ disposition: 'rang', blame: 'none', prompt: null });
    expect(call.attempts).toMatchObject([{ trunkId: 'beta', channel: 'flash', cli: '+49899000••••' }]);
    expect(engine.invited).toMatchObject([
      {
        from: { uri: `sip:${SHOWN}@beta.example` },
        prompt: null,
        flash: { ringHoldMs: 2500, maxRingMs: 10_000, onAnswer: 'hangup' },
      },
    ]);
    expect(await rig.store.verification('ver_a')).toMatchObject({ status: 'pending', sealedCli: null });
    expect(rig.logged.join('\n') + JSON.stringify(call)).not.toMatch(DIGITS);
    expect((await checkCaller(rig))?.verdict).toBe('approved');
  });

  it('keeps its number out of the record where its network names it', async () => {
    const sip = { status: 603, reason: `Caller ${SHOWN} barred`, reasonText: 'no calls of 0899 000-7137' };
    const callId = await acceptFlash(rig, 'flash');
    rig.dialer(engineWith([TRYING, ended({ kind: 'rejected', sip })])).dial(callId);
    const call = await rig.endOf(callId);
    expect(call.attempts[0]?.sipReason).toBe('Caller +••• barred');
    expect(rig.logged.join('\n') + JSON.stringify(call)).not.toMatch(DIGITS);
  });

  it.each<[string, readonly Step[], string, string]>([
    ['rang', RANG, 'rang', 'pending'],
    ['did not ring', [TRYING, ended({ kind: 'no_ring' })], 'no_ring', 'failed'],
    ['was forwarded', [TRYING, ended({ kind: 'diverted' })], 'diverted', 'failed'],
    ['was busy', [TRYING, refused(486)], 'busy', 'failed'],
    ['was declined while it rang', [TRYING, RINGING, refused(603)], 'declined', 'pending'],
    [
      'was answered',
      [
        TRYING,
        RINGING,
        { type: 'answered', codec: null, leftover: {} },
        ended({ kind: 'hung_up', by: 'us', why: 'flash_answered' }),
      ],
      'answered',
      'pending',
    ],
    [
      'was answered when it was canceled',
      [
        TRYING,
        RINGING,
        { type: 'answered', codec: null, leftover: {} },
        ended({ kind: 'hung_up', by: 'us', why: 'crossed_cancel' }),
      ],
      'rang',
      'pending',
    ],
  ])('that %s', async (_what, script, disposition, status) => {
    const callId = await acceptFlash(rig, 'flash');
    rig.dialer(engineWith(script)).dial(callId);
    expect(await rig.endOf(callId)).toMatchObject({ disposition });
    expect(await rig.statusOf()).toBe(status);
  });

  it('keeps what would end it sealed, and opens that when the process has died', async () => {
    const engine = engineWith([
      { type: 'trying', leftover: { from: SHOWN } },
      { type: 'ringing', leftover: { from: SHOWN, rings: true } },
      'wait',
    ]);
    const callId = await acceptFlash(rig, 'flash');
    // This dialer stands for the process that died: it stays where it is.
    rig.dialer(engine).dial(callId);
    const call = await eventually(async () => {
      const stored = await rig.store.call(callId);
      expect(stored?.state).toBe('ringing');
      return stored;
    });
    expect(JSON.stringify(call)).not.toContain(SHOWN.slice(3));
    const next = engineWith(RANG);
    expect(await rig.dialer(next).recover()).toBe(1);
    expect(next.leftovers).toEqual([{ from: SHOWN, rings: true }]);
    expect(await rig.store.call(callId)).toMatchObject({ disposition: 'interrupted' });
    // It rang, so that its number may have been seen.
    expect(await rig.statusOf()).toBe('pending');
  });

  it('is tried on no other trunk', async () => {
    const engine = new ScriptedEngine({ 'beta.example': [TRYING, refused(503)], 'gamma.example': RANG });
    const callId = await acceptFlash(rig, 'flash');
    rig.dialer(engine).dial(callId);
    expect(await rig.endOf(callId)).toMatchObject({ disposition: 'trunk_failure' });
    expect(engine.invited).toHaveLength(1);
  });
});

describe('auto', () => {
  it('waits for a check, and says the code when none came', async () => {
    const engine = engineWith(RANG);
    const callId = await acceptFlash(rig, 'auto', { delivery: { voiceAfterMs: 300 } });
    const dialer = rig.dialer(engine);
    dialer.dial(callId);
    const call = await rig.endOf(callId);
    expect(call).toMatchObject({ disposition: 'answered', state: 'ended' });
    expect(call.attempts).toMatchObject([
      { trunkId: 'beta', channel: 'flash', cli: '+49899000••••', disposition: 'rang' },
      { trunkId: 'alpha', channel: 'voice', cli: '+498912345', disposition: 'answered' },
    ]);
    expect(call.timeline.map(({ type, attempt }) => `${type} ${attempt}`)).toEqual([
      'queued 0',
      'trying 1',
      'ringing 1',
      'ended 1',
      'waiting 0',
      'prepared 0',
      'trying 2',
      'ringing 2',
      'answered 2',
      'prompt_finished 2',
      'ended 2',
      'ended 0',
    ]);
    const [flash, voice] = call.attempts;
    expect(Number(voice?.startedAt) - Number(flash?.endedAt)).toBeGreaterThanOrEqual(295);
    expect(call.timeline[4]?.detail).toEqual({ forMs: 300 });
    const legs = engine.invited;
    expect(legs.map(({ prompt }) => prompt === null)).toEqual([true, false]);
    expect(legs[1]?.flash).toBeUndefined();
    expect(rig.logged.join('\n') + JSON.stringify(call)).not.toMatch(DIGITS);
    expect(rig.logged.join('\n') + JSON.stringify(call)).not.toContain('493817');
    expect(await rig.statusOf()).toBe('pending');
    await eventually(() => expect(dialer.active()).toBe(0));
  });

  it('ends at once when a check in the wait approves it', async () => {
    const { callId, dialer, engine } = await waiting();
    expect((await checkCaller(rig))?.verdict).toBe('approved');
    dialer.settle(callId);
    const call = await rig.endOf(callId);
    expect(call).toMatchObject({ disposition: 'rang', blame: 'none' });
    expect(engine.invited).toHaveLength(1);
    expect(await rig.statusOf()).toBe('approved');
  });

  it('places no voice call where the check came while the phone rang', async () => {
    const engine = engineWith(RANG);
    const callId = await acceptFlash(rig, 'auto');
    const dialer = rig.dialer(engine, {
      store: rig.storeWith({
        saveCall: async (call) => {
          if (call.state === 'ringing') {
            await checkCaller(rig);
            dialer.settle(callId);
          }
          return rig.store.saveCall(call);
        },
      }),
    });
    dialer.dial(callId);
    expect(await rig.endOf(callId)).toMatchObject({ disposition: 'rang' });
    expect(engine.invited).toHaveLength(1);
  });

  it('says nothing when it was canceled in the wait', async () => {
    const { callId, dialer, engine } = await waiting();
    await rig.store.endVerification('ver_a', 'canceled', Date.now());
    dialer.hangUp(callId);
    expect(await rig.endOf(callId)).toMatchObject({ disposition: 'canceled', blame: 'none' });
    expect(engine.invited).toHaveLength(1);
    expect(await rig.statusOf()).toBe('canceled');
  });

  it('leaves a verification that can be checked when its call alone was hung up in the wait', async () => {
    const { callId, dialer } = await waiting();
    dialer.hangUp(callId);
    await rig.endOf(callId);
    expect((await checkCaller(rig))?.verdict).toBe('approved');
  });

  it('says nothing when its time is over in the wait', async () => {
    const { callId, engine } = await waiting(
      {},
      { change: { createdAt: Date.now() - 26_000, ttlSeconds: 30 } },
    );
    expect(await rig.endOf(callId)).toMatchObject({ disposition: 'rang' });
    expect(engine.invited).toHaveLength(1);
    expect((await checkCaller(rig))?.verdict).toBe('not_pending');
  });

  it('is canceled in the wait when the process ends, and can still be checked', async () => {
    const { callId, dialer, engine } = await waiting();
    await dialer.drain(AbortSignal.abort());
    expect(await rig.store.call(callId)).toMatchObject({ state: 'ended', disposition: 'canceled' });
    expect(engine.invited).toHaveLength(1);
    expect((await checkCaller(rig))?.verdict).toBe('approved');
  });

  it('is closed as interrupted when the process died in the wait, and can still be checked', async () => {
    // This dialer stands for the process that died: it stays where it is.
    const { callId } = await waiting();
    const next = engineWith(RANG);
    expect(await rig.dialer(next).recover()).toBe(1);
    expect(await rig.store.call(callId)).toMatchObject({
      state: 'ended',
      disposition: 'interrupted',
      attempts: [{ disposition: 'rang' }],
    });
    // There was no leg to end.
    expect([next.leftovers, next.invited]).toEqual([[], []]);
    expect((await checkCaller(rig))?.verdict).toBe('approved');
  });

  it('goes on when the store comes back, that was away in the wait', async () => {
    let away = false;
    const failing = rig.storeWith({
      saveCall: (call) =>
        call.timeline.at(-1)?.type === 'waiting' ? unreachable() : rig.store.saveCall(call),
      verification: (id) => (away ? unreachable() : rig.store.verification(id)),
    });
    const engine = engineWith(RANG);
    const callId = await acceptFlash(rig, 'auto', { delivery: { voiceAfterMs: 150 } });
    const dialer = rig.dialer(engine, { store: failing });
    dialer.dial(callId);
    await eventually(() => expect(engine.invited).toHaveLength(1));
    away = true;
    await eventually(() =>
      expect(rig.logged.join('\n')).toContain('waits although the store is unavailable'),
    );
    expect(dialer.active()).toBe(1);
    away = false;
    expect(await rig.endOf(callId)).toMatchObject({ disposition: 'answered' });
    expect(engine.invited).toHaveLength(2);
  });

  it.each<[string, readonly Step[]]>([
    ['no_ring', [TRYING, ended({ kind: 'no_ring' })]],
    ['diverted', [TRYING, { type: 'progress', status: 181 }, ended({ kind: 'diverted' })]],
    ['rejected', [TRYING, refused(403)]],
    ['trunk_failure', [TRYING, refused(503)]],
    ['trunk_timeout', [TRYING, ended({ kind: 'setup_timeout' })]],
    ['unreachable', [TRYING, refused(480)]],
  ])('says the code at once after %s', async (disposition, script) => {
    const engine = engineWith(script);
    const callId = await acceptFlash(rig, 'auto');
    rig.dialer(engine).dial(callId);
    const call = await rig.endOf(callId);
    expect(call.attempts.map((one) => one.disposition)).toEqual([disposition, 'answered']);
    expect(call.timeline.map(({ type }) => type)).not.toContain('waiting');
  });

  it.each<[string, readonly Step[]]>([
    ['busy', [TRYING, refused(486)]],
    ['invalid_number', [TRYING, refused(404)]],
    ['blocked', [TRYING, refused(608)]],
    ['canceled', [TRYING, refused(487)]],
    ['identity_rejected', [TRYING, refused(428)]],
  ])('says nothing after %s', async (disposition, script) => {
    const engine = engineWith(script);
    const callId = await acceptFlash(rig, 'auto');
    rig.dialer(engine).dial(callId);
    const call = await rig.endOf(callId);
    expect(call.disposition).toBe(disposition);
    expect(engine.invited).toHaveLength(1);
    expect(await rig.statusOf()).toBe('failed');
  });

  it('says the code by another trunk where that of the flash call has no route to the number', async () => {
    const engine = engineWith([TRYING, refused(404, { q850: 3 })]);
    const callId = await acceptFlash(rig, 'auto');
    rig.dialer(engine).dial(callId);
    const call = await rig.endOf(callId);
    expect(call.attempts.map((one) => one.disposition)).toEqual(['invalid_number', 'answered']);
  });

  it('goes from trunk to trunk with the voice call, whatever the flash call met', async () => {
    const engine = new ScriptedEngine({
      'beta.example': [TRYING, refused(488)],
      'alpha.example': [TRYING, refused(488)],
      'gamma.example': TALK,
    });
    const callId = await acceptFlash(rig, 'auto');
    rig
      .dialer(engine, {
        ...routed([...THREE_TRUNKS.filter(({ id }) => id !== 'beta'), ...THREE_TRUNKS.slice(1, 2)]),
      })
      .dial(callId);
    const call = await rig.endOf(callId);
    expect(call.attempts.map(({ trunkId }) => trunkId)).toEqual(['beta', 'alpha', 'gamma']);
    expect(call.disposition).toBe('answered');
  });

  it('waits after a flash call that was answered, and after one that was declined', async () => {
    for (const [name, last] of [
      ['declined', refused(603)],
      ['answered', ended({ kind: 'hung_up', by: 'us', why: 'crossed_cancel' })],
    ] as const) {
      const answer: Step[] = name === 'answered' ? [{ type: 'answered', codec: null, leftover: {} }] : [];
      const engine = engineWith([TRYING, RINGING, ...answer, last]);
      const callId = await acceptFlash(rig, 'auto', { name, delivery: { voiceAfterMs: 50 } });
      rig.dialer(engine).dial(callId);
      const call = await rig.endOf(callId);
      expect(call.timeline.map(({ type }) => type)).toContain('waiting');
      expect(engine.invited).toHaveLength(2);
    }
  });

  it('has its fallback text ready for somebody who answers', async () => {
    const engine = engineWith(RANG);
    const callId = await acceptFlash(rig, 'auto', {
      details: { fallbackText: 'Hello' },
      delivery: { voiceAfterMs: 50 },
    });
    rig.dialer(engine).dial(callId);
    await rig.endOf(callId);
    expect(engine.invited[0]).toMatchObject({ flash: { onAnswer: 'speak' }, prompt: { parts: [80] } });
  });
});
