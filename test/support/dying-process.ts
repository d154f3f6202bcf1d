import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { CallEvent, Engine, Leftover } from '../../src/engine/engine.ts';
import { LAB_CREDENTIALS } from './lab.ts';
import { legTo, tone } from './legs.ts';

/**
 * In the child: carries a leg (arguments: port of the carrier, suffix of the number, type of an event), writes
 * the leftover of each event as a line, and after that event does nothing any more until it is killed.
 */
export async function carryUntilKilled(engine: Engine): Promise<void> {
  const [port, suffix, type] = process.argv.slice(2);
  const timeouts = { setupMs: 30_000, ringMs: 30_000, maxCallMs: 60_000 };
  const overrides = { credentials: LAB_CREDENTIALS, prompt: tone(30_000), timeouts };
  const leg = legTo(Number(port), `+442079460${suffix}`, overrides);
  let wanted = false;
  for await (const event of engine.originate(leg, new AbortController().signal)) {
    // `sent` follows `trying` at once, from engines that know more then.
    if (wanted && event.type !== 'sent') continue;
    wanted ||= event.type === type;
    if ('leftover' in event)
      process.stdout.write(`${JSON.stringify({ type: event.type, leftover: event.leftover })}\n`);
  }
}

/** In the test: a child whose call has had this event, with what it would have stored by now. */
export async function leaveBehind(
  script: string,
  port: number,
  suffix: string,
  type: CallEvent['type'],
): Promise<{ leftover: () => Leftover; process: { kill(): Promise<void> } }> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', path, String(port), suffix, type], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const kill = async (): Promise<void> => {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  let last: Leftover = {};
  await new Promise<void>((resolve, reject) => {
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => {
      const told = JSON.parse(line) as { type: CallEvent['type']; leftover: Leftover };
      last = told.leftover;
      if (told.type === type) resolve();
    });
    lines.once('close', () => reject(new Error(`the child ended before it was ${type}`)));
  });
  return { leftover: () => last, process: { kill } };
}
