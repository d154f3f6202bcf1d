import { describe, expect, it } from 'vitest';
import { documentText } from '../../../src/rcml/document-text.ts';

const latin = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8');

describe('the characters of a document', () => {
  it.each([
    ['nothing says how', utf8('<é/>'), undefined, '<é/>'],
    ['the media type says it', latin('<é/>'), 'text/xml; charset=ISO-8859-1', '<é/>'],
    ['in quotes', utf8('<é/>'), 'text/xml;charset="utf-8"', '<é/>'],
    [
      'the document says it',
      latin('<?xml version="1.0" encoding=\'iso-8859-1\'?><é/>'),
      'application/xml',
      '<?xml version="1.0" encoding=\'iso-8859-1\'?><é/>',
    ],
    [
      'the media type counts more',
      utf8('<?xml version="1.0" encoding="ISO-8859-1"?><é/>'),
      'text/xml; charset=utf-8',
      '<?xml version="1.0" encoding="ISO-8859-1"?><é/>',
    ],
    ['with a byte order mark', utf8('\u{feff}<a/>'), undefined, '<a/>'],
    ['none at all', utf8(''), undefined, ''],
  ])('%s', (_name, bytes, type, text) => {
    expect(documentText(bytes, type)).toBe(text);
  });

  it.each([
    ['bytes that are no UTF-8', latin('<é/>'), undefined],
    ['UTF-16', Buffer.from('\u{feff}<a/>', 'utf16le'), undefined],
    ['UTF-16 that says so', Buffer.from('<a/>', 'utf16le'), 'text/xml; charset=utf-16'],
    ['an encoding that is not known', utf8('<?xml version="1.0" encoding="UTF-7"?><a/>'), undefined],
    ['control characters', utf8('<a>\u{0}</a>'), undefined],
    ['an escape', utf8('<a>\u{1b}[2J</a>'), undefined],
  ])('is refused: %s', (_name, bytes, type) => {
    expect(() => documentText(bytes, type)).toThrow(/^it/);
  });
});
