import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { behaviourOf, listBehaviours } from '../lab/behaviour.ts';
import { shownCaller } from '../lab/caller-id.ts';
import type { LabCall } from '../lab/carrier.ts';
import type { Recogniser } from '../lab/recogniser.ts';
import { formatWav } from '../media/wav.ts';
import { LAB_PREFIX } from './lab-site.ts';
import type { Screen } from './screen.ts';

/** The lab's numbers and what they do. */
export function showNumbers(screen: Screen): void {
  screen.line(`Numbers: ${LAB_PREFIX} and three digits (any number with these last digits does the same):`);
  for (const [suffix, what] of listBehaviours()) screen.line(`  ${suffix.padEnd(8)} ${what}`);
}

/** Waits until a call is over, then says how it ended and what the phone heard, and keeps the recording. */
export async function reportCall(
  call: LabCall,
  { screen, recogniser, folder }: { screen: Screen; recogniser: Recogniser; folder: string },
): Promise<void> {
  const caller = shownCaller(call.invite) ?? 'no number';
  screen.line(`☎ ${call.number}: called by ${caller}; ${behaviourOf(call.number).what}`);
  await call.phone.over;
  const { end, packets } = call.phone.record;
  if (packets === 0) return screen.line(`☎ ${call.number}: over (${end}), heard nothing`);
  const recording = call.phone.heard;
  const file = join(folder, `heard-${call.number.replace('+', '')}-${Date.now()}.wav`);
  await writeFile(file, formatWav(recording), { mode: 0o600 });
  const { groups } = recogniser.recognise(recording);
  const digits =
    groups.length === 0 ? 'no digits' : groups.map((group) => screen.paint('green', group)).join(', ');
  screen.line(`☎ ${call.number}: over (${end}), heard ${digits}; recording ${file}`);
}
