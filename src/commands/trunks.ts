import type { RouteAnswer, TrunkAnswer } from '../api/trunk-schemas.ts';
import { command, JSON_OPTION } from './command.ts';
import { Screen, writeJson } from './screen.ts';
import { ask, SERVICE_NOTE, SERVICE_OPTIONS, serviceAccess } from './service-access.ts';

/** `trunks`: state, use and figures, a line a trunk. @throws ServiceError */
export const trunks = command({
  options: { ...SERVICE_OPTIONS, ...JSON_OPTION },
  about: `Exit code 0, whatever their state is; 2: the service cannot be asked.\n${SERVICE_NOTE}`,
  run: async ({ values, out }) => {
    const access = serviceAccess(values.url, process.env);
    const found = await ask<{ trunks: readonly TrunkAnswer[] }>(access, 'GET', '/v1/trunks');
    if (values.json) writeJson(out, found);
    else for (const trunk of found.trunks) showTrunk(new Screen(out), trunk);
    return 0;
  },
});

/** `routes`: where a call would go, and why. @throws ServiceError */
export const routes = command({
  options: {
    carrier: { type: 'string', value: 'ID', gist: 'as a request names it by carrierId' },
    from: { type: 'string', value: 'NUMBER', gist: 'calling number that is to be shown' },
    ...SERVICE_OPTIONS,
    ...JSON_OPTION,
  },
  about: `Exit code 0: some trunk would be tried. 1: none. 2: the service cannot be asked.\n${SERVICE_NOTE}`,
  run: async ({ values, positionals: [to = ''], out }) => {
    const query = new URLSearchParams({
      to,
      ...(values.carrier === undefined ? {} : { carrierId: values.carrier }),
      ...(values.from === undefined ? {} : { from: values.from }),
    });
    const access = serviceAccess(values.url, process.env);
    const route = await ask<RouteAnswer>(access, 'GET', `/v1/routes?${query.toString()}`);
    if (values.json) writeJson(out, route);
    else for (const way of route.trunks) showWay(new Screen(out), way);
    return route.trunks.some(({ place }) => place !== null) ? 0 : 1;
  },
});

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
