import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isSetLocale } from '../prompt/sound-set.ts';
import { Screen } from './screen.ts';
import { checkSounds, showCheck } from './sounds-check.ts';
import { ImportError, importSet, showImport } from './sounds-import.ts';

const SOUNDS = fileURLToPath(new URL('../../sounds', import.meta.url));
const VOICE = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/;
const SET = /^[A-Za-z0-9-]+\/[A-Za-z0-9][A-Za-z0-9_-]*$/;

const USAGE = `sounds import FOLDER --locale LOCALE --voice NAME   makes a set from recordings (WAV)
    [--into FOLDER]           the sounds folder; default: the one that comes with the service
    [--map FILE.yaml]         which recording is which clip: "greeting: [hello.wav, my-code-is.wav]"
    [--phrases-from SET]      takes phrases that are not there from another set of the language: en-US/slt
    [--allow-incomplete]      writes a set that cannot be used yet
    [--replace]               in the place of the set of this name that is there
    [--json]
sounds check [FOLDER] [--json]                       what each set lacks, and which clips are not as they should be
`;

/** What was typed makes no sense. */
class UsageError extends Error {}

/** `sounds`: makes sets of sounds from recordings, and checks sets. Answers the exit code. */
export async function sounds(
  args: readonly string[],
  out: NodeJS.WriteStream = process.stdout,
): Promise<number> {
  const [verb, ...rest] = args;
  try {
    if (args.some((arg) => arg === '--help' || arg === '-h')) {
      out.write(USAGE);
      return 0;
    }
    if (verb === 'import') return await runImport(rest, out);
    if (verb === 'check') return await runCheck(rest, out);
    throw new UsageError(USAGE);
  } catch (error) {
    const mistyped = error instanceof UsageError || isParseArgsError(error);
    if (!mistyped && !(error instanceof ImportError)) throw error;
    process.stderr.write(`${error.message.trimEnd()}\n`);
    if (isParseArgsError(error)) process.stderr.write(`\n${USAGE}`);
    return mistyped ? 2 : 1;
  }
}

async function runImport(args: string[], out: NodeJS.WriteStream): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      locale: { type: 'string' },
      voice: { type: 'string' },
      into: { type: 'string', default: SOUNDS },
      map: { type: 'string' },
      'phrases-from': { type: 'string' },
      'allow-incomplete': { type: 'boolean', default: false },
      replace: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const [from] = positionals;
  const { locale, voice, into, map, json, replace } = values;
  const phrasesFrom = values['phrases-from'];
  if (from === undefined || positionals.length > 1 || locale === undefined || voice === undefined) {
    throw new UsageError(USAGE);
  }
  if (!VOICE.test(voice)) throw new UsageError('The voice has 1 to 32 letters, digits, `_` or `-`.');
  if (phrasesFrom !== undefined && !SET.test(phrasesFrom)) {
    throw new UsageError('--phrases-from names a set: en-US/slt.');
  }
  const report = await importSet({
    from,
    into,
    locale: canonical(locale),
    voice,
    allowIncomplete: values['allow-incomplete'],
    replace,
    ...(map === undefined ? {} : { map }),
    ...(phrasesFrom === undefined ? {} : { phrasesFrom: phraseFolder(phrasesFrom, into, locale) }),
  });
  if (json) out.write(`${JSON.stringify(report, null, 2)}\n`);
  else showImport(report, new Screen(out));
  return report.written ? 0 : 1;
}

async function runCheck(args: string[], out: NodeJS.WriteStream): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  });
  if (positionals.length > 1) throw new UsageError(USAGE);
  const report = await checkSounds(positionals[0] ?? SOUNDS);
  if (values.json) out.write(`${JSON.stringify(report, null, 2)}\n`);
  else showCheck(report, new Screen(out));
  return report.usable ? 0 : 1;
}

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

function isParseArgsError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}
