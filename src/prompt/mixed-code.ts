const [NO_WORD_BEFORE, NO_WORD_AFTER] = ['(?<![\\p{L}\\p{Nd}])', '(?![\\p{L}\\p{Nd}])'];
const APART = '[^\\p{L}\\p{Nd}]+';
const ONE = `${NO_WORD_BEFORE}[A-Za-z0-9]${NO_WORD_AFTER}`;
const BOTH = '(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]';
const HYPHEN = '(?:\\p{Pd}|\\p{Cf}|[._\\u2212\u00b7])';

/** So many characters are a code. */
const LEAST = 4;
/** `K-7-Q-X`, `k 7 q x` */
const SINGLE = new RegExp(`${ONE}(?:${APART}${ONE}){${LEAST - 1},}`, 'gu');
/** `K7-QX`, `ABC-123` */
const HYPHENED = new RegExp(
  `${NO_WORD_BEFORE}[A-Za-z0-9]{1,8}(?:${HYPHEN}[A-Za-z0-9]{1,8})+${NO_WORD_AFTER}`,
  'gu',
);
/** `K7Q X9P` */
const SPACED = new RegExp(`${NO_WORD_BEFORE}${BOTH}{3,8}(?: +${BOTH}{3,8})+${NO_WORD_AFTER}`, 'gu');
/** `K7QX`, `k7q9` */
const JOINED = new RegExp(`${NO_WORD_BEFORE}[A-Za-z0-9]{${LEAST},}${NO_WORD_AFTER}`, 'gu');

/** What is said of time, of size (`4x4`, `9to5`) and of area: with fewer digits than a code has. */
const MEASURE = /^(?:(?:\d+(?:y|mo|w|d|h|min|m|s|sec))+|\d+(?:(?:x|v|vs|to|on|in|or|by)\d+)+)$/i;
const AREA = /^\d+(?:mm|cm|dm|m|km|in|ft)[23]$/i;
const PLURAL = /^[A-Z]+\d{1,2}s$/;
/** Letters that are words of their own in some language: "from 5 a 7 o 9". */
const ONE_LETTER_WORDS = /^[aeiouy]+$/i;

/** Places of a text, the last one excluded. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * Where a text, in the shapes of `CodeText.shaped`, holds codes of letters and digits, in their order. Told from
 * ordinary writing by how often letters and digits take turns: once in `MP3`, `COVID-19`, `100km`; twice or more in
 * a code, or all of it is in capitals.
 */
export function mixedCodes(text: string): readonly Span[] {
  const spans: Span[] = [];
  for (const [pattern, isCode] of RULES) {
    for (const { 0: found, index } of text.matchAll(pattern)) {
      const span = { from: index, to: index + found.length };
      const taken = spans.some(({ from, to }) => span.from < to && from < span.to);
      if (!taken && isMixed(found) && isCode(found)) spans.push(span);
    }
  }
  return spans.toSorted((a, b) => a.from - b.from);
}

const RULES: readonly (readonly [RegExp, (found: string) => boolean])[] = [
  [SINGLE, isSingleCode],
  [HYPHENED, isHyphenedCode],
  [SPACED, isSpacedCode],
  [JOINED, isJoinedCode],
];

function isSingleCode(found: string): boolean {
  const code = charactersOf(found);
  const letters = code.replaceAll(/\d/g, '');
  // Four digits without a letter between them are one without it.
  if (/\d{4}/.test(code)) return false;
  const few = code.length - letters.length < LEAST;
  if (few && ONE_LETTER_WORDS.test(letters) && /^[A-Za-z0-9 ,.]+$/.test(found)) return false;
  // "e.g. 5, 7", "z. B. 2"
  return !(turns(code) === 1 && /^[A-Za-z]\. ?[A-Za-z]\./.test(found));
}

function isHyphenedCode(found: string): boolean {
  const groups = found.match(/[A-Za-z0-9]+/g) ?? [];
  const code = groups.join('');
  if (code.length < LEAST || Math.max(...groups.map(longestWord)) > LEAST || /\d{4}/.test(code)) return false;
  if (turns(code) >= 3) return true;
  if (/[a-z]/.test(code)) return false;
  const even = groups.every((group) => group.length === groups[0]?.length);
  return (
    (even && groups.some(isMixed)) ||
    (groups.length === 2 && /^[A-Z]{2,4}\d{3}$|^\d{3}[A-Z]{2,4}$/.test(code))
  );
}

function isSpacedCode(found: string): boolean {
  const groups = found.split(/ +/);
  const even = groups.every((group) => group.length === groups[0]?.length);
  return even && (found === found.toUpperCase() || groups.some((group) => turns(group) >= 2));
}

function isJoinedCode(found: string): boolean {
  if (AREA.test(found)) return false;
  if (!/[a-z]/.test(found)) return true;
  if (MEASURE.test(found) && charactersOf(found).replaceAll(/\D/g, '').length < LEAST) return false;
  // Names have one capital inside ("iPhone15"), or none.
  if ((found.match(/[a-z](?=[A-Z])/g) ?? []).length >= 2) return true;
  const changes = turns(found);
  return changes >= 3 || (changes === 2 && longestWord(found) < LEAST && !PLURAL.test(found));
}

function isMixed(found: string): boolean {
  return /[A-Za-z]/.test(found) && /[0-9]/.test(found);
}

function charactersOf(found: string): string {
  return found.replaceAll(/[^A-Za-z0-9]/g, '');
}

/** How often a letter follows a digit or a digit a letter. */
function turns(code: string): number {
  return (code.match(/[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z])/g) ?? []).length;
}

function longestWord(code: string): number {
  return Math.max(0, ...(code.match(/[A-Za-z]+/g) ?? []).map(({ length }) => length));
}
