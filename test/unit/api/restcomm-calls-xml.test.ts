import { DOMParser } from '@xmldom/xmldom';
import { describe, expect, it } from 'vitest';
import { restcommXml } from '../../../src/api/restcomm-calls-xml.ts';

const HOSTILE = `<a b='c' d="e">&amp;]]></a> é 😀`;

describe('a document', () => {
  it('gives back what was put into it', () => {
    const text = restcommXml({
      name: 'Call',
      attributes: { uri: HOSTILE, page: 0 },
      content: [
        { name: 'To', content: HOSTILE },
        { name: 'Duration', content: 0 },
        { name: 'From', content: null },
        { name: 'Empty', content: '' },
        { name: 'None', content: [] },
      ],
    });
    const root = new DOMParser().parseFromString(text, 'application/xml').documentElement;
    expect(root?.tagName).toBe('RestcommResponse');
    const [call] = Array.from(root?.getElementsByTagName('Call') ?? []);
    expect(call?.getAttribute('uri')).toBe(HOSTILE);
    const inside = Array.from(call?.childNodes ?? []);
    expect(inside.map(({ nodeName, textContent }) => [nodeName, textContent])).toEqual([
      ['To', HOSTILE],
      ['Duration', '0'],
      ['From', ''],
      ['Empty', ''],
      ['None', ''],
    ]);
  });

  it('holds no character that XML has no place for', () => {
    expect(restcommXml({ name: 'A', content: 'a\u{0}b\u{1b}c\u{ffff}d\ud800' })).toContain('<A>a?b?c?d?</A>');
  });
});
