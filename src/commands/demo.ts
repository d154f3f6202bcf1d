import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CheckAnswer, VerificationAnswer } from '../api/verification-schemas.ts';
import { shownCaller } from '../lab/caller-id.ts';
import { Recogniser } from '../lab/recogniser.ts';
import { createLogger } from '../log.ts';
import { formatWav } from '../media/wav.ts';
import type { WireMessage } from '../sip/transport.ts';
import { request } from './api-client.ts';
import { command } from './command.ts';
import type { DemoStage } from './demo-stage.ts';
import { callLine, place, say } from './demo-stage.ts';
import { LAB_LOCALE, LAB_PREFIX, startLabSite } from './lab-site.ts';
import { Screen } from './screen.ts';

const ANSWERS = `${LAB_PREFIX}200`;
const BUSY = `${LAB_PREFIX}486`;
const RINGS = `${LAB_PREFIX}180`;

/** `demo`: a verification by voice from end to end, a busy number, and a flash call. */
export const demo = command({
  options: {},
  about: `All of it is real but the network: HTTP, SIP and RTP on this machine, and a lab phone that hears the code.
Exit code 0: all of it happened. 1: not all of it did.`,
  run: ({ out }) => show(new Screen(out)),
});

async function show(screen: Screen): Promise<number> {
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
  const stage: DemoStage = {
    site,
    screen,
    watch: (watch) => {
      onWire = watch;
    },
  };
  try {
    const results = [...(await answered(stage)), ...(await busy(stage)), ...(await flash(stage))];
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

async function answered(stage: DemoStage): Promise<boolean[]> {
  const { site, screen } = stage;
  screen.heading('1  A number that answers');
  const { verification, call } = await place(stage, { to: ANSWERS });
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

async function busy(stage: DemoStage): Promise<boolean[]> {
  const { site, screen } = stage;
  screen.heading('4  A number that is busy');
  const { verification, call } = await place(stage, { to: BUSY });
  const reply = await request<VerificationAnswer>(`${site.app.url}/v1/verifications/${verification.id}`);
  return [
    say(screen, call.disposition === 'busy' && call.sipStatus === 486, callLine(call)),
    say(screen, reply.body.status === 'failed', `the verification is ${reply.body.status}`),
  ];
}

/** The phone rings, nobody answers, and the number that called is the proof. */
async function flash(stage: DemoStage): Promise<boolean[]> {
  const { site, screen } = stage;
  screen.heading('5  A flash call: it rings, and nobody has to answer');
  const { verification, call } = await place(stage, { to: RINGS, channel: 'flash' });
  const { flash: shown } = verification;
  if (shown === null) throw new Error('a flash call without a calling number');
  const { prefix, hiddenDigits, guessProbability } = shown;
  const invite = site.carrier.calls.at(-1)?.invite;
  const callerId = invite === undefined ? '' : (shownCaller(invite) ?? '');
  const url = `${site.app.url}/v1/verifications/${verification.id}/check`;
  const wrong = await request<CheckAnswer>(url, 'POST', { callerId: otherThan(callerId) });
  const right = await request<CheckAnswer>(url, 'POST', { callerId });
  return [
    say(screen, call.disposition === 'rang', callLine(call)),
    say(
      screen,
      callerId.startsWith(prefix) && callerId.length === prefix.length + hiddenDigits,
      `the answer said ${prefix}${'•'.repeat(hiddenDigits)}, the phone showed ${callerId}; a guess is right with ${(100 * guessProbability).toFixed(1)} %`,
    ),
    say(screen, wrong.status === 200 && !wrong.body.approved, `another number: ${checkLine(wrong)}`),
    say(screen, right.body.approved && right.body.status === 'approved', `as shown: ${checkLine(right)}`),
  ];
}

interface Refusal {
  readonly error?: { readonly code: string; readonly message: string };
}

function checkLine({ status, body }: { status: number; body: CheckAnswer }): string {
  return `${status} ${body.status}, approved: ${body.approved}, checks left: ${body.checksLeft}`;
}

/** A code of the same length that is surely another one. */
function otherThan(code: string): string {
  return code.replace(/\d/g, (digit) => String((Number(digit) + 1) % 10));
}
