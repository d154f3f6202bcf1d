import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shownCaller } from '../../../src/lab/caller-id.ts';
import type { LabCall } from '../../../src/lab/carrier.ts';
import type { Answer, Json } from '../../support/app/client.ts';
import { LAB_TRUNK, type Settings, type Site, startSite } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';

/** 200 numbers: 3 checks are guessed with 0.015. */
const FLASH_POOL = [{ first: '+498990007100', last: '+498990007299' }];

const trunks = (port: number): Settings['trunks'] => [{ ...LAB_TRUNK, port, flashPool: FLASH_POOL }];

let site: Site;
let numbers = 0;

/** A number of its own for each call; the last three digits say what its phone does. */
function number(suffix: string): string {
  numbers += 1;
  return `+4420${20_000 + numbers}${suffix}`;
}

const checkCaller = ({ id }: Json, callerId: string): Promise<Answer> =>
  site.client.ask('POST', `/v1/verifications/${id}/check`, { callerId });

const typesOf = (call: { timeline: readonly { type: string; attempt: number }[] }): string[] =>
  call.timeline.map(({ type, attempt }) => `${type} ${attempt}`);

async function ringing(to: string): Promise<LabCall> {
  const call = await site.phone(to);
  await eventually(() => expect(call.phone.record.ringingAt).not.toBeNull());
  return call;
}

beforeAll(async () => {
  site = await startSite({
    trunks,
    settings: {
      flash: { ringHoldMs: 600, maxRingSeconds: 3, voiceAfterSeconds: 5, guard: { answeredRatio: 1 } },
      gate: { seconds: 2 },
    },
  });
});

afterAll(async () => {
  const faults = site.faults();
  await site.close();
  expect(faults).toEqual([]);
});

describe.concurrent('a flash call', () => {
  it('shows a number on the phone, and is approved by it', async () => {
    const to = number('180');
    const verification = await site.client.start({ to, channel: 'flash' });
    const phone = await ringing(to);
    const cli = shownCaller(phone.invite) ?? '';
    expect(cli).toMatch(/^\+498990007[12]\d\d$/);
    const call = await site.client.ended(verification.callId);
    expect(call).toMatchObject({ disposition: 'rang', blame: 'none' });
    expect(call.attempts).toMatchObject([{ cli: '+49899000••••', answeredAt: null, billable: false }]);
    await eventually(() => expect(phone.phone.record.end).toBe('canceled'));
    expect(phone.phone.record.packets).toBe(0);
    expect((await checkCaller(verification, '+498990000000')).body).toMatchObject({ approved: false });
    const national = `089 ${cli.slice(5)}`;
    expect((await checkCaller(verification, national)).body).toMatchObject({ approved: true });
    expect((await checkCaller(verification, cli)).status).toBe(409);
    expect(await site.client.verification(verification.id)).toMatchObject({ approvedBy: 'caller_id' });
  });

  it('that somebody answers hears nothing, and costs', async () => {
    const to = number('200');
    const verification = await site.client.start({ to, channel: 'flash' });
    const call = await site.client.ended(verification.callId);
    const phone = await site.phone(to);
    expect(call).toMatchObject({ disposition: 'answered', attempts: [{ billable: true }] });
    expect([phone.phone.record.end, phone.phone.record.packets]).toEqual(['they_hung_up', 0]);
    expect((await checkCaller(verification, shownCaller(phone.invite) ?? '')).body.approved).toBe(true);
  });

  it('whose answer crosses our CANCEL has rung all the same', async () => {
    const to = number('487');
    const verification = await site.client.start({ to, channel: 'flash' });
    const call = await site.client.ended(verification.callId);
    expect(call).toMatchObject({ disposition: 'rang', attempts: [{ billable: true }] });
    expect((await site.client.verification(verification.id)).status).toBe('pending');
  });

  it.each([
    ['184', 'no_ring'],
    ['189', 'diverted'],
    ['486', 'busy'],
  ])('to a phone that does %s ends as %s, and proves nothing', async (suffix, disposition) => {
    const { id, callId } = await site.client.start({ to: number(suffix), channel: 'flash' });
    expect((await site.client.ended(callId)).disposition).toBe(disposition);
    expect((await site.client.verification(id)).status).toBe('failed');
  });
});

describe.concurrent('a code behind a key', () => {
  it('is said when the key was pressed', async () => {
    const to = number('231');
    const { id, callId } = await site.client.start({ to, code: '4938', repeat: 2, gate: {} });
    const call = await site.client.ended(callId);
    expect(call).toMatchObject({
      disposition: 'answered',
      promptFinished: true,
      attempts: [{ delivered: { characters: 4, codes: 2, keys: 1, falseAnswer: false } }],
    });
    expect(typesOf(call)).toContain('gate_opened 1');
    expect(site.heard(await site.phone(to))).toContain('4938');
    expect((await site.client.check(id, '4938')).body).toMatchObject({ approved: true });
  });

  it.each([
    ['200', 'presses nothing'],
    ['235', 'presses another key'],
  ])('is not in the audio of a phone (%s) that %s', async (suffix) => {
    const to = number(suffix);
    const { id, callId } = await site.client.start({ to, code: '4938', gate: { digit: '1' } });
    const call = await site.client.ended(callId);
    expect(call).toMatchObject({
      disposition: 'no_key',
      hungUpBy: 'us',
      attempts: [{ billable: true, delivered: { characters: 0, codes: 0 } }],
    });
    const phone = await site.phone(to);
    expect(phone.phone.record.packets).toBeGreaterThan(50);
    expect(site.heard(phone).join('')).not.toMatch(/[4938]/);
    expect((await site.client.verification(id)).status).toBe('failed');
    expect((await site.client.check(id, '4938')).status).toBe(409);
  });

  it('that is keyed in by the callee approves by itself, and is not said', async () => {
    const to = number('253');
    const verification = await site.client.start({ to, code: '493817', confirm: true });
    expect(verification).toMatchObject({ confirmCode: '493817', gate: 'confirm' });
    const call = await site.client.ended(verification.callId);
    expect(call).toMatchObject({ disposition: 'answered' });
    expect(await site.client.verification(verification.id)).toMatchObject({
      status: 'approved',
      approvedBy: 'keys',
    });
    expect(site.heard(await site.phone(to)).join('')).not.toMatch(/4.*9.*3.*8/);
    expect(site.log()).not.toContain('493817');
  });

  it('that is keyed in wrong approves nothing', async () => {
    const to = number('253');
    const { id, callId } = await site.client.start({ to, code: '493818', confirm: true });
    expect((await site.client.ended(callId)).disposition).toBe('no_key');
    expect(await site.client.verification(id)).toMatchObject({ status: 'failed', approvedBy: null });
  });
});

describe.concurrent('auto', () => {
  it('says the code when the flash call was not checked', async () => {
    const to = number('180');
    // The lab phone of this number only rings: the flash call rings it, and so does the voice call.
    const verification = await site.client.start({ to, channel: 'auto', code: '4938' });
    await eventually(() => expect(site.carrier.calls.filter((call) => call.number === to)).toHaveLength(2), {
      timeoutMs: 15_000,
    });
    const [flash, voice] = site.carrier.calls.filter((call) => call.number === to);
    expect(shownCaller((flash as LabCall).invite)).toMatch(/^\+49899000/);
    expect(shownCaller((voice as LabCall).invite)).toBe(LAB_TRUNK.cli);
    expect(
      (await checkCaller(verification, shownCaller((flash as LabCall).invite) ?? '')).body.approved,
    ).toBe(true);
    await site.client.ask('DELETE', `/v1/calls/${verification.callId}`);
    const call = await site.client.ended(verification.callId);
    expect(call.attempts.map(({ disposition }) => disposition)).toEqual(['rang', 'canceled']);
  });

  it('says the code to whoever answered the flash call, and either proof approves once', async () => {
    const to = number('200');
    const { id, callId } = await site.client.start({ to, channel: 'auto', code: '4938', repeat: 2 });
    const call = await site.client.ended(callId);
    expect(call.attempts.map(({ disposition }) => disposition)).toEqual(['answered', 'answered']);
    expect(typesOf(call).filter((type) => type === 'waiting 0')).toHaveLength(1);
    const phones = site.carrier.calls.filter((one) => one.number === to);
    expect(phones).toHaveLength(2);
    expect(site.heard(phones[1] as LabCall)).toContain('4938');
    const proofs = [{ code: '4938' }, { callerId: shownCaller((phones[0] as LabCall).invite) }];
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        site.client.ask('POST', `/v1/verifications/${id}/check`, proofs[i % 2]),
      ),
    );
    expect(answers.filter(({ body }) => body.approved)).toHaveLength(1);
  });

  it('rings once where the number was checked in time', async () => {
    const to = number('180');
    const verification = await site.client.start({ to, channel: 'auto' });
    const phone = await ringing(to);
    await checkCaller(verification, shownCaller(phone.invite) ?? '');
    expect((await site.client.ended(verification.callId)).disposition).toBe('rang');
    expect(site.carrier.calls.filter((call) => call.number === to)).toHaveLength(1);
  });

  it('says the code at once where the network gives no ring', async () => {
    const to = number('189');
    const { id, callId } = await site.client.start({ to, channel: 'auto', code: '4938' });
    await eventually(() => expect(site.carrier.calls.filter((call) => call.number === to)).toHaveLength(2));
    await site.client.ask('DELETE', `/v1/verifications/${id}`);
    expect((await site.client.ended(callId)).attempts.map(({ disposition }) => disposition)).toEqual([
      'diverted',
      'canceled',
    ]);
  });
});

describe('the guard', () => {
  it('pauses a prefix whose flash calls are answered, says so everywhere, and leaves other prefixes alone', async () => {
    const guarded = await startSite({
      trunks,
      settings: { flash: { guard: { prefixDigits: 6, window: 4, fewest: 3, answeredRatio: 0.5 } } },
    });
    try {
      const { client } = guarded;
      for (const suffix of ['201', '202', '203']) {
        const { callId } = await client.start({ to: `+44207777${suffix}`, channel: 'flash' });
        await client.ended(callId);
      }
      const refused = await client.ask('POST', '/v1/verifications', {
        to: '+44207777180',
        channel: 'flash',
      });
      expect([refused.status, refused.body.error.code]).toEqual([503, 'flash_paused']);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(890);
      expect((await client.ask('GET', '/metrics')).text).toMatch(
        /voice_otp_flash_paused_ratio\{prefix="\+442077"\} 0\.66/,
      );
      const line = guarded
        .log()
        .split('\n')
        .find((one) => one.includes('flash calls to a prefix'));
      expect(JSON.parse(line ?? '{}')).toMatchObject({ level: 'warn', prefix: '+442077' });
      const voice = await client.start({ to: '+44207777486', channel: 'auto' });
      expect(voice).toMatchObject({ flash: null });
      expect((await client.ended(voice.callId)).attempts).toMatchObject([{ disposition: 'busy' }]);
      expect(await client.start({ to: '+44208888180', channel: 'flash' })).toMatchObject({
        status: 'pending',
      });
      expect(guarded.faults()).toEqual([]);
    } finally {
      await guarded.close();
    }
  });
});
