import { describe, expect, it } from 'vitest';
import { CODE_PAUSES, codeParts, codePrompt, codePromptParts } from '../../../src/prompt/code-prompt.ts';
import type { CodeWords } from '../../../src/prompt/voice.ts';
import { Secret } from '../../../src/secret.ts';

/** Clips of ten to nineteen samples, so that a length tells which one it is. */
const characters = new Map(
  Array.from({ length: 10 }, (_, digit) => [String(digit), new Int16Array(10 + digit)] as const),
);
const clip = (digit: number): Int16Array => characters.get(String(digit)) ?? new Int16Array(0);
const greeting = new Int16Array(100);
const again = new Int16Array(200);
const after = new Int16Array(50);
const goodbye = new Int16Array(300);
const words: CodeWords = {
  greeting: { before: greeting, after: undefined },
  again: { before: again, after: undefined },
  goodbye,
};
const code = new Secret('07');
const said = { code, sayAs: 'digits', characters } as const;
/** 0 and 7 with 400 ms between them, each as long as a nine. */
const SPELLED = [clip(0), 9, 3200, clip(7), 2];

describe('codePromptParts', () => {
  it('greets, says the code twice and says goodbye', () => {
    expect(codePromptParts(said, words, 2)).toEqual([
      2400,
      greeting,
      3200,
      ...SPELLED,
      8000,
      again,
      3200,
      ...SPELLED,
      8000,
      goodbye,
    ]);
  });

  it('puts the code where the language wants it', () => {
    const around: CodeWords = {
      greeting: { before: greeting, after },
      again: { before: undefined, after },
      goodbye: undefined,
    };
    expect(codePromptParts(said, around, 2, { ...CODE_PAUSES, leadInMs: 0, phrasePauseMs: 1 })).toEqual([
      0,
      greeting,
      8,
      ...SPELLED,
      8,
      after,
      8000,
      ...SPELLED,
      8,
      after,
      8000,
    ]);
  });

  it.each([1, 3, 5])('says the code %i times', (repeat) => {
    const parts = codePromptParts(said, words, repeat);
    expect(parts.filter((part) => part === clip(7))).toHaveLength(repeat);
    expect(parts.filter((part) => part === again)).toHaveLength(repeat - 1);
  });

  it.each([0, 6, -1, 1.5, Number.NaN])('refuses to say it %d times', (repeat) => {
    expect(() => codePromptParts(said, words, repeat)).toThrow(RangeError);
  });
});

describe('the marks of a code', () => {
  it('are where each of its characters ends, each time', () => {
    const { parts, codes } = codePrompt(said, words, 2);
    const lengths = parts.map((part) => (typeof part === 'number' ? part : part.length));
    const upTo = (index: number): number => lengths.slice(0, index).reduce((sum, length) => sum + length, 0);
    // Lead-in, greeting, pause; then a code of five parts, of which the second and the fifth end a character.
    const [first, second] = [3, 3 + 5 + 3];
    expect(codes).toEqual([
      [upTo(first + 2), upTo(first + 5)],
      [upTo(second + 2), upTo(second + 5)],
    ]);
    expect(codes[0]).toEqual([2400 + 100 + 3200 + 19, 2400 + 100 + 3200 + 19 + 3200 + 19]);
  });

  it('tell nothing of it but how many characters it has', () => {
    const marksOf = (text: string, sayAs: 'digits' | 'pairs') =>
      codePrompt({ code: new Secret(text), sayAs, characters }, words, 3).codes;
    for (const sayAs of ['digits', 'pairs'] as const) {
      expect(marksOf('000000', sayAs)).toEqual(marksOf('987654', sayAs));
    }
    expect(marksOf('12', 'digits')).toHaveLength(3);
  });
});

describe('codeParts', () => {
  it('takes as long for one code as for another', () => {
    const length = (text: string): number =>
      codeParts({ ...said, code: new Secret(text) }, 400).parts.reduce<number>(
        (sum, part) => sum + (typeof part === 'number' ? part : part.length),
        0,
      );
    expect(length('000000')).toBe(length('999999'));
    expect(length('012345')).toBe(length('987654'));
  });

  it('says which character it cannot say to nobody', () => {
    for (const text of ['48a9', '']) {
      const say = (): unknown => codeParts({ ...said, code: new Secret(text) }, 400);
      expect(say).toThrow(/the code/);
      expect(say).not.toThrow(/a9|48/);
    }
  });
});
