import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeXml, plainText } from '../../../../src/prompt/tts/spoken-text.ts';

describe('plain text', () => {
  it.each([
    ['Your code is', 'Your code is'],
    ['größe ☎ 👩‍👩‍👧 код', 'größe ☎ 👩‍👩‍👧 код'],
    ['a\r\nb\tc\u0000d\u2028e\u0085f', 'a  b c d e f'],
    ['\u0001+50S fast', ' +50S fast'],
    ['[[h@loU]] [a[b[[[c', '[ [h@loU]] [a[b[ [ [c'],
    ['half \ud83d of \udc00 it \ufffe', 'half   of   it  '],
  ])('of %j is %j', (text, plain) => {
    expect(plainText(text)).toBe(plain);
  });

  it('is one line without commands, whatever it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const plain = plainText(text);
        expect(plain).not.toMatch(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u);
        expect(plain).not.toContain('[[');
        expect(plainText(plain)).toBe(plain);
      }),
    );
  });
});

describe('escaped text', () => {
  it('has nothing left of XML but entities', () => {
    expect(escapeXml(`<a b="c">&amp; it's`)).toBe('&lt;a b=&quot;c&quot;&gt;&amp;amp; it&apos;s');
  });
});
