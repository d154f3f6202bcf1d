import { parseArgs } from 'node:util';
import { Screen } from './screen.ts';
import { ask, serviceAccess } from './service-access.ts';

export const LADDER_USAGE = `voice-otp ladder CALL_ID [--url URL] [--json]

Draws the SIP messages of a call of a running service (VOICE_OTP_URL, VOICE_OTP_KEY), as long as it remembers them.
`;

interface Trace {
  readonly ladder: readonly string[];
}

/** `ladder`: the SIP messages of a call as a drawing. Answers the exit code. @throws ServiceError; ERR_PARSE_ARGS_… */
export async function ladder(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { url: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  const [id, ...more] = positionals;
  if (values.help === true || id === undefined || more.length > 0) {
    (values.help === true ? process.stdout : process.stderr).write(LADDER_USAGE);
    return values.help === true ? 0 : 2;
  }
  const access = serviceAccess(values.url, process.env);
  const trace = await ask<Trace>(access, 'GET', `/v1/calls/${encodeURIComponent(id)}/sip`);
  if (values.json === true) process.stdout.write(`${JSON.stringify(trace)}\n`);
  else for (const line of trace.ladder) new Screen().line(line);
  return 0;
}
