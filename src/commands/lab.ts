import type { LabCall, LabText } from '../lab/carrier.ts';
import { createLogger } from '../log.ts';
import { command } from './command.ts';
import { reportCall, reportText, showNumbers } from './lab-report.ts';
import type { LabSite } from './lab-site.ts';
import { LAB_OPTIONS, LAB_PREFIX, readPort, startLabSite } from './lab-site.ts';
import { Screen, writeJson } from './screen.ts';
import { untilStopped } from './stopping.ts';

const API_PORT = 8080;

/** `lab`: the service and the lab carrier, until it is stopped. */
export const lab = command({
  options: LAB_OPTIONS,
  about: `HOST and PORT are those of the API, by default 127.0.0.1 and ${API_PORT}. All of it is on loopback, and gone afterwards.
Exit code 0: it was stopped, with Ctrl-C or SIGTERM. 1: it cannot start.`,
  run: async ({ values: { host = '127.0.0.1', port, json }, out }) => {
    let onCall: (call: LabCall) => void = () => {};
    const onText = (text: LabText): void => reportText(text, { out, json });
    const site = await startLabSite({
      apiHost: host,
      apiPort: readPort(port, API_PORT),
      logger: createLogger({ level: 'warn' }),
      onCall: (call) => onCall(call),
      onText,
    });
    const screen = new Screen(out);
    onCall = (call) => {
      reportCall(call, { listener: site.listener, folder: site.folder, out, json }).catch((error: unknown) =>
        new Screen(process.stderr).line(String(error)),
      );
    };
    // Before anybody can know that it listens.
    const stopped = untilStopped();
    if (json)
      writeJson(out, {
        url: site.app.url,
        page: site.page,
        carrier: { host: '127.0.0.1', port: site.carrier.port },
      });
    else showSite(screen, site);
    await stopped;
    await site.close();
    return 0;
  },
});

function showSite(screen: Screen, site: LabSite): void {
  screen.line(`Page at ${site.page}: verify a number there, and answer the lab's phones.`);
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
}
