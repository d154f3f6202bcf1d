import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CallAnswer, TimelineEntryAnswer } from '../api/schemas.ts';
import type { CheckAnswer, VerificationAnswer } from '../api/verification-schemas.ts';
import { Recogniser } from '../lab/recogniser.ts';
import { createLogger } from '../log.ts';
import { formatWav } from '../media/wav.ts';
import { ladderHead, ladderLine } from '../sip/ladder.ts';
import type { WireMessage } from '../sip/transport.ts';
import { eventsOf, request } from './api-client.ts';
import { LAB_LOCALE, LAB_PREFIX, type LabSite, startLabSite } from './lab-site.ts';
import { bar, Screen } from './screen.ts';

const ANSWERS = `${LAB_PREFIX}200`;
const BUSY = `${LAB_PREFIX}486`;
const REFRESH_MS = 200;

/** `demo`: one verification from end to end, and a busy number. Exit code 0 only if all of it happened. */
export async function demo(): Promise<number> {
  const screen = new Screen();
  screen.line(
    'voice-otp: a real call on this machine. HTTP in, SIP and RTP out, and a phone that hears the code.',
  );
  let onWire: (message: WireMessage) => void = () => {};
  const logger = createLogger({ level: 'error' });
  const site = await startLabSite({
    apiHost: '127.0.0.1',
    apiPort: 0,
    logger,
    onWire: (message) => onWire(message),
  });
  const show: Show = (watch) => {
    onWire = watch;
  };
  try {
    const results = [...(await answered(site, screen, show)), ...(await busy(site, screen, show))];
    const held = results.every(Boolean);
    screen.line(
      held
        ? screen.paint('green', '\nAll of it happened.')
        : screen.paint('red', '\nNot all of it happened.'),
    );
    screen.line('Next: `npm run lab` keeps all this running, ready for curl. README.md has the rest.');
    return held ? 0 : 1;
  } finally {
    await site.close();
  }
}

type Show = (watch: (message: WireMessage) => void) => void;

async function answered(site: LabSite, screen: Screen, show: Show): Promise<boolean[]> {
  screen.heading('1  A number that answers');
  const { verification, call } = await place(site, screen, show, ANSWERS);
  const said = [say(screen, call.disposition === 'answered' && call.promptFinished, callLine(call))];

  screen.heading('2  What the phone heard, recognised from the audio that reached it');
  const recording = site.carrier.calls.at(-1)?.phone.heard ?? {
    sampleRate: 8000,
    samples: new Int16Array(0),
  };
  const file = join(tmpdir(), `voice-otp-demo-${process.pid}.wav`);
  await writeFile(file, formatWav(recording), { mode: 0o600 });
  const heard = new Recogniser(site.app.library.clips(LAB_LOCALE)).recognise(recording);
  const [code = ''] = heard.groups;
  const spoken = heard.items.map(
    ({ clip, atMs }) => `${clip} ${screen.paint('gray', `${(atMs / 1000).toFixed(1)}s`)}`,
  );
  screen.line(`  ${spoken.join('  ')}`);
  const twice =
    heard.groups.length === 2 && heard.groups[1] === code && code.length === verification.codeLength;
  said.push(
    say(
      screen,
      twice,
      `${code.length} digits, said ${heard.groups.length} times: ${code.split('').join(' ')}`,
    ),
  );
  screen.line(`  recording: ${file}`);

  screen.heading('3  The code as heard goes to the check endpoint');
  const url = `${site.app.url}/v1/verifications/${verification.id}/check`;
  const wrong = await request<CheckAnswer>(url, 'POST', { code: otherThan(code) });
  said.push(say(screen, wrong.status === 200 && !wrong.body.approved, `a wrong code: ${checkLine(wrong)}`));
  const right = await request<CheckAnswer>(url, 'POST', { code });
  said.push(
    say(screen, right.body.approved && right.body.status === 'approved', `as heard: ${checkLine(right)}`),
  );
  const again = await request<Refusal>(url, 'POST', { code });
  said.push(
    say(screen, again.status === 409, `the same again: ${again.status} ${again.body.error?.message ?? ''}`),
  );
  return said;
}

async function busy(site: LabSite, screen: Screen, show: Show): Promise<boolean[]> {
  screen.heading('4  A number that is busy');
  const { verification, call } = await place(site, screen, show, BUSY);
  const reply = await request<VerificationAnswer>(`${site.app.url}/v1/verifications/${verification.id}`);
  return [
    say(screen, call.disposition === 'busy' && call.sipStatus === 486, callLine(call)),
    say(screen, reply.body.status === 'failed', `the verification is ${reply.body.status}`),
  ];
}

interface Refusal {
  readonly error?: { readonly code: string; readonly message: string };
}

/** Asks for a verification and shows its call until it is over. */
async function place(
  site: LabSite,
  screen: Screen,
  show: Show,
  to: string,
): Promise<{ verification: VerificationAnswer; call: CallAnswer }> {
  const startAt = Date.now();
  screen.line(`  POST /v1/verifications {"to":"${to}"}`);
  screen.line(screen.paint('gray', ladderHead('voice-otp', 'lab carrier')));
  show((message) => screen.line(ladderLine(message, { startAt })));
  const created = await request<VerificationAnswer>(`${site.app.url}/v1/verifications`, 'POST', { to });
  if (created.status !== 201) throw new Error(`the API answered ${created.status} instead of 201`);
  const verification = created.body;
  screen.line(
    screen.paint(
      'cyan',
      `${String(Date.now() - startAt).padStart(6)} ms   201 ${verification.status}, call ${verification.callId}`,
    ),
  );
  let promptMs = 0;
  const stopProgress = showProgress(site, screen, () => promptMs);
  const call = `${site.app.url}/v1/calls/${verification.callId}`;
  for await (const { data } of eventsOf(`${call}/events`)) {
    const { at, type, detail } = data as TimelineEntryAnswer;
    const details = Object.entries(detail).map(([key, value]) => `${key}=${value}`);
    const ms = String(Date.parse(at) - startAt).padStart(6);
    screen.line(screen.paint('cyan', `${ms} ms   ● ${type} ${details.join(' ')}`));
    if (type === 'prepared') promptMs = Number(detail['durationMs']);
  }
  stopProgress();
  return { verification, call: (await request<CallAnswer>(call)).body };
}

/** What has reached the phone, as a bar, while the prompt plays. */
function showProgress(site: LabSite, screen: Screen, promptMs: () => number): () => void {
  const timer = setInterval(() => {
    const record = site.carrier.calls.at(-1)?.phone.record;
    if (record === undefined || record.answeredAt === null || record.end !== null) return;
    const heardMs = record.packets * 20;
    screen.live(
      `            ${bar(heardMs / Math.max(1, promptMs()))} ${(heardMs / 1000).toFixed(1)} s heard, ${record.packets} packets`,
    );
  }, REFRESH_MS);
  return () => clearInterval(timer);
}

function say(screen: Screen, holds: boolean, text: string): boolean {
  screen.verdict(holds, text);
  return holds;
}

function callLine({ disposition, sipStatus, durations }: CallAnswer): string {
  const times = [
    ['post-dial delay', durations.pddMs],
    ['ring', durations.ringMs],
    ['talk', durations.talkMs],
  ] as const;
  const known = times.filter(([, ms]) => ms !== null).map(([name, ms]) => `${name} ${ms} ms`);
  return `${disposition}${sipStatus === null ? '' : ` (SIP ${sipStatus})`}; ${known.join(', ')}`;
}

function checkLine({ status, body }: { status: number; body: CheckAnswer }): string {
  return `${status} ${body.status}, approved: ${body.approved}, checks left: ${body.checksLeft}`;
}

/** A code of the same length that is surely another one. */
function otherThan(code: string): string {
  return code.replace(/\d/g, (digit) => String((Number(digit) + 1) % 10));
}
