import { parseArgs } from 'node:util';
import { type Config, ConfigError, loadConfig } from '../config.ts';
import { Screen } from './screen.ts';

export const CHECK_CONFIG_USAGE = `voice-otp check-config [FILE] [--json]

Reads a configuration as serve would, with the VOICE_OTP_… variables over it, and starts nothing.
Exit code 0: it can be used. 1: it cannot, and each problem is named.
`;

/** `check-config`: whether the service could start with a file. Answers the exit code. @throws ERR_PARSE_ARGS_… */
export function checkConfig(args: readonly string[]): number {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { json: { type: 'boolean' }, config: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help === true || positionals.length > 1) {
    (values.help === true ? process.stdout : process.stderr).write(CHECK_CONFIG_USAGE);
    return values.help === true ? 0 : 2;
  }
  const file = positionals[0] ?? values.config;
  const json = values.json === true;
  try {
    const config = loadConfig({ ...(file === undefined ? {} : { file }), env: process.env });
    tell(json, { valid: true, ...gistOf(config) });
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (json) tell(true, { valid: false, problems: error.problems });
    else new Screen(process.stderr).line(error.message);
    return 1;
  }
}

interface Gist {
  readonly engine: string;
  readonly trunks: readonly string[];
  readonly apiKeys: number;
}

function gistOf({ engine, trunks, api }: Config): Gist {
  return { engine, trunks: trunks.map(({ id }) => id), apiKeys: api.keys.length };
}

function tell(
  json: boolean,
  result: { readonly valid: boolean } & Partial<Gist> & { problems?: readonly string[] },
): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  new Screen().verdict(
    result.valid,
    `can be used: engine ${result.engine}, trunks ${result.trunks?.join(', ')}, ${result.apiKeys} API keys`,
  );
}
