import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, configFrom, loadConfig } from '../../src/config.ts';
import { limitsOf } from '../../src/sweeping.ts';

const TRUNK = { id: 'carrier', host: 'sip.carrier.example', cli: '+4930123456' };
const USER = { username: 'alice', password: 'hunter2' };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'voice-otp-config-trunks-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the configuration of trunks and records', () => {
  it('reads how a trunk registers, and a capture server with its password', () => {
    const passwordFile = join(folder, 'homer');
    writeFileSync(passwordFile, 'hunter4\n');
    const config = configFrom({
      trunks: [
        { ...TRUNK, username: 'alice', password: 'hunter2', register: { registrar: 'reg.example:5070' } },
      ],
      trace: { hep: { host: 'homer.example', passwordFile } },
      store: { retentionDays: { cdrs: 3650 } },
      calls: { attemptTimeoutMs: 90_000 },
    });
    expect(config.trunks[0]?.register).toEqual({ registrar: 'reg.example:5070', expiresSeconds: 3600 });
    expect(config.trace.hep).toMatchObject({ port: 9060, captureId: 2001, numbers: 'masked' });
    expect(config.trace.hep?.password?.reveal()).toBe('hunter4');
    expect(JSON.stringify(config)).not.toContain('hunter');
    expect([config.store.retentionDays.cdrs, config.calls.attemptTimeoutMs]).toEqual([3650, 90_000]);
  });

  it('reads whether a trunk carries text messages, and how', () => {
    const textsOf = (sms?: unknown) =>
      configFrom({ trunks: [{ ...TRUNK, ...(sms === undefined ? {} : { sms: sms as object }) }] }).trunks[0]
        ?.sms;
    expect(textsOf()).toBeUndefined();
    expect(textsOf({})).toEqual({ maxSegments: 3, timeoutMs: 15_000, only: false });
    const own = {
      maxSegments: 1,
      timeoutMs: 500,
      only: true,
      price: { amount: '0.045', currency: 'EUR' },
    };
    expect(textsOf(own)).toEqual(own);
    for (const wrong of [
      { maxSegments: 0 },
      { maxSegments: 9 },
      { timeoutMs: 32_001 },
      { host: 'a.example' },
      { price: { amount: '0.045' } },
      { price: { amount: 0.045, currency: 'EUR' } },
      { price: { amount: '-0.045', currency: 'EUR' } },
      { price: { amount: '0.0450000001', currency: 'EUR' } },
      { price: { amount: '0.045', currency: 'Euro' } },
      { price: { amount: '0.045', increment: '60/60', currency: 'EUR' } },
      true,
    ])
      expect(() => textsOf(wrong)).toThrow(ConfigError);
  });

  it('takes the keys of a section that may be left out from the environment, secrets as text', () => {
    const { trace } = loadConfig({
      env: {
        VOICE_OTP_TRUNKS: JSON.stringify([TRUNK]),
        VOICE_OTP_TRACE_HEP_HOST: 'homer.example',
        VOICE_OTP_TRACE_HEP_PASSWORD: '12345',
      },
    });
    expect([trace.hep?.host, trace.hep?.password?.reveal()]).toEqual(['homer.example', '12345']);
  });

  it.each([
    [
      'a registration without a user',
      { register: {} },
      /^trunks\.0\.register: expected together with `username`/,
    ],
    [
      'a registrar with a path',
      { ...USER, register: { registrar: 'a.example/b' } },
      /^trunks\.0\.register\.registrar/,
    ],
    [
      'a short registration',
      { ...USER, register: { expiresSeconds: 59 } },
      /^trunks\.0\.register\.expiresSeconds/,
    ],
    ['a user that would end a header', { ...USER, register: { user: 'a>b' } }, /^trunks\.0\.register\.user/],
    ['a codec twice', { codecs: ['PCMU', 'PCMU'] }, /^trunks\.0\.codecs: expected each codec once/],
    [
      'a prefix twice',
      { prefixes: [{ prefix: '+49' }, { prefix: '+49' }] },
      /^trunks\.0\.prefixes: expected each prefix once/,
    ],
    ['no INVITEs at all', { cps: 0 }, /^trunks\.0\.cps/],
    ['an override of an answer', { retry: { 200: 'never' } }, /^trunks\.0\.retry/],
  ])('refuses %s', (_what, change, problem) => {
    let problems: readonly string[] = [];
    try {
      configFrom({ trunks: [{ ...TRUNK, ...change } as never] });
    } catch (error) {
      problems = error instanceof ConfigError ? error.problems : [String(error)];
    }
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(problems.join()).not.toContain('hunter2');
  });

  it('says before when records are deleted, and keeps call detail records unless told', () => {
    const now = 1_750_000_000_000;
    const daysAgo = (days: number): number => now - days * 86_400_000;
    expect(limitsOf(configFrom({ trunks: [TRUNK] }), now)).toEqual({
      verificationsBefore: daysAgo(30),
      callsBefore: daysAgo(90),
      cliUsesBefore: daysAgo(1),
    });
    const retentionDays = { verifications: 1, calls: 2, cdrs: 3 };
    expect(limitsOf(configFrom({ trunks: [TRUNK], store: { retentionDays } }), now)).toMatchObject({
      verificationsBefore: daysAgo(1),
      callsBefore: daysAgo(2),
      cdrsBefore: daysAgo(3),
    });
  });
});
