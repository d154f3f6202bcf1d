import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LabCall } from '../lab/carrier.ts';
import { Recogniser } from '../lab/recogniser.ts';
import { createLogger } from '../log.ts';
import { PromptLibrary } from '../prompt/library.ts';
import { reportCall, showNumbers } from './lab-report.ts';
import { LAB_LOCALE, LAB_USERNAME, labCarrierFor } from './lab-site.ts';
import { Screen } from './screen.ts';
import { untilStopped } from './stopping.ts';

const SIP_PORT = 5080;
const SOUNDS = fileURLToPath(new URL('../../sounds', import.meta.url));

/** `lab-carrier`: the carrier and its phones alone, as the trunk of any SIP system. Answers the exit code. */
export async function labCarrier(where: {
  host: string | undefined;
  port: number | undefined;
}): Promise<number> {
  const { host = '127.0.0.1', port = SIP_PORT } = where;
  const screen = new Screen();
  const library = await PromptLibrary.load(SOUNDS);
  const recogniser = new Recogniser(library.clips(LAB_LOCALE));
  const folder = await mkdtemp(join(tmpdir(), 'voice-otp-lab-'));
  const onCall = (call: LabCall): void => {
    reportCall(call, { screen, recogniser, folder }).catch((error: unknown) => screen.line(String(error)));
  };
  const carrier = labCarrierFor(host, port, { logger: createLogger({ level: 'warn' }), onCall });
  await carrier.start();
  screen.line(
    `Lab carrier: SIP over UDP and TCP at ${host}:${carrier.port}; user ${LAB_USERNAME} where it asks for digest.\n`,
  );
  showNumbers(screen);
  await untilStopped();
  await carrier.close();
  return 0;
}
