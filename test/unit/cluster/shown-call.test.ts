import { describe, expect, it } from 'vitest';
import { callAnswerOf } from '../../../src/api/answers.ts';
import { apply } from '../../../src/call/apply.ts';
import type { Call } from '../../../src/call/call.ts';
import { shownCall, toldCall } from '../../../src/cluster/shown-call.ts';
import { NO_MARKS } from '../../../src/prompt/delivered.ts';
import { acceptedPair, NOW } from '../../support/records.ts';

const call: Call = {
  ...apply(
    { ...acceptedPair('a').call, node: 'one.1', sealedPlaylist: 'c2VhbGVkLXdvcmRz' },
    { type: 'trying', at: NOW + 2, leftover: { dialog: 'how-to-end-it' } },
    {
      trunkId: 't',
      channel: 'voice',
      cli: '+491',
      marks: NO_MARKS,
      rate: null,
      route: { why: 'because-it-is-cheap' },
    },
  ),
  wishes: { cli: '+49wished', trunkId: 't', ringTimeoutMs: 7 },
};

describe('shownCall', () => {
  it('shows all that the API shows, and who carries it', () => {
    const told = toldCall(JSON.stringify(shownCall(call)), call.id) as Call;
    expect(callAnswerOf(told)).toEqual(callAnswerOf(call));
    expect(told.node).toBe('one.1');
    expect(told.clientId).toBe('shop');
  });

  it('shows nothing that is sealed or ends a leg, no route and no wish', () => {
    const text = JSON.stringify(shownCall(call));
    expect(JSON.stringify(call)).toMatch(/c2VhbGVkLXdvcmRz.*how-to-end-it/);
    expect(text).not.toMatch(/c2VhbGVkLXdvcmRz|how-to-end-it|because-it-is-cheap|wished/);
  });

  it('does not show what is added to a record', () => {
    const more = { ...call, secret: 1, attempts: call.attempts.map((one) => ({ ...one, secret: 1 })) };
    expect(JSON.stringify(shownCall(more))).not.toContain('secret');
  });
});

describe('toldCall', () => {
  const shown = shownCall(call);

  it.each([
    ['no JSON', '{"id":'],
    ['no call', '[]'],
    ['another call', JSON.stringify({ ...shown, id: 'call_b' })],
    ['an unknown state', JSON.stringify({ ...shown, state: 'dancing' })],
    ['an empty timeline', JSON.stringify({ ...shown, timeline: [] })],
    [
      'a type that would break a line of an event stream',
      JSON.stringify({ ...shown, timeline: [{ ...shown.timeline[0], type: 'ended\ndata: x' }] }),
    ],
  ])('does not take %s', (_, text) => {
    expect(toldCall(text, call.id)).toBeUndefined();
  });
});
