import { describe, expect, it } from 'vitest';
import { otpPlaylist } from '../../../src/prompt/otp-prompt.ts';

describe('otpPlaylist', () => {
  it('greets, says the code twice and says goodbye', () => {
    expect(otpPlaylist()).toEqual([
      { pauseMs: 300 },
      { clip: 'greeting' },
      { pauseMs: 400 },
      { code: { digitPauseMs: 400 } },
      { pauseMs: 1000 },
      { clip: 'again' },
      { pauseMs: 400 },
      { code: { digitPauseMs: 400 } },
      { pauseMs: 1000 },
      { clip: 'goodbye' },
    ]);
  });

  it.each([1, 2, 3, 4, 5])(
    'says the code %i times, and "again" before every time but the first',
    (repeat) => {
      const playlist = otpPlaylist({ repeat });
      expect(playlist.filter((item) => 'code' in item)).toHaveLength(repeat);
      expect(playlist.filter((item) => 'clip' in item && item.clip === 'again')).toHaveLength(repeat - 1);
    },
  );

  it('takes other pauses', () => {
    const playlist = otpPlaylist({
      repeat: 1,
      leadInMs: 0,
      phrasePauseMs: 10,
      digitPauseMs: 20,
      codePauseMs: 30,
    });
    expect(playlist).toEqual([
      { pauseMs: 0 },
      { clip: 'greeting' },
      { pauseMs: 10 },
      { code: { digitPauseMs: 20 } },
      { pauseMs: 30 },
      { clip: 'goodbye' },
    ]);
  });

  it.each([0, 6, -1, 1.5, Number.NaN])('refuses to say it %d times', (repeat) => {
    expect(() => otpPlaylist({ repeat })).toThrow(RangeError);
  });

  it.each([-1, 0.5, 10_001, Number.NaN, Number.POSITIVE_INFINITY])('refuses a pause of %d ms', (pauseMs) => {
    expect(() => otpPlaylist({ leadInMs: pauseMs })).toThrow(RangeError);
    expect(() => otpPlaylist({ digitPauseMs: pauseMs })).toThrow(RangeError);
  });
});
