import { describe, expect, it } from 'vitest';
import { VoiceActivity } from '../../../src/media/voice-activity.ts';

const STILL = -Infinity;

/** Levels of so many milliseconds, each 10 ms, one after the other and round again. */
function levels(ms: number, ...dbfs: readonly number[]): number[] {
  return Array.from({ length: ms / 10 }, (_, i) => dbfs[i % dbfs.length] ?? STILL);
}

/** Syllables: up and down by 12 dB. */
function voice(ms: number, dbfs: number): number[] {
  const down = [0, 0, 0, 0, 0, 0, -4, -8, -12, -12, -8, -4];
  return levels(ms, ...down.map((db) => dbfs + db));
}

function after(...parts: readonly (readonly number[])[]): VoiceActivity {
  const activity = new VoiceActivity(-42);
  for (const level of parts.flat()) activity.push(level, false);
  return activity;
}

describe('voice activity', () => {
  it('counts voice and the silence after it', () => {
    const activity = after(levels(500, -60), voice(840, -20), levels(600, -60));
    expect(Math.abs(activity.talkMs - 840)).toBeLessThanOrEqual(20);
    expect(Math.abs(activity.quietMs - 600)).toBeLessThanOrEqual(20);
    expect(activity.speaking).toBe(false);
  });

  it('counts from the beginning, though it learns first what the line sounds like', () => {
    const early = after(levels(50, -60), voice(240, -20));
    expect(early.talkMs).toBe(0);
    for (const level of levels(200, -60)) early.push(level, false);
    expect(Math.abs(early.talkMs - 240)).toBeLessThanOrEqual(20);
  });

  it('knows a voice that is there from the first moment, without a pause to compare it with', () => {
    const activity = after(levels(500, -20, -14, -22, -19), levels(300, -55));
    expect(activity.talkMs).toBeGreaterThan(450);
  });

  it('leaves no pause for a lost packet', () => {
    const activity = after(levels(500, -60), voice(300, -20), levels(20, STILL), voice(300, -20));
    expect(activity.talkMs).toBeGreaterThan(590);
    expect(activity.speaking).toBe(true);
  });

  it('does not learn from lost packets what the line sounds like', () => {
    // A room of -35 dBFS, not steady enough to be noise that sets in.
    const room = levels(180, -36, -33, -31, -34, -37, -38);
    const lossy = Array.from({ length: 20 }, () => [...room, STILL, STILL]).flat();
    expect(after(lossy).talkMs).toBe(0);
  });

  it('learns it from silence that lasts', () => {
    // Over a line without any noise the softer voice is one.
    const activity = after(levels(500, STILL), voice(360, -36), levels(400, STILL));
    expect(activity.talkMs).toBeGreaterThan(200);
  });

  it('takes what is much softer than the voice before for somebody else', () => {
    const room = levels(400, -60);
    const far = voice(1200, -38);
    expect(after(room, far).talkMs).toBeGreaterThan(400);
    const near = after(room, voice(600, -14), room);
    const alone = near.talkMs;
    for (const level of far) near.push(level, false);
    expect(near.talkMs).toBe(alone);
  });

  it('keeps to a voice, if it is told to', () => {
    const room = levels(400, -60);
    const other = voice(1200, -32);
    const kept = after(room, voice(600, -14), room);
    kept.keepToVoice();
    const alone = kept.talkMs;
    for (const level of other) kept.push(level, false);
    expect(kept.talkMs).toBe(alone);
    expect(after(room, voice(600, -14), room, other).talkMs).toBeGreaterThan(alone + 400);
    for (const level of voice(600, -17)) kept.push(level, false);
    expect(kept.talkMs).toBeGreaterThan(alone + 500);
  });

  it('hears a tone neither as voice nor as what the line sounds like', () => {
    const activity = new VoiceActivity(-42);
    for (const level of levels(500, -60)) activity.push(level, false);
    for (const level of levels(3000, -10)) activity.push(level, true);
    expect(activity.talkMs).toBe(0);
    for (const level of voice(600, -20)) activity.push(level, false);
    expect(activity.talkMs).toBeGreaterThan(500);
  });

  it('begins anew', () => {
    const activity = after(levels(500, -60), voice(600, -20));
    activity.forget();
    expect([activity.talkMs, activity.quietMs, activity.speaking]).toEqual([0, 0, false]);
  });
});
