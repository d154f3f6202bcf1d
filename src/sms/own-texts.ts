import { ofLanguage } from '../prompt/locale.ts';

const ENGLISH = '{code} is your code.';

/**
 * By language, for those that have a template of a call too. The code comes first where the language lets it: what a
 * phone shows of a message before it is opened is its beginning.
 */
const TEXTS: Readonly<Record<string, string>> = {
  ar: '{code} هو رمز التحقق الخاص بك.',
  bg: '{code} е Вашият код.',
  ca: '{code} és el seu codi.',
  cs: '{code} je Váš kód.',
  da: '{code} er din kode.',
  de: '{code} ist Ihr Code.',
  el: '{code} είναι ο κωδικός σας.',
  en: ENGLISH,
  es: '{code} es su código.',
  et: '{code} on Teie kood.',
  fa: '{code} کد تأیید شماست.',
  fi: '{code} on koodinne.',
  fr: '{code} est votre code.',
  he: '{code} הוא קוד האימות שלך.',
  hi: '{code} आपका कोड है।',
  hr: '{code} je Vaš kod.',
  hu: '{code} az Ön kódja.',
  id: '{code} adalah kode Anda.',
  it: '{code} è il suo codice.',
  ja: '認証コードは {code} です。',
  ko: '인증 번호는 {code} 입니다.',
  lt: '{code} yra Jūsų kodas.',
  lv: '{code} ir Jūsu kods.',
  ms: '{code} ialah kod anda.',
  nb: '{code} er koden din.',
  nl: '{code} is uw code.',
  pl: '{code} to Twój kod.',
  pt: '{code} é o seu código.',
  ro: '{code} este codul dumneavoastră.',
  ru: '{code} — ваш код.',
  sk: '{code} je Váš kód.',
  sl: '{code} je Vaša koda.',
  sv: '{code} är din kod.',
  tr: 'Doğrulama kodunuz: {code}',
  uk: '{code} — ваш код.',
  vi: '{code} là mã của quý khách.',
  zh: '您的验证码为 {code}。',
};

/** What is sent where nobody wrote a text, in the language of the locale, or in English; `{code}` stands where the code is. */
export function ownText(locale: string): string {
  return ofLanguage(TEXTS, locale) ?? ENGLISH;
}
