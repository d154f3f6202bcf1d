import { command, JSON_OPTION } from './command.ts';
import { Screen, writeJson } from './screen.ts';
import { ask, SERVICE_NOTE, SERVICE_OPTIONS, serviceAccess } from './service-access.ts';

interface Trace {
  readonly ladder: readonly string[];
}

/** `ladder`: the SIP messages of a call as a drawing. @throws ServiceError */
export const ladder = command({
  options: { ...SERVICE_OPTIONS, ...JSON_OPTION },
  about: `The service remembers the messages of its latest calls, masked.
Exit code 0; 2: there is no such call, its messages are not kept any more, or the service cannot be asked.
${SERVICE_NOTE}`,
  run: async ({ values, positionals: [id = ''], out }) => {
    const access = serviceAccess(values.url, process.env);
    const trace = await ask<Trace>(access, 'GET', `/v1/calls/${encodeURIComponent(id)}/sip`);
    if (values.json) {
      writeJson(out, trace);
      return 0;
    }
    const screen = new Screen(out);
    for (const line of trace.ladder) screen.line(line);
    return 0;
  },
});
