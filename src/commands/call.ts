import { parseArgs } from 'node:util';
import type { CallAnswer, TimelineEntryAnswer } from '../api/schemas.ts';
import { eventsOf } from './api-client.ts';
import { Screen } from './screen.ts';
import { ask, type ServiceAccess, serviceAccess } from './service-access.ts';

export const CALL_USAGE = `voice-otp call NUMBER --say TEXT [--locale LOCALE] [--carrier ID] [--repeat N] [--url URL] [--json]

Places a call over a running service (VOICE_OTP_URL, VOICE_OTP_KEY) and shows it until it is over.
Exit code 0: answered, and all was said. 1: it was not. 2: it could not be asked for.
`;

/** `call`: says a text to a number. Answers the exit code. @throws ServiceError; ERR_PARSE_ARGS_… */
export async function call(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      say: { type: 'string' },
      locale: { type: 'string' },
      carrier: { type: 'string' },
      repeat: { type: 'string' },
      url: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  const [to, ...more] = positionals;
  if (values.help === true || to === undefined || values.say === undefined || more.length > 0) {
    (values.help === true ? process.stdout : process.stderr).write(CALL_USAGE);
    return values.help === true ? 0 : 2;
  }
  const access = serviceAccess(values.url, process.env);
  const placed = await ask<CallAnswer>(access, 'POST', '/v1/calls', {
    to,
    playlist: [{ tts: values.say, ...(values.locale === undefined ? {} : { locale: values.locale }) }],
    ...(values.carrier === undefined ? {} : { carrierId: values.carrier }),
    ...(values.repeat === undefined ? {} : { repeat: Number(values.repeat) }),
  });
  const screen = values.json === true ? undefined : new Screen();
  const ended = await watched(access, placed.id, screen);
  if (values.json === true) process.stdout.write(`${JSON.stringify(ended)}\n`);
  const said = ended.disposition === 'answered' && ended.promptFinished;
  screen?.verdict(said, `${ended.disposition}${ended.sipStatus === null ? '' : ` (SIP ${ended.sipStatus})`}`);
  return said ? 0 : 1;
}

/** The call as it has ended; its events are shown meanwhile. */
async function watched(access: ServiceAccess, id: string, screen: Screen | undefined): Promise<CallAnswer> {
  const startAt = Date.now();
  for await (const { data } of eventsOf(`${access.url}/v1/calls/${id}/events`, access.key)) {
    const { at, type, detail } = data as TimelineEntryAnswer;
    const details = Object.entries(detail).map(([key, value]) => `${key}=${value}`);
    screen?.line(`${String(Date.parse(at) - startAt).padStart(6)} ms  ${type} ${details.join(' ')}`);
  }
  return ask<CallAnswer>(access, 'GET', `/v1/calls/${id}`);
}
