/**
 * A text with nothing in it but what is to be said, on one line. Programs take control characters for commands,
 * some read each line as a text of its own, and espeak-ng takes `[[` for the beginning of phonemes.
 */
export function plainText(text: string): string {
  // Half of a surrogate pair, and the two characters that no XML may hold, are nothing that can be said either.
  return text.replaceAll(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\ufffe\uffff]/gu, ' ').replaceAll(/\[(?=\[)/g, '[ ');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** For the text of an XML element and for the value of an attribute. */
export function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
