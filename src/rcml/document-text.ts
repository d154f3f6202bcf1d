import { RcmlError } from './rcml-error.ts';

/** What `TextDecoder` calls the encodings that are read. */
const ENCODINGS: Readonly<Record<string, string>> = {
  'utf-8': 'utf-8',
  utf8: 'utf-8',
  'us-ascii': 'utf-8',
  'iso-8859-1': 'iso-8859-1',
};
const CHARSET = /;\s*charset\s*=\s*"?([\w.:-]{1,40})"?/i;
/** XML 1.0 §2.8, as far as the encoding. */
const DECLARED = /^<\?xml\s[^>]{0,200}?\sencoding\s*=\s*["']([\w.:-]{1,40})["']/;
/** XML 1.0 §2.2 has no place for them. */
const NO_CHARACTERS = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u;

/**
 * The characters of an XML document. Its encoding is what the media type says, else what the document says, else
 * UTF-8 (RFC 7303 §3).
 *
 * @param contentType of the answer that it came with
 * @throws RcmlError for other encodings than UTF-8, ASCII and ISO 8859-1, and for bytes that are none of theirs
 */
export function documentText(bytes: Uint8Array, contentType: string | undefined): string {
  const head = new TextDecoder('iso-8859-1').decode(bytes.subarray(0, 256));
  const named = CHARSET.exec(contentType ?? '')?.[1] ?? DECLARED.exec(head)?.[1] ?? 'utf-8';
  const encoding = ENCODINGS[named.toLowerCase()];
  if (encoding === undefined) throw new RcmlError('its encoding is none of UTF-8, US-ASCII and ISO-8859-1');
  const text = decoded(bytes, encoding);
  if (NO_CHARACTERS.test(text)) throw new RcmlError('it holds characters that XML has no place for');
  return text;
}

/** Without a byte order mark. */
function decoded(bytes: Uint8Array, encoding: string): string {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new RcmlError('its bytes are not what its encoding says');
  }
}
