/** The two alphabets of text messages (3GPP TS 23.038): of seven bits a character where all of them are in it, else UCS-2. */

/** `gsm7`: the GSM 7-bit default alphabet with its extension table (§6.2.1); `ucs2`: 16 bits a unit (§6.2.3). */
export type TextAlphabet = 'gsm7' | 'ucs2';

/**
 * §6.2.1, by row of the table from code 0x00 on, the escape at 0x1B left out. The national tables (§6.2.1.2.4) are not
 * counted on: few networks know them.
 */
const DEFAULT_TABLE = [
  '@£$¥èéùìòÇ\nØø\rÅå',
  'Δ_ΦΓΛΩΠΨΣΘΞÆæßÉ',
  ' !"#¤%&\'()*+,-./',
  '0123456789:;<=>?',
  '¡ABCDEFGHIJKLMNO',
  'PQRSTUVWXYZÄÖÑÜ§',
  '¿abcdefghijklmno',
  'pqrstuvwxyzäöñüà',
].join('');

/** §6.2.1.1: each takes two septets, the first of them the escape. */
const EXTENSION_TABLE = '\f^{}\\[~]|€';

const SEPTETS: ReadonlyMap<string, number> = new Map([
  ...Array.from(DEFAULT_TABLE, (character) => [character, 1] as const),
  ...Array.from(EXTENSION_TABLE, (character) => [character, 2] as const),
]);

/** Septets of a character in the GSM 7-bit alphabet, 1 or 2; undefined where it is not in it. */
export function septetsOf(character: string): number | undefined {
  return SEPTETS.get(character);
}

/** The alphabet in which a network sends a text: one character that GSM 7-bit lacks, and all of it is UCS-2. */
export function alphabetOf(text: string): TextAlphabet {
  return Array.from(text).every((character) => SEPTETS.has(character)) ? 'gsm7' : 'ucs2';
}
