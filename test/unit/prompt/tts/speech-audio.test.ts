import { describe, expect, it } from 'vitest';
import type { Pcm } from '../../../../src/media/pcm.ts';
import { formatWav } from '../../../../src/media/wav.ts';
import { audible, speechFromRaw, speechFromWav } from '../../../../src/prompt/tts/speech-audio.ts';

const TONE: Pcm = {
  sampleRate: 8000,
  samples: Int16Array.from({ length: 800 }, (_, i) => Math.round(3000 * Math.sin(i / 3))),
};

function wavWith(change: (view: DataView) => void): Uint8Array {
  const wav = formatWav(TONE);
  change(new DataView(wav.buffer));
  return wav;
}

describe('speech in a WAV', () => {
  it('is what it holds', () => {
    expect(speechFromWav('x', formatWav(TONE))).toEqual(TONE);
  });

  // OpenAI, sox and espeak-ng, ffmpeg into a pipe, and none at all.
  it.each([0xffffffff, 0x7ffff000, 0x7fffffff, 0])(
    'may have a header that was written before (%i)',
    (size) => {
      const wav = wavWith((view) => {
        view.setUint32(4, 0xffffffff, true);
        view.setUint32(40, size, true);
      });
      expect(speechFromWav('x', wav)).toEqual(TONE);
    },
  );

  it.each([
    ['is cut off', formatWav(TONE).subarray(0, 1500)],
    ['claims one sample more', wavWith((view) => view.setUint32(40, 1602, true))],
    ['is no WAV', new TextEncoder().encode('<html>')],
    ['is empty', new Uint8Array()],
  ])('is a fault of the provider where it %s', (_, bytes) => {
    expect(() => speechFromWav('x', bytes)).toThrow(expect.objectContaining({ fault: 'tts_failed' }));
  });

  it('may have something behind it, and chunks before it', () => {
    const wav = formatWav(TONE);
    const list = new TextEncoder().encode('LIST\u0003\u0000\u0000\u0000abc\u0000');
    const bytes = Buffer.concat([wav.subarray(0, 36), list, wav.subarray(36), list]);
    expect(speechFromWav('x', bytes)).toEqual(TONE);
  });
});

describe('what can be heard', () => {
  const constant = (value: number, length = 800): Pcm => ({
    sampleRate: 8000,
    samples: new Int16Array(length).fill(value),
  });

  it.each([0, 99, -20_000, 32_767])('is not a constant %i', (value) => {
    expect(() => audible('x', constant(value))).toThrow(expect.objectContaining({ fault: 'not_audio' }));
  });

  it('is not longer than a minute', () => {
    const longer = constant(0, 60 * 8000 + 8);
    longer.samples.set(TONE.samples);
    expect(() => audible('x', longer)).toThrow(expect.objectContaining({ fault: 'too_long' }));
    const minute = { ...longer, samples: longer.samples.subarray(0, 60 * 8000) };
    expect(audible('x', minute)).toBe(minute);
  });

  it('is raw samples too, where that was agreed', () => {
    const bytes = new Uint8Array([1, ...new Uint8Array(TONE.samples.buffer)]).subarray(1);
    expect(speechFromRaw('x', bytes, 8000)).toEqual(TONE);
    expect(() => speechFromRaw('x', new Uint8Array(1), 8000)).toThrow(
      expect.objectContaining({ fault: 'not_audio' }),
    );
  });
});
