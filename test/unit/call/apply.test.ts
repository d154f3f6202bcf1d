import { describe, expect, it } from 'vitest';
import type { AttemptContext } from '../../../src/call/apply.ts';
import { apply, endCall, markPrepared, markUnprepared } from '../../../src/call/apply.ts';
import type { Call } from '../../../src/call/call.ts';
import { durations, mayProve } from '../../../src/call/call.ts';
import type { CallEvent } from '../../../src/engine/engine.ts';
import { NO_MARKS } from '../../../src/prompt/delivered.ts';
import { PromptError } from '../../../src/prompt/prompt-error.ts';
import { acceptedPair, NOW, SOME_PROMPT } from '../../support/records.ts';

const context: AttemptContext = { trunkId: 'alpha', channel: 'voice', cli: '+498912345', marks: NO_MARKS };
const trying: CallEvent = { type: 'trying', at: NOW + 10, leftover: { step: 'trying' } };
const ringing: CallEvent = { type: 'ringing', at: NOW + 210, leftover: { step: 'ringing' } };
const earlyMedia: CallEvent = { type: 'early_media', at: NOW + 60 };
const unanswered: CallEvent = { type: 'ended', at: NOW + 30_210, end: { kind: 'ring_timeout' } };
const answered: CallEvent = {
  type: 'answered',
  at: NOW + 1210,
  codec: 'PCMU',
  leftover: { step: 'answered' },
};
const media = { packetsSent: 500, packetsReceived: 480, jitterMs: 1.5, promptSentMs: 10_000 };
const goodbye: CallEvent = {
  type: 'ended',
  at: NOW + 11_210,
  end: { kind: 'hung_up', by: 'us', why: 'prompt_finished' },
  media,
};

function after(...events: readonly CallEvent[]): Call {
  return events.reduce((call, event) => apply(call, event, context), acceptedPair('a').call);
}

describe('apply', () => {
  it('follows a call from the trunk to the goodbye', () => {
    const call = after(
      trying,
      { type: 'progress', at: NOW + 50, status: 181 },
      { type: 'early_media', at: NOW + 110 },
      ringing,
      answered,
      { type: 'prompt_finished', at: NOW + 11_200 },
      goodbye,
    );
    expect(call.state).toBe('answered');
    expect(call.attempts).toEqual([
      {
        trunkId: 'alpha',
        channel: 'voice',
        cli: '+498912345',
        answeredBy: null,
        rate: null,
        route: null,
        delivered: { characters: null, codes: null, falseAnswer: false, keys: 0 },
        startedAt: NOW + 10,
        earlyMediaAt: NOW + 110,
        ringingAt: NOW + 210,
        answeredAt: NOW + 1210,
        endedAt: NOW + 11_210,
        codec: 'PCMU',
        sipStatus: null,
        sipReason: null,
        q850: null,
        redress: null,
        disposition: 'answered',
        blame: 'none',
        hungUpBy: 'us',
        promptFinished: true,
        media,
        leftover: null,
      },
    ]);
    expect(call.timeline.map(({ type, attempt }) => `${attempt} ${type}`)).toEqual([
      '0 queued',
      '1 trying',
      '1 progress',
      '1 early_media',
      '1 ringing',
      '1 answered',
      '1 prompt_finished',
      '1 ended',
    ]);
    expect(mayProve(call)).toBe(true);
  });

  it('keeps what ends the leg with each step, and the first times', () => {
    const early = after(trying, ringing);
    expect(early.state).toBe('ringing');
    expect(early.attempts[0]?.leftover).toEqual({ step: 'ringing' });
    const again = apply(early, { type: 'ringing', at: NOW + 900, leftover: { step: 'fork' } }, context);
    expect(again.attempts[0]).toMatchObject({ ringingAt: NOW + 210, leftover: { step: 'fork' } });
    expect(again.timeline).toHaveLength(early.timeline.length);
  });

  it('takes the leftover of an INVITE that has left, and nothing else', () => {
    const before = after(trying);
    const sent = apply(before, { type: 'sent', at: NOW + 20, leftover: { step: 'sent' } }, context);
    expect(sent).toEqual({ ...before, attempts: [{ ...before.attempts[0], leftover: { step: 'sent' } }] });
    expect(
      durations(after(trying, { type: 'sent', at: NOW + 20, leftover: {} }, ringing).attempts[0] as never),
    ).toMatchObject({ pddMs: 200 });
  });

  it('keeps status, phrase, cause and redress contact of a refusal', () => {
    const call = after(trying, {
      type: 'ended',
      at: NOW + 300,
      end: {
        kind: 'rejected',
        sip: {
          status: 603,
          reason: 'Network Blocked',
          q850: 21,
          reasonText: 'v=analytics1;url=https://x.example',
        },
      },
    });
    expect(call.state).toBe('dialing');
    expect(call.attempts[0]).toMatchObject({
      sipStatus: 603,
      sipReason: 'Network Blocked',
      q850: 21,
      redress: 'v=analytics1;url=https://x.example',
      disposition: 'blocked',
      blame: 'us',
      leftover: null,
    });
    expect(call.timeline.at(-1)?.detail).toMatchObject({
      status: 603,
      reasonText: 'v=analytics1;url=https://x.example',
    });
  });

  it.each([
    [{ status: 608, redressUri: 'https://a.example', reasonText: 'spam' }, 'https://a.example'],
    [{ status: 607, reasonText: 'v=analytics1;tel=+12025550100' }, 'v=analytics1;tel=+12025550100'],
    [
      { status: 608, redressUri: `https://a.example/${'x'.repeat(1500)}` },
      `https://a.example/${'x'.repeat(1500)}`,
    ],
    [{ status: 608, redressUri: 'x'.repeat(60_000) }, 'x'.repeat(2000)],
    [{ status: 608 }, null],
    [{ status: 486, redressUri: 'https://a.example', reasonText: 'v=analytics1' }, null],
  ])('keeps whom to ask for redress after a block', (sip, redress) => {
    const end = { kind: 'rejected', sip: { reason: '', ...sip } } as const;
    expect(after(trying, { type: 'ended', at: NOW + 9, end }).attempts[0]).toMatchObject({ redress });
  });

  it('shows silence as 408', () => {
    const call = after(trying, { type: 'ended', at: NOW + 8000, end: { kind: 'setup_timeout' } });
    expect(call.attempts[0]).toMatchObject({ sipStatus: 408, sipReason: null, disposition: 'trunk_timeout' });
  });

  it('opens a second attempt on the next trunk', () => {
    const first = after(trying, {
      type: 'ended',
      at: NOW + 300,
      end: { kind: 'rejected', sip: { status: 503, reason: 'Service Unavailable' } },
    });
    const second = apply(first, { ...trying, at: NOW + 310 }, { ...context, trunkId: 'beta', cli: '+1' });
    expect(second.attempts.map(({ trunkId, endedAt }) => [trunkId, endedAt])).toEqual([
      ['alpha', NOW + 300],
      ['beta', null],
    ]);
    expect(second.timeline.at(-1)).toMatchObject({ attempt: 2, type: 'trying' });
  });

  it('keeps presses of keys, but not which keys, and not without end', () => {
    let call = after(trying, answered);
    for (const [index, digit] of '4938170000'.repeat(10).split('').entries()) {
      call = apply(call, { type: 'dtmf', at: NOW + 2000 + index, digit, durationMs: 100 }, context);
    }
    const presses = call.timeline.filter(({ type }) => type === 'dtmf');
    expect(presses).toHaveLength(32);
    expect(presses.every(({ detail }) => Object.keys(detail).join() === 'durationMs')).toBe(true);
  });

  it('notes each provisional status once', () => {
    const call = after(
      trying,
      ...Array.from(
        { length: 50 },
        (_, index): CallEvent => ({
          type: 'progress',
          at: NOW + 20 + index,
          status: index % 2 === 0 ? 181 : 182,
        }),
      ),
    );
    expect(call.timeline.filter(({ type }) => type === 'progress')).toHaveLength(2);
  });

  it('cuts what a far end writes at length', () => {
    const call = after(trying, {
      type: 'ended',
      at: NOW + 300,
      end: {
        kind: 'rejected',
        sip: { status: 486, reason: 'x'.repeat(60_000), reasonText: 'y'.repeat(60_000) },
      },
    });
    expect(JSON.stringify(call).length).toBeLessThan(3000);
  });

  it('takes an answer that nobody could hear for what it is', () => {
    const call = after(
      trying,
      { ...answered, codec: null },
      { type: 'ended', at: NOW + 1300, end: { kind: 'hung_up', by: 'us', why: 'crossed_cancel' } },
    );
    expect(call.attempts[0]).toMatchObject({ disposition: 'canceled', hungUpBy: 'us' });
    expect(mayProve(call)).toBe(false);
  });

  it('changes nothing of a call that has ended, and never its input', () => {
    const ended = endCall(after(trying, ringing), NOW + 400, 'canceled', 'none');
    const frozen = JSON.stringify(ended);
    expect(apply(ended, answered, context)).toBe(ended);
    expect(endCall(ended, NOW + 500, 'failed', 'us')).toBe(ended);
    expect(JSON.stringify(ended)).toBe(frozen);
  });

  it('takes an event without an attempt for a bug', () => {
    expect(() => after(ringing)).toThrow(/without an attempt/);
    expect(() => after({ type: 'sent', at: NOW, leftover: {} })).toThrow(/without an attempt/);
    expect(() => after(trying, goodbye, ringing)).toThrow(/without an attempt/);
  });
});

describe('endCall', () => {
  it('closes what is open and says so last', () => {
    const call = endCall(
      markPrepared(after(trying, ringing), NOW + 220, SOME_PROMPT),
      NOW + 400,
      'interrupted',
      'us',
    );
    expect(call).toMatchObject({
      state: 'ended',
      disposition: 'interrupted',
      blame: 'us',
      endedAt: NOW + 400,
    });
    expect(call.attempts[0]).toMatchObject({
      endedAt: NOW + 400,
      disposition: 'interrupted',
      leftover: null,
    });
    expect(call.timeline.at(-1)).toEqual({
      at: NOW + 400,
      attempt: 0,
      type: 'ended',
      detail: { disposition: 'interrupted', blame: 'us' },
    });
  });
});

describe('markPrepared and markUnprepared', () => {
  it('say with which voices a call speaks, or why it cannot', () => {
    const { call } = acceptedPair('a');
    const prepared = markPrepared(call, NOW + 5, { ...SOME_PROMPT, voices: ['tts a de', 'recorded de/x'] });
    expect(prepared.prompt?.voices).toEqual(['tts a de', 'recorded de/x']);
    expect(prepared.timeline.at(-1)).toEqual({
      at: NOW + 5,
      attempt: 0,
      type: 'prepared',
      detail: { ...SOME_PROMPT, voices: 'tts a de, recorded de/x' },
    });
    const nobody = markPrepared(call, NOW, { ...SOME_PROMPT, locale: null, voices: [] });
    expect(nobody.timeline.at(-1)?.detail).not.toHaveProperty('locale');
    const failed = markUnprepared(call, NOW + 7, new PromptError('url_failed', 'x'.repeat(500)));
    expect(failed.prompt).toBeNull();
    expect(failed.timeline.at(-1)).toMatchObject({ type: 'prompt_failed', detail: { fault: 'url_failed' } });
    expect(String(failed.timeline.at(-1)?.detail['message'])).toHaveLength(200);
  });
});

describe('a clock that was set back', () => {
  it('does not turn a timeline round', () => {
    const prepared = markPrepared(acceptedPair('a').call, NOW - 60_000, SOME_PROMPT);
    expect(prepared.timeline.at(-1)).toMatchObject({ type: 'prepared', at: NOW });
    const call = endCall(after(trying, ringing), NOW - 60_000, 'interrupted', 'us');
    expect(call).toMatchObject({ endedAt: NOW + 210, attempts: [{ endedAt: NOW + 210 }] });
    expect(call.timeline.at(-1)).toMatchObject({ type: 'ended', at: NOW + 210 });
  });
});

describe('durations', () => {
  it.each([
    [[trying], { pddMs: null, ringMs: null, talkMs: null }],
    [[trying, ringing], { pddMs: 200, ringMs: null, talkMs: null }],
    [[trying, earlyMedia, ringing], { pddMs: 50, ringMs: null, talkMs: null }],
    [[trying, ringing, answered], { pddMs: 200, ringMs: 1000, talkMs: null }],
    [[trying, answered], { pddMs: 1200, ringMs: null, talkMs: null }],
    [[trying, ringing, answered, goodbye], { pddMs: 200, ringMs: 1000, talkMs: 10_000 }],
    [[trying, ringing, unanswered], { pddMs: 200, ringMs: 30_000, talkMs: null }],
  ])('case %#', (events, expected) => {
    const attempt = after(...events).attempts[0];
    expect(attempt === undefined ? undefined : durations(attempt)).toEqual(expected);
  });
});
