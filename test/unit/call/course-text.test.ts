import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { apply } from '../../../src/call/apply.ts';
import type { Call } from '../../../src/call/call.ts';
import { cdrsOf } from '../../../src/cdr/cdr.ts';
import { alone } from '../../../src/cluster/alone.ts';
import type { LegEnd } from '../../../src/engine/engine.ts';
import { NO_MARKS } from '../../../src/prompt/delivered.ts';
import { Secret } from '../../../src/secret.ts';
import type { Trunk, TrunkTexts } from '../../../src/trunk/definition.ts';
import { CODE, DialerRig, unreachable } from '../../support/dialer-rig.ts';
import { acceptedPair, someTrunk } from '../../support/records.ts';
import { type Routed, routed } from '../../support/routed.ts';
import { ended, refused, ScriptedEngine, type Step, TRYING } from '../../support/scripted-engine.ts';

const SMS: TrunkTexts = { maxSegments: 3, timeoutMs: 4000, only: false };
const TAKEN: LegEnd = { kind: 'taken', sip: { status: 202, reason: 'Accepted' } };
const SENT: readonly Step[] = [TRYING, ended(TAKEN)];

/** Alpha carries calls alone, beta both, and gamma texts alone. */
const TRUNKS = [
  someTrunk(),
  someTrunk({ id: 'beta', host: 'beta.example', sms: SMS }),
  someTrunk({ id: 'gamma', host: 'gamma.example', sms: { ...SMS, only: true } }),
];

let rig: DialerRig;

beforeEach(async () => {
  rig = await DialerRig.open();
});

afterEach(async () => {
  await rig.close();
});

async function text(
  scripts: Readonly<Record<string, readonly Step[]>>,
  {
    change = {},
    trunks = TRUNKS,
    ways = routed(trunks),
    more = {},
  }: {
    readonly change?: Parameters<DialerRig['accept']>[1];
    readonly trunks?: readonly Trunk[];
    readonly ways?: Routed;
    readonly more?: Parameters<DialerRig['dialer']>[1];
  } = {},
): Promise<{ call: Call; engine: ScriptedEngine }> {
  const engine = new ScriptedEngine(scripts);
  const callId = await rig.accept('a', { channel: 'sms', ...change });
  rig.dialer(engine, { ...ways, ...more }).dial(callId);
  return { call: await rig.endOf(callId), engine };
}

describe('a text message', () => {
  it('goes once, by a trunk that carries some, and leaves the verification to be checked', async () => {
    const { call, engine } = await text({ 'beta.example': SENT });
    expect(call).toMatchObject({ state: 'ended', disposition: 'sent', blame: 'none', prompt: null });
    expect(call.attempts).toMatchObject([
      {
        trunkId: 'beta',
        channel: 'sms',
        cli: '+498912345',
        sipStatus: 202,
        sipReason: 'Accepted',
        answeredAt: null,
        leftover: null,
        media: null,
      },
    ]);
    expect(call.timeline.map(({ type }) => type)).toEqual(['queued', 'trying', 'ended', 'ended']);
    expect(engine.invited).toEqual([]);
    expect(engine.texts).toMatchObject([
      {
        requestUri: 'sip:+4930123456@beta.example',
        from: { uri: 'sip:+498912345@beta.example' },
        timeoutMs: 4000,
      },
    ]);
    expect(engine.texts[0]?.body.reveal()).toBe(`${CODE} is your code.`);
    expect(await rig.store.verification('ver_a')).toMatchObject({ status: 'pending', sealedCode: null });
    const digest = rig.vault.digest('ver_a', new Secret(CODE));
    const checked = await rig.store.check('ver_a', { by: 'code', digest }, Date.now());
    expect(checked?.verdict).toBe('approved');
    expect(JSON.stringify(call) + rig.logged.join('\n')).not.toContain(CODE);
  });

  it("is the client's own text, from its own sender", async () => {
    const trunks = [someTrunk({ host: 'beta.example', allowedClis: ['Shop'], sms: SMS })];
    const sealedCode = rig.vault.seal('ver_a', new Secret(CODE));
    const template = 'Shop: {code}\n{code}';
    const more = { channel: 'sms', createdAt: Date.now(), sealedCode, template } as const;
    const { verification, call } = acceptedPair('a', more);
    const callId = call.id;
    const wishes = { cli: 'Shop', trunkId: null, ringTimeoutMs: null, sms: true } as const;
    await rig.store.accept(verification, { ...call, wishes }, null);
    const engine = new ScriptedEngine({ 'beta.example': SENT });
    rig.dialer(engine, routed(trunks)).dial(callId);
    expect(await rig.endOf(callId)).toMatchObject({ disposition: 'sent', attempts: [{ cli: 'Shop' }] });
    expect(engine.texts[0]?.from.uri).toBe('sip:Shop@beta.example');
    expect(engine.texts[0]?.body.reveal()).toBe(`Shop: ${CODE}\n${CODE}`);
  });

  it.each([
    [refused(503), 'trunk_failure'],
    [ended({ kind: 'setup_timeout' }), 'trunk_timeout'],
    [ended({ kind: 'unreachable', detail: 'no address' }), 'trunk_failure'],
    [refused(405), 'media_rejected'],
    [refused(407), 'trunk_auth'],
  ])('that %o goes by the next trunk', async (step, disposition) => {
    const { call, engine } = await text({ 'beta.example': [TRYING, step], 'gamma.example': SENT });
    expect(call.attempts).toMatchObject([
      { trunkId: 'beta', disposition },
      { trunkId: 'gamma', disposition: 'sent' },
    ]);
    expect(call.disposition).toBe('sent');
    expect(engine.texts).toHaveLength(2);
  });

  it.each([
    [404, 'invalid_number', 'failed'],
    [480, 'unreachable', 'failed'],
    [603, 'declined', 'failed'],
    [608, 'blocked', 'failed'],
    [403, 'rejected', 'failed'],
  ])('that gets %i is %s, and goes nowhere else', async (status, disposition, verified) => {
    const { call, engine } = await text({ 'beta.example': [TRYING, refused(status)], 'gamma.example': SENT });
    expect(call).toMatchObject({ disposition, attempts: [{ sipStatus: status }] });
    expect(engine.texts).toHaveLength(1);
    expect(await rig.statusOf()).toBe(verified);
  });

  it.each(['setup_timeout', 'canceled'] as const)(
    'that ends as %s may have come: the verification can be checked',
    async (kind) => {
      await text({ 'beta.example': [TRYING, ended({ kind })], 'gamma.example': [TRYING, ended({ kind })] });
      expect(await rig.statusOf()).toBe('pending');
    },
  );

  it('whose code the far end repeats is recorded without it', async () => {
    const reason = `Spam: "${CODE} is" 4938-17`;
    const end: LegEnd = { kind: 'rejected', sip: { status: 606, reason, reasonText: reason } };
    const { call } = await text({ 'beta.example': [TRYING, ended(end)] });
    expect(call.attempts[0]?.sipReason).toBe('Spam: "••• is" •••');
    expect(JSON.stringify(call)).not.toContain(CODE);
  });

  it('is not sent where it needs more messages than any trunk sends as one', async () => {
    const template = `{code} ${'x'.repeat(460)}`;
    const { call, engine } = await text({}, { change: { template } });
    expect(call).toMatchObject({ disposition: 'failed', blame: 'us', attempts: [] });
    expect(engine.texts).toEqual([]);
  });

  it('passes over a trunk that sends fewer messages as one', async () => {
    const trunks = [
      someTrunk({ sms: { ...SMS, maxSegments: 1 } }),
      someTrunk({ id: 'beta', host: 'beta.example', sms: SMS }),
    ];
    const template = `{code} ${'x'.repeat(160)}`;
    const { call } = await text({ 'beta.example': SENT }, { trunks, change: { template } });
    expect(call.attempts).toMatchObject([{ trunkId: 'beta', disposition: 'sent' }]);
  });

  it('does not go where the attempt cannot be stored', async () => {
    const store = rig.storeWith({ saveCall: unreachable });
    const { call, engine } = await text({ 'beta.example': SENT }, { more: { store } });
    expect(engine.texts).toEqual([]);
    expect(call).toMatchObject({ disposition: 'failed', blame: 'us' });
  });

  it('costs nothing that is told by the minute', async () => {
    const prefixes = [{ prefix: '+', price: { amount: '0.05', increment: '60/60' }, currency: 'EUR' }];
    const trunks = [someTrunk({ host: 'beta.example', sms: SMS, prefixes })];
    const { call } = await text({ 'beta.example': SENT }, { trunks });
    expect(cdrsOf(call)).toMatchObject([
      {
        channel: 'sms',
        disposition: 'sent',
        talkMs: null,
        billableSeconds: 0,
        segments: 1,
        priceMicros: null,
        rate: null,
      },
    ]);
  });

  it('costs what its trunk charges for each message that it is sent as', async () => {
    const price = { amount: '0.045', currency: 'EUR' };
    const trunks = [
      someTrunk({ host: 'beta.example', sms: { ...SMS, price: { amount: '0.03', currency: 'USD' } } }),
      someTrunk({ id: 'gamma', host: 'gamma.example', sms: { ...SMS, price } }),
    ];
    const template = `{code} ${'x'.repeat(160)}`;
    const scripts = { 'beta.example': [TRYING, refused(503)], 'gamma.example': SENT };
    const { call } = await text(scripts, { trunks, change: { template } });
    expect(call.attempts).toMatchObject([{}, { textCharge: { segments: 2, price } }]);
    expect(cdrsOf(call)).toMatchObject([
      { disposition: 'trunk_failure', segments: 2, rate: '0.03', priceMicros: 0, currency: 'USD' },
      { disposition: 'sent', segments: 2, rate: '0.045', priceMicros: 90_000, currency: 'EUR' },
    ]);
    expect(JSON.stringify(call)).not.toMatch(/xxx/);
  });

  it('counts as an INVITE of its trunk, and takes a channel only as long as it is under way', async () => {
    const trunks = [someTrunk({ host: 'beta.example', sms: SMS, cps: 50, channels: 1 })];
    const ways = routed(trunks);
    await text({ 'beta.example': SENT }, { ways });
    expect(await ways.capacity.use()).toMatchObject([{ trunkId: 'alpha', invites: 1, inUse: 0, waiting: 0 }]);
  });

  it('says of its trunk that it carries, or does not', async () => {
    const ways = routed(TRUNKS);
    const fails = [TRYING, refused(503)];
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const callId = await rig.accept(name, { channel: 'sms' });
      const engine = new ScriptedEngine({ 'beta.example': fails, 'gamma.example': SENT });
      rig.dialer(engine, ways).dial(callId);
      expect((await rig.endOf(callId)).disposition).toBe('sent');
    }
    expect([ways.states.of('beta').condition, ways.states.of('gamma').condition]).toEqual(['open', 'up']);
  });
});

describe('a text message of a process that is no more', () => {
  it('is closed as interrupted, is not sent again, and may have come', async () => {
    const engine = new ScriptedEngine({ 'beta.example': SENT, 'gamma.example': SENT });
    const callId = await rig.accept('a', { channel: 'sms' });
    const call = (await rig.store.call(callId)) as Call;
    const trying = { type: 'trying', at: Date.now(), leftover: {} } as const;
    const context = { trunkId: 'beta', channel: 'sms', cli: '+498912345', marks: NO_MARKS } as const;
    await rig.store.saveCall(apply(call, trying, context));
    const dialer = rig.dialer(engine, { ...routed(TRUNKS), peers: alone('another') });
    expect(await dialer.recover()).toBe(1);
    expect(await rig.endOf(callId)).toMatchObject({ disposition: 'interrupted', blame: 'us' });
    expect([engine.texts, engine.leftovers]).toEqual([[], []]);
    expect(await rig.statusOf()).toBe('pending');
  });
});
