import type { LabCall } from '../lab/carrier.ts';
import { Recogniser } from '../lab/recogniser.ts';
import { createLogger } from '../log.ts';
import { reportCall, showNumbers } from './lab-report.ts';
import { LAB_LOCALE, LAB_PREFIX, startLabSite } from './lab-site.ts';
import { Screen } from './screen.ts';
import { untilStopped } from './stopping.ts';

const API_PORT = 8080;

/** `lab`: the service and the lab carrier, until it is stopped. Answers the exit code. */
export async function lab({
  host,
  port,
}: {
  host: string | undefined;
  port: number | undefined;
}): Promise<number> {
  const screen = new Screen();
  let onCall: (call: LabCall) => void = () => {};
  const site = await startLabSite({
    apiHost: host ?? '127.0.0.1',
    apiPort: port ?? API_PORT,
    logger: createLogger({ level: 'warn' }),
    onCall: (call) => onCall(call),
  });
  const recogniser = new Recogniser(site.app.library.clips(LAB_LOCALE));
  onCall = (call) => {
    reportCall(call, { screen, recogniser, folder: site.folder }).catch((error: unknown) =>
      screen.line(String(error)),
    );
  };
  screen.line(
    `API at ${site.app.url}, its pages at ${site.app.url}/docs, lab carrier at 127.0.0.1:${site.carrier.port}.\n`,
  );
  showNumbers(screen);
  screen.line(`\nTry, in another terminal:\n`);
  screen.line(
    `  curl -s ${site.app.url}/v1/verifications -H 'content-type: application/json' -d '{"to":"${LAB_PREFIX}200"}'`,
  );
  screen.line(
    `  curl -s ${site.app.url}/v1/verifications/ID/check -H 'content-type: application/json' -d '{"code":"CODE"}'`,
  );
  screen.line(
    `  curl -s ${site.app.url}/v1/verifications -H 'content-type: application/json' -d '{"to":"${LAB_PREFIX}180","channel":"flash"}'\n`,
  );
  await untilStopped();
  await site.close();
  return 0;
}
