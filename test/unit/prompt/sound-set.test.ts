import { describe, expect, it } from 'vitest';
import {
  CLIP_NAMES,
  clipKind,
  DIGIT_CLIPS,
  isClipName,
  isSetLocale,
  KEY_CLIPS,
  LETTER_CLIPS,
  lacking,
  lackingFor,
  PHRASE_CLIPS,
} from '../../../src/prompt/sound-set.ts';

describe('what a set lacks', () => {
  const needed = [...DIGIT_CLIPS, ...PHRASE_CLIPS];

  it('is nothing where all clips are there, whatever else is there too', () => {
    expect(lacking(CLIP_NAMES)).toEqual({ required: [], optional: [] });
    expect(lacking([...CLIP_NAMES, 'README', 'hello'])).toEqual({ required: [], optional: [] });
  });

  it('is only words for keys and letters where digits and phrases are there, and nothing after the code', () => {
    expect(lacking(needed)).toEqual({ required: [], optional: [...KEY_CLIPS, ...LETTER_CLIPS] });
    const others = [...KEY_CLIPS, ...LETTER_CLIPS].filter((clip) => clip !== 'q');
    expect(lacking([...needed, ...others]).optional).toEqual(['q']);
  });

  it('is told by what it is needed for', () => {
    const lacks = lacking([...needed, ...LETTER_CLIPS.filter((letter) => letter !== 'q'), 'press', 'enter']);
    expect(lackingFor('letters', lacks)).toEqual(['q']);
    expect(lackingFor('keys', lacks)).toEqual(['confirmed']);
    expect(lackingFor('keys', lacking([]))).toEqual(KEY_CLIPS);
  });

  it('is every digit and phrase that is not there, in the order in which people read them', () => {
    expect(lacking([]).required).toEqual(needed);
    for (const clip of needed) {
      expect(lacking(CLIP_NAMES.filter((name) => name !== clip)).required).toEqual([clip]);
    }
  });
});

describe('names', () => {
  it('are of digits, letters and phrases', () => {
    expect(CLIP_NAMES).toHaveLength(45);
    expect(new Set(CLIP_NAMES).size).toBe(45);
    expect(['7', 'x', 'greeting', 'press-end'].map((name) => isClipName(name) && clipKind(name))).toEqual([
      'digit',
      'letter',
      'phrase',
      'phrase',
    ]);
    expect(['10', 'A', 'hello', '', 'constructor', '7.wav'].filter(isClipName)).toEqual([]);
  });

  it.each(['en-US', 'es', 'pt-BR', 'yue', 'zh-Hant-TW', 'es-419'])('%s is a folder of sets', (name) => {
    expect(isSetLocale(name)).toBe(true);
  });

  it.each(['custom', 'e', 'en_US', '.git', 'en-', '', 'en-US/slt', 'music', '1a'])('%j is not', (name) => {
    expect(isSetLocale(name)).toBe(false);
  });
});
