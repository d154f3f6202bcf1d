import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COUNTRIES, countriesOf, countryOf, countryOfLanguages } from '../../../src/page/countries.ts';
import { enteredParts, readableNumber, readEnteredNumber } from '../../../src/page/entered-number.ts';

describe('readEnteredNumber', () => {
  it.each([
    ['020 7946 0700', 'GB', '+442079460700'],
    ['20 7946 0700', 'GB', '+442079460700'],
    ['(020) 7946-0700', 'GB', '+442079460700'],
    ['030/1234567', 'DE', '+49301234567'],
    ['+44 20 7946 0700', 'DE', '+442079460700'],
    ['0044 20 7946 0700', 'DE', '+442079460700'],
    ['tel:+442079460700', 'US', '+442079460700'],
    ['\u202a+44 20 7946 0700\u202c', 'US', '+442079460700'],
    ['＋４４２０７９４６０７００', 'US', '+442079460700'],
    ['06 1234 5678', 'IT', '+390612345678'],
    ['(202) 555-0143', 'US', '+12025550143'],
  ] as const)('reads %s in %s as %s', (text, country, number) => {
    expect(readEnteredNumber(text, country)).toBe(number);
  });

  it.each(['', ' ', '+', '0', '12', 'call me', '+44 20 7946 0700 ext. 5', '+999 123456789', '7'.repeat(30)])(
    'refuses %j',
    (text) => {
      expect(readEnteredNumber(text, 'GB')).toBeUndefined();
    },
  );

  it('never throws, and gives E.164 or nothing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('GB', 'IT', 'US', 'RU'), (text, country) => {
        expect(readEnteredNumber(text, country) ?? '+49').toMatch(/^\+[1-9][0-9]{1,14}$/);
      }),
    );
  });
});

describe('how a number is shown', () => {
  it('is read by people, and fills in a form', () => {
    expect(readableNumber('+442079460700')).toBe('+44 20 7946 0700');
    expect(readableNumber('sip:phone@lab')).toBe('sip:phone@lab');
    expect(enteredParts('+442079460700')).toEqual({ country: 'GB', national: '020 7946 0700' });
    expect(enteredParts('nobody')).toBeUndefined();
  });
});

describe('the countries', () => {
  it('have names, calling codes, and an order', () => {
    expect(countryOf('de')).toEqual({ code: 'DE', name: 'Germany', callingCode: '49' });
    expect(countryOf('XX')).toBeUndefined();
    expect(COUNTRIES.length).toBeGreaterThan(200);
    expect(COUNTRIES.filter(({ name, code }) => name === code)).toEqual([]);
    const names = COUNTRIES.map(({ name }) => name);
    expect(names).toEqual(names.toSorted((a, b) => a.localeCompare(b, 'en')));
  });

  it.each([
    ['all', null, COUNTRIES.length],
    [['GB', 'DE', 'AT'], null, 3],
    [['GB', 'DE', 'AT'], ['AT', 'CH'], 1],
    ['all', ['AT', 'CH'], 2],
    [[], null, COUNTRIES.length],
    [['GB'], ['AT'], COUNTRIES.length],
  ] as const)('that may be called by %j and %j are %i', (allowed, own, count) => {
    expect(countriesOf(allowed, own)).toHaveLength(count);
  });

  it.each([
    ['en-GB,en;q=0.9', 'GB'],
    ['en,de-AT;q=0.5', 'AT'],
    ['zh-Hant-TW', 'TW'],
    ['en', undefined],
    ['*', undefined],
    ['xx-QQ', undefined],
    [undefined, undefined],
  ])('are guessed of %s as %s', (languages, country) => {
    expect(countryOfLanguages(languages)).toBe(country);
  });
});
