import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LabCall, LabText } from '../lab/carrier.ts';
import { Listener } from '../lab/listener.ts';
import { createLogger } from '../log.ts';
import { PromptLibrary } from '../prompt/library.ts';
import { command } from './command.ts';
import { reportCall, reportText, showNumbers } from './lab-report.ts';
import { LAB_LOCALE, LAB_OPTIONS, LAB_USERNAME, labCarrierFor, readPort } from './lab-site.ts';
import { Screen, writeJson } from './screen.ts';
import { untilStopped } from './stopping.ts';

const SIP_PORT = 5080;
const SOUNDS = fileURLToPath(new URL('../../sounds', import.meta.url));

/** `lab-carrier`: the carrier and its phones alone, as the trunk of any SIP system. */
export const labCarrier = command({
  options: LAB_OPTIONS,
  about: `HOST and PORT are those of SIP, by default 127.0.0.1 and ${SIP_PORT}.
Exit code 0: it was stopped, with Ctrl-C or SIGTERM. 1: it cannot start.`,
  run: async ({ values: { host = '127.0.0.1', port, json }, out }) => {
    const sipPort = readPort(port, SIP_PORT);
    const library = await PromptLibrary.load(SOUNDS);
    const listener = new Listener(() => library.clips(LAB_LOCALE));
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-lab-'));
    const onCall = (call: LabCall): void => {
      reportCall(call, { listener, folder, out, json }).catch((error: unknown) =>
        new Screen(process.stderr).line(String(error)),
      );
    };
    const onText = (text: LabText): void => reportText(text, { out, json });
    const logger = createLogger({ level: 'warn' });
    const carrier = labCarrierFor(host, sipPort, { logger, onCall, onText });
    try {
      await carrier.start();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      process.stderr.write(`The lab carrier cannot listen on ${host}, port ${sipPort}: ${reason}\n`);
      return 1;
    }
    // Before anybody can know that it listens.
    const stopped = untilStopped();
    if (json) writeJson(out, { carrier: { host, port: carrier.port } });
    else showCarrier(new Screen(out), host, carrier.port);
    await stopped;
    await carrier.close();
    await listener.close();
    return 0;
  },
});

function showCarrier(screen: Screen, host: string, port: number): void {
  screen.line(
    `Lab carrier: SIP over UDP and TCP at ${host}:${port}; user ${LAB_USERNAME} where it asks for digest.\n`,
  );
  showNumbers(screen);
}
