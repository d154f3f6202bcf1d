import type { KeyTemplate } from './key-templates.ts';
import { ofLanguage } from './locale.ts';
import { DIGIT_CLIPS, LETTER_CLIPS } from './sound-set.ts';

/** The sentences of a verification call. Without those for keys the built-in ones of the language are said. */
export interface Template extends PartialKeyTemplate {
  /** Said first; `{code}` stands where the code is said. */
  readonly greeting: string;
  /** Said for each further time, with `{code}` too. */
  readonly again: string;
  /** Said at the end. */
  readonly goodbye: string;
}

type PartialKeyTemplate = { readonly [Name in keyof KeyTemplate]?: string | undefined };

/** What stands in a sentence for what is said there. */
export type Place = '{code}' | '{key}';

const PLACES: readonly Place[] = ['{code}', '{key}'];
/** What a provider speaks at once. */
const MAX_CHARS = 1000;

/**
 * By language. Polite, of either gender, and without words that sound like a digit of their language where there
 * is a choice ("once", "de nuevo", "noch einmal", "ещё раз", "もう一度"): people write down what they hear first.
 */
const TEMPLATES: Readonly<Record<string, Template>> = {
  ar: {
    greeting: 'مرحبًا. رمز التحقق الخاص بك هو: {code}',
    again: 'نكرر، رمز التحقق الخاص بك هو: {code}',
    goodbye: 'مع السلامة.',
  },
  bg: {
    greeting: 'Здравейте. Вашият код за потвърждение е: {code}',
    again: 'Повтаряме. Вашият код е: {code}',
    goodbye: 'Дочуване.',
  },
  ca: {
    greeting: 'Bon dia. El seu codi de verificació és: {code}',
    again: 'Ho repetim. El seu codi és: {code}',
    goodbye: 'A reveure.',
  },
  cs: {
    greeting: 'Dobrý den. Váš ověřovací kód je: {code}',
    again: 'Opakujeme. Váš kód je: {code}',
    goodbye: 'Na shledanou.',
  },
  da: {
    greeting: 'Goddag. Din bekræftelseskode er: {code}',
    again: 'Vi gentager. Din kode er: {code}',
    goodbye: 'Farvel.',
  },
  de: {
    greeting: 'Guten Tag. Ihr Bestätigungscode lautet: {code}',
    again: 'Wir wiederholen. Ihr Code lautet: {code}',
    goodbye: 'Auf Wiederhören.',
  },
  el: {
    greeting: 'Γεια σας. Ο κωδικός επαλήθευσής σας: {code}',
    again: 'Επαναλαμβάνουμε. Ο κωδικός σας: {code}',
    goodbye: 'Σας ευχαριστούμε.',
  },
  en: {
    greeting: 'Hello. Your verification code is: {code}',
    again: 'Again, your code is: {code}',
    goodbye: 'Goodbye.',
  },
  es: {
    greeting: 'Hola. Su código de verificación es: {code}',
    again: 'Repetimos. Su código es: {code}',
    goodbye: 'Gracias. Hasta luego.',
  },
  et: {
    greeting: 'Tere. Teie kinnituskood on: {code}',
    again: 'Kordame. Teie kood on: {code}',
    goodbye: 'Kuulmiseni.',
  },
  fa: {
    greeting: 'سلام. کد تأیید شما {code} است.',
    again: 'تکرار می‌کنیم، کد شما {code} است.',
    goodbye: 'خدانگهدار.',
  },
  fi: {
    greeting: 'Hyvää päivää. Vahvistuskoodinne on: {code}',
    again: 'Toistamme. Koodinne on: {code}',
    goodbye: 'Kuulemiin.',
  },
  fr: {
    greeting: 'Bonjour. Votre code de vérification est : {code}',
    again: 'Nous répétons. Votre code est : {code}',
    goodbye: 'Merci. Au revoir.',
  },
  he: {
    greeting: 'זוהי שיחת אימות. קוד האימות שלך הוא: {code}',
    again: 'נחזור על הקוד. הקוד שלך הוא: {code}',
    goodbye: 'תודה ולהתראות.',
  },
  hi: {
    greeting: 'नमस्ते। आपका सत्यापन कोड {code} है।',
    again: 'फिर से सुनिए। आपका कोड {code} है।',
    goodbye: 'धन्यवाद।',
  },
  hr: {
    greeting: 'Dobar dan. Vaš kod za potvrdu je: {code}',
    again: 'Ponavljamo. Vaš kod je: {code}',
    goodbye: 'Doviđenja.',
  },
  hu: {
    greeting: 'Jó napot kívánok. Az Ön ellenőrző kódja: {code}. Kérjük, ezt adja meg.',
    again: 'Ismételjük. Az Ön kódja: {code}',
    goodbye: 'Viszonthallásra.',
  },
  id: {
    greeting: 'Halo. Kode verifikasi Anda adalah: {code}',
    again: 'Kami ulangi. Kode Anda adalah: {code}',
    goodbye: 'Sampai jumpa.',
  },
  it: {
    greeting: 'Salve. Il suo codice di verifica è: {code}',
    again: 'Ripetiamo. Il suo codice è: {code}',
    goodbye: 'Grazie. Arrivederci.',
  },
  ja: {
    greeting: '認証コードをお伝えします。コードは、{code}、です。',
    again: '繰り返します。コードは、{code}、です。',
    goodbye: 'それでは、失礼いたします。',
  },
  ko: {
    greeting: '안녕하세요. 고객님의 인증 번호는 {code}입니다.',
    again: '다시 말씀드리겠습니다. 인증 번호는 {code}입니다.',
    goodbye: '감사합니다.',
  },
  lt: {
    greeting: 'Laba diena. Jūsų patvirtinimo kodas yra: {code}',
    again: 'Pakartosime. Jūsų kodas yra: {code}',
    goodbye: 'Viso gero.',
  },
  lv: {
    greeting: 'Labdien. Jūsu apstiprinājuma kods ir: {code}',
    again: 'Atkārtojam. Jūsu kods ir: {code}',
    goodbye: 'Uz redzēšanos.',
  },
  ms: {
    greeting: 'Helo. Kod pengesahan anda ialah: {code}',
    again: 'Kami ulangi. Kod anda ialah: {code}',
    goodbye: 'Jumpa lagi.',
  },
  nb: {
    greeting: 'Hei. Bekreftelseskoden din er: {code}',
    again: 'Vi gjentar. Koden din er: {code}',
    goodbye: 'Ha det bra.',
  },
  nl: {
    greeting: 'Goedendag. Uw verificatiecode is: {code}',
    again: 'Wij herhalen. Uw code is: {code}',
    goodbye: 'Tot ziens.',
  },
  pl: {
    greeting: 'Dzień dobry. Kod weryfikacyjny to: {code}',
    again: 'Powtarzamy. Kod weryfikacyjny to: {code}',
    goodbye: 'Do widzenia.',
  },
  pt: {
    greeting: 'Olá. O seu código de verificação é: {code}',
    again: 'Repetindo. O seu código é: {code}',
    goodbye: 'Obrigado. Até logo.',
  },
  ro: {
    greeting: 'Bună ziua. Codul dumneavoastră de verificare este: {code}',
    again: 'Repetăm. Codul dumneavoastră este: {code}',
    goodbye: 'La revedere.',
  },
  ru: {
    greeting: 'Здравствуйте. Ваш код подтверждения: {code}',
    again: 'Повторяем. Ваш код: {code}',
    goodbye: 'До свидания.',
  },
  sk: {
    greeting: 'Dobrý deň. Váš overovací kód je: {code}',
    again: 'Opakujeme. Váš kód je: {code}',
    goodbye: 'Dopočutia.',
  },
  sl: {
    greeting: 'Pozdravljeni. Vaša potrditvena koda je: {code}',
    again: 'Ponavljamo. Vaša koda je: {code}',
    goodbye: 'Nasvidenje.',
  },
  sv: {
    greeting: 'Hej. Din verifieringskod är: {code}',
    again: 'Vi upprepar. Din kod är: {code}',
    goodbye: 'Tack. Ha det bra.',
  },
  tr: {
    greeting: 'Merhaba. Lütfen doğrulama ekranına {code} kodunu giriniz.',
    again: 'Tekrarlıyoruz. Doğrulama kodunuz: {code}',
    goodbye: 'Hoşça kalın.',
  },
  uk: {
    greeting: 'Добрий день. Ваш код підтвердження: {code}',
    again: 'Повторюємо. Ваш код: {code}',
    goodbye: 'До побачення.',
  },
  vi: {
    greeting: 'Xin chào. Mã xác minh của quý khách là: {code}',
    again: 'Xin nhắc lại. Mã của quý khách là: {code}',
    goodbye: 'Xin cảm ơn quý khách.',
  },
  zh: {
    greeting: '您好。您的验证码为：{code}',
    again: '现在重复播报。您的验证码为：{code}',
    goodbye: '谢谢，再见。',
  },
};

/** Digits as words, for voices to which a lone "4" or "1" may be a number of something, or a date. */
const DIGIT_WORDS: Readonly<Record<string, readonly string[]>> = {
  de: ['null', 'eins', 'zwei', 'drei', 'vier', 'fünf', 'sechs', 'sieben', 'acht', 'neun'],
  en: ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'],
  es: ['cero', 'uno', 'dos', 'tres', 'cuatro', 'cinco', 'seis', 'siete', 'ocho', 'nueve'],
  fr: ['zéro', 'un', 'deux', 'trois', 'quatre', 'cinq', 'six', 'sept', 'huit', 'neuf'],
  it: ['zero', 'uno', 'due', 'tre', 'quattro', 'cinque', 'sei', 'sette', 'otto', 'nove'],
  pt: ['zero', 'um', 'dois', 'três', 'quatro', 'cinco', 'seis', 'sete', 'oito', 'nove'],
  ru: ['ноль', 'один', 'два', 'три', 'четыре', 'пять', 'шесть', 'семь', 'восемь', 'девять'],
};

/** The words of ICAO Annex 10, volume II, chapter 5, as they are written there. */
const ICAO =
  'Alfa Bravo Charlie Delta Echo Foxtrot Golf Hotel India Juliett Kilo Lima Mike ' +
  'November Oscar Papa Quebec Romeo Sierra Tango Uniform Victor Whiskey X-ray Yankee Zulu';

/** The same in the letters that a language's voices read. */
const RUSSIAN =
  'альфа браво чарли дельта эхо фокстрот гольф хотел индия джульетта кило лима майк ' +
  'ноябрь оскар папа квебек ромео сьерра танго юниформ виктор виски икс-рэй янки зулу';

/** What is given to a voice to say each character of a code: `0`–`9`, or `A`–`Z`. */
export type SpokenCharacters = Readonly<Record<string, string>>;

/** The word of the NATO alphabet for each letter `A`–`Z`. */
export const NATO_WORDS: SpokenCharacters = byLetter(ICAO);

const NATO_WORDS_BY_LANGUAGE: Readonly<Record<string, SpokenCharacters>> = { ru: byLetter(RUSSIAN) };

function byLetter(words: string): SpokenCharacters {
  const list = words.split(' ');
  return Object.fromEntries(LETTER_CLIPS.map((letter, i) => [letter.toUpperCase(), list[i] ?? letter]));
}

/** The built-in template of a locale's language; undefined where there is none. */
export function templateFor(locale: string): Template | undefined {
  return ofLanguage(TEMPLATES, locale);
}

/** What a voice of this locale is given for the digits: words where a lone digit is a risk, else the digits. */
export function spokenDigits(locale: string): SpokenCharacters {
  const words = ofLanguage(DIGIT_WORDS, locale);
  return Object.fromEntries(DIGIT_CLIPS.map((digit, i) => [digit, words?.[i] ?? digit]));
}

/** What a voice of this locale is given for the letters: `NATO_WORDS`, in the alphabet that it reads. */
export function spokenLetters(locale: string): SpokenCharacters {
  return ofLanguage(NATO_WORDS_BY_LANGUAGE, locale) ?? NATO_WORDS;
}

/** What a sentence says around the code, or the key; empty where it says nothing there. */
export interface TemplateParts {
  readonly before: string;
  readonly after: string;
}

/**
 * The text before and after the place. What is after it begins with a letter or digit: a comma or full stop that
 * belongs to the code is nothing to say.
 *
 * @throws {RangeError} where the place is not there exactly once, or a part is too long to be spoken at once. The
 * message does not hold the text.
 */
export function partsOf(text: string, place: Place = '{code}'): TemplateParts {
  const parts = text.split(place);
  const [before, after] = parts;
  if (parts.length !== 2 || before === undefined || after === undefined) {
    throw new RangeError(`${place} must be in it exactly once, and is there ${parts.length - 1} times`);
  }
  for (const part of parts) checkLength(part);
  return {
    before: hasWords(before) ? before.trim() : '',
    after: after.replace(/^[^\p{L}\p{M}\p{N}]+/u, '').trimEnd(),
  };
}

/**
 * Checks a template that somebody wrote.
 *
 * @throws {RangeError} which says what is wrong with which sentence, and not what it says
 */
export function checkTemplate(template: Template): void {
  for (const name of ['greeting', 'again'] as const) named(name, () => partsOf(template[name]));
  const { press } = template;
  if (press !== undefined) {
    named('press', () => {
      checkWithout(press, '{code}');
      partsOf(press, '{key}');
    });
  }
  for (const name of ['goodbye', 'enter', 'confirmed'] as const) {
    const text = template[name];
    if (text !== undefined) named(name, () => checkPlain(text));
  }
}

function named(name: keyof Template, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof RangeError) throw new RangeError(`${name}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** A sentence in which nothing is put. */
function checkPlain(text: string): void {
  for (const place of PLACES) checkWithout(text, place);
  if (!hasWords(text)) throw new RangeError('it says nothing');
  checkLength(text);
}

function checkWithout(text: string, place: Place): void {
  if (text.includes(place)) throw new RangeError(`${place} must not be in it`);
}

function checkLength(text: string): void {
  if (text.length > MAX_CHARS) throw new RangeError(`there are more than ${MAX_CHARS} characters in it`);
}

function hasWords(text: string): boolean {
  return /[\p{L}\p{N}]/u.test(text);
}
