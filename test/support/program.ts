import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** The built program, where the environment variable BUILT_PROGRAM names it: it starts in half the time. */
const { BUILT_PROGRAM: BUILT = '' } = process.env;

/**
 * What Node is to be given so that it runs `voice-otp`: the sources, or the built program.
 *
 * @param preload modules that Node loads first; they are TypeScript
 */
export function programArguments(preload: readonly string[] = []): readonly string[] {
  const usesTsx = BUILT === '' || preload.length > 0;
  const imports = [...(usesTsx ? [import.meta.resolve('tsx')] : []), ...preload];
  return [...imports.flatMap((module) => ['--import', module]), BUILT === '' ? SOURCE : resolve(BUILT)];
}
