/** The part of BCP 47 (RFC 5646) that can name a folder of sounds: a language and its subtags. */
const LOCALE = /^[a-z]{2,8}(-[a-z0-9]{1,8})*$/i;
/** Languages that go by two codes, and one that is read and said like another. */
const SAME_LANGUAGE: Readonly<Record<string, string>> = { in: 'id', iw: 'he', nn: 'nb', no: 'nb' };

/**
 * The one of `available` that suits a requested locale: the same one, else the nearest of the same language
 * (most subtags in common, then fewest others, then `preferred`, then by alphabet). Undefined where the language is
 * missing or `requested` is not a locale.
 */
export function nearestLocale(
  requested: string,
  available: readonly string[],
  preferred?: string,
): string | undefined {
  if (!LOCALE.test(requested)) return undefined;
  const same = available.find((locale) => locale.toLowerCase() === requested.toLowerCase());
  if (same !== undefined) return same;
  const [language, ...wanted] = subtags(requested);
  let best: { readonly locale: string; readonly shared: number; readonly others: number } | undefined;
  const preferredFirst = (a: string, b: string): number => Number(b === preferred) - Number(a === preferred);
  for (const locale of available.toSorted().toSorted(preferredFirst)) {
    const [spoken, ...offered] = subtags(locale);
    if (spoken !== language) continue;
    const shared = offered.filter((subtag) => wanted.includes(subtag)).length;
    const others = offered.length - shared;
    if (best === undefined || shared > best.shared || (shared === best.shared && others < best.others)) {
      best = { locale, shared, others };
    }
  }
  return best?.locale;
}

/** What a table by language or locale holds for a locale; undefined where the language is missing. */
export function ofLanguage<T>(table: Readonly<Record<string, T>>, locale: string): T | undefined {
  const [language = '', ...others] = locale.split('-');
  const same = SAME_LANGUAGE[language.toLowerCase()] ?? language;
  const key = nearestLocale([same, ...others].join('-'), Object.keys(table));
  return key === undefined ? undefined : table[key];
}

/** In lower case, without extensions and private use, which start at a subtag of one letter. */
function subtags(locale: string): string[] {
  const all = locale.toLowerCase().split('-');
  const extension = all.findIndex((subtag) => subtag.length === 1);
  return extension === -1 ? all : all.slice(0, extension);
}
