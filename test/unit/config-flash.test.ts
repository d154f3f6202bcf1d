import { describe, expect, it } from 'vitest';
import { ConfigError, configFrom } from '../../src/config.ts';

const TRUNK = { id: 'carrier', host: 'sip.carrier.example', cli: '+4930123456' };

function problemsOf(settings: object, trunk: object = {}): readonly string[] {
  try {
    configFrom({ trunks: [{ ...TRUNK, ...trunk }], ...settings });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('flash, gate and voicemail', () => {
  it('have defaults', () => {
    expect(configFrom({ trunks: [TRUNK] })).toMatchObject({
      trunks: [{ flashPool: [] }],
      flash: {
        hiddenDigits: 4,
        ringHoldMs: 2500,
        maxRingSeconds: 10,
        maxChecks: 3,
        maxGuessProbability: 0.02,
        reuseWindowSeconds: 86_400,
        voiceAfterSeconds: 25,
        guard: { prefixDigits: 5, window: 50, fewest: 20, answeredRatio: 0.3, pauseSeconds: 900 },
      },
      gate: { always: false, digit: '1', seconds: 8, asks: 2, repeatTimes: 3 },
      voicemail: { rule: 'ignore', decideMs: 7000, toneMs: 30_000 },
    });
  });

  it.each<[string, object, RegExp]>([
    ['two hidden digits', { flash: { hiddenDigits: 2 } }, /flash\.hiddenDigits/],
    ['nine hidden digits', { flash: { hiddenDigits: 9 } }, /flash\.hiddenDigits/],
    ['no checks', { flash: { maxChecks: 0 } }, /flash\.maxChecks/],
    ['a guess that is likely', { flash: { maxGuessProbability: 0.51 } }, /flash\.maxGuessProbability/],
    ['a guess that cannot be', { flash: { maxGuessProbability: 0 } }, /flash\.maxGuessProbability/],
    ['a short hold', { flash: { ringHoldMs: 499 } }, /flash\.ringHoldMs/],
    ['a hold of the whole time', { flash: { ringHoldMs: 3000, maxRingSeconds: 3 } }, /flash\.ringHoldMs/],
    ['an hour of waiting', { flash: { voiceAfterSeconds: 3600 } }, /flash\.voiceAfterSeconds/],
    ['more to judge than there is', { flash: { guard: { fewest: 51 } } }, /flash\.guard.*fewest/],
    ['a ratio above one', { flash: { guard: { answeredRatio: 1.1 } } }, /flash\.guard\.answeredRatio/],
    ['a gate of two keys', { gate: { digit: '12' } }, /gate\.digit/],
    ['a gate of a number', { gate: { digit: 1 } }, /gate\.digit.*quotes|gate\.digit/],
    ['four questions', { gate: { asks: 4 } }, /gate\.asks/],
    ['another rule', { voicemail: { rule: 'shout' } }, /voicemail\.rule/],
    ['a key that is not known', { flash: { ringHold: 1 } }, /flash.*ringHold/],
  ])('refuse %s', (_what, settings, problem) => {
    expect(problemsOf(settings)).toEqual([expect.stringMatching(problem)]);
  });

  it.each<[string, object, RegExp]>([
    ['a range that ends before it begins', { first: '+498990001', last: '+498990000' }, /flashPool/],
    ['ends of other lengths', { first: '+498990001', last: '+4989900011' }, /flashPool/],
    ['more than 10,000 numbers', { first: '+498990000000', last: '+498990010000' }, /flashPool/],
    ['a national number', { first: '089900001' }, /first.*E\.164/],
    ['a country in small letters', { first: '+498990001', countries: ['de'] }, /countries/],
    ['no country', { first: '+498990001', countries: [] }, /countries/],
  ])('refuse a pool of %s', (_what, range, problem) => {
    expect(problemsOf({}, { flashPool: [range] })).toEqual([expect.stringMatching(problem)]);
  });

  it('take the longest range, and one that is a single number', () => {
    const flashPool = [{ first: '+498990000000', last: '+498990009999' }, { first: '+498990010000' }];
    expect(problemsOf({}, { flashPool })).toEqual([]);
  });

  it('refuse a pool on a trunk that shows no number', () => {
    const flashPool = [{ first: '+498990000000' }];
    expect(problemsOf({}, { flashPool, identity: 'pai_privacy' })).toEqual([
      expect.stringMatching(/trunks.*flashPool.*pai_privacy/),
    ]);
    expect(problemsOf({}, { flashPool, identity: 'pai' })).toEqual([]);
  });
});
