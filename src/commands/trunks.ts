import { parseArgs } from 'node:util';
import type { RouteAnswer, TrunkAnswer } from '../api/trunk-schemas.ts';
import { Screen } from './screen.ts';
import { ask, serviceAccess } from './service-access.ts';

export const TRUNKS_USAGE = `voice-otp trunks [--url URL] [--json]
voice-otp routes NUMBER [--carrier ID] [--from NUMBER] [--url URL] [--json]

Asks a running service (VOICE_OTP_URL, VOICE_OTP_KEY) how its trunks are, and which a call to a number would try.
`;

/** `trunks`: state, use and figures, a line a trunk. Answers the exit code. @throws ServiceError; ERR_PARSE_ARGS_… */
export async function trunks(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { url: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  if (values.help === true || positionals.length > 0) return usage(values.help === true);
  const found = await ask<{ trunks: readonly TrunkAnswer[] }>(
    serviceAccess(values.url, process.env),
    'GET',
    '/v1/trunks',
  );
  if (values.json === true) process.stdout.write(`${JSON.stringify(found)}\n`);
  else for (const trunk of found.trunks) showTrunk(new Screen(), trunk);
  return 0;
}

/** `routes`: where a call would go, and why. Exit code 1: nowhere. @throws ServiceError; ERR_PARSE_ARGS_… */
export async function routes(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      carrier: { type: 'string' },
      from: { type: 'string' },
      url: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  const [to, ...more] = positionals;
  if (values.help === true || to === undefined || more.length > 0) return usage(values.help === true);
  const query = new URLSearchParams({
    to,
    ...(values.carrier === undefined ? {} : { carrierId: values.carrier }),
    ...(values.from === undefined ? {} : { from: values.from }),
  });
  const route = await ask<RouteAnswer>(
    serviceAccess(values.url, process.env),
    'GET',
    `/v1/routes?${query.toString()}`,
  );
  if (values.json === true) process.stdout.write(`${JSON.stringify(route)}\n`);
  else for (const way of route.trunks) showWay(new Screen(), way);
  return route.trunks.some(({ place }) => place !== null) ? 0 : 1;
}

function showTrunk(screen: Screen, { id, condition, reasons, use, figures }: TrunkAnswer): void {
  const limits = `${use.inUse}/${use.channels ?? '∞'} channels, ${use.invites}/${use.cps ?? '∞'} a second, ${use.waiting} waiting`;
  const results = `ASR ${percent(figures.asr)}, ACD ${seconds(figures.acdMs)}, PDD ${seconds(figures.pddMs?.p50 ?? null)}, approved ${percent(figures.approvals.rate)} of ${figures.approvals.of}`;
  screen.line(
    `${screen.paint(condition === 'up' ? 'green' : 'red', condition.padEnd(9))} ${id.padEnd(16)} ${limits}; ${results}`,
  );
  for (const { detail } of reasons) screen.line(`          ${screen.paint('yellow', detail)}`);
}

function showWay(screen: Screen, { trunkId, place, reason }: RouteAnswer['trunks'][number]): void {
  const number = place === null ? '-' : String(place);
  screen.line(
    `${screen.paint(place === null ? 'gray' : 'green', number.padStart(3))} ${trunkId.padEnd(16)} ${reason}`,
  );
}

function percent(share: number | null): string {
  return share === null ? '-' : `${Math.round(100 * share)} %`;
}

function seconds(ms: number | null): string {
  return ms === null ? '-' : `${(ms / 1000).toFixed(1)} s`;
}

function usage(asked: boolean): number {
  (asked ? process.stdout : process.stderr).write(TRUNKS_USAGE);
  return asked ? 0 : 2;
}
