import { describe, expect, it } from 'vitest';
import { judgeLimits, judgeRecords, judgeWire } from '../../../bench/chaos/judge-wire.ts';
import type { Verdict } from '../../../bench/chaos/verdict.ts';
import type { WireEntry } from '../../../bench/chaos/wire.ts';
import { answeredLeg, attempt, callTo, passed, refusedLeg } from './made-up-wire.ts';

const ONE = '+493000001100';
const TWO = '+493000002400';
const NONE = '+493000003200';
const NUMBERS = new Set([ONE, TWO, NONE]);
/** One that was answered, one that the second trunk took, and one for which there was no room. */
const WIRE = [
  ...answeredLeg(ONE, 0),
  ...refusedLeg(TWO, 100, 503),
  ...answeredLeg(TWO, 400, { trunkId: 'second', callId: 'sip-two-again' }),
].toSorted((a, b) => a.at - b.at);
const CALLS = [
  callTo(ONE, [attempt()]),
  callTo(TWO, [
    attempt({ ringingAt: null, answeredAt: null, disposition: 'trunk_failure' }),
    attempt({ trunkId: 'second' }),
  ]),
  callTo(NONE, []),
];
const TRUNKS = [
  { id: 'first', cps: 2, channels: 2 },
  { id: 'second', cps: 1, channels: 1 },
];

const failed = (verdicts: readonly Verdict[]): readonly string[] =>
  verdicts.filter(({ ok }) => !ok).map(({ line }) => line);
const inOrder = (wire: readonly WireEntry[]): readonly WireEntry[] => wire.toSorted((a, b) => a.at - b.at);

describe('what the carriers saw, against the records', () => {
  it('holds for calls that went as they are recorded', () => {
    expect(failed(judgeWire(WIRE, CALLS, NUMBERS))).toEqual([]);
  });

  it('counts an INVITE that was sent again once', () => {
    const wire = [...WIRE, passed(3, 'in INVITE', { number: ONE })];
    expect(failed(judgeWire(inOrder(wire), CALLS, NUMBERS))).toEqual([]);
  });

  it('fails for a second INVITE of a leg', () => {
    const wire = [...WIRE, passed(20, 'in INVITE', { number: ONE, branch: 'z9hG4bK-other' })];
    expect(failed(judgeWire(inOrder(wire), CALLS, NUMBERS))).toEqual(['legs with a second INVITE']);
  });

  it('fails for a number that a trunk is asked for again, as by another node', () => {
    const wire = [...WIRE, ...answeredLeg(ONE, 9000, { callId: 'sip-other-node' })];
    expect(failed(judgeWire(wire, CALLS, NUMBERS))).toEqual([
      'numbers that a trunk was asked for twice',
      'legs beyond the attempts of the records',
    ]);
  });

  it('fails for a leg of which there is no attempt', () => {
    const calls = [CALLS[0], callTo(TWO, [attempt({ trunkId: 'second' })]), CALLS[2]].filter(
      (call) => call !== undefined,
    );
    expect(failed(judgeWire(WIRE, calls, NUMBERS))).toEqual(['legs beyond the attempts of the records']);
  });

  it('fails for an INVITE of a call that has no attempt', () => {
    const wire = [...WIRE, ...refusedLeg(NONE, 9000, 486)];
    expect(failed(judgeWire(wire, CALLS, NUMBERS))).toEqual([
      'legs beyond the attempts of the records',
      'calls without an attempt that had an INVITE',
    ]);
  });

  it('fails for an attempt that rang without a leg', () => {
    const calls = [...CALLS.slice(0, 2), callTo(NONE, [attempt()])];
    expect(failed(judgeWire(WIRE, calls, NUMBERS))).toEqual(['attempts that heard something without a leg']);
  });

  it('fails for a number that nobody asked for', () => {
    expect(failed(judgeWire(WIRE, CALLS, new Set([ONE])))).toEqual(['legs to numbers that nobody asked for']);
  });

  it.each([
    ['an answer without a BYE', (entry: WireEntry) => entry.method !== 'BYE'],
    ['a BYE that nobody answers', (entry: WireEntry) => entry.method !== 'BYE' || entry.status === null],
    [
      'ringing without an end',
      (entry: WireEntry) => entry.status === null || (entry.status < 200 && entry.method === 'INVITE'),
    ],
  ])('fails for %s', (_what, isLeft) => {
    const wire = WIRE.filter((entry) => entry.callId !== `sip-${ONE}` || isLeft(entry));
    expect(failed(judgeWire(wire, CALLS, NUMBERS))).toEqual(['legs that are up, or ring, at the end']);
  });

  it('takes the end of a ringing call by CANCEL, and an INVITE that was lost, for nothing', () => {
    const canceled = [
      ...[passed(0, 'in INVITE', { number: ONE }), passed(50, 'out 180 INVITE', { number: ONE })],
      ...[passed(90, 'in CANCEL', { number: ONE }), passed(91, 'out 200 CANCEL', { number: ONE })],
      passed(92, 'out 487 INVITE', { number: ONE }),
    ];
    const lost = [passed(300, 'in INVITE', { number: TWO }), passed(800, 'out 481 CANCEL', { number: TWO })];
    const calls = [callTo(ONE, [attempt()]), callTo(TWO, [attempt({ ringingAt: null, answeredAt: null })])];
    expect(failed(judgeWire([...canceled, ...lost], calls, NUMBERS))).toEqual([]);
  });

  it('fails where nothing was seen at all', () => {
    expect(failed(judgeWire([], [], NUMBERS)).length).toBeGreaterThan(0);
  });
});

describe('limits of trunks', () => {
  const refused = (numbers: readonly number[]): readonly WireEntry[] =>
    inOrder(numbers.flatMap((ms, i) => refusedLeg(`+49300000${i}200`, ms, 486)));

  it('hold where both are just reached', () => {
    expect(failed(judgeLimits(WIRE, TRUNKS))).toEqual([]);
  });

  it('fail for one INVITE too many in a second, wherever it begins', () => {
    const [first] = judgeLimits(refused([0, 600, 1000, 1599.9]), TRUNKS);
    expect(first).toMatchObject({ found: '3', ok: false });
    const [apart] = judgeLimits(refused([0, 600, 1000, 1600]), TRUNKS);
    expect(apart).toMatchObject({ found: '2', ok: true });
  });

  it('fail for one call too many at a time', () => {
    const wire = inOrder([0, 500, 1400].flatMap((ms, i) => answeredLeg(`+49300000${i}100`, ms)));
    expect(judgeLimits(wire, TRUNKS)[1]).toMatchObject({ found: '3', ok: false });
    const later = inOrder([0, 500, 2005].flatMap((ms, i) => answeredLeg(`+49300000${i}100`, ms)));
    expect(judgeLimits(later, TRUNKS)[1]).toMatchObject({ found: '2', ok: true });
  });

  it('count a call that never ended to the end', () => {
    const up = answeredLeg(ONE, 0).filter(({ method }) => method !== 'BYE');
    const wire = inOrder([...up, ...answeredLeg(TWO, 60_000), ...answeredLeg(NONE, 61_000)]);
    expect(judgeLimits(wire, TRUNKS)[1]).toMatchObject({ found: '3', ok: false });
  });

  it('fail for a trunk that nothing went by', () => {
    expect(failed(judgeLimits(answeredLeg(ONE, 0), TRUNKS))).toEqual([
      'INVITEs in the worst second, trunk second',
      'channels at the worst moment, trunk second',
    ]);
  });
});

describe('two records of one wire', () => {
  it('have the same INVITEs, or one of them lost some', () => {
    expect(judgeRecords(WIRE, WIRE).ok).toBe(true);
    expect(judgeRecords(WIRE.slice(1), WIRE)).toMatchObject({ wanted: '3', found: '2', ok: false });
  });
});
