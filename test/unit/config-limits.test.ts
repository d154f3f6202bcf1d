import { describe, expect, it } from 'vitest';
import { ConfigError, configFrom, loadConfig } from '../../src/config.ts';

const TRUNK = { id: 'carrier', host: 'sip.carrier.example', cli: '+4930123456' };

function problemsOf(settings: object): readonly string[] {
  try {
    configFrom({ trunks: [TRUNK], ...settings });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the sections limits and destinations', () => {
  it('have defaults that suit a site, and call nowhere', () => {
    const { limits, destinations } = configFrom({ trunks: [TRUNK] });
    expect(destinations.countries).toEqual([]);
    expect(limits).toMatchObject({
      number: { perMinute: 3, perHour: 8, perDay: 20, pausesSeconds: [0, 30, 60, 120, 300] },
      prefix: { droppedDigits: 4, perHour: 50 },
      country: { perHour: null, byCountry: {} },
      spend: { perDay: {} },
    });
  });

  it('turn off what is null', () => {
    const number = { perMinute: null, perHour: null, perDay: null, pausesSeconds: [] };
    const { limits } = configFrom({ trunks: [TRUNK], limits: { number, endUser: { perHour: null } } });
    expect(limits.number).toMatchObject(number);
    expect(limits.endUser.perHour).toBeNull();
    expect(limits.prefix.perHour).toBe(50);
  });

  it('can be set by variables', () => {
    const env = {
      VOICE_OTP_TRUNKS: JSON.stringify([TRUNK]),
      VOICE_OTP_DESTINATIONS_COUNTRIES: 'all',
      VOICE_OTP_LIMITS_PREFIX_PER_HOUR: 'null',
      VOICE_OTP_LIMITS_NUMBER_PER_DAY: '7',
      VOICE_OTP_LIMITS_SPEND_PER_DAY: '{EUR: "25"}',
    };
    const { limits, destinations } = loadConfig({ env });
    expect(destinations.countries).toBe('all');
    expect(limits.prefix.perHour).toBeNull();
    expect(limits.number.perDay).toBe(7);
    expect(limits.spend.perDay).toEqual({ EUR: '25' });
  });

  it.each([
    [
      { destinations: { countries: ['UK'] } },
      'destinations.countries.0: expected a country such as `DE` (ISO 3166-1; the United Kingdom is `GB`)',
    ],
    [
      { destinations: { countries: 'DE' } },
      'destinations.countries: expected `all`, or a list of countries such as `[DE, AT]`',
    ],
    [
      { destinations: { refusedCallingCodes: ['+881'] } },
      'destinations.refusedCallingCodes.0: expected a calling code without plus, in quotes, such as `"881"`',
    ],
    [
      { limits: { spend: { perDay: { EUR: 'much' } } } },
      'limits.spend.perDay.EUR: expected an amount in quotes, such as `"250.00"`',
    ],
    [
      { limits: { number: { forgetSeconds: 60, pausesSeconds: [90] } } },
      'limits: expected number.forgetSeconds to be above every one of number.pausesSeconds',
    ],
  ])('refuse %j', (settings, problem) => {
    expect(problemsOf(settings)).toEqual([problem]);
  });

  it.each([
    { limits: { number: { perMinute: 0 } } },
    { limits: { country: { byCountry: { XX: 5 } } } },
    { limits: { spend: { perDay: { euro: '5' } } } },
    { limits: { prefix: { droppedDigits: 0 } } },
    { destinations: { refusedTypes: ['dear'] } },
  ])('refuse %j', (settings) => {
    expect(problemsOf(settings)).toHaveLength(1);
  });
});
