import { describe, expect, it } from 'vitest';
import { heard, mixed, room, speech } from '../../support/answered-line.ts';
import { joined, louder, noisy, seeded, silence, tone } from '../../support/telephone-line.ts';

describe('a person', () => {
  it('says a word and waits', () => {
    const detector = heard(room(silence(600), speech(500), silence(1500)));
    expect(detector).toMatchObject({ verdict: 'human', reason: 'short_greeting', done: false });
    // 600 ms, half a second of voice with soft ends, and a second of silence.
    expect(detector.decidedAtMs).toBeGreaterThan(1950);
    expect(detector.decidedAtMs).toBeLessThan(2200);
  });

  it('is not decided on before the silence was long enough', () => {
    expect(heard(room(silence(600), speech(500), silence(850)))).toMatchObject({
      verdict: 'unknown',
      reason: undefined,
      decidedAtMs: undefined,
    });
  });

  it.each([0, 150, 3000, 6000])('may begin after %i ms', (ms) => {
    expect(heard(room(silence(ms), speech(600), silence(2500))).verdict).toBe('human');
  });

  it('may say a word twice', () => {
    const audio = room(silence(500), speech(500), silence(700), speech(500), silence(1500));
    expect(heard(audio).verdict).toBe('human');
  });

  it('has to wait longer after a long sentence', () => {
    const audio = (ms: number): Int16Array => room(silence(500), speech(2200), silence(ms));
    expect(heard(audio(1500)).reason).toBeUndefined();
    expect(heard(audio(2500)).verdict).toBe('human');
  });

  it('is not known for one after a longer sentence, until a word follows', () => {
    const early = room(silence(500), speech(3300), silence(2500));
    const detector = heard(early);
    expect(detector).toMatchObject({ verdict: 'unknown', reason: 'unclear', done: false });
    expect(detector.decidedAtMs).toBeLessThan(6100);
    const later = heard(joined(early, room(speech(500), silence(1300))));
    expect(later).toMatchObject({ verdict: 'human', reason: 'short_greeting' });
  });

  it.each([-12, -6, 6])('may speak %i dB louder', (db) => {
    expect(heard(room(silence(500), louder(speech(600), db), silence(2000))).verdict).toBe('human');
  });

  it('stays one when asking again and again', () => {
    const ask = [speech(700), silence(1300)];
    const detector = heard(room(silence(400), ...ask, ...ask, ...ask, ...ask, ...ask));
    expect(detector).toMatchObject({ verdict: 'human', done: true });
    expect(detector.decidedAtMs).toBeLessThan(2300);
  });

  it.each([6, 10, 20])('is heard over noise %i dB below the voice', (snrDb) => {
    const audio = noisy(joined(silence(700), louder(speech(700), 3), silence(2500)), snrDb, seeded(3));
    expect(heard(louder(audio, -3)).verdict).toBe('human');
  });
});

describe('a machine', () => {
  it('talks on', () => {
    const detector = heard(room(silence(500), speech(9000)));
    expect(detector).toMatchObject({ verdict: 'machine', reason: 'long_greeting', done: true });
    expect(detector.decidedAtMs).toBeGreaterThan(4400);
    expect(detector.decidedAtMs).toBeLessThan(4900);
  });

  it('may pause, as long as it is no wait', () => {
    const audio = room(silence(500), speech(500), silence(700), speech(1500), silence(700), speech(3000));
    expect(heard(audio)).toMatchObject({ verdict: 'machine', reason: 'long_greeting' });
  });

  it('takes the place of a person when it talks on after a pause that was', () => {
    const early = room(silence(500), speech(500), silence(1300));
    expect(heard(early).verdict).toBe('human');
    const detector = heard(joined(early, room(speech(5000))));
    expect(detector).toMatchObject({ verdict: 'machine', reason: 'long_greeting' });
    expect(detector.decidedAtMs).toBeGreaterThan(6000);
  });

  it('does not where others talk on, softer than the person', () => {
    const early = joined(silence(500), speech(500), silence(1300));
    const others = louder(speech(6000), -17);
    expect(heard(room(early, others))).toMatchObject({ verdict: 'human', done: false });
    expect(heard(room(silence(2300), others))).toMatchObject({ verdict: 'machine' });
  });

  it('does not take it any more when the time is over', () => {
    const audio = room(silence(500), speech(500), silence(9200), speech(5000));
    expect(heard(audio)).toMatchObject({ verdict: 'human', done: true });
  });

  it('beeps after a short greeting', () => {
    const detector = heard(room(silence(500), speech(1500), silence(500), tone(1000, 400), silence(600)));
    expect(detector).toMatchObject({ verdict: 'machine', reason: 'beep' });
    expect(Math.abs((detector.toneEndedAtMs ?? 0) - 2900)).toBeLessThanOrEqual(20);
  });

  it('puts a verdict right with a late beep', () => {
    const early = room(silence(500), speech(1200), silence(1400));
    expect(heard(early).verdict).toBe('human');
    const detector = heard(joined(early, room(tone(950, 300), silence(500))));
    expect(detector).toMatchObject({ verdict: 'machine', reason: 'beep' });
  });

  it('needs no greeting', () => {
    const detector = heard(room(silence(1500), tone(800, 500), silence(500)));
    expect(detector).toMatchObject({ verdict: 'machine', reason: 'beep' });
  });
});

function expectNobody(audio: Int16Array): void {
  const { verdict, reason, toneEndedAtMs } = heard(audio);
  expect({ verdict, reason, toneEndedAtMs }).toEqual({
    verdict: 'unknown',
    reason: 'silence',
    toneEndedAtMs: undefined,
  });
}

describe('nobody', () => {
  it('is unknown when the time is over', () => {
    expect(heard(room(silence(9900))).done).toBe(false);
    expect(heard(room(silence(10_100)))).toMatchObject({
      verdict: 'unknown',
      reason: 'silence',
      decidedAtMs: 10_000,
      done: true,
    });
  });

  it('is unclear where a voice begins at the very end', () => {
    expect(heard(room(silence(9000), speech(3000)))).toMatchObject({ verdict: 'unknown', reason: 'unclear' });
  });

  it.each<readonly [string, Int16Array]>([
    ['digital silence', silence(11_000)],
    ['a constant', silence(11_000).fill(12_000)],
    ['noise', noisy(silence(11_000), 15, seeded(5))],
    ['loud noise', noisy(silence(11_000), 0, seeded(5))],
    ['hum', tone(50, 11_000).map((sample) => sample / 4)],
    ['clicks', silence(11_000).map((_, i) => (i % 9000 < 80 ? 20_000 : 0))],
  ])('is what %s is', (_name, audio) => expectNobody(audio));

  it.each([-8, 0, 6, 12])('is what any noise is, %i dB below our voice', (snrDb) => {
    for (let seed = 1; seed <= 10; seed++) expectNobody(noisy(silence(11_000), snrDb, seeded(seed)));
  });

  it.each([0, 10, 20])('is what noise is that sets in (%i dB below our voice)', (snrDb) => {
    const audio = joined(silence(3000), noisy(silence(8000), snrDb, seeded(5)));
    expect(heard(audio).verdict).toBe('unknown');
    const later = joined(
      audio.subarray(0, 8 * 6000),
      noisy(joined(speech(700), silence(2000)), 20, seeded(5)),
    );
    expect(heard(later).verdict).toBe('human');
  });

  it('is where the line is engaged', () => {
    const engaged = (...hz: readonly number[]): Int16Array[] =>
      Array.from({ length: 8 }, () => [mixed(500, ...hz), silence(500)]).flat();
    for (const hz of [[425], [400], [480, 620]]) {
      const detector = heard(room(silence(300), ...engaged(...hz)));
      expect(detector).toMatchObject({
        verdict: 'machine',
        reason: 'exchange_tone',
        toneEndedAtMs: undefined,
      });
    }
  });

  it('is not there any more where a person hangs up and the exchange says so', () => {
    const engaged = Array.from({ length: 6 }, () => [mixed(500, 480, 620), silence(500)]).flat();
    const detector = heard(room(silence(300), speech(500), silence(1500), ...engaged));
    expect(detector).toMatchObject({ verdict: 'human', toneEndedAtMs: undefined });
  });

  it('is where special information tones come', () => {
    const audio = room(silence(300), tone(950, 330), tone(1400, 330), tone(1800, 330), silence(1000));
    expect(heard(audio)).toMatchObject({
      verdict: 'machine',
      reason: 'exchange_tone',
      toneEndedAtMs: undefined,
    });
  });

  it('is where an exchange waits for a number', () => {
    expect(heard(room(silence(200), mixed(9000, 350, 440)))).toMatchObject({
      verdict: 'machine',
      reason: 'exchange_tone',
    });
  });
});
