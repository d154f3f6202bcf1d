import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/secret.ts';
import type { CallEventTold, NoticeEvent } from '../../../src/webhooks/events.ts';
import { nextStep } from '../../../src/webhooks/events.ts';
import { createNotice, type NoticeTarget } from '../../../src/webhooks/notice.ts';
import { isWanted, receiverOf, requestOf } from '../../../src/webhooks/receiver.ts';
import { withQuery } from '../../../src/webhooks/request.ts';
import { clientWith } from '../../support/client.ts';
import { CLIENTS_OWN, courseOf, SECRET } from '../../support/notice-rig.ts';
import { acceptedPair, NOW } from '../../support/records.ts';

const { verification, call } = acceptedPair('0123456789abcdef0123456789abcdef');
const { ended } = courseOf(call);
const callback = { url: 'https://shop.example/told', secrets: [new Secret(SECRET)], events: null };

function noticeTo(target: Partial<NoticeTarget>, clientId: string | null = 'shop') {
  return createNotice({
    clientId,
    callId: call.id,
    verificationId: verification.id,
    target: { ...CLIENTS_OWN, ...target },
    now: NOW,
  });
}

const allEvents = (): readonly NoticeEvent[] => {
  const events: NoticeEvent[] = [];
  for (let known = noticeTo({}); ; ) {
    const step = nextStep(
      known,
      { call: ended, verification: { ...verification, status: 'failed', endedAt: NOW + 9999 } },
      () => true,
    );
    if (step.kind !== 'tell') return events;
    events.push(step.event);
    known = { ...known, ...step.after };
  }
};

describe('our own form', () => {
  it('has the same body whenever it is sent, and a signature of its time', () => {
    const receiver = { ...callback };
    for (const event of allEvents()) {
      const [first, later] = [NOW, NOW + 90_000].map((now) => requestOf(event, noticeTo({}), receiver, now));
      expect(later?.body).toBe(first?.body);
      expect(later?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
      expect(later?.headers['webhook-timestamp']).not.toBe(first?.headers['webhook-timestamp']);
      expect(later?.headers['webhook-signature']).not.toBe(first?.headers['webhook-signature']);
    }
  });

  it('is verified by another implementation, for umlauts too, and by no other secret', () => {
    const at = Date.now();
    const event = allEvents()[0] as NoticeEvent;
    const odd = { ...event, verification: { ...verification, reference: 'größe ☎ "\u2028' } } as NoticeEvent;
    const { body = '', headers } = requestOf(odd, noticeTo({}), callback, at);
    expect(new Webhook(SECRET).verify(body, headers)).toMatchObject({
      data: { reference: 'größe ☎ "\u2028' },
    });
    const other = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
    expect(() => new Webhook(other).verify(body, headers)).toThrow(/signature/i);
  });

  it('holds nothing that a verification seals or compares with', () => {
    for (const event of allEvents()) {
      const text = JSON.stringify(requestOf(event, noticeTo({}), callback, NOW));
      expect(text).not.toContain(verification.sealedCode);
      expect(text).not.toContain(verification.codeDigest);
      expect(text).not.toContain(SECRET);
    }
  });
});

describe('who is told', () => {
  const clients = { get: (id: string) => (id === 'shop' ? clientWith({ callback }) : undefined) };

  it('is the callback of the client as it is now, unless the request named another address', () => {
    expect(receiverOf(noticeTo({}), clients)).toEqual(callback);
    const own = { url: 'https://shop.example/other', events: ['call.ended'] };
    expect(receiverOf(noticeTo(own), clients)).toMatchObject({ ...own, secrets: callback.secrets });
    expect(receiverOf(noticeTo({}, null), clients)).toBeUndefined();
    expect(receiverOf(noticeTo({}, 'bank'), clients)).toBeUndefined();
    const unsigned = { get: () => clientWith({ callback: { ...callback, secrets: [] } }) };
    expect(receiverOf(noticeTo({}), unsigned)).toBeUndefined();
    expect(receiverOf(noticeTo({ format: 'restcomm' }), clients)).toBeUndefined();
  });
});

describe('status callbacks of Restcomm', () => {
  const target = {
    format: 'restcomm',
    url: 'https://shop.example/status',
    fields: { accountSid: 'AC1' },
  } as const;
  const receiver = { url: target.url, secrets: [], events: null };

  it('tell the first attempt that begins, rings and is answered, and the end', () => {
    const twice = {
      ...ended,
      timeline: [...call.timeline, ...ended.timeline.slice(1, 3), ...ended.timeline.slice(1)],
    };
    const events: CallEventTold[] = twice.timeline.map((entry, index) => ({
      id: `evt_${index}`,
      type:
        entry.type === 'ended'
          ? entry.attempt === 0
            ? 'call.ended'
            : 'call.attempt_ended'
          : `call.${entry.type}`,
      at: entry.at,
      call: twice,
      index,
      entry,
    }));
    const told = events.filter((event) => isWanted(event, noticeTo(target), receiver));
    expect(told.map(({ id, type }) => [id, type])).toEqual([
      ['evt_1', 'call.trying'],
      ['evt_2', 'call.ringing'],
      ['evt_5', 'call.answered'],
      ['evt_8', 'call.ended'],
    ]);
  });

  it('say what became of the call at its end, and only what was asked for', () => {
    const busy = { ...ended, disposition: 'busy' } as const;
    const entry = busy.timeline.at(-1);
    if (entry === undefined) throw new Error('no end');
    const event = { id: 'e', type: 'call.ended', at: entry.at, call: busy, index: 6, entry };
    const form = new URLSearchParams(requestOf(event, noticeTo(target), receiver, NOW).body);
    expect(form.get('CallStatus')).toBe('busy');
    expect(isWanted(event, noticeTo(target), { ...receiver, events: ['ringing'] })).toBe(false);
    expect(isWanted(event, noticeTo(target), { ...receiver, events: ['completed'] })).toBe(true);
  });
});

it.each([
  ['https://a.example/x', 'https://a.example/x?k=1+2'],
  ['https://a.example/x?y=z', 'https://a.example/x?y=z&k=1+2'],
  ['https://a.example/x#part', 'https://a.example/x?k=1+2#part'],
])('a query is added: %s', (url, expected) => {
  expect(withQuery(url, { k: '1 2' })).toBe(expected);
});
