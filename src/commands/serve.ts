import { startApp } from '../app.ts';
import { ConfigError, loadConfig } from '../config.ts';
import { createLogger } from '../log.ts';
import { untilStopped } from './stopping.ts';

/** Calls under way get this long after SIGTERM; `calls.maxCallMs` bounds them anyway. */
const DRAIN_MS = 30_000;

/** `serve`: the service with a configuration file. Answers the exit code. */
export async function serve(file: string | undefined): Promise<number> {
  let config: ReturnType<typeof loadConfig>;
  try {
    config = loadConfig({ ...(file === undefined ? {} : { file }), env: process.env });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  const logger = createLogger({ level: config.log.level });
  const app = await startApp(config, { logger });
  const signal = await untilStopped();
  logger.info({ signal }, 'stopping: calls under way go on to their end');
  await app.close(AbortSignal.timeout(DRAIN_MS));
  logger.info('stopped');
  return 0;
}
