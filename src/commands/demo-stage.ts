import type { CallAnswer, TimelineEntryAnswer } from '../api/schemas.ts';
import type { VerificationAnswer } from '../api/verification-schemas.ts';
import { ladderHead, ladderLine } from '../sip/ladder.ts';
import type { WireMessage } from '../sip/transport.ts';
import { eventsOf, request } from './api-client.ts';
import type { LabSite } from './lab-site.ts';
import { OrderedLines } from './ordered-lines.ts';
import { bar, type Screen } from './screen.ts';

const REFRESH_MS = 200;

/** What the calls of the demo need. */
export interface DemoStage {
  readonly site: LabSite;
  readonly screen: Screen;
  /** Says who sees the SIP messages from now on. */
  readonly watch: (watch: (message: WireMessage) => void) => void;
}

/** Asks for a verification and shows its call until it is over. */
export async function place(
  { site, screen, watch }: DemoStage,
  body: Readonly<Record<string, string>>,
): Promise<{ verification: VerificationAnswer; call: CallAnswer }> {
  const startAt = Date.now();
  const lines = new OrderedLines((line) => screen.line(line));
  screen.line(`  POST /v1/verifications ${JSON.stringify(body)}`);
  screen.line(screen.paint('gray', ladderHead('voice-otp', 'lab carrier')));
  watch((message) => lines.add(message.at, ladderLine(message, { startAt })));
  const created = await request<VerificationAnswer>(`${site.app.url}/v1/verifications`, 'POST', body);
  if (created.status !== 201) throw new Error(`the API answered ${created.status} instead of 201`);
  const verification = created.body;
  const answeredAt = Date.now();
  lines.add(
    answeredAt,
    screen.paint(
      'cyan',
      `${String(answeredAt - startAt).padStart(6)} ms   201 ${verification.status}, call ${verification.callId}`,
    ),
  );
  let promptMs = 0;
  const stopProgress = showProgress(site, screen, () => promptMs);
  const call = `${site.app.url}/v1/calls/${verification.callId}`;
  for await (const { data } of eventsOf(`${call}/events`)) {
    const { at, type, detail } = data as TimelineEntryAnswer;
    const details = Object.entries(detail).map(([key, value]) => `${key}=${value}`);
    const ms = String(Date.parse(at) - startAt).padStart(6);
    lines.add(Date.parse(at), screen.paint('cyan', `${ms} ms   ● ${type} ${details.join(' ')}`));
    if (type === 'prepared') promptMs = Number(detail['durationMs']);
  }
  stopProgress();
  lines.flush();
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

export function say(screen: Screen, holds: boolean, text: string): boolean {
  screen.verdict(holds, text);
  return holds;
}

export function callLine({ disposition, sipStatus, durations }: CallAnswer): string {
  const times = [
    ['post-dial delay', durations.pddMs],
    ['ring', durations.ringMs],
    ['talk', durations.talkMs],
  ] as const;
  const known = times.filter(([, ms]) => ms !== null).map(([name, ms]) => `${name} ${ms} ms`);
  const gist = `${disposition}${sipStatus === null ? '' : ` (SIP ${sipStatus})`}`;
  return [gist, known.join(', ')].filter((part) => part !== '').join('; ');
}
