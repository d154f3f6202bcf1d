import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GateTerms } from '../../../../src/engine/engine.ts';
import { Gate } from '../../../../src/engine/leg/gate.ts';
import { Secret } from '../../../../src/secret.ts';

function gateWith(keys: string, more: Partial<GateTerms> = {}): Gate {
  const ask = { sampleRate: 8000, parts: [] };
  return new Gate({ keys: new Secret(keys), ask, asks: 2, waitMs: 8000, ...more });
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
    expect(effects.at(-1)).toBe(opens ? 'opens' : 'nothing');
    expect(effects.slice(0, -1)).toEqual(Array.from(presses.slice(1), () => 'nothing'));
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
    expect(gateWith('1', { asks: 1 }).waited()).toBe('shut');
    const gate = gateWith('1', { asks: 3 });
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
    expect(pressed(gate, '38')).toEqual(['nothing', 'opens']);
  });

  it('repeats only so often, only when it is open, and only for that key', () => {
    const gate = gateWith('1', { repeat: { key: '*', times: 2 } });
    expect(pressed(gate, '**1*2***')).toEqual([
      ...['nothing', 'nothing', 'opens'],
      ...['repeats', 'nothing', 'repeats', 'nothing', 'nothing'],
    ]);
  });

  it('may have one key for both', () => {
    const gate = gateWith('1', { repeat: { key: '1', times: 1 } });
    expect(pressed(gate, '111')).toEqual(['opens', 'repeats', 'nothing']);
  });

  it('repeats nothing without a key for it', () => {
    expect(pressed(gateWith('1'), '111')).toEqual(['opens', 'nothing', 'nothing']);
  });
});
