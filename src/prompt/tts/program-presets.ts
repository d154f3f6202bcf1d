import type { ProgramConfig } from '../../config-tts.ts';
import { type EspeakVoice, EspeakVoices } from './espeak-voices.ts';
import type { VoiceTable } from './voice-table.ts';

/** How a program is asked. */
export interface ProgramForm {
  readonly command: string;
  /** Each may hold `{voice}`, `{locale}`, `{rate}`, `{input}` and `{output}`. */
  readonly args: readonly string[];
  readonly input: 'stdin' | 'file';
  readonly output: 'stdout' | 'file';
  readonly rate: Rate;
  readonly voices?: VoiceTable | undefined;
  /** How it is asked what it can speak. */
  readonly listing?: Listing | undefined;
}

/** What `{rate}` stands for at double speed: 2, 0.5, 200, or 300. */
export type Rate = NonNullable<ProgramConfig['rate']>;

export type Listing =
  /** Two lists: voices, and variants of them. */
  | { readonly kind: 'espeak'; readonly voices: readonly string[]; readonly variants: readonly string[] }
  /** Names in one line after a colon. */
  | { readonly kind: 'names'; readonly names: readonly string[] };

const PRESETS: Readonly<Record<NonNullable<ProgramConfig['preset']>, ProgramForm>> = {
  'espeak-ng': {
    command: 'espeak-ng',
    // UTF-8, whatever the environment says.
    args: ['-b', '1', '-v', '{voice}', '-s', '{rate}', '--stdin', '--stdout'],
    input: 'stdin',
    output: 'stdout',
    rate: 'wordsPerMinute',
    listing: { kind: 'espeak', voices: ['--voices'], variants: ['--voices=variant'] },
  },
  flite: {
    command: 'flite',
    // Without a text or a file it reads standard input; to standard output it writes no audio.
    args: ['-voice', '{voice}', '--setf', 'duration_stretch={rate}', '-o', '{output}'],
    input: 'stdin',
    output: 'file',
    rate: 'stretch',
    voices: { 'en-US': { female: 'slt', male: 'rms' }, 'en-GB': 'awb' },
    listing: { kind: 'names', names: ['-lv'] },
  },
  piper: {
    command: 'piper',
    args: ['--model', '{voice}', '--length_scale', '{rate}', '--output_file', '{output}'],
    input: 'stdin',
    output: 'file',
    rate: 'stretch',
  },
  rhvoice: {
    command: 'RHVoice-test',
    args: ['-p', '{voice}', '-r', '{rate}', '-o', '{output}'],
    input: 'stdin',
    output: 'file',
    rate: 'percent',
  },
};

/** Pace of speed 1 where a program counts words. */
const WORDS_PER_MINUTE = 150;

/** The preset, if there is one, with what the configuration says itself. */
export function formOf(config: ProgramConfig): ProgramForm {
  const preset = config.preset === undefined ? undefined : PRESETS[config.preset];
  const { command, args, input, output, rate, voices } = config;
  return {
    command: command ?? preset?.command ?? '',
    args: args ?? preset?.args ?? [],
    input: input ?? preset?.input ?? 'stdin',
    output: output ?? preset?.output ?? 'stdout',
    rate: rate ?? preset?.rate ?? 'factor',
    voices: voices ?? preset?.voices,
    listing: preset?.listing,
  };
}

/** `{rate}` for a speed of 0.5–2. */
export function rateOf(rate: Rate, speed: number): string {
  if (rate === 'percent') return String(Math.round(speed * 100));
  if (rate === 'wordsPerMinute') return String(Math.max(80, Math.round(speed * WORDS_PER_MINUTE)));
  return (rate === 'factor' ? speed : 1 / speed).toFixed(3);
}

/** The arguments with values in the place of the placeholders. A value never becomes more than its part of one argument. */
export function fillArguments(args: readonly string[], values: Readonly<Record<string, string>>): string[] {
  return args.map((arg) => arg.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole));
}

/** What `espeak-ng --voices` and `espeak-ng --voices=variant` print. */
export function espeakListing(voices: string, variants: string): EspeakVoices {
  const names = rowsOf(variants).map(({ identifier }) => identifier.replace(/^!v\//, ''));
  return new EspeakVoices(rowsOf(voices), names);
}

/** The columns: priority, language, age and gender, name, file, and other languages with theirs in parentheses. */
function rowsOf(table: string): EspeakVoice[] {
  return table.split('\n').flatMap((line) => {
    const [, priority, name, identifier, others = ''] =
      /^\s*(\d+)\s+(\S+)\s+\S+\s+\S+\s+(\S+)\s*(.*)$/.exec(line) ?? [];
    if (priority === undefined || name === undefined || identifier === undefined) return [];
    const more = [...others.matchAll(/\((\S+) (\d+)\)/g)].map(([, other = '', number]) => ({
      name: other,
      priority: Number(number),
    }));
    return [{ identifier, languages: [{ name, priority: Number(priority) }, ...more] }];
  });
}

/** What `flite -lv` prints: `Voices available: kal awb slt`. */
export function namesListing(text: string): Set<string> {
  return new Set(
    text
      .slice(text.indexOf(':') + 1)
      .split(/\s+/)
      .filter((name) => name !== ''),
  );
}
