import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PromptError } from '../../../src/prompt/prompt-error.ts';
import { Speaker, type SpeakerOptions } from '../../../src/prompt/speaker.ts';
import type { Synthesis } from '../../../src/prompt/synthesis.ts';
import type { Utterance } from '../../../src/prompt/tts.ts';
import { eventually } from '../../support/eventually.ts';
import { MadeUpTts } from '../../support/made-up-tts.ts';
import { CHOICE, DIGITS, HOUR_MS, leaver, NOON, SynthesisRig, work } from '../../support/synthesis-rig.ts';

let rig: SynthesisRig;

beforeEach(async () => {
  rig = await SynthesisRig.open();
});

afterEach(async () => {
  await rig.remove();
});

const NEVER = new AbortController().signal;

function said(text: string): Utterance {
  return { text, locale: 'en-US', speed: 1 };
}

async function started(tts: MadeUpTts, limits: Pick<SpeakerOptions, 'maxConcurrent' | 'maxWaiting'>) {
  const log = { info: () => undefined, warn: () => undefined };
  const speaker = new Speaker(tts, { ...limits, timeoutMs: 5000, now: () => rig.nowMs, log });
  await speaker.start();
  return speaker;
}

function countOf(synthesis: Synthesis): object {
  return synthesis.stats()[0] ?? {};
}

describe('a provider that is late', () => {
  it.each(['stalls', 'deaf'] as const)(
    'and %s is left after the timeout, and its place is free',
    async (mood) => {
      const tts = new MadeUpTts();
      tts.moods.set('late', mood);
      const synthesis = await rig.synthesis([tts], { timeoutMs: 30, maxConcurrent: 1 });
      const late = synthesis.phrase(CHOICE, 'late', work());
      const next = synthesis.phrase(CHOICE, 'next', work());
      await expect(late).rejects.toMatchObject({
        fault: 'tts_timeout',
        message: 'the speech provider made-up took longer than 30 ms',
      });
      expect(await next).toEqual(tts.tone('next').samples);
      expect(tts.aborted).toBe(1);
    },
  );

  it('is asked by so many at a time, and refuses at once when too many wait', async () => {
    const tts = new MadeUpTts();
    tts.mood = 'waits';
    const speaker = await started(tts, { maxConcurrent: 2, maxWaiting: 3 });
    const waiting = new AbortController();
    const waiters = Array.from({ length: 4 }, (_, i) => speaker.speak([said(`text ${i}`)], 1, NEVER));
    const gone = speaker.speak([said('gone')], 1, waiting.signal);
    await expect(speaker.speak([said('more')], 1, NEVER)).rejects.toMatchObject({
      fault: 'tts_failed',
      message: 'too many wait for the speech provider made-up',
    });
    // A place in the queue is free as soon as somebody leaves it.
    waiting.abort(new Error('left'));
    await expect(gone).rejects.toThrow('left');
    const late = speaker.speak([said('late')], 1, NEVER);
    await expect(speaker.speak([said('more')], 1, NEVER)).rejects.toThrow('too many wait');
    await eventually(() => expect(tts.running).toBe(2));
    tts.mood = 'speaks';
    tts.release();
    const spoken = (await Promise.all([...waiters, late])).flat();
    expect(spoken).toEqual(['text 0', 'text 1', 'text 2', 'text 3', 'late'].map((text) => tts.tone(text)));
    expect(tts.texts).toEqual(['text 0', 'text 1', 'text 2', 'text 3', 'late']);
    expect(tts.mostRunning).toBe(2);
    expect(speaker.counts()).toEqual({ synthesised: 5, failed: 0, refused: 2 });
    expect(speaker.healthy).toBe(true);
  });

  it('takes a place in the queue for a whole set, and none of its others goes on when one has failed', async () => {
    const tts = new MadeUpTts();
    tts.moods.set('b', 'stalls').set('c', { fault: 'tts_failed' });
    const speaker = await started(tts, { maxConcurrent: 2, maxWaiting: 0 });
    const set = ['a', 'b', 'c', 'd', 'e'].map(said);
    const all = speaker.speak(set, 2, NEVER);
    const other = speaker.speak([said('other')], 1, NEVER);
    await expect(speaker.speak([said('more')], 1, NEVER)).rejects.toThrow('too many wait');
    await expect(all).rejects.toMatchObject({ fault: 'tts_failed' });
    expect(await other).toEqual([tts.tone('other')]);
    await eventually(() => expect([tts.running, tts.aborted]).toEqual([0, 1]));
    expect(tts.texts.toSorted()).toEqual(['a', 'b', 'c', 'other']);
    expect(await speaker.speak([said('again')], 1, NEVER)).toEqual([tts.tone('again')]);
  });
});

describe('health', () => {
  async function failing(times: number, synthesis: Synthesis, from = 0): Promise<void> {
    for (let i = 0; i < times; i++) {
      await expect(synthesis.phrase(CHOICE, `failing ${from + i}`, work())).rejects.toThrow(PromptError);
    }
  }

  it('is lost after three failures in a row, and won again by one probe after a rest', async () => {
    const tts = new MadeUpTts();
    const synthesis = await rig.synthesis([tts]);
    expect(synthesis.health()).toEqual([{ id: 'made-up', healthy: true, since: NOON }]);
    tts.mood = { fault: 'tts_failed' };
    await failing(2, synthesis);
    tts.mood = 'speaks';
    await synthesis.phrase(CHOICE, 'hello', work());
    tts.mood = { fault: 'tts_timeout' };
    rig.nowMs += 1000;
    await failing(2, synthesis);
    expect(synthesis.health()[0]).toMatchObject({ healthy: true, lastFault: 'tts_timeout' });
    await failing(1, synthesis, 2);
    expect(synthesis.health()).toEqual([
      { id: 'made-up', healthy: false, since: NOON + 1000, lastFault: 'tts_timeout' },
    ]);
    const asked = tts.asked.length;
    await failing(5, synthesis);
    rig.nowMs += HOUR_MS - 1;
    await failing(1, synthesis);
    expect(tts.asked).toHaveLength(asked);
    // What is there is said all the same.
    expect(await synthesis.phrase(CHOICE, 'hello', work())).toHaveLength(400);

    rig.nowMs += 1;
    tts.mood = 'waits';
    const probe = synthesis.phrase(CHOICE, 'probe', work());
    await eventually(() => expect(tts.asked).toHaveLength(asked + 1));
    await failing(3, synthesis);
    expect(tts.asked).toHaveLength(asked + 1);
    tts.release();
    await probe;
    tts.mood = 'speaks';
    await synthesis.phrase(CHOICE, 'failing 1', work());
    expect(synthesis.health()[0]).toMatchObject({ healthy: true, since: rig.nowMs });
    expect(rig.lines.map(({ level, message }) => [level, message])).toEqual([
      ['info', 'a speech provider is available'],
      ['warn', 'a speech provider is not available'],
      ['info', 'a speech provider is available'],
    ]);
    expect(rig.lines[1]?.fields).toEqual({ provider: 'made-up', fault: 'tts_timeout', reason: 'it fails' });
    expect(countOf(synthesis)).toMatchObject({ failed: 5, refused: 9 });
  });

  it('rests twice as long after each probe that fails, up to a bound, and a clock set back prolongs nothing', async () => {
    const tts = new MadeUpTts();
    const synthesis = await rig.synthesis([tts]);
    tts.mood = { fault: 'tts_failed' };
    await failing(3, synthesis);
    let asked = tts.asked.length;
    for (const hours of [1, 2, 4, 4]) {
      rig.nowMs += hours * HOUR_MS - 1;
      await failing(1, synthesis);
      expect(tts.asked).toHaveLength(asked);
      rig.nowMs += 1;
      await failing(2, synthesis);
      expect(tts.asked).toHaveLength(++asked);
    }
    rig.nowMs -= 1000 * HOUR_MS;
    await failing(1, synthesis);
    expect(tts.asked).toHaveLength(asked);
    rig.nowMs += 4 * HOUR_MS - 1;
    await failing(1, synthesis);
    expect(tts.asked).toHaveLength(asked);
    rig.nowMs += 1;
    tts.mood = 'speaks';
    expect((await synthesis.characters(CHOICE, DIGITS, work())).size).toBe(10);
    // And the next rest is a short one again.
    tts.mood = { fault: 'tts_failed' };
    await failing(3, synthesis);
    rig.nowMs += HOUR_MS;
    tts.mood = 'speaks';
    expect(await synthesis.phrase(CHOICE, 'hello', work())).toHaveLength(400);
  });

  it('is not decided by a probe that is given up', async () => {
    const tts = new MadeUpTts();
    const synthesis = await rig.synthesis([tts]);
    tts.mood = { fault: 'tts_failed' };
    await failing(3, synthesis);
    rig.nowMs += HOUR_MS;
    tts.mood = 'stalls';
    const one = leaver();
    const probe = synthesis.phrase(CHOICE, 'probe', one.work);
    await eventually(() => expect(tts.running).toBe(1));
    one.leave();
    await expect(probe).rejects.toThrow('left');
    await eventually(() => expect(tts.running).toBe(0));
    tts.mood = 'speaks';
    expect(await synthesis.phrase(CHOICE, 'hello', work())).toHaveLength(400);
  });

  it('is not lost by texts that it cannot speak, while it speaks others', async () => {
    const tts = new MadeUpTts();
    const synthesis = await rig.synthesis([tts]);
    for (const [text, mood] of [
      ['!', 'silent'],
      ['привет', 'silent'],
      ['word', 'silent'],
      ['hello', { fault: 'unknown_voice' }],
      ['…', 'empty'],
      ['...', { fault: 'not_audio' }],
      ['a very long text', 'endless'],
      ['another', 'endless'],
      ['third', 'endless'],
    ] as const) {
      tts.moods.set(text, mood);
      const fault = mood === 'endless' ? 'too_long' : typeof mood === 'object' ? mood.fault : 'not_audio';
      await expect(synthesis.phrase(CHOICE, text, work())).rejects.toMatchObject({ fault });
    }
    expect(synthesis.health()[0]).toEqual({ id: 'made-up', healthy: true, since: NOON });
    tts.mood = 'silent';
    await expect(synthesis.phrase(CHOICE, 'failing', work())).rejects.toMatchObject({ fault: 'tts_failed' });
    await failing(2, synthesis);
    expect(synthesis.health()[0]).toMatchObject({ healthy: false, lastFault: 'not_audio' });
  });

  it('is not lost by a language that is silent', async () => {
    const tts = new MadeUpTts({ locales: ['aa', 'en-US', 'qya'] });
    tts.silentIn.add('aa').add('qya');
    const synthesis = await rig.synthesis([tts]);
    await synthesis.phrase(CHOICE, 'hello', work());
    for (let i = 0; i < 5; i++) {
      const request = synthesis.characters({ ...CHOICE, locale: 'qya' }, DIGITS, work());
      await expect(request).rejects.toMatchObject({ fault: 'not_audio' });
    }
    expect(synthesis.health()).toEqual([{ id: 'made-up', healthy: true, since: NOON }]);
    expect(tts.asked.at(-1)).toEqual({ text: '1', locale: 'en-US', speed: 1 });
  });

  it.each(['tts_failed', 'tts_timeout'] as const)(
    'is not lost by texts that end with %s, while it speaks others',
    async (fault) => {
      const tts = new MadeUpTts();
      const synthesis = await rig.synthesis([tts]);
      for (let i = 0; i < 10; i++) tts.moods.set(`failing ${i}`, { fault });
      await failing(10, synthesis);
      expect(synthesis.health()).toEqual([expect.objectContaining({ healthy: true, since: NOON })]);
      expect(tts.texts.filter((text) => text === '1')).toHaveLength(3);
    },
  );

  it('is neither lost nor won by voices that do not exist', async () => {
    const tts = new MadeUpTts();
    const synthesis = await rig.synthesis([tts]);
    tts.mood = { fault: 'tts_failed' };
    await failing(2, synthesis);
    tts.mood = { fault: 'unknown_voice' };
    for (const voice of ['one', 'two', 'three', 'four']) {
      await expect(synthesis.phrase({ ...CHOICE, voice }, 'hello', work())).rejects.toThrow(PromptError);
    }
    expect(synthesis.health()[0]?.healthy).toBe(true);
    tts.mood = { fault: 'tts_failed' };
    await failing(1, synthesis);
    expect(synthesis.health()[0]?.healthy).toBe(false);
  });

  it('is lost by a provider that lets many wait, and those are answered at once', async () => {
    const tts = new MadeUpTts();
    tts.mood = 'deaf';
    const synthesis = await rig.synthesis([tts], { timeoutMs: 30, maxConcurrent: 1 });
    const all = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => synthesis.phrase(CHOICE, `text ${i}`, work())),
    );
    const faults = all.map((one) => (one.status === 'rejected' ? (one.reason as PromptError).fault : 'none'));
    expect(faults.toSorted()).toEqual([
      ...Array<string>(17).fill('tts_failed'),
      ...Array<string>(3).fill('tts_timeout'),
    ]);
    expect(tts.texts).toEqual(['text 0', 'text 1', 'text 2', '1']);
  });

  it('comes back by itself, with a request that says nothing of anybody', async () => {
    const tts = new MadeUpTts({ locales: ['de-DE', 'en-US'] });
    const synthesis = await rig.synthesis([tts], { now: Date.now, restMs: { first: 10, longest: 20 } });
    tts.mood = { fault: 'tts_failed' };
    await failing(3, synthesis);
    await eventually(() => expect(tts.asked.length).toBeGreaterThan(5));
    expect(new Set(tts.texts.slice(3))).toEqual(new Set(['1']));
    expect(tts.asked[3]).toEqual({ text: '1', locale: 'de-DE', speed: 1 });
    tts.mood = 'speaks';
    await eventually(() => expect(synthesis.health()[0]?.healthy).toBe(true));
    expect(rig.lines.map(({ level }) => level)).toEqual(['info', 'warn', 'info']);
  });
});
