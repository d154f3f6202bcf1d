import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { readCallee } from '../../../src/verification/callee.ts';

const none = { sipTargets: [] };
const some = { sipTargets: ['PBX.example', '127.0.0.1'] };

function codeOf(text: string, rules: { sipTargets: string[] }): string {
  try {
    return `accepted as ${readCallee(text, rules)}`;
  } catch (error) {
    if (error instanceof AppError) {
      return error.code;
    }
    throw error;
  }
}

describe('readCallee of numbers', () => {
  it.each([
    ['+4930123456', '+4930123456'],
    ['  +49 30 123-456 ', '+4930123456'],
    ['+49 (0)30 123456', '+4930123456'],
    ['tel:+1-202-555-0123', '+12025550123'],
    ['TEL:+1(202)5550123', '+12025550123'],
    ['+15550100486', '+15550100486'],
    ['+390612345678', '+390612345678'],
    ['+88312345678', '+88312345678'],
  ])('%s is %s', (text, number) => {
    expect(readCallee(text, none)).toBe(number);
  });

  it.each([
    ['', 'must start with \\+'],
    ['4930123456', 'must start with \\+'],
    ['004930123456', 'must start with \\+'],
    ['anna', 'must start with \\+'],
    ['+', 'only digits'],
    ['++4930123456', 'only digits'],
    ['+49 30 123456 ext. 5', 'only digits'],
    ['tel:+4930123456;ext=5', 'only digits'],
    ['tel:+4930123456;phone-context=+49', 'only digits'],
    ['+4930123456\r\nX-Evil: 1', 'only digits'],
    ['+49３０123456', 'only digits'],
    ['+٤٩٣٠١٢٣٤٥٦', 'only digits'],
    ['+1555CALLNOW', 'only digits'],
    ['+999123456789', 'country code'],
    ['+00123456789', 'country code'],
    ['+1555', 'length'],
    ['+120255501234', 'length'],
    ['+491234567890123456', 'length'],
    [`+${'1'.repeat(500)}`, 'too long'],
  ])('refuses %j and says why', (text, why) => {
    expect(codeOf(text, none)).toBe('invalid_number');
    expect(() => readCallee(text, none)).toThrow(new RegExp(why));
  });

  it('gives E.164 or refuses, whatever it is given, and reads its own answer alike', () => {
    const anything = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^\+[0-9 ()-]{1,24}$/));
    fc.assert(
      fc.property(anything, (text) => {
        const answer = codeOf(text, none);
        expect(answer).toMatch(/^(accepted as \+[1-9][0-9]{1,14}|invalid_number|target_not_allowed)$/);
        const number = /\+.*/.exec(answer)?.[0];
        expect(number === undefined ? answer : codeOf(number, none)).toBe(answer);
      }),
      { numRuns: 500 },
    );
  });
});

describe('readCallee of SIP addresses', () => {
  it.each([
    ['sip:anna@pbx.example', 'sip:anna@pbx.example'],
    ['SIP:Anna@PBX.Example:5070', 'sip:Anna@pbx.example:5070'],
    ['sip:+4930123456@127.0.0.1', 'sip:+4930123456@127.0.0.1'],
  ])('%s is %s', (text, address) => {
    expect(readCallee(text, some)).toBe(address);
  });

  it.each(['sip:anna@pbx.example', 'sip:', 'sips:anna@pbx.example'])(
    'refuses %s where none is allowed',
    (text) => {
      expect(codeOf(text, none)).toBe('target_not_allowed');
    },
  );

  it.each([
    'sip:anna@other.example',
    'sip:anna@pbx.example.evil.example',
    'sip:anna@127.0.0.2',
    'sip:anna@localhost',
  ])('refuses %s, whose host is not on the list', (text) => {
    expect(codeOf(text, some)).toBe('target_not_allowed');
  });

  it.each([
    'sip:',
    'sip:pbx.example',
    'sip:@pbx.example',
    'sips:anna@pbx.example',
    'sip:anna@pbx.example:0',
    'sip:anna@pbx.example:65536',
    'sip:anna@pbx.example;transport=tcp',
    'sip:anna@pbx.example?Subject=x',
    'sip:anna:secret@pbx.example',
    'sip:anna@evil@pbx.example',
    'sip:an na@pbx.example',
    'sip:anna>@pbx.example',
    'sip:<anna@pbx.example',
    'sip:"anna@pbx.example',
    'sip:anna%0d%0a@pbx.example',
    'sip:anna\r\nX-Evil: 1@pbx.example',
    'sip:anna@pbx.example\r\n\r\nx',
    'sip:änna@pbx.example',
    'sip:anna@[::1]',
  ])('refuses %j, which is no harmless address', (text) => {
    expect(codeOf(text, some)).toBe('invalid_number');
  });
});
