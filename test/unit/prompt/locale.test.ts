import { describe, expect, it } from 'vitest';
import { nearestLocale } from '../../../src/prompt/locale.ts';

const AVAILABLE = ['de-AT', 'de-DE', 'en-GB', 'en-US', 'zh-Hans-CN', 'zh-Hant-HK', 'zh-TW'];

describe('nearestLocale', () => {
  it.each([
    ['en-US', 'en-US'],
    ['EN-us', 'en-US'],
    ['en-gb', 'en-GB'],
    ['en', 'en-GB'],
    ['en-AU', 'en-GB'],
    ['de-CH', 'de-AT'],
    ['de-DE-1996', 'de-DE'],
    ['de-DE-x-bavarian', 'de-DE'],
    ['en-x-US', 'en-GB'],
    ['zh-Hant-TW', 'zh-TW'],
    ['zh-Hant', 'zh-Hant-HK'],
    ['zh', 'zh-TW'],
  ])('%s is spoken as %s', (requested, expected) => {
    expect(nearestLocale(requested, AVAILABLE)).toBe(expected);
  });

  it('is the same one where there is that, also with a part of its own', () => {
    const dialects = ['en-GB', 'en-GB-x-rp', 'vi', 'vi-VN-x-central'];
    for (const locale of dialects) expect(nearestLocale(locale.toLowerCase(), dialects)).toBe(locale);
    expect(nearestLocale('en-GB-x-gbclan', dialects)).toBe('en-GB');
  });

  it.each([
    'fr',
    'fr-US',
    'e',
    '',
    '-',
    'en-',
    'en--US',
    'en_US',
    '../en-US',
    'en-US/slt',
    'en-US\0',
    '日本',
  ])('%j is not spoken', (requested) => {
    expect(nearestLocale(requested, AVAILABLE)).toBeUndefined();
  });

  it('does not depend on the order of the folders', () => {
    expect(nearestLocale('en-AU', AVAILABLE.toReversed())).toBe('en-GB');
  });

  it('takes the preferred one of those that are equally near, and only then', () => {
    expect(nearestLocale('en', ['en-GB', 'en-US'], 'en-US')).toBe('en-US');
    expect(nearestLocale('en-AU', ['en-GB', 'en-US'], 'en-US')).toBe('en-US');
    expect(nearestLocale('en-GB', ['en-GB', 'en-US'], 'en-US')).toBe('en-GB');
    expect(nearestLocale('en', ['en', 'en-US'], 'en-US')).toBe('en');
    expect(nearestLocale('de', ['en-US'], 'en-US')).toBeUndefined();
  });
});
