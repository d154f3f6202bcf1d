import { describe, expect, it } from 'vitest';
import { createCall } from '../../../src/call/call.ts';
import { COUNTRIES } from '../../../src/page/countries.ts';
import { deskParts } from '../../../src/page/desk-panel.ts';
import type { DeskPhone } from '../../../src/page/lab-desk.ts';
import type { Rung } from '../../../src/page/ladder.ts';
import { ladderPart } from '../../../src/page/ladder.ts';
import type { Surface } from '../../../src/page/sheet.ts';
import { errorSheet } from '../../../src/page/sheet.ts';
import { startPage } from '../../../src/page/start-page.ts';
import { verificationPage, verificationParts } from '../../../src/page/verification-page.ts';
import type { VerificationView } from '../../../src/verification/service.ts';

const EVIL = `"><script>alert('x')</script>`;
const SURFACE: Surface = { files: { style: '/s.css', script: '/s.js', icon: '/i.svg' }, isLab: false };
const FORM = {
  countries: COUNTRIES,
  country: 'GB',
  number: '',
  channel: 'voice',
  token: 't',
  channels: ['voice', 'flash'],
} as const;
const PENDING: VerificationView = {
  id: 'ver_1',
  to: '+442079460700',
  locale: 'en-US',
  reference: EVIL,
  status: 'pending',
  codeLength: 6,
  repeat: 2,
  sayAs: 'digits',
  gender: null,
  template: null,
  channel: 'voice',
  flash: null,
  delivery: null,
  approvedBy: null,
  checks: 0,
  maxChecks: 5,
  createdAt: 0,
  expiresAt: 600_000,
  endedAt: null,
  callId: 'call_1',
};
const CALL = createCall({ id: 'call_1', verificationId: 'ver_1', clientId: null, to: PENDING.to, now: 1000 });
const PHONE: DeskPhone = {
  id: 'p1',
  sipCallId: 'c1',
  number: '+442079460700',
  caller: EVIL,
  what: 'rings',
  state: 'ringing',
  end: null,
  reachedAt: 1000,
  answeredAt: null,
  endedAt: null,
  pressed: '',
  heard: null,
};

function rung(direction: 'in' | 'out', text: string, at: number): Rung {
  return { at, direction, attempt: 1, transport: 'udp', remote: '127.0.0.1:5060', bytes: 9, text };
}

const situation = (verification: VerificationView) => ({
  verification,
  call: CALL,
  token: 'token-1',
  seesCaller: false,
});
const shown = (verification: VerificationView): string =>
  verificationPage(SURFACE, situation(verification), { hasScript: false, isLive: true });

describe('pages', () => {
  it('escape what people typed, what networks sent and what was wrong', () => {
    const complaint = { about: 'all', text: EVIL } as const;
    const pages = [
      startPage(SURFACE, { ...FORM, number: EVIL, complaint }, []),
      shown({ ...PENDING, to: EVIL }),
      errorSheet(SURFACE, 400, EVIL),
      ...deskParts(
        { phones: [PHONE], texts: [{ id: 't1', number: '+1', from: EVIL, text: EVIL, at: 1 }] },
        { token: 't', back: 'lab' },
      ).map(({ content }) => content.text),
      ladderPart([rung('in', `SIP/2.0 486 ${EVIL}\r\nCSeq: 1 INVITE`, 5)]).content.text,
    ];
    for (const page of pages) {
      expect(page).toContain('alert(&#39;x&#39;)');
      expect(page).not.toContain('<script>alert');
    }
  });

  it('have nothing inline, and load nothing from elsewhere', () => {
    for (const page of [startPage(SURFACE, FORM, []), shown(PENDING)]) {
      expect(page).not.toMatch(/ style=| on[a-z]+=|<style|javascript:/i);
      expect(page.match(/<script[^>]*>/g)).toEqual(['<script src="/s.js" defer>']);
      expect(page).not.toMatch(/(?:src|href|action)="(?!\/|#)/);
    }
  });

  it('have a label for each field, and a live region', () => {
    const page = startPage(SURFACE, FORM, []);
    for (const [, id] of page.matchAll(/<(?:select|input) id="(\w+)"/g)) {
      expect(page).toContain(`<label for="${id}">`);
    }
    expect(shown(PENDING)).toMatch(/<div id="standing"[^>]* role="status">/);
  });

  it('mark the field that is wrong', () => {
    const complaint = { about: 'number', text: 'No number.' } as const;
    const page = startPage(SURFACE, { ...FORM, complaint }, []);
    expect(page).toContain('aria-describedby="complaint number-hint" aria-invalid="true"');
    expect(page).toContain('role="alert" id="complaint">No number.');
  });

  it('say how many tries are left, and that the last one was wrong', () => {
    expect(shown(PENDING)).toContain('<b>5</b> tries left');
    expect(shown(PENDING)).not.toContain('not right');
    const again = shown({ ...PENDING, checks: 4 });
    expect(again).toContain('That was not right.');
    expect(again).toContain('<b>1</b> try left');
  });

  it.each([
    ['approved', 'OK', 'The number is proven. The code was right.'],
    ['expired', 'Not OK', 'The time is over.'],
    ['canceled', 'Not OK', 'It was canceled.'],
    ['max_checks_reached', 'Not OK', 'There were too many wrong entries.'],
    ['failed', 'Not OK', 'The call did not get through.'],
  ] as const)('say of %s: %s', (status, name, text) => {
    const page = shown({ ...PENDING, status, approvedBy: status === 'approved' ? 'code' : null });
    expect(page).toContain(`<strong>${name}</strong><p>${text}</p>`);
    expect(page).not.toContain('name="code"');
  });

  it('say why a call failed', () => {
    const failed = { ...situation({ ...PENDING, status: 'failed' as const }) };
    const call = { ...CALL, state: 'ended', disposition: 'busy', blame: 'callee' } as const;
    const [standing] = verificationParts({ ...failed, call });
    expect(standing.content.text).toContain('<p>The number is busy.</p>');
  });

  it('of a flash call ask for the digits that are hidden, and show the others', () => {
    const flash = {
      prefix: '+44161496',
      hiddenDigits: 4,
      guessProbability: 0.003,
      ringHoldMs: 2500,
      maxRingMs: 10_000,
      fallbackText: null,
    };
    const page = shown({ ...PENDING, channel: 'flash', flash });
    expect(page).toContain('Last 4 digits of the number that called');
    expect(page).toContain('+44161496');
    expect(page).toContain('name="callerId"');
    expect(page).not.toContain('name="code"');
  });

  it('are the same version with another token, and another one when something changed', () => {
    const versions = (verification: VerificationView, token: string) =>
      verificationParts({ ...situation(verification), token }).map(({ version }) => version);
    expect(versions(PENDING, 'token-2')).toEqual(versions(PENDING, 'token-1'));
    expect(versions({ ...PENDING, checks: 1 }, 'token-1')[1]).not.toBe(versions(PENDING, 'token-1')[1]);
  });
});

describe('the phones', () => {
  const forms = { token: 't', back: 'lab' };
  const textOf = (phone: DeskPhone): string =>
    deskParts({ phones: [phone], texts: [] }, forms)[0]?.content.text ?? '';

  it('have what can be done at the moment, and nothing else', () => {
    expect(textOf(PHONE)).toMatch(/Answer<.*Decline</s);
    expect(textOf(PHONE)).not.toContain('name="keys"');
    const talking = textOf({ ...PHONE, state: 'talking', answeredAt: 1500 });
    expect(talking.match(/name="keys"/g)).toHaveLength(12);
    expect(talking).not.toContain('Answer<');
    const over = textOf({
      ...PHONE,
      state: 'over',
      end: 'they_hung_up',
      answeredAt: 1500,
      endedAt: 4000,
      heard: ['123456', '123456'],
    });
    expect(over).toContain('The caller hung up, 2.5 s.');
    expect(over).toContain('/try/lab/phones/p1/recording.wav');
    expect(over).not.toContain('<form');
  });

  it.each([
    ['+442079460999', '+44 20 7946 0999'],
    ['Shop', 'Shop'],
    [null, 'nobody'],
  ])('show who sent a text: %s', (from, written) => {
    const texts = [{ id: 't1', number: '+442079460200', from, text: 'Hello', at: 1 }];
    expect(deskParts({ phones: [], texts }, forms)[0]?.content.text).toContain(
      `From <span class="mono">${written}</span>`,
    );
  });

  it('are in the order in which they were reached', () => {
    const later = { ...PHONE, id: 'p2', reachedAt: 3000 };
    const texts = [{ id: 't1', number: '+1', from: null, text: 'Hello', at: 2000 }];
    const parts = deskParts({ phones: [PHONE, later], texts }, forms);
    expect(parts.map(({ id }) => id)).toEqual(['phone-p1', 'text-t1', 'phone-p2']);
  });
});

describe('the ladder', () => {
  it('names requests and responses, says which way, and holds each message', () => {
    const { text } = ladderPart([
      rung('out', 'INVITE sip:a@b SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0', 100),
      rung('in', 'SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\n\r\n', 150),
      rung('in', 'SIP/2.0 200 OK\r\nCSeq: 2 BYE\r\n\r\n', 350),
      rung('in', 'SIP/2.0 486 Busy Here\r\nCSeq: 1 INVITE\r\n\r\n', 400),
    ]).content;
    const labels = [...text.matchAll(/<span class="label">([^<]*)/g)].map(([, label]) => label);
    expect(labels).toEqual(['INVITE (SDP)', '180 Ringing', '200 OK (BYE)', '486 Busy Here']);
    expect([...text.matchAll(/class="rung ([a-z ]+)"/g)].map(([, kind]) => kind)).toEqual([
      'out',
      'in',
      'in agreed',
      'in refused',
    ]);
    expect(text).toContain('+250 ms');
    expect(text).toContain('INVITE sip:a@b SIP/2.0');
  });

  it('is not empty before anything has passed', () => {
    expect(ladderPart([]).content.text).toContain('No message has passed yet');
  });
});
