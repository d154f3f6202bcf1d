import { z } from 'zod';
import { type DeepReadonly, name, path } from './config-values.ts';
import { Secret } from './secret.ts';

/** A voice that is named to a program or a service; a program may be given a file of a voice instead. */
const VOICE = /^(?:[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}|\/[^\p{Cc}]{1,1000})$/u;
/** BCP 47: a language and what may follow it. */
const LOCALE = /^[a-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,5}$/;
/** What a program's arguments may hold in braces. */
const PLACEHOLDERS = ['voice', 'locale', 'rate', 'input', 'output'] as const;

const locale = z.string().regex(LOCALE, { error: 'expected a locale such as `en-US`' });
const voice = z.string().regex(VOICE, {
  error: 'expected 1 to 64 letters, digits, `_`, `.`, `+` or `-`, or a path that begins with `/`',
});
/** It goes into a header. */
const serviceKey = z
  .string()
  .max(1000)
  .regex(/^[\x21-\x7e]+$/, { error: 'expected 1 to 1000 characters of ASCII without spaces' })
  .transform((text) => new Secret(text));
const voices = z
  .record(
    locale,
    z.union([voice, z.strictObject({ female: voice.optional(), male: voice.optional() })], {
      error: 'expected the name of a voice, or `female` and `male` with one each',
    }),
  )
  .refine((table) => Object.keys(table).length <= 500, { error: 'expected at most 500 locales' })
  .refine((table) => Object.values(table).every((one) => typeof one === 'string' || one.female || one.male), {
    error: 'expected at least one voice for each locale',
  });

const espeak = z.strictObject({
  type: z.literal('espeak'),
  id: name,
  /** Processes, and with that texts that are spoken at the same time; each takes up to 150 MB. */
  processes: z.int().min(1).max(4).default(1),
  /** Pace of speed 1. */
  wordsPerMinute: z.int().min(80).max(300).default(150),
  /** 50 is the voice's own. */
  pitch: z.int().min(0).max(99).default(50),
});

const program = z
  .strictObject({
    type: z.literal('program'),
    id: name,
    /** What is known about a program: each of the keys below can still be set. */
    preset: z.enum(['espeak-ng', 'flite', 'piper', 'rhvoice']).optional(),
    /** A program in the PATH, or a path that begins with `/`. */
    command: z
      .string()
      .max(1000)
      .regex(/^(?:[A-Za-z0-9_][A-Za-z0-9_.+-]*|\/[^\p{Cc}]+)$/u, {
        error: 'expected the name of a program, or a path that begins with `/`',
      })
      .optional(),
    /** No shell reads them. */
    args: z
      .array(z.string().max(1000).refine(hasKnownPlaceholders, { error: knownPlaceholders() }))
      .max(100)
      .optional(),
    /** How the program gets the text. */
    input: z.enum(['stdin', 'file']).optional(),
    /** How it gives the audio. */
    output: z.enum(['stdout', 'file']).optional(),
    /** What `{rate}` stands for at double speed: 2, 0.5, 200, or 300. */
    rate: z.enum(['factor', 'stretch', 'percent', 'wordsPerMinute']).optional(),
    voices: voices.optional(),
    /** Set where what comes is no WAV but bare 16-bit samples, Hz. */
    sampleRate: z.int().min(8000).max(48_000).optional(),
  })
  .superRefine(checkProgram);

const http = z
  .strictObject({
    type: z.literal('http'),
    id: name,
    /** Whose way of asking is spoken; `openai` is that of many servers of one's own too. */
    preset: z.enum(['openai', 'google', 'azure']),
    /** Where the service is, without the path that the preset adds. */
    url: z
      .string()
      .max(2000)
      .refine(isBaseUrl, {
        error: 'expected a URL such as `https://tts.example` without user, query and fragment',
      })
      .optional(),
    /** Of Azure, such as `westeurope`. */
    region: z
      .string()
      .regex(/^[a-z0-9]{2,40}$/, { error: 'expected a region such as `westeurope`' })
      .optional(),
    key: serviceKey.optional(),
    keyFile: path.optional(),
    /** Of an OpenAI-style service. */
    model: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}$/, { error: 'expected the name of a model' })
      .optional(),
    /** Voices by locale. */
    voices: voices.optional(),
    /** What else is spoken, with a voice that the service chooses. */
    locales: z.array(locale).max(500).optional(),
    /** What Google and Azure are asked for, Hz. */
    sampleRate: z.literal([8000, 16_000, 24_000]).default(16_000),
  })
  .superRefine(checkHttp);

/** One of the providers of speech. docs/config.md explains every key. */
export const ttsProviderSchema = z.discriminatedUnion('type', [espeak, program, http]);

/** A provider as the schema leaves it. */
export type ParsedTtsProvider = z.output<typeof ttsProviderSchema>;
export type EspeakConfig = DeepReadonly<Extract<ParsedTtsProvider, { type: 'espeak' }>>;
export type ProgramConfig = DeepReadonly<Extract<ParsedTtsProvider, { type: 'program' }>>;
/** The key is in its place, wherever it was kept; undefined for a service of one's own that asks for none. */
export type HttpConfig = DeepReadonly<
  Omit<Extract<ParsedTtsProvider, { type: 'http' }>, 'key' | 'keyFile'> & { key?: Secret | undefined }
>;
/** A provider with its secret in its place. */
export type TtsProviderConfig = EspeakConfig | ProgramConfig | HttpConfig;

interface Refinement {
  addIssue(issue: { code: 'custom'; path: PropertyKey[]; message: string }): void;
}

/** A preset brings what is not given; the voices of these two are files and packages that only their owner knows. */
function checkProgram(
  config: {
    preset?: string | undefined;
    command?: string | undefined;
    args?: string[] | undefined;
    input?: string | undefined;
    output?: string | undefined;
    voices?: object | undefined;
  },
  context: Refinement,
): void {
  const complain = (key: string, message: string) =>
    context.addIssue({ code: 'custom', path: [key], message });
  const { preset, command, args, input, output, voices: table } = config;
  if (preset === undefined) {
    for (const [key, value] of Object.entries({ command, args, input, output, voices: table })) {
      if (value === undefined) complain(key, 'required, unless there is a `preset`');
    }
  } else if (table === undefined && (preset === 'piper' || preset === 'rhvoice')) {
    complain('voices', `required with the preset \`${preset}\``);
  }
  if (args === undefined) return;
  const holds = (placeholder: string) => args.some((arg) => arg.includes(placeholder));
  if (input === 'file' && !holds('{input}'))
    complain('args', 'expected `{input}`, where the text is in a file');
  if (output === 'file' && !holds('{output}')) {
    complain('args', 'expected `{output}`, where the audio comes in a file');
  }
}

function checkHttp(
  config: {
    preset: string;
    url?: string | undefined;
    region?: string | undefined;
    key?: unknown;
    keyFile?: string | undefined;
    model?: string | undefined;
    voices?: Record<string, string | { female?: string | undefined; male?: string | undefined }> | undefined;
  },
  context: Refinement,
): void {
  const complain = (key: string, message: string) =>
    context.addIssue({ code: 'custom', path: [key], message });
  const { preset, url, region, key, keyFile, model, voices: table = {} } = config;
  if (preset === 'azure' && url === undefined && region === undefined) {
    complain('region', 'required, unless there is a `url`');
  }
  if (preset !== 'azure' && region !== undefined) complain('region', 'expected with the preset `azure` only');
  if (preset !== 'openai' && model !== undefined) complain('model', 'expected with the preset `openai` only');
  if (url === undefined && key === undefined && keyFile === undefined) {
    complain('key', 'required, unless `keyFile` names a file that holds it, or `url` a service of your own');
  }
  const files = Object.values(table).flatMap((one) => (typeof one === 'string' ? [one] : Object.values(one)));
  if (files.some((one) => one?.startsWith('/'))) complain('voices', 'expected names of voices, not files');
}

function isBaseUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '' && !/[?#\s\p{Cc}]/u.test(text);
}

function hasKnownPlaceholders(argument: string): boolean {
  if (/\p{Cc}/u.test(argument)) return false;
  const names: readonly string[] = PLACEHOLDERS;
  return [...argument.matchAll(/\{([^{}]*)\}/g)].every(([, placeholder = '']) => names.includes(placeholder));
}

function knownPlaceholders(): string {
  const list = PLACEHOLDERS.map((placeholder) => `\`{${placeholder}}\``).join(', ');
  return `expected no control characters, and in braces only ${list}`;
}
