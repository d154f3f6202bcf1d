import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallJson, Json } from '../../support/app/client.ts';
import { RawPeer } from '../../support/app/raw-peer.ts';
import { type Site, startSite } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';

/** Node tells here of each answer that it hands to the operating system. */
const ANSWERED = 'http.server.response.finish';

let site: Site;
/** Answers of the API and INVITEs in the order in which they left the service. */
const left: string[] = [];
let numbers = 0;

/** A number of its own for each call, so that each finds its phone; the last three digits say what that does. */
function number(suffix: string): string {
  numbers += 1;
  return `+4420${10_000 + numbers}${suffix}`;
}

const otherThan = (code: string): string => code.replace(/\d/g, (digit) => String((Number(digit) + 1) % 10));

const noteAnswer = (message: unknown): void => {
  const { method, url } = (message as { request: IncomingMessage }).request;
  if (method === 'POST') left.push(`${method} ${url}`);
};

beforeAll(async () => {
  subscribe(ANSWERED, noteAnswer);
  site = await startSite({
    onWire: ({ direction, text }) => {
      if (direction === 'out' && text.startsWith('INVITE')) left.push(/^\S+ \S+/.exec(text)?.[0] ?? '');
    },
    settings: { verification: { sipTargets: ['127.0.0.1'] } },
  });
});

afterAll(async () => {
  unsubscribe(ANSWERED, noteAnswer);
  const faults = site.faults();
  await site.close();
  expect(faults).toEqual([]);
});

async function speaking(to: string, body: Readonly<Record<string, unknown>> = {}) {
  const verification = await site.client.start({ to, ...body });
  const phone = await site.phone(to);
  await eventually(() => expect(phone.phone.record.packets).toBeGreaterThan(5));
  return { verification, phone };
}

describe.concurrent('the sounds as they are delivered', () => {
  it('say a code that is recognised and approved', async () => {
    const full = await startSite({ fullSounds: true });
    try {
      const to = number('200');
      const { id, callId } = await full.client.start({ to, code: '0918', repeat: 1 });
      await full.client.ended(callId);
      expect(full.heard(await full.phone(to))).toEqual(['0918']);
      expect((await full.client.check(id, '0918')).body.status).toBe('approved');
    } finally {
      await full.close();
    }
  });
});

describe.concurrent('two trunks', () => {
  const attemptsOf = (call: CallJson) =>
    call.attempts.map(({ trunkId, disposition }) => `${trunkId} ${disposition}`);

  it('go on to the second after a 503 of the first, and never after a 180', async () => {
    const first = await RawPeer.start((request, peer) => {
      if (request.method === 'CANCEL') return peer.reply(request, 200);
      if (request.method !== 'INVITE') return;
      if (request.uri.includes('777@')) return peer.reply(request, 503);
      peer.reply(request, 180);
      peer.reply(request, 503);
    });
    const two = await startSite({
      trunks: (port) => [
        { id: 'first', host: '127.0.0.1', port: first.port, cli: '+442079460999' },
        { id: 'second', host: '127.0.0.1', port, cli: '+442079460999' },
      ],
    });
    try {
      const to = number('777');
      const { id, callId } = await two.client.start({ to, codeLength: 4, repeat: 1 });
      const phone = await two.phone(to);
      const call = await two.client.ended(callId);
      expect(attemptsOf(call)).toEqual(['first trunk_failure', 'second answered']);
      const [code = ''] = two.heard(phone);
      expect((await two.client.check(id, code)).body.status).toBe('approved');

      const rung = await two.client.start({ to: number('486') });
      const ended = await two.client.ended(rung.callId);
      expect(attemptsOf(ended)).toEqual(['first trunk_failure']);
      expect(two.carrier.calls).toHaveLength(1);
      expect((await two.client.verification(rung.id)).status).toBe('failed');
      expect(two.faults()).toEqual([]);
    } finally {
      await two.close();
      await first.close();
    }
  });
});

describe.concurrent('a verification', () => {
  it('is heard, checked and approved once', async () => {
    const to = number('200');
    const verification = await site.client.start({ to, reference: 'order 17' });
    expect(verification).toMatchObject({ status: 'pending', to, reference: 'order 17', checksLeft: 5 });
    const events = await site.client.events(verification.callId);
    expect(events.map(({ type, attempt }) => `${type} ${attempt}`)).toEqual([
      'queued 0',
      'prepared 0',
      'trying 1',
      'ringing 1',
      'answered 1',
      'prompt_finished 1',
      'ended 1',
      'ended 0',
    ]);
    const times = events.map(({ at }) => Date.parse(at));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    const call = await site.client.call(verification.callId);
    expect(call).toMatchObject({
      disposition: 'answered',
      blame: 'none',
      hungUpBy: 'us',
      promptFinished: true,
    });

    const phone = await site.phone(to);
    expect(phone.phone.record).toMatchObject({ end: 'they_hung_up', earlyPackets: 0 });
    const heard = site.heard(phone);
    const [code = ''] = heard;
    expect([code.length, heard]).toEqual([6, [code, code]]);
    const wrong = await site.client.check(verification.id, otherThan(code));
    expect(wrong.body).toMatchObject({ approved: false, status: 'pending', checksLeft: 4 });
    const right = await site.client.check(verification.id, code);
    expect(right.body).toMatchObject({ approved: true, status: 'approved' });
    const second = await site.client.check(verification.id, code);
    expect([second.status, second.body.error.code]).toEqual([409, 'not_pending']);
    expect(await site.client.verification(verification.id)).toMatchObject({ status: 'approved', checks: 2 });
  });

  // A machine under load may tear a digit, and a code that is said once is then not heard whole.
  it('says exactly what is asked for', { retry: 1 }, async () => {
    const wanted = [
      { body: { code: '0000000000', repeat: 1 }, says: ['0000000000'] },
      { body: { code: '1234567890', repeat: 1 }, says: ['1234567890'] },
      { body: { code: '9999', repeat: 3 }, says: ['9999', '9999', '9999'] },
      { body: { codeLength: 4, repeat: 1 }, lengths: [4] },
      { body: { codeLength: 10, repeat: 1 }, lengths: [10] },
    ];
    await Promise.all(
      wanted.map(async ({ body, says, lengths }) => {
        const to = number('200');
        const { id, callId } = await site.client.start({ to, ...body });
        await site.client.ended(callId);
        const heard = site.heard(await site.phone(to));
        expect(lengths === undefined ? heard : heard.map(({ length }) => length)).toEqual(says ?? lengths);
        expect((await site.client.check(id, heard[0] ?? '')).body.status).toBe('approved');
      }),
    );
  });

  it('that is canceled while it rings sends CANCEL', async () => {
    const to = number('180');
    const { id, callId } = await site.client.start({ to });
    const phone = await site.phone(to);
    await eventually(() => expect(phone.phone.record.ringingAt).not.toBeNull());
    const canceled = await site.client.ask('DELETE', `/v1/verifications/${id}`);
    expect([canceled.status, canceled.body.status]).toEqual([200, 'canceled']);
    const call = await site.client.ended(callId);
    expect([call.disposition, call.attempts[0]?.answeredAt]).toEqual(['canceled', null]);
    await eventually(() => expect(phone.phone.record.end).toBe('canceled'));
    const check = await site.client.check(id, '123456');
    expect([check.status, check.body.error.code]).toEqual([409, 'not_pending']);
  });

  it('that is canceled while it speaks sends BYE', async () => {
    const { verification, phone } = await speaking(number('200'));
    await site.client.ask('DELETE', `/v1/verifications/${verification.id}`);
    const call = await site.client.ended(verification.callId);
    expect(call).toMatchObject({ disposition: 'answered', hungUpBy: 'us', promptFinished: false });
    await eventually(() => expect(phone.phone.record.end).toBe('they_hung_up'));
    expect((await site.client.verification(verification.id)).status).toBe('canceled');
  });

  it('fails when its call is hung up before the answer, and stays pending after it', async () => {
    const to = number('180');
    const ringing = await site.client.start({ to });
    const { phone } = await site.phone(to);
    await eventually(() => expect(phone.record.ringingAt).not.toBeNull());
    const hungUp = await site.client.ask('DELETE', `/v1/calls/${ringing.callId}`);
    expect(hungUp.status).toBe(202);
    expect((await site.client.ended(ringing.callId)).disposition).toBe('canceled');
    expect((await site.client.verification(ringing.id)).status).toBe('failed');

    const up = await speaking(number('200'));
    await site.client.ask('DELETE', `/v1/calls/${up.verification.callId}`);
    await site.client.ended(up.verification.callId);
    expect((await site.client.verification(up.verification.id)).status).toBe('pending');
    const again = await site.client.ask('DELETE', `/v1/calls/${up.verification.callId}`);
    expect(again.status).toBe(200);
  });

  it('that the callee hangs up in the middle can still be approved', async () => {
    const to = number('220');
    const { id, callId } = await site.client.start({ to, code: '4711' });
    const call = await site.client.ended(callId);
    expect(call).toMatchObject({ disposition: 'answered', hungUpBy: 'callee', promptFinished: false });
    expect((await site.client.check(id, '4711')).body.status).toBe('approved');
  });

  it('looks at five of a thousand wrong codes that come at once', async () => {
    const to = number('180');
    const { id } = await site.client.start({ to, code: '0471' });
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => site.client.check(id, String(5000 + i))),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(5);
    expect(statuses.filter((status) => status === 409)).toHaveLength(995);
    const right = await site.client.check(id, '0471');
    expect(right.status).toBe(409);
    expect(await site.client.verification(id)).toMatchObject({ status: 'max_checks_reached', checks: 5 });
    await site.client.ask('DELETE', `/v1/verifications/${id}`);
  });

  it('is approved by one of fifty right codes that come at once', async () => {
    const { id } = await site.client.start({ to: number('180'), code: '0471' });
    const answers = await Promise.all(Array.from({ length: 50 }, () => site.client.check(id, '0471')));
    expect(answers.filter(({ body }) => body.approved)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(49);
    await site.client.ask('DELETE', `/v1/verifications/${id}`);
  });

  it('is placed once for requests with the same Idempotency-Key, also when they come at once', async () => {
    const to = number('486');
    const headers = { 'idempotency-key': `once-${to}` };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => site.client.ask('POST', '/v1/verifications', { to }, headers)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(answers.filter((answer) => answer.headers.get('idempotency-replayed') === 'true')).toHaveLength(
      19,
    );
    await site.client.ended(answers[0]?.body.callId ?? '');
    expect(site.carrier.calls.filter((call) => call.number === to)).toHaveLength(1);
    const other = await site.client.ask('POST', '/v1/verifications', { to, codeLength: 4 }, headers);
    expect([other.status, other.body.error.code]).toEqual([422, 'idempotency_key_reused']);
  });

  it.each([
    ['486', 'busy', 'callee', 486],
    ['404', 'invalid_number', 'callee', 404],
    ['503', 'trunk_failure', 'trunk', 503],
    ['603', 'declined', 'callee', 603],
    ['693', 'blocked', 'us', 603],
    ['302', 'redirected', 'trunk', 302],
    ['480', 'unreachable', 'callee', 480],
    ['488', 'media_rejected', 'trunk', 488],
    ['403', 'rejected', 'trunk', 403],
  ])('of a number that answers %s ends as %s', async (suffix, disposition, blame, sipStatus) => {
    const { id, callId } = await site.client.start({ to: number(suffix) });
    expect(await site.client.ended(callId)).toMatchObject({ disposition, blame, sipStatus });
    expect((await site.client.verification(id)).status).toBe('failed');
  });

  it('of a sip: address rings that address, where its host is allowed', async () => {
    const user = number('486');
    const to = `sip:${user}@127.0.0.1:${site.carrier.port}`;
    const { callId } = await site.client.start({ to });
    expect(await site.client.ended(callId)).toMatchObject({ disposition: 'busy', to });
    expect((await site.phone(user)).invite.uri).toBe(to);
    for (const [target, code] of [
      ['sip:me@example.com', 'target_not_allowed'],
      ['sip:me@127.0.0.1;lr', 'invalid_number'],
      ['+1', 'invalid_number'],
    ] as const) {
      const refused = await site.client.ask('POST', '/v1/verifications', { to: target });
      expect([target, refused.status, refused.body.error.code]).toEqual([target, 400, code]);
    }
  });
});

describe('the answer to a request', () => {
  it('leaves before the INVITE', async () => {
    for (let i = 0; i < 5; i++) {
      left.length = 0;
      const to = number('486');
      const { callId } = await site.client.start({ to });
      await site.client.ended(callId);
      expect(left.slice(0, 2)).toEqual([
        'POST /v1/verifications',
        expect.stringMatching(`^INVITE sip:\\${to}@`),
      ]);
    }
  });
});

describe('a full house', () => {
  it('refuses one call too many with 503 and Retry-After, and takes calls again when lines are free', async () => {
    const small = await startSite({ settings: { calls: { maxConcurrent: 2 } } });
    try {
      const ask = () => small.client.ask('POST', '/v1/verifications', { to: number('180') });
      const answers = await Promise.all(Array.from({ length: 10 }, ask));
      const taken = answers.filter(({ status }) => status === 201);
      const refused = answers.filter(({ status }) => status === 503);
      expect([taken.length, refused.length]).toEqual([2, 8]);
      expect(refused[0]?.body.error.code).toBe('capacity');
      expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0);
      const first = taken[0]?.body as Json;
      await small.client.ask('DELETE', `/v1/verifications/${first.id}`);
      await small.client.ended(first.callId);
      await eventually(async () => expect((await ask()).status).toBe(201));
    } finally {
      await small.close();
    }
  });
});
