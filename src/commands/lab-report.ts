import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { behaviourOf, listBehaviours } from '../lab/behaviour.ts';
import { shownCaller } from '../lab/caller-id.ts';
import type { LabCall, LabText } from '../lab/carrier.ts';
import type { Listener } from '../lab/listener.ts';
import { formatWav } from '../media/wav.ts';
import { LAB_PREFIX } from './lab-site.ts';
import { Screen, writeJson } from './screen.ts';

/** The lab's numbers and what they do. */
export function showNumbers(screen: Screen): void {
  screen.line(`Numbers: ${LAB_PREFIX} and three digits (any number with these last digits does the same):`);
  for (const [suffix, what] of listBehaviours()) screen.line(`  ${suffix.padEnd(8)} ${what}`);
  screen.line(
    'A text message gets the same refusals and challenges; 000 and 100 stay silent, 202 gets a 202, all others a 200.',
  );
}

/** Shows a text message that has reached a phone of the lab. */
export function reportText(
  { number, from, text }: LabText,
  { out, json }: Pick<CallReport, 'out' | 'json'>,
): void {
  if (json) return writeJson(out, { number, from, text });
  const screen = new Screen(out);
  const shown = JSON.stringify(text).slice(1, -1);
  screen.line(`✉ text to ${number} from ${from ?? 'nobody'}: ${screen.paint('green', shown)}`);
}

/** Shows calls of the lab's phones. */
export interface CallReport {
  readonly listener: Listener;
  /** Of recordings. */
  readonly folder: string;
  readonly out: NodeJS.WriteStream;
  readonly json: boolean;
}

/** Waits until a call is over, then says how it ended and what the phone heard, and keeps the recording. */
export async function reportCall(call: LabCall, report: CallReport): Promise<void> {
  const screen = new Screen(report.out);
  const { number } = call;
  const caller = shownCaller(call.invite) ?? null;
  if (!report.json) {
    screen.line(`☎ ${number}: called by ${caller ?? 'no number'}; ${behaviourOf(number).what}`);
  }
  await call.phone.over;
  const { end, packets } = call.phone.record;
  const { groups, recording } = packets === 0 ? { groups: [], recording: null } : await heardBy(call, report);
  if (report.json) {
    writeJson(report.out, { number, caller, end, packets, heard: groups, recording });
    return;
  }
  if (recording === null) return screen.line(`☎ ${number}: over (${end}), heard nothing`);
  const digits =
    groups.length === 0 ? 'no digits' : groups.map((group) => screen.paint('green', group)).join(', ');
  screen.line(`☎ ${number}: over (${end}), heard ${digits}; recording ${recording}`);
}

/** The digits that a phone heard, and the file with all of it. */
async function heardBy(
  call: LabCall,
  { listener, folder }: CallReport,
): Promise<{ groups: readonly string[]; recording: string }> {
  const { number } = call;
  const { heard } = call.phone;
  const recording = join(folder, `heard-${number.replace('+', '')}-${Date.now()}.wav`);
  await writeFile(recording, formatWav(heard), { mode: 0o600 });
  return { groups: await listener.heardBy(call), recording };
}
