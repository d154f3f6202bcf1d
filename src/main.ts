#!/usr/bin/env node
import { parseArgs } from 'node:util';

const USAGE = `voice-otp <command>

  serve [--config FILE]              the service
  demo                               one verification from end to end on this machine, with a lab phone
  lab [--port PORT] [--host HOST]    the service with a lab carrier, ready for curl (API on 8080)
  lab-carrier [--port PORT] [--host HOST]
                                     the lab carrier alone, as a trunk for any SIP system (SIP on 5080)
  call NUMBER --say TEXT             a call over a running service, shown until it is over
  trunks, routes NUMBER              the trunks of a running service, and the way of a call
  ladder CALL_ID                     the SIP messages of a call
  check-config [FILE]                whether serve could start with a configuration
  key ID                             a new API key, and the line for the configuration
  sounds check|import …              recorded sounds: what a set lacks, and sets of your own recordings
`;

/** Each command loads only what it needs. */
async function run(args: readonly string[]): Promise<number> {
  // These have options of their own.
  const rest = args.slice(1);
  const [own] = args;
  if (own === 'sounds') return (await import('./commands/sounds.ts')).sounds(rest);
  if (own === 'call') return (await import('./commands/call.ts')).call(rest);
  if (own === 'trunks') return (await import('./commands/trunks.ts')).trunks(rest);
  if (own === 'routes') return (await import('./commands/trunks.ts')).routes(rest);
  if (own === 'ladder') return (await import('./commands/ladder.ts')).ladder(rest);
  if (own === 'check-config') return (await import('./commands/check-config.ts')).checkConfig(rest);
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      port: { type: 'string' },
      host: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  const [command, argument] = positionals;
  if (values.help === true || command === undefined) return usage(0);
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) return usage(2);
  const { host } = values;
  switch (command) {
    case 'serve':
      return (await import('./commands/serve.ts')).serve(values.config);
    case 'demo':
      return (await import('./commands/demo.ts')).demo();
    case 'lab':
      return (await import('./commands/lab.ts')).lab({ host, port });
    case 'lab-carrier':
      return (await import('./commands/lab-carrier.ts')).labCarrier({ host, port });
    case 'key':
      return argument === undefined ? usage(2) : (await import('./commands/key.ts')).key(argument);
    default:
      return usage(2);
  }
}

function usage(code: 0 | 2): number {
  (code === 0 ? process.stdout : process.stderr).write(USAGE);
  return code;
}

const EXPECTED: readonly string[] = ['StartError', 'ServiceError'];

/** What was typed wrong, or is wrong on this machine, in a line; a bug with its stack. */
function explain(error: unknown): 1 | 2 {
  const mistyped =
    error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
  const expected = mistyped || (error instanceof Error && EXPECTED.includes(error.name));
  const told = error instanceof Error ? (expected ? error.message : error.stack) : String(error);
  process.stderr.write(`${told}\n`);
  return mistyped || (error instanceof Error && error.name === 'ServiceError') ? 2 : 1;
}

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  process.exitCode = explain(error);
}
