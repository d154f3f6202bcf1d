import { parseArgs } from 'node:util';

/** An option of a command, and what its help says of it. */
interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** What stands in the help for the value of a string, such as `FILE`. */
  readonly value?: string;
  readonly gist: string;
}

type Options = Readonly<Record<string, Option>>;

/** Of strings what was typed, undefined where nothing was; of booleans whether they were. */
type Values<Known extends Options> = {
  readonly [Name in keyof Known]: Known[Name]['type'] extends 'boolean' ? boolean : string | undefined;
};

/** What was typed, and where to answer. */
interface Given<Known extends Options> {
  readonly values: Values<Known>;
  /** As many as the list of commands says: those in brackets may be missing. */
  readonly positionals: readonly string[];
  readonly out: NodeJS.WriteStream;
}

/** The same of any command. */
type Typed = Omit<Given<Options>, 'values'> & {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
};

/** A command, once it is needed. */
export interface Command {
  readonly options: Options;
  /** What its help says after the options. */
  readonly about: string;
  /** @throws UsageError */
  run(given: Typed): Promise<number>;
}

/** A command in the list of all. */
export interface Listed {
  /** One word, or two: `cdr verify`. */
  readonly name: string;
  /** What it takes: `NUMBER`, `[FILE]` where that may be missing, or at the end `[FILE...]` for any number. */
  readonly takes?: readonly string[];
  /** A line about it. */
  readonly gist: string;
  readonly load: () => Promise<Command>;
}

/** What was typed makes no sense; the message says what is expected. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

const PROGRAM = 'voice-otp';

/** Of commands that can answer in JSON. */
export const JSON_OPTION = {
  json: { type: 'boolean', gist: 'answers in JSON, for scripts' },
} as const satisfies Options;

const HELP = { help: { type: 'boolean', short: 'h', gist: 'shows this' } } as const satisfies Options;

/**
 * Describes a command.
 *
 * @param described `run` answers the exit code: 0 done, 1 asked for and not so, 2 could not be asked for
 */
export function command<const Known extends Options>(described: {
  readonly options: Known;
  readonly about: string;
  readonly run: (given: Given<Known>) => number | Promise<number>;
}): Command {
  return {
    options: described.options,
    about: described.about,
    run: async (given) => described.run(given as unknown as Given<Known>),
  };
}

/**
 * Finds the command that the arguments begin with, and runs it. Answers the exit code.
 *
 * @param out standard output
 */
export async function dispatch(
  list: readonly Listed[],
  args: readonly string[],
  out: NodeJS.WriteStream = process.stdout,
): Promise<number> {
  const [first = '', second = ''] = args;
  const found = list.find(({ name }) => name === `${first} ${second}` || name === first);
  if (found !== undefined) return invoke(found, args.slice(found.name.split(' ').length), out);
  const group = list.filter(({ name }) => name.startsWith(`${first} `));
  const shown = group.length > 0 ? group : list;
  const asked = args.some((arg) => arg === '--help' || arg === '-h') || first === '' || first === 'help';
  (asked ? out : process.stderr).write(usageOf(shown));
  return asked ? 0 : 2;
}

async function invoke(listed: Listed, args: readonly string[], out: NodeJS.WriteStream): Promise<number> {
  const loaded = await listed.load();
  try {
    const { values, positionals } = parsed(loaded.options, args);
    if (values['help'] === true) {
      out.write(helpOf(listed, loaded));
      return 0;
    }
    checkArity(listed.takes ?? [], positionals);
    return await loaded.run({ values, positionals, out });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${synopsisOf(listed)} [options]\n`);
    process.stderr.write(`${PROGRAM} ${listed.name} --help tells more.\n`);
    return 2;
  }
}

function parsed(options: Options, args: readonly string[]): Pick<Typed, 'values' | 'positionals'> {
  try {
    const known = { ...options, ...HELP };
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: known });
    const flags = Object.entries(known).filter(([, { type }]) => type === 'boolean');
    return {
      values: { ...Object.fromEntries(flags.map(([name]) => [name, false])), ...values },
      positionals,
    };
  } catch (error) {
    const mistyped =
      error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
    throw mistyped ? new UsageError(error.message) : error;
  }
}

function checkArity(takes: readonly string[], positionals: readonly string[]): void {
  const missing = takes[positionals.length];
  if (missing !== undefined && !missing.startsWith('[')) throw new UsageError(`${missing} is missing`);
  if (positionals.length > takes.length && takes.at(-1)?.endsWith('...]') !== true) {
    throw new UsageError(
      takes.length === 0 ? 'there is nothing to name' : `only ${takes.join(' ')} is expected`,
    );
  }
}

/** What all the commands are, generated from their list. */
function usageOf(list: readonly Listed[]): string {
  const rows = list.map((listed) => [[listed.name, ...(listed.takes ?? [])].join(' '), listed.gist] as const);
  return [
    `${PROGRAM} <command> [options]\n`,
    ...columns(rows),
    `\n${PROGRAM} <command> --help tells the options of a command.`,
    'Exit codes: 0 done; 1 it was asked for, and is not so or failed; 2 it could not be asked for; 130 Ctrl-C.\n',
  ].join('\n');
}

function helpOf(listed: Listed, { options, about }: Command): string {
  const rows = Object.entries({ ...options, ...HELP } as Options).map(
    ([name, { short, value, gist }]) =>
      [
        `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`,
        gist,
      ] as const,
  );
  return [
    `${synopsisOf(listed)} [options]\n`,
    `${listed.gist}\n`,
    ...columns(rows),
    `\n${about.trim()}\n`,
  ].join('\n');
}

function synopsisOf({ name, takes = [] }: Listed): string {
  return [PROGRAM, name, ...takes].join(' ');
}

function columns(rows: readonly (readonly [left: string, right: string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
