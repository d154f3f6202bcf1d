import { access, constants } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';

/**
 * What other programs get of our environment: ours may hold passwords. Text goes to them in UTF-8, which some
 * take only where the environment says so.
 */
export function environment(): NodeJS.ProcessEnv {
  const { PATH, HOME, LANG = 'C.UTF-8' } = process.env;
  return { LANG, ...(PATH === undefined ? {} : { PATH }), ...(HOME === undefined ? {} : { HOME }) };
}

/** Whether a program, named by its path or to be found in the PATH, can be run. */
export async function canRun(command: string): Promise<boolean> {
  const folders = isAbsolute(command) ? [''] : (environment()['PATH'] ?? '').split(delimiter);
  const tries = folders.map((folder) => access(join(folder, command), constants.X_OK));
  return (await Promise.allSettled(tries)).some(({ status }) => status === 'fulfilled');
}
