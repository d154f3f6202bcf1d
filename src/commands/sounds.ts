import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isSetLocale } from '../prompt/sound-set.ts';
import { command, JSON_OPTION, UsageError } from './command.ts';
import { Screen, writeJson } from './screen.ts';
import { checkSounds, showCheck } from './sounds-check.ts';
import { ImportError, importSet, showImport } from './sounds-import.ts';

const SOUNDS = fileURLToPath(new URL('../../sounds', import.meta.url));
const VOICE = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/;
const SET = /^[A-Za-z0-9-]+\/[A-Za-z0-9][A-Za-z0-9_-]*$/;

/** `sounds check`: what each set lacks, and which clips are not as they should be. */
export const soundsCheck = command({
  options: JSON_OPTION,
  about: `FOLDER holds sets, LOCALE/NAME; default: the sounds that come with the service.
Exit code 0: all sets can be used. 1: some cannot, or there are none.`,
  run: async ({ values, positionals: [folder = SOUNDS], out }) => {
    const report = await checkSounds(folder);
    if (values.json) writeJson(out, report);
    else showCheck(report, new Screen(out));
    return report.usable ? 0 : 1;
  },
});

/** `sounds import`: makes a set of sounds from recordings. */
export const soundsImport = command({
  options: {
    locale: { type: 'string', value: 'LOCALE', gist: 'its language, and perhaps country: it, pt-BR; needed' },
    voice: { type: 'string', value: 'NAME', gist: 'its name; needed' },
    into: {
      type: 'string',
      value: 'FOLDER',
      gist: 'the sounds folder; default: the one that comes with the service',
    },
    map: {
      type: 'string',
      value: 'FILE',
      gist: 'which recording is which clip: "greeting: [hello.wav, my-code-is.wav]"',
    },
    'phrases-from': {
      type: 'string',
      value: 'SET',
      gist: 'takes phrases that are not there from another set of the language: en-US/slt',
    },
    'allow-incomplete': { type: 'boolean', gist: 'writes a set that cannot be used yet' },
    replace: { type: 'boolean', gist: 'in the place of the set of this name that is there' },
    ...JSON_OPTION,
  },
  about: 'Exit code 0: the set was written. 1: it was not, and the reasons are told.',
  run: async ({ values, positionals: [from = ''], out }) => {
    const { locale, voice, into = SOUNDS, map, json, replace, 'phrases-from': phrasesFrom } = values;
    if (locale === undefined || voice === undefined) throw new UsageError('--locale and --voice are needed');
    if (!VOICE.test(voice)) throw new UsageError('The voice has 1 to 32 letters, digits, `_` or `-`.');
    if (phrasesFrom !== undefined && !SET.test(phrasesFrom)) {
      throw new UsageError('--phrases-from names a set: en-US/slt.');
    }
    const wish = {
      from,
      into,
      locale: canonical(locale),
      voice,
      allowIncomplete: values['allow-incomplete'],
      replace,
      ...(map === undefined ? {} : { map }),
      ...(phrasesFrom === undefined ? {} : { phrasesFrom: phraseFolder(phrasesFrom, into, locale) }),
    };
    try {
      const report = await importSet(wish);
      if (json) writeJson(out, report);
      else showImport(report, new Screen(out));
      return report.written ? 0 : 1;
    } catch (error) {
      if (!(error instanceof ImportError)) throw error;
      process.stderr.write(`${error.message.trimEnd()}\n`);
      return 1;
    }
  },
});

/** `pt-br` as `pt-BR`. */
function canonical(locale: string): string {
  if (isSetLocale(locale)) {
    try {
      const [name] = Intl.getCanonicalLocales(locale);
      if (name !== undefined) return name;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  throw new UsageError('The locale is a language and perhaps a country: it, pt-BR.');
}

function phraseFolder(set: string, into: string, locale: string): string {
  const language = (tag: string): string | undefined => tag.split('-')[0]?.toLowerCase();
  if (language(set.split('/')[0] ?? '') !== language(locale)) {
    throw new UsageError('--phrases-from names a set of another language.');
  }
  return join(into, set);
}
