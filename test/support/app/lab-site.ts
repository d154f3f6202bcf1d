import { rm } from 'node:fs/promises';
import type { LabSite } from '../../../src/commands/lab-site.ts';
import { startLabSite } from '../../../src/commands/lab-site.ts';
import { createLogger } from '../../../src/log.ts';
import { shortSounds } from './short-sounds.ts';

/** What `npm run lab` starts, with short sounds, on a free port. */
export interface RunningLab extends LabSite {
  /** Log lines of errors so far. */
  faults(): readonly string[];
}

export async function startLab(): Promise<RunningLab> {
  const sounds = await shortSounds();
  let log = '';
  const logger = createLogger({ level: 'info', destination: { write: (line) => void (log += line) } });
  const site = await startLabSite({ apiHost: '127.0.0.1', apiPort: 0, logger, sounds });
  return {
    ...site,
    faults: () => log.split('\n').filter((line) => /"level":"(error|fatal)"/.test(line)),
    close: async () => {
      await site.close();
      await rm(sounds, { recursive: true, force: true });
    },
  };
}
