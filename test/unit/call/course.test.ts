import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Call, CallWishes } from '../../../src/call/call.ts';
import { createCall } from '../../../src/call/call.ts';
import type { DialerOptions } from '../../../src/call/dialer.ts';
import { NO_MARKS } from '../../../src/prompt/delivered.ts';
import type { Playlist } from '../../../src/prompt/playlist.ts';
import type { PromptPort } from '../../../src/prompt/prepared-prompt.ts';
import { PromptError } from '../../../src/prompt/prompt-error.ts';
import { Secret } from '../../../src/secret.ts';
import { Vault } from '../../../src/verification/vault.ts';
import { CODE, DialerRig, THREE_TRUNKS } from '../../support/dialer-rig.ts';
import { eventually } from '../../support/eventually.ts';
import { SOME_PROMPT } from '../../support/records.ts';
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
  SENT,
  TRYING,
} from '../../support/scripted-engine.ts';

const TALK: readonly Step[] = [TRYING, RINGING, ANSWERED, PROMPT_FINISHED, GOODBYE];
const TALK_WITH_SENT: readonly Step[] = [TRYING, SENT, ...TALK.slice(1)];

let rig: DialerRig;

beforeEach(async () => {
  rig = await DialerRig.open();
});

afterEach(async () => {
  await rig.close();
});

/** One call over trunks that do what is written. */
async function over(
  scripts: Readonly<Record<string, readonly Step[]>>,
  settings: Partial<DialerOptions['settings']> = {},
): Promise<{ call: Call; engine: ScriptedEngine; status: string | undefined }> {
  const engine = new ScriptedEngine(scripts);
  const callId = await rig.accept();
  rig.dialer(engine, {}, settings).dial(callId);
  return { call: await rig.endOf(callId), engine, status: await rig.statusOf() };
}

describe('a call', () => {
  it('is carried to its end', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const counted: string[] = [];
    const dialer = rig.dialer(engine, { onEnded: ({ disposition }) => counted.push(String(disposition)) });
    const callId = await rig.accept();
    dialer.dial(callId);
    expect(dialer.active()).toBe(1);
    const call = await rig.endOf(callId);
    expect(call).toMatchObject({ disposition: 'answered', blame: 'none' });
    expect(call.attempts).toMatchObject([{ trunkId: 'alpha', promptFinished: true, leftover: null }]);
    expect(await rig.store.verification('ver_a')).toMatchObject({ status: 'pending', sealedCode: null });
    await eventually(() => expect(dialer.active()).toBe(0));
    expect(counted).toEqual(['answered']);
    expect(rig.logged.join('\n')).not.toContain(CODE);
  });

  it('keeps its times in order, and ends with its last leg, where the clock is set back before a leg', async () => {
    const dialer = rig.dialer(new ScriptedEngine({ 'alpha.example': TALK }), {
      now: () => Date.now() + 60_000,
    });
    const callId = await rig.accept();
    dialer.dial(callId);
    const call = await rig.endOf(callId);
    const times = call.timeline.map(({ at }) => at);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(call.endedAt).toBe(call.attempts[0]?.endedAt);
    expect(Number(call.endedAt) - Number(call.attempts[0]?.startedAt)).toBeLessThan(5000);
  });

  it('is dialled once, however often it is asked for', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const dialer = rig.dialer(engine);
    const callId = await rig.accept();
    dialer.dial(callId);
    dialer.dial(callId);
    await rig.endOf(callId);
    await eventually(() => expect(dialer.active()).toBe(0));
    dialer.dial(callId);
    await eventually(() => expect(dialer.active()).toBe(0));
    expect(engine.invited).toHaveLength(1);
  });

  it('is stored as dialling before the INVITE leaves, and at each step', async () => {
    const saved: string[] = [];
    const engine = new ScriptedEngine({ 'alpha.example': TALK_WITH_SENT });
    const watching = rig.storeWith({
      saveCall: (call) => {
        saved.push(`${call.state} ${engine.invited.length} ${String(call.attempts[0]?.leftover?.['step'])}`);
        return rig.store.saveCall(call);
      },
    });
    const callId = await rig.accept();
    rig.dialer(engine, { store: watching }).dial(callId);
    await rig.endOf(callId);
    expect(saved).toEqual(['dialing 0 trying', 'dialing 1 sent', 'ringing 1 ringing', 'answered 1 answered']);
  });

  it('is told to listeners as it goes', async () => {
    const feed = rig.feed();
    const callId = await rig.accept();
    const seen: string[] = [];
    await feed.subscribe(callId, ({ entry }) => seen.push(entry.type));
    rig.dialer(new ScriptedEngine({ 'alpha.example': TALK_WITH_SENT }), { feed }).dial(callId);
    await rig.endOf(callId);
    await eventually(() =>
      expect(seen).toEqual([
        'queued',
        'prepared',
        'trying',
        'ringing',
        'answered',
        'prompt_finished',
        'ended',
        'ended',
      ]),
    );
  });
});

describe('failover', () => {
  it('goes to the next trunk where the trunk is to blame', async () => {
    const { call, status } = await over({
      'alpha.example': [TRYING, refused(503)],
      'beta.example': [TRYING, ended({ kind: 'setup_timeout' })],
      'gamma.example': TALK,
    });
    expect(call.disposition).toBe('answered');
    expect(call.attempts.map(({ trunkId, disposition }) => [trunkId, disposition])).toEqual([
      ['alpha', 'trunk_failure'],
      ['beta', 'trunk_timeout'],
      ['gamma', 'answered'],
    ]);
    expect(status).toBe('pending');
  });

  it.each([
    ['busy', [TRYING, refused(486)], 'busy'],
    ['after ringing', [TRYING, RINGING, refused(503)], 'trunk_failure'],
    ['unanswered', [TRYING, RINGING, ended({ kind: 'ring_timeout' })], 'no_answer'],
    ['answered without sound', [TRYING, ended({ kind: 'media_rejected', detail: '' })], 'media_rejected'],
  ])('stops where the phone or its owner has spoken: %s', async (_name, script, disposition) => {
    const { call, engine, status } = await over({ 'alpha.example': script, 'beta.example': TALK });
    expect(call.disposition).toBe(disposition);
    expect(engine.invited).toHaveLength(1);
    expect(status).toBe('failed');
  });

  it('ends with the last outcome where no trunk is left', async () => {
    const script = [TRYING, refused(503)];
    const { call, status } = await over({
      'alpha.example': script,
      'beta.example': script,
      'gamma.example': [TRYING, refused(407)],
    });
    expect(call).toMatchObject({ disposition: 'trunk_auth', blame: 'us' });
    expect(call.attempts).toHaveLength(3);
    expect(status).toBe('failed');
  });

  it('respects the number of attempts and the deadline', async () => {
    const script = [TRYING, refused(503)];
    const scripts = { 'alpha.example': script, 'beta.example': script, 'gamma.example': TALK };
    expect((await over(scripts, { maxAttempts: 2 })).call.attempts).toHaveLength(2);
    const engine = new ScriptedEngine(scripts);
    const callId = await rig.accept('late', { createdAt: Date.now() - 5000 });
    rig.dialer(engine, {}, { deadlineMs: 1000 }).dial(callId);
    expect((await rig.endOf(callId)).attempts).toHaveLength(1);
  });

  it('offers other codecs after a 488', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': [TRYING, refused(488)], 'beta.example': TALK });
    const callId = await rig.accept();
    const [first, second] = THREE_TRUNKS;
    rig
      .dialer(engine, {
        ...routed([{ ...first, codecs: ['PCMU'] }, second] as typeof THREE_TRUNKS),
      })
      .dial(callId);
    await rig.endOf(callId);
    expect(engine.invited.map(({ codecs }) => codecs)).toEqual([['PCMU'], ['PCMA', 'PCMU']]);
  });

  it('spares a trunk that asked for a rest, as long as there is another', async () => {
    const engine = new ScriptedEngine({
      'alpha.example': [TRYING, refused(503, { retryAfterSeconds: 60 })],
      'beta.example': TALK,
    });
    const dialer = rig.dialer(engine, routed(THREE_TRUNKS.slice(0, 2)));
    for (const name of ['a', 'b']) {
      const callId = await rig.accept(name);
      dialer.dial(callId);
      await rig.endOf(callId);
    }
    expect(engine.invited.map(({ nextHop }) => nextHop.host)).toEqual([
      'alpha.example',
      'beta.example',
      'beta.example',
    ]);
  });
});

/** Prompts that cannot be made. */
function promptsThat(error: Error): PromptPort {
  const fail = (): Promise<never> => Promise.reject(error);
  return { forCode: fail, forGate: fail, forConfirmation: fail, forPlaylist: fail };
}

describe('a prompt that cannot be played', () => {
  it.each([
    ['tts_timeout', 'us'],
    ['url_failed', 'unknown'],
  ] as const)('ends the call before anything is dialled: %s', async (fault, blame) => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const callId = await rig.accept();
    rig.dialer(engine, { prompts: promptsThat(new PromptError(fault, 'it is late')) }).dial(callId);
    const call = await rig.endOf(callId);
    expect(call).toMatchObject({ disposition: 'prompt_failed', blame, attempts: [], prompt: null });
    expect(call.timeline.at(-2)).toMatchObject({
      type: 'prompt_failed',
      detail: { fault, message: 'it is late' },
    });
    expect(await rig.statusOf()).toBe('failed');
    expect(engine.invited).toEqual([]);
  });

  it('is given up when the call is canceled meanwhile', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const callId = await rig.accept();
    const asked: AbortSignal[] = [];
    const untilAborted = (signal: AbortSignal): Promise<never> =>
      new Promise((_, reject) => {
        asked.push(signal);
        signal.addEventListener('abort', () => reject(new PromptError('tts_timeout', 'aborted')));
      });
    const prompts: PromptPort = {
      forCode: (_prompt, _code, signal) => untilAborted(signal),
      forGate: (_prompt, signal) => untilAborted(signal),
      forConfirmation: (_prompt, signal) => untilAborted(signal),
      forPlaylist: (_playlist, signal) => untilAborted(signal),
    };
    const dialer = rig.dialer(engine, { prompts });
    dialer.dial(callId);
    await eventually(() => expect(asked).toHaveLength(1));
    dialer.hangUp(callId);
    expect(await rig.endOf(callId)).toMatchObject({ disposition: 'canceled', blame: 'none', attempts: [] });
    expect(engine.invited).toEqual([]);
  });
});

describe('a call that only says something', () => {
  const playlist: Playlist = { items: [{ digits: '493817' }], repeat: 2, repeatPauseMs: 500 };

  async function accept(wishes: Partial<CallWishes> = {}): Promise<string> {
    const call = createCall({
      id: 'call_p',
      verificationId: null,
      clientId: null,
      to: '+4930123456',
      now: Date.now(),
      wishes: { cli: null, trunkId: null, ringTimeoutMs: null, ...wishes },
      sealedPlaylist: rig.vault.seal('call_p', new Secret(JSON.stringify(playlist))),
    });
    await rig.store.accept(null, call, null);
    return call.id;
  }

  it('plays its playlist, which is sealed until then and forgotten afterwards', async () => {
    const asked: Playlist[] = [];
    const prompts: PromptPort = {
      ...promptsThat(new Error('there is no code')),
      forPlaylist: async (wanted) => {
        asked.push(wanted);
        return { speech: { sampleRate: 8000, parts: [80] }, report: SOME_PROMPT, marks: NO_MARKS };
      },
    };
    const callId = await accept();
    expect(JSON.stringify(await rig.store.call(callId))).not.toContain('493817');
    rig.dialer(new ScriptedEngine({ 'alpha.example': TALK }), { prompts }).dial(callId);
    const call = await rig.endOf(callId);
    expect(asked).toEqual([playlist]);
    expect(call).toMatchObject({ disposition: 'answered', prompt: SOME_PROMPT, sealedPlaylist: null });
  });

  it('goes by the trunk that was asked for, and by no other when that one fails', async () => {
    const engine = new ScriptedEngine({ 'beta.example': [TRYING, refused(503)], 'alpha.example': TALK });
    const callId = await accept({ trunkId: 'beta' });
    rig.dialer(engine).dial(callId);
    expect(await rig.endOf(callId)).toMatchObject({ disposition: 'trunk_failure' });
    expect(engine.invited).toHaveLength(1);
  });
});

describe('a fault of ours', () => {
  it.each([
    ['the prompt cannot be made', { prompts: promptsThat(new Error('no clip')) }],
    ['the code cannot be opened', { vault: new Vault(Buffer.alloc(32, 4), randomBytes) }],
    ['there is no trunk', routed([])],
  ])('ends the call before anything is dialled: %s', async (_name, change) => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const callId = await rig.accept();
    const dialer = rig.dialer(engine, change);
    dialer.dial(callId);
    expect(await rig.endOf(callId)).toMatchObject({ disposition: 'failed', blame: 'us', attempts: [] });
    expect(await rig.statusOf()).toBe('failed');
    expect(engine.invited).toEqual([]);
    await eventually(() => expect(dialer.active()).toBe(0));
  });

  it.each([
    ['throws', [TRYING, RINGING, new Error('bug')]],
    ['stops without an end', [TRYING, RINGING]],
    ['forgets to begin', [RINGING]],
  ])('ends the call where the engine %s', async (_name, script) => {
    const engine = new ScriptedEngine({ 'alpha.example': script, 'beta.example': TALK });
    const callId = await rig.accept();
    rig.dialer(engine).dial(callId);
    expect(await rig.endOf(callId)).toMatchObject({ disposition: 'failed', blame: 'us' });
    expect(engine.up).toBe(0);
    expect(engine.invited.length).toBeLessThanOrEqual(1);
  });

  it('leaves alone a call that is not there', async () => {
    const dialer = rig.dialer(new ScriptedEngine({}));
    dialer.dial('call_x');
    await eventually(() => expect(dialer.active()).toBe(0));
  });

  it('does not say a code that nobody waits for any more', async () => {
    const engine = new ScriptedEngine({ 'alpha.example': TALK });
    const dialer = rig.dialer(engine);
    const late = await rig.accept('late', { createdAt: Date.now() - 700_000 });
    dialer.dial(late);
    expect(await rig.endOf(late)).toMatchObject({ disposition: 'failed' });
    expect(await rig.statusOf('late')).toBe('expired');
    const canceled = await rig.accept('canceled');
    await rig.store.endVerification('ver_canceled', 'canceled', Date.now());
    dialer.dial(canceled);
    expect(await rig.endOf(canceled)).toMatchObject({ disposition: 'canceled', blame: 'none' });
    expect(engine.invited).toEqual([]);
  });
});
