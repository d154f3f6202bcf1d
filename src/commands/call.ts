import { text as readText } from 'node:stream/consumers';
import type { CallAnswer, TimelineEntryAnswer } from '../api/schemas.ts';
import type { VerificationAnswer } from '../api/verification-schemas.ts';
import { eventsOf } from './api-client.ts';
import { command, UsageError } from './command.ts';
import { Screen, writeJson } from './screen.ts';
import type { ServiceAccess } from './service-access.ts';
import { ask, SERVICE_NOTE, SERVICE_OPTIONS, ServiceError, serviceAccess } from './service-access.ts';
import { interruptible } from './stopping.ts';

const OPTIONS = {
  say: { type: 'string', value: 'TEXT', gist: 'says this; - reads it from standard input' },
  code: { type: 'boolean', gist: 'says a one-time code that the service makes up: a verification' },
  flash: { type: 'boolean', gist: 'only rings, and the calling number is the code: a verification' },
  locale: { type: 'string', value: 'LOCALE', gist: 'in which it is said, such as de-DE' },
  carrier: { type: 'string', value: 'ID', gist: 'the only trunk that is tried, with --say' },
  repeat: { type: 'string', value: 'N', gist: 'how often it is said' },
  ...SERVICE_OPTIONS,
  json: { type: 'boolean', gist: 'a line of JSON for each event, and at the end one with the call' },
} as const;

type CallOptions = {
  readonly [Name in Exclude<keyof typeof OPTIONS, 'code' | 'flash' | 'json'>]: string | undefined;
} & { readonly code: boolean; readonly flash: boolean };

/** `call`: calls a number over a running service, and shows it until it is over. @throws ServiceError */
export const call = command({
  options: OPTIONS,
  about: `One of --say, --code and --flash is needed. A text that holds a code is for standard input: other users of a machine
can read command lines. Ctrl-C hangs up, and waits for the end; once more, at once.
Exit code 0: answered and all said, or with --flash it rang and nobody picked up. 1: not so. 2: it could not be asked for. 130: Ctrl-C.
${SERVICE_NOTE}`,
  run: async ({ values, positionals: [to = ''], out }) => {
    const wish = wishOf(to, {
      ...values,
      say: values.say === '-' ? await readText(process.stdin) : values.say,
    });
    const access = serviceAccess(values.url, process.env);
    const interruption = interruptible();
    try {
      const id = await placed(access, wish);
      const follow = values.json ? jsonFollower(out) : screenFollower(new Screen(out));
      const ended = await watched(access, id, follow, interruption.signal);
      const succeeded = wish.isFlash
        ? ended.disposition === 'rang'
        : ended.disposition === 'answered' && ended.promptFinished;
      follow.end(ended, succeeded);
      return interruption.exitCode() ?? (succeeded ? 0 : 1);
    } catch (error) {
      const code = interruption.exitCode();
      if (code === undefined || !(error instanceof ServiceError)) throw error;
      process.stderr.write(`${error.message}\n`);
      return code;
    } finally {
      interruption.over();
    }
  },
});

/** What is asked of the service. */
interface Wish {
  readonly path: '/v1/calls' | '/v1/verifications';
  readonly body: object;
  readonly isFlash: boolean;
}

function wishOf(to: string, { say, code, flash, locale, carrier, repeat }: CallOptions): Wish {
  if ([say !== undefined, code, flash].filter(Boolean).length !== 1) {
    throw new UsageError('one of --say TEXT, --code and --flash is needed');
  }
  if (carrier !== undefined && say === undefined) throw new UsageError('--carrier goes with --say only');
  const language = locale === undefined ? {} : { locale };
  const repetition = repeat === undefined ? {} : { repeat: wholeNumber(repeat) };
  if (say === undefined) {
    const body = { to, ...language, ...repetition, ...(flash ? { channel: 'flash' } : {}) };
    return { path: '/v1/verifications', body, isFlash: flash };
  }
  const only = carrier === undefined ? {} : { carrierId: carrier };
  const body = { to, playlist: [{ tts: say, ...language }], ...only, ...repetition };
  return { path: '/v1/calls', body, isFlash: false };
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError('--repeat is a whole number');
  return Number(text);
}

/** The id of the call. */
async function placed(access: ServiceAccess, { path, body }: Wish): Promise<string> {
  const answer = await ask<CallAnswer | VerificationAnswer>(access, 'POST', path, body);
  return 'callId' in answer ? answer.callId : answer.id;
}

/** Shows what happens in a call, and what became of it. */
interface Follower {
  entry(entry: TimelineEntryAnswer, callId: string): void;
  end(call: CallAnswer, succeeded: boolean): void;
}

/** The call as it has ended; its events are shown meanwhile. Abort hangs up. */
async function watched(
  access: ServiceAccess,
  id: string,
  follow: Follower,
  signal: AbortSignal,
): Promise<CallAnswer> {
  const path = `/v1/calls/${id}`;
  const hangUp = (): void => {
    // Where that fails, following the call fails too.
    ask(access, 'DELETE', path).catch(() => undefined);
  };
  signal.addEventListener('abort', hangUp, { once: true });
  if (signal.aborted) hangUp();
  let last: string | undefined;
  for (;;) {
    try {
      for await (const { id: eventId, data } of eventsOf(`${access.url}${path}/events`, access.key, last)) {
        last = eventId;
        follow.entry(data as TimelineEntryAnswer, id);
      }
    } catch (error) {
      throw new ServiceError(`the service broke off, and call ${id} may go on`, error);
    }
    // A stream that lasts long is ended by the server, and can be taken up again.
    const now = await ask<CallAnswer>(access, 'GET', path);
    if (now.state === 'ended') return now;
  }
}

function jsonFollower(out: NodeJS.WriteStream): Follower {
  return {
    entry: (event, callId) => writeJson(out, { callId, event }),
    end: (ended) => writeJson(out, { callId: ended.id, call: ended }),
  };
}

const TICK_MS = 250;

function screenFollower(screen: Screen): Follower {
  const startAt = Date.now();
  let state = 'queued';
  // Times of the service are told from its first event on: its clock may be another.
  let firstAt: number | undefined;
  const ticking = setInterval(() => {
    screen.live(`            ${state}, ${((Date.now() - startAt) / 1000).toFixed(1)} s`);
  }, TICK_MS);
  ticking.unref();
  return {
    entry: ({ at, type, detail }) => {
      state = type;
      const details = Object.entries(detail).map(([key, value]) => `${key}=${value}`);
      firstAt ??= Date.parse(at);
      screen.line(`${String(Date.parse(at) - firstAt).padStart(6)} ms  ${[type, ...details].join(' ')}`);
    },
    end: ({ id, disposition, sipStatus, verificationId }, succeeded) => {
      clearInterval(ticking);
      const status = sipStatus === null ? '' : ` (SIP ${sipStatus})`;
      const proves = verificationId === null ? '' : `, verification ${verificationId}`;
      screen.verdict(succeeded, `${disposition}${status}; call ${id}${proves}`);
    },
  };
}
