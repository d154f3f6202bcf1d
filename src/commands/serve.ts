import { type Config, ConfigError, loadConfig } from '../config.ts';
import { createLogger } from '../log.ts';
import { Reload } from '../reload.ts';
import { command } from './command.ts';
import { untilStopped } from './stopping.ts';

/** `serve`: the service with a configuration file. @throws StartError */
export const serve = command({
  options: {
    config: {
      type: 'string',
      value: 'FILE',
      gist: 'the configuration; default: what VOICE_OTP_CONFIG names, else none',
    },
  },
  about: `Its log goes to standard output, as JSON lines. SIGTERM and SIGINT let calls end and stop it; again, at once.
SIGHUP has it read its configuration again; one that cannot be used changes nothing.
Exit code 0: it was stopped. 1: something on this machine keeps it from starting. 2: the configuration cannot be used.`,
  run: ({ values }) => serveWith(values.config),
});

async function serveWith(file: string | undefined): Promise<number> {
  const load = (): Config => loadConfig({ ...(file === undefined ? {} : { file }), env: process.env });
  const reload = new Reload(load);
  // Before anything that takes time: nobody who listens for it, and it would end the process.
  process.on('SIGHUP', reload.now);
  let config: Config;
  try {
    config = load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  const logger = createLogger({ level: config.log.level });
  const { startApp } = await import('../app.ts');
  // Before anybody can know that it listens; a signal while it starts stops it once it has.
  const stopped = untilStopped();
  const app = await startApp(config, { logger });
  reload.begin(app, logger);
  const signal = await stopped;
  reload.end();
  logger.info({ signal }, 'stopping: calls under way go on to their end');
  await app.close(AbortSignal.timeout(config.calls.noticeMs + config.calls.drainMs));
  logger.info('stopped');
  return 0;
}
