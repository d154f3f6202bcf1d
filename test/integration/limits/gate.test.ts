import { afterEach, describe, expect, it } from 'vitest';
import type { Attempt, Call, Disposition } from '../../../src/call/call.ts';
import { createCall } from '../../../src/call/call.ts';
import type { AppError } from '../../../src/errors.ts';
import { clientWith } from '../../support/client.ts';
import type { Door } from '../../support/limits/door.ts';
import { openDoor } from '../../support/limits/door.ts';

const TO = '+4930123456';
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Without what differs from number to number. */
const QUIET = { perMinute: null, perHour: null, perDay: null, pausesSeconds: [] };

let door: Door;
afterEach(() => door.close());

async function refusal(asked: Promise<unknown>): Promise<AppError> {
  return asked.then(
    () => expect.unreachable('was admitted'),
    (error: unknown) => error as AppError,
  );
}

function request(to = TO, endUserAddress?: string) {
  return { clientId: 'shop', to, channel: 'voice' as const, endUserAddress };
}

describe('the gate', () => {
  it('lets a number be called with growing pauses, so often and no more', async () => {
    door = await openDoor();
    const admitted: number[] = [];
    for (let second = 0; second <= 2 * 3600; second += 10) {
      if ((await door.ask(TO)) === 'admitted') admitted.push(second);
      door.pass(10_000);
    }
    // The first two at once, then 30, 60, 120 and 300 s apart, as far as a minute and an hour have room.
    expect(admitted.slice(0, 6)).toEqual([0, 10, 40, 100, 220, 520]);
    expect(admitted.filter((second) => second < 3600)).toHaveLength(8);
    expect(door.refusals).toContain('number_pause');
    expect(door.refusals).toContain('number_hour');
    expect(await door.ask('+4930123457')).toBe('admitted');
  });

  it('says which limit it is, when to come again, and nothing of others', async () => {
    door = await openDoor({}, [clientWith({ id: 'bank' }), clientWith()]);
    for (let i = 0; i < 2; i++) await door.gate.admit({ ...request(), clientId: 'bank' });
    const error = await refusal(door.gate.admit(request()));
    expect(error).toMatchObject({ code: 'limit_reached', status: 429, retryAfterSeconds: 30 });
    expect(error.message).toBe('The next to this number has to wait: with each one the pause grows.');
    expect(error.message).not.toContain('bank');
    door.pass(29_999);
    expect((await refusal(door.gate.admit(request()))).retryAfterSeconds).toBe(1);
    door.pass(1);
    expect(await door.ask(TO)).toBe('admitted');
  });

  it('counts a client by itself', async () => {
    const limits = { perSecond: 5, perDay: 12 };
    const free = clientWith({ id: 'free' });
    door = await openDoor({}, [clientWith({ limits }), clientWith({ id: 'bank', limits }), free]);
    let number = 1_000_000;
    const ask = (clientId = 'shop') => door.ask(`+49301${(number += 10_000)}`, { clientId });
    for (let i = 0; i < 5; i++) expect(await ask()).toBe('admitted');
    expect(await ask()).toBe('limit_reached');
    expect(door.refusals).toEqual(['client_second']);
    expect(await ask('bank')).toBe('admitted');
    expect(await ask('free')).toBe('admitted');
    for (let i = 0; i < 7; i++) {
      door.pass(1100);
      expect(await ask()).toBe('admitted');
    }
    door.pass(1100);
    expect(await ask()).toBe('limit_reached');
    expect(door.refusals.at(-1)).toBe('client_day');
  });

  it('counts the addresses of end users, of IPv6 by subscriber', async () => {
    door = await openDoor({ limits: { endUser: { perHour: 3 }, number: QUIET, prefix: { perHour: null } } });
    for (const address of ['2001:db8:1:2::1', '2001:db8:1:2:ffff::2', '2001:db8:1:2:3::']) {
      expect(await door.ask(TO, { endUserAddress: address })).toBe('admitted');
    }
    expect(await door.ask(TO, { endUserAddress: '2001:db8:1:2::9' })).toBe('limit_reached');
    expect(await door.ask(TO, { endUserAddress: '2001:db8:1:3::9' })).toBe('admitted');
    expect(await door.ask(TO)).toBe('admitted');
    expect(await door.ask(TO, { endUserAddress: 'somewhere' })).toBe('invalid_request');
    expect(door.refusals).toEqual(['end_user_hour']);
  });

  it('refuses destinations before it counts anything', async () => {
    door = await openDoor({ destinations: { countries: ['DE', 'AT'] } }, [
      clientWith({ countries: ['DE'], limits: { perSecond: 1, perDay: null } }),
    ]);
    for (const to of ['+449098765432', '+881612345678', '+4315123456', '+33612345678']) {
      expect((await refusal(door.gate.admit(request(to)))).status).toBe(403);
    }
    expect(door.refusals).toEqual(Array.from({ length: 4 }, () => 'destination'));
    expect(await door.ask(TO)).toBe('admitted');
    expect(await door.ask('+442079460200')).toBe('limit_reached');
    expect(await door.ask('+4315123456', { clientId: null })).toBe('admitted');
    expect(await door.ask('+442079460200', { clientId: null })).toBe('admitted');
  });

  it('forgets what nothing came of', async () => {
    door = await openDoor();
    for (let i = 0; i < 10; i++) {
      const admission = await door.gate.admit(request());
      await admission.giveBack();
    }
    expect(await door.ask(TO)).toBe('admitted');
    expect(await door.ask(TO)).toBe('admitted');
    expect(await door.ask(TO)).toBe('limit_reached');
  });

  it('lets the next come at once after one that came to nothing', async () => {
    door = await openDoor();
    for (let i = 0; i < 2; i++) expect(await door.ask(TO)).toBe('admitted');
    door.pass(30_000);
    // Such as a flash call for which there is no calling number left, and a voice call in its place.
    await (await door.gate.admit({ ...request(), channel: 'flash' })).giveBack();
    expect(await door.ask(TO)).toBe('admitted');
  });

  it('counts a number that is too long as the one that is reached', async () => {
    door = await openDoor();
    const answers: string[] = [];
    for (let digit = 0; digit < 10; digit++) answers.push(await door.ask(`+4915112345678${digit}`));
    expect(answers.filter((answer) => answer === 'admitted')).toHaveLength(2);
    await door.gate.proven({ to: '+49151123456780', createdAt: door.now() });
    expect(await door.ask('+4915112345678')).toBe('admitted');
  });

  it('admits nobody for a client that is no more', async () => {
    door = await openDoor({}, [clientWith({ id: 'bank' })]);
    expect(await door.ask(TO, { clientId: 'gone' })).toBe('unauthorized');
    expect(await door.ask(TO, { clientId: 'bank' })).toBe('admitted');
    expect(await door.ask(TO, { clientId: null })).toBe('admitted');
  });

  it('forgets the pauses of a number that was proven, and what its prefix and country counted', async () => {
    door = await openDoor({
      limits: { number: { ...QUIET, pausesSeconds: [30] }, prefix: { perHour: 3 }, country: { perHour: 4 } },
    });
    for (let i = 0; i < 12; i++) {
      const createdAt = door.now();
      expect(await door.ask(TO)).toBe('admitted');
      expect(await door.ask(TO)).toBe('limit_reached');
      door.pass(500);
      await door.gate.proven({ to: TO, createdAt });
    }
    for (let i = 0; i < 3; i++) expect(await door.ask(`+493012345${i}`)).toBe('admitted');
    expect(await door.ask('+4930123459')).toBe('limit_reached');
    expect(door.refusals.at(-1)).toBe('prefix_hour');
    expect(await door.ask('+4989123459')).toBe('admitted');
    expect(await door.ask('+4940123459')).toBe('limit_reached');
    expect(door.refusals.at(-1)).toBe('country_hour');
    expect(await door.ask('+4315123459')).toBe('admitted');
  });

  it('never fails for what it gives back, and says so in the log', async () => {
    door = await openDoor();
    const admission = await door.gate.admit(request());
    await door.store.close();
    await admission.giveBack();
    await door.gate.proven({ to: TO, createdAt: door.now() });
    expect(door.warnings).toHaveLength(2);
    expect(await door.ask(TO)).toBe('store_unavailable');
  });

  it('counts what is asked for at once like what is asked for one by one', async () => {
    door = await openDoor({ limits: { number: QUIET, prefix: { perHour: 100 } } });
    const answers = await Promise.all(
      Array.from({ length: 400 }, (_, i) => door.ask(`+4930123${String(1000 + i)}`)),
    );
    expect(answers.filter((answer) => answer === 'admitted')).toHaveLength(100);
  });
});

const CARRIER = {
  id: 'carrier',
  host: 'sip.carrier.example',
  cli: '+4930123456',
  prefixes: [
    { prefix: '+49', price: { amount: '0.06', increment: '1/1' }, currency: 'EUR' },
    { prefix: '+1', price: { amount: '0.06', increment: '1/1' }, currency: 'USD' },
  ],
};
const PRICED = [CARRIER];

/** One that talked for so long, and has ended. */
function ended(door_: Door, talkMs: number | null, change: Partial<Call> = {}): Call {
  const at = change.createdAt ?? door_.now();
  const call = createCall({ id: 'call_a', verificationId: null, clientId: 'shop', to: TO, now: at });
  const attempt: Attempt = {
    trunkId: 'carrier',
    cli: '+4930123456',
    startedAt: at,
    ringingAt: at,
    earlyMediaAt: null,
    answeredAt: talkMs === null ? null : at,
    endedAt: at + (talkMs ?? 0),
    codec: 'PCMU',
    sipStatus: 200,
    sipReason: 'OK',
    q850: 16,
    disposition: 'answered',
    blame: 'none',
    hungUpBy: 'us',
    promptFinished: true,
    media: null,
    rate: { amount: '0.06', increment: '1/1', currency: 'EUR' },
    leftover: null,
  };
  return { ...call, state: 'ended', endedAt: at + (talkMs ?? 0), attempts: [attempt], ...change };
}

/** A text that was sent as one message, and is over. */
function endedText(door_: Door, disposition: Disposition, sipStatus: number): Call {
  const call = ended(door_, null);
  const textCharge = { segments: 1, price: { amount: '0.045', currency: 'EUR' } };
  const change = { channel: 'sms', rate: null, ringingAt: null, disposition, sipStatus, textCharge } as const;
  const attempts = call.attempts.map((attempt) => ({ ...attempt, ...change }));
  return { ...call, wishes: { ...call.wishes, sms: true }, attempts };
}

describe('the gate and what calls cost', () => {
  const limits = { number: QUIET, prefix: { perHour: null } };

  it('takes as many calls as the cap pays for, and more once it knows what they cost', async () => {
    // Six cents for the minute that a call is taken to last.
    const spend = { currency: 'EUR', microsPerDay: 180_000 };
    door = await openDoor({ trunks: PRICED, limits }, [clientWith({ spend }), clientWith({ id: 'bank' })]);
    for (let i = 0; i < 3; i++) expect(await door.ask(TO)).toBe('admitted');
    const error = await refusal(door.gate.admit(request()));
    expect(error).toMatchObject({
      code: 'spend_limit',
      message: 'What this client may spend in a day is spent.',
    });
    expect(error.retryAfterSeconds).toBeGreaterThan(86_000);
    // Nobody answered: it cost nothing. Another cost two cents, the third as much as was thought.
    await door.gate.settled(ended(door, null));
    await door.gate.settled(ended(door, 20_000));
    await door.gate.settled(ended(door, 60_000));
    expect(await door.ask(TO)).toBe('admitted');
    expect(await door.ask(TO)).toBe('spend_limit');
    expect(await door.ask(TO, { clientId: 'bank' })).toBe('admitted');
    // By no trunk, as far as is known for nothing.
    expect(await door.ask(TO, { channel: 'sms' })).toBe('admitted');
    expect(await door.ask('+12125550123')).toBe('admitted');
  });

  it('counts what a call cost beyond what was thought', async () => {
    door = await openDoor({ trunks: PRICED, limits: { ...limits, spend: { perDay: { EUR: '0.30' } } } });
    expect(await door.ask(TO)).toBe('admitted');
    await door.gate.settled(ended(door, 240_000));
    expect(await door.ask(TO)).toBe('admitted');
    expect(await door.ask(TO)).toBe('spend_limit');
    // Even where there is no room for it.
    await door.gate.settled(ended(door, 600_000));
    door.pass(20 * HOUR_MS);
    expect(await door.ask(TO)).toBe('spend_limit');
    door.pass(7 * HOUR_MS);
    expect(await door.ask(TO)).toBe('admitted');
  });

  it('caps the whole service, each currency by itself', async () => {
    const perDay = { EUR: '0.13', USD: '0.06' };
    door = await openDoor({ trunks: PRICED, limits: { ...limits, spend: { perDay } } }, [
      clientWith({ spend: { currency: 'EUR', microsPerDay: 70_000 } }),
      clientWith({ id: 'bank' }),
    ]);
    expect(await door.ask(TO)).toBe('admitted');
    expect(await door.ask(TO)).toBe('spend_limit');
    expect(await door.ask(TO, { clientId: 'bank' })).toBe('admitted');
    expect(await door.ask(TO, { clientId: 'bank' })).toBe('spend_limit');
    expect(door.refusals).toEqual(['client_spend', 'service_spend']);
    expect(await door.ask('+12125550123')).toBe('admitted');
    expect(await door.ask('+12125550123')).toBe('spend_limit');
    // Who carries it without a price has no cap on it.
    expect(await door.ask('+4315123456')).toBe('admitted');
  });

  it('stops texts at the cap, and gives back what they did not cost', async () => {
    // Thirteen and a half cents for the three messages that a text may be sent as.
    const spend = { currency: 'EUR', microsPerDay: 270_000 };
    const price = { amount: '0.045', currency: 'EUR' };
    const trunks = [{ ...CARRIER, sms: { price } }];
    door = await openDoor({ trunks, limits }, [clientWith({ spend })]);
    const ask = () => door.ask(TO, { channel: 'sms' });
    expect([await ask(), await ask(), await ask()]).toEqual(['admitted', 'admitted', 'spend_limit']);
    expect(door.refusals).toEqual(['client_spend']);
    // One was refused by its carrier and cost nothing: there is room for one more.
    await door.gate.settled(endedText(door, 'invalid_number', 404));
    expect([await ask(), await ask()]).toEqual(['admitted', 'spend_limit']);
    // Two were sent as one message each: nine cents are spent, and thirteen and a half under way.
    await door.gate.settled(endedText(door, 'sent', 200));
    expect(await ask()).toBe('spend_limit');
    await door.gate.settled(endedText(door, 'sent', 200));
    expect([await ask(), await ask()]).toEqual(['admitted', 'spend_limit']);
    await door.gate.settled(endedText(door, 'trunk_timeout', 408));
    expect([await ask(), await ask()]).toEqual(['admitted', 'spend_limit']);
  });

  it('caps what the whole service spends on texts and calls together', async () => {
    const price = { amount: '0.045', currency: 'EUR' };
    const trunks = [{ ...CARRIER, sms: { price, maxSegments: 1 } }];
    door = await openDoor({ trunks, limits: { ...limits, spend: { perDay: { EUR: '0.15' } } } });
    expect(await door.ask(TO)).toBe('admitted');
    expect(await door.ask(TO, { channel: 'sms' })).toBe('admitted');
    expect(await door.ask(TO, { channel: 'sms' })).toBe('admitted');
    expect(await door.ask(TO, { channel: 'sms' })).toBe('spend_limit');
    expect(door.refusals).toEqual(['service_spend']);
  });

  it('keeps an estimate where the prices have changed since, or the process began later', async () => {
    door = await openDoor({ trunks: PRICED, limits: { ...limits, spend: { perDay: { EUR: '0.06' } } } });
    const createdAt = door.now();
    expect(await door.ask(TO)).toBe('admitted');
    door.pass(1000);
    door.replaceTrunks([
      {
        ...CARRIER,
        prefixes: [{ prefix: '+49', price: { amount: '0.01' }, currency: 'EUR' }],
      },
    ]);
    await door.gate.settled(ended(door, null, { createdAt }));
    await door.gate.settled(ended(door, null, { createdAt: createdAt - HOUR_MS }));
    expect(await door.ask(TO)).toBe('spend_limit');
  });
});
