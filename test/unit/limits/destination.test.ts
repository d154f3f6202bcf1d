import { describe, expect, it } from 'vitest';
import { configFrom } from '../../../src/config.ts';
import { destinationFault } from '../../../src/limits/destination.ts';
import { originOf } from '../../../src/limits/number-origin.ts';
import type { DestinationSettings } from '../../../src/limits/settings.ts';

const TRUNK = { id: 'carrier', host: 'sip.carrier.example', cli: '+4930123456' };
const PRESET = configFrom({ trunks: [TRUNK] }).destinations;
const ALL: DestinationSettings = { ...PRESET, countries: 'all' };

function faultOf(
  to: string,
  settings: DestinationSettings = ALL,
  own: readonly string[] | null = null,
): string | undefined {
  return destinationFault(to, originOf(to), settings, own);
}

describe('destinations', () => {
  it('are none until countries are allowed', () => {
    expect(PRESET.countries).toEqual([]);
    expect(faultOf('+4930123456', PRESET)).toBe('Calls to DE are not allowed by the configuration.');
    const some = { ...PRESET, countries: ['DE', 'US'] };
    expect(faultOf('+4930123456', some)).toBeUndefined();
    expect(faultOf('+12125550123', some)).toBeUndefined();
    expect(faultOf('+4315123456', some)).toBe('Calls to AT are not allowed by the configuration.');
  });

  it('are told apart where countries share a calling code', () => {
    const one = { ...PRESET, countries: ['US'] };
    for (const [number, country] of [
      ['+14165550123', 'CA'],
      ['+18764123456', 'JM'],
      ['+18095551234', 'DO'],
    ] as const) {
      expect(faultOf(number, one)).toContain(country);
    }
    const island = { ...PRESET, countries: ['GB'] };
    expect(faultOf('+447624123456', island)).toContain('IM');
    expect(faultOf('+447400123456', island)).toBeUndefined();
  });

  it('of fiction are always allowed, and nothing beside them', () => {
    for (const number of ['+442079460000', '+442079460999', '+441614960000', '+441614960999']) {
      expect(faultOf(number, PRESET, ['DE'])).toBeUndefined();
    }
    for (const number of ['+442079461000', '+442079459999', '+4420794600000', '+441614961000']) {
      expect(faultOf(number, PRESET)).toContain('are not allowed by the configuration');
    }
  });

  it('at a price are refused with zeros too that are dialled within a country only', () => {
    // These plans know no number with a zero there, and a network may take it out.
    for (const number of ['+480701234567', '+4200900123456', '+36090123456', '+46009001234567']) {
      expect(faultOf(number), number).toBe('Calls to premium-rate numbers are not allowed.');
    }
    expect(faultOf('+480512345678')).toBeUndefined();
    // The zero of an Italian number is part of it.
    expect(originOf('+390669812345')).toMatchObject({ type: null, reached: '+390669812345' });
  });

  it('at a price are refused, whatever their country', () => {
    for (const number of ['+449098765432', '+33899123456', '+499001123456', '+19002345678', '+41900123456']) {
      expect(faultOf(number), number).toBe('Calls to premium-rate numbers are not allowed.');
    }
    expect(faultOf('+447640123456')).toBe('Calls to pagers are not allowed.');
    expect(faultOf('+491801234567')).toBe('Calls to shared-cost numbers are not allowed.');
    expect(faultOf('+491701234567')).toBeUndefined();
    expect(faultOf('+33612345678')).toBeUndefined();
  });

  it('are judged without the digits that nobody listens to', () => {
    for (const more of ['7', '78', '789']) {
      expect(faultOf(`+499001123456${more}`), more).toBe('Calls to premium-rate numbers are not allowed.');
    }
  });

  it.each(['870', '878', '881', '882', '883', '888', '979', '808'])(
    'of satellites and international services are refused: +%s',
    (code) => {
      for (const rest of ['12345678', '773111111', '1234567890']) {
        expect(faultOf(`+${code}${rest}`)).toContain(`+${code}`);
      }
    },
  );

  it('may be opened by the operator, one kind at a time', () => {
    const open: DestinationSettings = { countries: 'all', refusedTypes: [], refusedCallingCodes: ['979'] };
    expect(faultOf('+881612345678', open)).toBeUndefined();
    expect(faultOf('+449098765432', open)).toBeUndefined();
    expect(faultOf('+979123456789', open)).toContain('+979');
    expect(faultOf('+80012345678', { ...open, refusedTypes: ['toll_free'] })).toContain('toll-free');
    expect(faultOf('+881612345678', { ...open, countries: ['DE'] })).toBe(
      'Calls to numbers of +881 that are of no known country are not allowed by the configuration.',
    );
  });

  it('are narrowed by a client, not widened', () => {
    const some = { ...PRESET, countries: ['DE', 'AT'] };
    expect(faultOf('+4930123456', some, ['DE', 'CH'])).toBeUndefined();
    expect(faultOf('+4315123456', some, ['DE', 'CH'])).toBe('This client may not call AT.');
    expect(faultOf('+41446681800', some, ['DE', 'CH'])).toContain('not allowed by the configuration');
    expect(faultOf('+4930123456', some, [])).toBe('This client may not call DE.');
  });

  it('with a sip: address are for sipTargets to judge', () => {
    expect(faultOf('sip:alice@phones.example', PRESET, [])).toBeUndefined();
  });
});
