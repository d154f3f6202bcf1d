import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { MadeUpTts } from '../../support/made-up-tts.ts';
import { CHOICE, DIGITS, SynthesisRig, work } from '../../support/synthesis-rig.ts';

const WORDS = Object.values(DIGITS);

let rig: SynthesisRig;

beforeEach(async () => {
  rig = await SynthesisRig.open();
});

afterEach(async () => {
  await rig.remove();
});

describe('providers', () => {
  it('speak what they speak, the healthy first', async () => {
    const [a, b, c] = [
      new MadeUpTts({ id: 'a', locales: ['en-US', 'de-DE'] }),
      new MadeUpTts({ id: 'b', locales: ['en-GB', 'en-US'] }),
      new MadeUpTts({ id: 'c', locales: ['de-AT'] }),
    ];
    const synthesis = await rig.synthesis([a, b, c]);
    expect(synthesis.locales()).toEqual(['de-AT', 'de-DE', 'en-GB', 'en-US']);
    const who = (locale: string): string[] =>
      synthesis.voicesFor({ locale }).map((choice) => `${choice.provider} ${choice.locale}`);
    expect([who('en-GB'), who('de'), who('fr'), who('../etc')]).toEqual([
      ['a en-US', 'b en-GB'],
      ['a de-DE', 'c de-AT'],
      [],
      [],
    ]);
    expect(synthesis.voicesFor({ locale: 'de-AT', voice: 'x', gender: 'male', speed: 0.7 })[1]).toEqual({
      provider: 'c',
      locale: 'de-AT',
      voice: 'x',
      gender: 'male',
      speed: 0.7,
    });
    a.mood = { fault: 'tts_failed' };
    for (let i = 0; i < 3; i++) {
      await expect(synthesis.phrase({ ...CHOICE, provider: 'a' }, `${i}`, work())).rejects.toThrow(
        'it fails',
      );
    }
    expect([who('en-GB'), who('de')]).toEqual([
      ['b en-GB', 'a en-US'],
      ['c de-AT', 'a de-DE'],
    ]);
    expect(await synthesis.phrase({ ...CHOICE, provider: 'b' }, 'hello', work())).toHaveLength(400);
  });

  it('that do not start are tried again, and keep nobody from starting', async () => {
    const late = new MadeUpTts({ id: 'late', locales: ['fr-FR'] });
    late.failingStarts = 3;
    const synthesis = await rig.synthesis([late, new MadeUpTts()], {
      now: Date.now,
      restMs: { first: 10, longest: 20 },
    });
    expect(synthesis.health().map(({ healthy, lastFault }) => [healthy, lastFault])).toEqual([
      [false, 'tts_failed'],
      [true, undefined],
    ]);
    expect(synthesis.locales()).toEqual(['en-US']);
    await expect(synthesis.phrase({ ...CHOICE, provider: 'late' }, 'x', work())).rejects.toMatchObject({
      fault: 'tts_failed',
    });
    await eventually(() => expect(synthesis.locales()).toEqual(['en-US', 'fr-FR']));
    expect([late.starts, late.asked.length]).toEqual([4, 0]);
    const told = rig.lines.map(({ level, fields }) => `${level} ${String(fields['provider'])}`);
    expect(told.toSorted()).toEqual(['info late', 'info made-up', 'warn late']);
  });

  it('that start slowly are not waited for, and are there when they are', async () => {
    const slow = new MadeUpTts({ id: 'slow' });
    slow.startsSlowly = true;
    const synthesis = await rig.synthesis([slow], { timeoutMs: 20 });
    expect(synthesis.health()[0]).toMatchObject({ healthy: false });
    slow.release();
    await eventually(() => expect(synthesis.health()[0]).toMatchObject({ healthy: true }));
    expect(slow.starts).toBe(1);
  });

  it('have each an id of their own', async () => {
    await expect(rig.synthesis([new MadeUpTts(), new MadeUpTts()])).rejects.toThrow(/same id/);
  });
});

describe('prewarming', () => {
  it('makes everything one after another, beside who calls, and tells how it went', async () => {
    const tts = new MadeUpTts();
    const synthesis = await rig.synthesis([tts]);
    tts.moods.set('broken', { fault: 'not_audio' });
    const { signal } = new AbortController();
    const list = [
      { choice: CHOICE, characterSets: [DIGITS], phrases: ['your code is', 'broken', 'goodbye'] },
    ];
    await synthesis.prewarm(list, signal);
    // What nothing is heard of is followed by something that everybody can say.
    expect(tts.texts).toEqual([...WORDS, 'your code is', 'broken', '1', 'goodbye']);
    expect(tts.mostRunning).toBe(1);
    expect(rig.lines.at(-1)).toMatchObject({
      level: 'warn',
      fields: { ready: 3, failed: 1, synthesised: 12, stopped: false },
    });
    tts.moods.clear();
    const { length } = tts.asked;
    await synthesis.characters(CHOICE, DIGITS, work());
    await synthesis.prewarm(list, signal);
    expect(tts.texts.slice(length)).toEqual(['broken']);
    expect(rig.lines.at(-1)).toMatchObject({
      level: 'info',
      fields: { ready: 4, failed: 0, synthesised: 1 },
    });
    expect(JSON.stringify(rig.lines)).not.toMatch(/broken|code is|seven/);
  });

  it('never rejects: not for an unknown provider, and not when it is stopped', async () => {
    const tts = new MadeUpTts();
    const synthesis = await rig.synthesis([tts]);
    const stop = new AbortController();
    await synthesis.prewarm(
      [{ choice: { ...CHOICE, provider: 'none' }, characterSets: [DIGITS], phrases: [''] }],
      stop.signal,
    );
    expect(rig.lines.at(-1)).toMatchObject({ fields: { ready: 0, failed: 2 } });
    tts.mood = 'stalls';
    const warming = synthesis.prewarm(
      [{ choice: CHOICE, characterSets: [DIGITS], phrases: ['x'] }],
      stop.signal,
    );
    await eventually(() => expect(tts.running).toBe(1));
    stop.abort();
    await warming;
    expect(rig.lines.at(-1)).toMatchObject({ fields: { ready: 0, failed: 0, stopped: true } });
    expect(tts.texts).toEqual(['zero']);
  });
});

describe('closing', () => {
  it('ends what is under way and closes the providers, also those that hang', async () => {
    const [stalling, deaf] = [new MadeUpTts(), new MadeUpTts({ id: 'deaf' })];
    stalling.mood = 'stalls';
    deaf.mood = 'deaf';
    const synthesis = await rig.synthesis([stalling, deaf]);
    const asking = [CHOICE, { ...CHOICE, provider: 'deaf' }].map((choice) =>
      synthesis.phrase(choice, 'hello', work()),
    );
    const warming = synthesis.prewarm(
      [{ choice: CHOICE, characterSets: [], phrases: ['warm'] }],
      new AbortController().signal,
    );
    const outcomes = Promise.allSettled(asking);
    await eventually(() => expect([stalling.running, deaf.running]).toEqual([2, 1]));
    await synthesis.close();
    for (const one of await outcomes) expect(one).toMatchObject({ reason: { fault: 'tts_failed' } });
    await warming;
    expect([stalling.closes, deaf.closes]).toEqual([1, 1]);
    await expect(synthesis.phrase(CHOICE, 'again', work())).rejects.toMatchObject({ fault: 'tts_failed' });
    await synthesis.close();
    expect([stalling.closes, stalling.texts.toSorted()]).toEqual([1, ['hello', 'warm']]);
  });

  it('closes a provider that has started too late', async () => {
    const slow = new MadeUpTts();
    slow.startsSlowly = true;
    const synthesis = await rig.synthesis([slow], { timeoutMs: 20 });
    await synthesis.close();
    expect(slow.closes).toBe(1);
    slow.release();
    await eventually(() => expect(slow.closes).toBe(2));
  });
});
