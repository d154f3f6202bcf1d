import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Gate } from '../../../../src/engine/leg/gate.ts';
import { Secret } from '../../../../src/secret.ts';

function gateWith(keys: string, asks = 2): Gate {
  return new Gate({ keys: new Secret(keys), asks });
}

/** What each key does. */
function pressed(gate: Gate, keys: string): string[] {
  return Array.from(keys, (key) => gate.press(key));
}

describe('Gate', () => {
  it.each([
    ['1', '1', true],
    ['1', '2', false],
    ['1', '21', true],
    ['#', '#', true],
    ['4938', '4938', true],
    ['4938', '493', false],
    ['4938', '4983', false],
    ['4938', '49 38', false],
    ['4938', '44938', true],
    ['1121', '111121', true],
    ['1212', '11212', true],
  ])('of the keys %s gets %s: opens: %s', (keys, presses, opens) => {
    const gate = gateWith(keys);
    const effects = pressed(gate, presses);
    expect(gate.open).toBe(opens);
    expect(effects.indexOf('opens')).toBe(opens ? presses.length - 1 : -1);
  });

  it('opens where the keys come one after another for the first time, and not before', () => {
    const key = fc.constantFrom('1', '2', '#');
    const keys = fc.string({ unit: key, minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(keys, fc.string({ unit: key, maxLength: 30 }), (wanted, presses) => {
        const at = pressed(gateWith(wanted), presses).indexOf('opens');
        const found = presses.indexOf(wanted);
        expect(at).toBe(found === -1 ? -1 : found + wanted.length - 1);
      }),
    );
  });

  it('asks as often as it is to', () => {
    expect(gateWith('1', 1).waited()).toBe('shut');
    const gate = gateWith('1', 3);
    expect([gate.waited(), gate.waited(), gate.waited(), gate.waited()]).toEqual([
      'ask',
      'ask',
      'shut',
      'shut',
    ]);
  });

  it('remembers across a wait what was pressed', () => {
    const gate = gateWith('4938');
    pressed(gate, '49');
    gate.waited();
    expect(pressed(gate, '38')).toEqual(['begins', 'opens']);
  });

  it('tells of each key that is a right beginning with those before it', () => {
    expect(pressed(gateWith('4938'), '7449539')).toEqual([
      ...['nothing', 'begins', 'begins', 'begins', 'nothing', 'nothing', 'nothing'],
    ]);
    // The end of a beginning that went wrong may be one itself.
    expect(pressed(gateWith('1213'), '1212')).toEqual(['begins', 'begins', 'begins', 'begins']);
    expect(pressed(gateWith('1'), '23')).toEqual(['nothing', 'nothing']);
  });

  it('takes no key any more when it is open', () => {
    expect(pressed(gateWith('1'), '111')).toEqual(['opens', 'nothing', 'nothing']);
  });
});
