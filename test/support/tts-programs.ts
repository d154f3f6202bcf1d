import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

/** Programs that speak, and where each comes from. */
const INSTALL = {
  'espeak-ng': 'apt-get install espeak-ng',
  flite: 'apt-get install flite',
} as const;

export type SpeakingProgram = keyof typeof INSTALL;

/**
 * A suite that needs a program of Debian. Without it, the suite is skipped and says how to install it; where the
 * environment variable REQUIRE_PEERS (names with commas between them) names it, that is a failure instead.
 */
export function describeWithProgram(program: SpeakingProgram, title: string, suite: () => void): void {
  if (spawnSync(program, ['--version']).error === undefined) return void describe(title, suite);
  const reason = `${program} is not installed; to run this: ${INSTALL[program]}`;
  const required = (process.env['REQUIRE_PEERS'] ?? '').split(',').map((name) => name.trim());
  if (!required.includes(program)) {
    process.stderr.write(`skipped: ${title}: ${reason}\n`);
    return void describe.skip(`${title} (${reason})`, suite);
  }
  describe(title, () => {
    it(`finds ${program}`, () => expect.fail(`REQUIRE_PEERS names ${program}, and ${reason}`));
  });
}
