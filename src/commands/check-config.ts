import { type Config, ConfigError, loadConfig } from '../config.ts';
import { command, JSON_OPTION, UsageError } from './command.ts';
import { Screen, writeJson } from './screen.ts';

/** `check-config`: whether the service could start with a file. */
export const checkConfig = command({
  options: {
    config: { type: 'string', value: 'FILE', gist: 'the same as FILE, as serve has it' },
    ...JSON_OPTION,
  },
  about: `Reads a configuration as serve would, with the VOICE_OTP_… variables over it, and starts nothing.
Without FILE the one that VOICE_OTP_CONFIG names, else none.
Exit code 0: it can be used. 1: it cannot, and each problem is named.`,
  run: ({ values, positionals, out }) => {
    if (positionals.length > 0 && values.config !== undefined) throw new UsageError('one FILE is enough');
    const file = positionals[0] ?? values.config;
    try {
      const config = loadConfig({ ...(file === undefined ? {} : { file }), env: process.env });
      const gist = gistOf(config);
      if (values.json) writeJson(out, { valid: true, ...gist });
      else new Screen(out).verdict(true, textOf(gist));
      return 0;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      if (values.json) writeJson(out, { valid: false, problems: error.problems });
      else new Screen(process.stderr).line(error.message);
      return 1;
    }
  },
});

interface Gist {
  readonly engine: string;
  readonly trunks: readonly string[];
  readonly clients: number;
  /** Numbers of the lab alone can be called. */
  readonly callsNobody: boolean;
}

function gistOf({ engine, trunks, api, destinations }: Config): Gist {
  return {
    engine,
    trunks: trunks.map(({ id }) => id),
    clients: api.clients.length,
    callsNobody: destinations.countries.length === 0,
  };
}

function textOf({ engine, trunks, clients, callsNobody }: Gist): string {
  const caution = callsNobody
    ? '; destinations.countries lists no country, so that nobody can be called'
    : '';
  return `can be used: engine ${engine}, trunks ${trunks.join(', ')}, ${clients} API clients${caution}`;
}
