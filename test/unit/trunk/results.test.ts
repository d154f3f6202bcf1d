import { describe, expect, it } from 'vitest';
import type { Attempt, Disposition } from '../../../src/call/call.ts';
import type { VerificationResult } from '../../../src/trunk/results.ts';
import { provenBy, TrunkResults } from '../../../src/trunk/results.ts';
import { NOW, someTrunk } from '../../support/records.ts';

const TO = '+4930123456';
const UK = '+442071234567';

function attemptOf(disposition: Disposition | null, change: Partial<Attempt> = {}): Attempt {
  return {
    trunkId: 'alpha',
    channel: 'voice',
    cli: '+49891',
    startedAt: NOW - 1000,
    ringingAt: null,
    earlyMediaAt: null,
    answeredAt: null,
    endedAt: NOW,
    codec: null,
    sipStatus: null,
    sipReason: null,
    q850: null,
    disposition,
    blame: null,
    hungUpBy: null,
    promptFinished: false,
    media: null,
    leftover: null,
    ...change,
  };
}

/** One that rang after `pddMs` and was spoken to for `talkMs`. */
function answered(pddMs: number, talkMs: number, change: Partial<Attempt> = {}): Attempt {
  const startedAt = NOW - 100_000;
  const answeredAt = startedAt + pddMs + 3000;
  return attemptOf('answered', {
    startedAt,
    ringingAt: startedAt + pddMs,
    answeredAt,
    endedAt: answeredAt + talkMs,
    ...change,
  });
}

let told = 0;

/** Something of another verification. */
function tell(results: TrunkResults, approved: boolean, at: number): void {
  results.verification(`ver_${told++}`, { trunkId: 'alpha', to: TO, approved, at });
}

function finalOf(status: VerificationResult['status'], approvedBy: VerificationResult['approvedBy'] = null) {
  return { status, approvedBy };
}

function resultsOf(options: Partial<ConstructorParameters<typeof TrunkResults>[0]> = {}): TrunkResults {
  return new TrunkResults({ now: () => NOW, trunks: () => [someTrunk()], ripeMs: 0, ...options });
}

describe('TrunkResults', () => {
  it('counts what calls were like', () => {
    const results = resultsOf();
    for (let i = 1; i <= 20; i++) results.attempt(TO, answered(i * 100, i * 1000));
    for (let i = 0; i < 20; i++) results.attempt(TO, attemptOf('busy'));
    expect(results.figures('alpha')).toEqual({
      attempts: 40,
      answered: 20,
      asr: 0.5,
      acdMs: 10_500,
      pddMs: { p50: 1000, p95: 1900 },
      approvals: { approved: 0, of: 0, rate: null },
    });
  });

  it('knows nothing of a trunk without calls', () => {
    expect(resultsOf().figures('alpha')).toEqual({
      attempts: 0,
      answered: 0,
      asr: null,
      acdMs: null,
      pddMs: null,
      approvals: { approved: 0, of: 0, rate: null },
    });
  });

  it('passes over what says nothing of the trunk', () => {
    const results = resultsOf();
    for (const end of ['failed', 'interrupted', 'canceled'] as const) results.attempt(TO, attemptOf(end));
    results.attempt(TO, attemptOf(null, { endedAt: null }));
    expect(results.figures('alpha').attempts).toBe(0);
  });

  it('does not expect an answer of a flash call', () => {
    const results = resultsOf();
    results.attempt(TO, attemptOf('rang', { channel: 'flash', ringingAt: NOW - 400 }));
    results.attempt(TO, answered(500, 2000));
    expect(results.figures('alpha')).toMatchObject({ attempts: 2, asr: 1, pddMs: { p50: 500, p95: 600 } });
  });

  it('keeps trunks and countries apart, and adds countries up', () => {
    const results = resultsOf();
    results.attempt(TO, answered(100, 1000));
    results.attempt(UK, attemptOf('busy'));
    results.attempt(TO, attemptOf('busy', { trunkId: 'beta' }));
    expect(results.prefixes('alpha')).toEqual(['+44', '+49']);
    expect(results.figures('alpha', '+49')).toMatchObject({ attempts: 1, asr: 1 });
    expect(results.figures('alpha', '+44')).toMatchObject({ attempts: 1, asr: 0 });
    expect(results.figures('alpha')).toMatchObject({ attempts: 2, asr: 0.5 });
    expect(results.figures('beta')).toMatchObject({ attempts: 1, asr: 0 });
  });

  it('remembers the last ones only, and not for ever', () => {
    let now = NOW;
    const results = resultsOf({ now: () => now, attempts: 20, verifications: 20, maxAgeMs: 60_000 });
    for (let i = 0; i < 30; i++) tell(results, i < 15, NOW);
    expect(results.approvals('+49895555')('alpha')).toEqual({ approved: 5, of: 20 });
    expect(results.approvals(UK)('alpha')).toEqual({ approved: 0, of: 0 });
    expect(results.figures('alpha').approvals).toEqual({ approved: 5, of: 20, rate: 0.25 });
    now += 60_000;
    expect(results.approvals(TO)('alpha')).toEqual({ approved: 0, of: 0 });
  });

  it('counts a verification when others that began with it are final as well', () => {
    let now = NOW;
    const results = resultsOf({ now: () => now, ripeMs: 120_000, verifications: 20 });
    for (let i = 0; i < 100; i++) tell(results, i >= 90, NOW);
    now += 119_999;
    tell(results, true, NOW);
    expect(results.approvals(TO)('alpha')).toEqual({ approved: 0, of: 0 });
    now += 1;
    expect(results.approvals(TO)('alpha')).toEqual({ approved: 11, of: 20 });
    tell(results, true, now + 1_000_000);
    expect(results.approvals(TO)('alpha')).toEqual({ approved: 12, of: 20 });
  });

  it('is told again of a verification, and counts it once', () => {
    const results = resultsOf();
    const proven = { trunkId: 'alpha', to: TO, approved: false, at: NOW };
    for (const id of ['a', 'b', 'c', 'd']) results.verification(id, proven);
    expect(results.approvals(TO)('alpha')).toEqual({ approved: 0, of: 4 });
    results.verification('a', { ...proven, approved: true });
    results.verification('b', undefined);
    results.verification('c', { ...proven, trunkId: 'beta', approved: true });
    results.verification('e', undefined);
    expect(results.approvals(TO)('alpha')).toEqual({ approved: 1, of: 2 });
    expect(results.approvals(TO)('beta')).toEqual({ approved: 1, of: 1 });
  });

  it('keeps what is said apart from what is shown, and adds them up', () => {
    const results = resultsOf();
    const proven = { trunkId: 'alpha', to: TO, at: NOW };
    for (let i = 0; i < 10; i++) results.verification(`ver_said${i}`, { ...proven, approved: true });
    for (let i = 0; i < 10; i++)
      results.verification(`ver_shown${i}`, { ...proven, channel: 'flash', approved: false });
    expect(results.approvals(TO)('alpha')).toEqual({ approved: 10, of: 10 });
    expect(results.approvals(TO, 'flash')('alpha')).toEqual({ approved: 0, of: 10 });
    // The code was said in the end, after a flash call that nobody had read off.
    results.verification('ver_shown0', { ...proven, channel: 'voice', approved: true });
    expect(results.approvals(TO)('alpha')).toEqual({ approved: 11, of: 11 });
    expect(results.approvals(TO, 'flash')('alpha')).toEqual({ approved: 0, of: 9 });
    expect(results.figures('alpha').approvals).toEqual({ approved: 11, of: 20, rate: 0.55 });
    expect(results.prefixes('alpha')).toEqual(['+49']);
  });

  it('passes over what comes too fast, approved or not, and goes on later', () => {
    let now = NOW;
    const results = resultsOf({ now: () => now, ripeMs: 1000, verifications: 10_000 });
    const tellMany = () => {
      for (let i = 0; i < 1500; i++) tell(results, i % 2 > 0, now);
    };
    tellMany();
    now += 1000;
    expect(results.approvals(TO)('alpha')).toEqual({ approved: 500, of: 1000 });
    tellMany();
    now += 1000;
    expect(results.approvals(TO)('alpha')).toEqual({ approved: 1000, of: 2000 });
  });

  it('counts no more approvals than there are where more comes than it takes', () => {
    let now = NOW;
    const results = resultsOf({ now: () => now, verifications: 10_000, ripeMs: 120_000 });
    // 20 calls a second; half of them are approved a minute after it has ended.
    const isApproved = (i: number): boolean => (Math.imul(i, 2_654_435_761) >>> 0) % 2 ** 31 < 2 ** 30;
    const tellOf = (i: number, approved: boolean): void =>
      results.verification(`ver_fast${i}`, { trunkId: 'alpha', to: TO, approved, at: NOW + i * 50 });
    for (let i = 0; i < 12_000; i++) {
      now = NOW + i * 50;
      if (i >= 1200 && isApproved(i - 1200)) tellOf(i - 1200, true);
      tellOf(i, false);
    }
    now += 120_000;
    const { approved, of } = results.approvals(TO)('alpha');
    expect(of).toBeGreaterThan(4000);
    expect(approved / of).toBeGreaterThan(0.45);
    expect(approved / of).toBeLessThan(0.55);
  });

  it('stays within its bound, however many trunks and countries there are', () => {
    const results = resultsOf();
    for (let i = 0; i < 1500; i++) results.attempt(TO, attemptOf('busy', { trunkId: `t${i}` }));
    const known = Array.from({ length: 1500 }, (_, i) => results.figures(`t${i}`).attempts);
    expect(known.filter((count) => count === 1)).toHaveLength(1000);
    expect(known[1499]).toBe(1);
  });

  it('is restored from records, whatever their order', () => {
    const calls = Array.from({ length: 30 }, (_, i) => ({
      call: {
        to: TO,
        verificationId: `ver_restored${i}`,
        attempts: [
          attemptOf('trunk_failure', { trunkId: 'beta', endedAt: NOW - i * 1000 - 500 }),
          answered(i, 1000, { startedAt: NOW - i * 1000 - 400 }),
        ],
      },
      verification: finalOf(i < 10 ? 'approved' : 'expired', i < 10 ? 'code' : null),
    }));
    const results = resultsOf({ attempts: 20, verifications: 20 });
    results.restore([
      ...calls,
      { call: { to: TO, verificationId: null, attempts: [attemptOf('busy', { endedAt: 5 })] } },
    ]);
    expect(results.figures('alpha')).toMatchObject({ attempts: 20, approvals: { approved: 10, of: 20 } });
    expect(results.figures('beta')).toMatchObject({ attempts: 20, asr: 0, approvals: { of: 0 } });
  });
});

describe('provenBy', () => {
  const VOICE = answered(100, 1000, { trunkId: 'voice' });
  const TEXT = attemptOf('sent', { trunkId: 'sms', channel: 'sms' });
  const FLASH = attemptOf('rang', { trunkId: 'flash', channel: 'flash', ringingAt: NOW - 500 });

  it.each([
    ['the trunk that took the text', [attemptOf('rejected'), TEXT], finalOf('approved', 'code'), 'sms', true],
    ['a text that nobody has used', [TEXT], finalOf('pending'), 'sms', false],
    ['a text that was canceled after it was taken', [TEXT], finalOf('canceled'), 'sms', false],
    [
      'the trunk that was heard',
      [attemptOf('trunk_failure'), VOICE],
      finalOf('approved', 'code'),
      'voice',
      true,
    ],
    ['keys as well', [VOICE], finalOf('approved', 'keys'), 'voice', true],
    ['the trunk that was seen', [FLASH, attemptOf('busy')], finalOf('approved', 'caller_id'), 'flash', true],
    ['the voice after a flash', [FLASH, VOICE], finalOf('approved', 'code'), 'voice', true],
    ['the last one where nothing came of it', [FLASH, VOICE], finalOf('expired'), 'voice', false],
    ['codes that were wrong', [VOICE], finalOf('max_checks_reached'), 'voice', false],
    ['a call that was busy, be it true or not', [attemptOf('busy')], finalOf('failed'), 'alpha', false],
    ['one that nobody has approved after its call', [VOICE], finalOf('pending'), 'voice', false],
    ['a refusal', [attemptOf('rejected')], finalOf('failed'), 'alpha', false],
    ['one that was canceled after it rang', [FLASH], finalOf('canceled'), 'flash', false],
    [
      'one that was canceled after all was said',
      [attemptOf('answered', { answeredAt: NOW - 900, promptFinished: true })],
      finalOf('canceled'),
      'alpha',
      false,
    ],
    [
      'one that broke off after it rang',
      [attemptOf('trunk_failure', { ringingAt: NOW - 1 })],
      finalOf('failed'),
      'alpha',
      false,
    ],
    [
      'one that is still up',
      [attemptOf(null, { answeredAt: NOW - 1, endedAt: null })],
      finalOf('max_checks_reached'),
      'alpha',
      false,
    ],
  ] as const)('counts %s', (_, attempts, verification, trunkId, approved) => {
    const channel = trunkId === 'flash' || trunkId === 'sms' ? trunkId : 'voice';
    expect(provenBy({ to: TO, attempts }, verification)).toMatchObject({
      trunkId,
      channel,
      to: TO,
      approved,
    });
  });

  it.each([
    [
      'has a call that is not over',
      [attemptOf(null, { answeredAt: NOW, endedAt: null })],
      finalOf('pending'),
    ],
    ['was canceled', [VOICE], finalOf('canceled')],
    ['had no call', [], finalOf('expired')],
    ['no trunk carried', [attemptOf('trunk_failure'), attemptOf('trunk_timeout')], finalOf('failed')],
    ['we failed', [attemptOf('failed')], finalOf('failed')],
  ] as const)('says nothing of a verification that %s', (_, attempts, verification) => {
    expect(provenBy({ to: TO, attempts }, verification)).toBeUndefined();
  });
});
