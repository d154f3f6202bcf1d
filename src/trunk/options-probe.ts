import type { Engine, PlainAnswer, PlainRequest } from '../engine/engine.ts';
import { hostPort, type Trunk, trunkNextHop } from './definition.ts';
import type { Probe, ProbeAnswer } from './health.ts';

/**
 * Asks trunks for a sign of life by OPTIONS (RFC 3261 §11). Whoever gives a final response is alive: 404 and 503 are
 * responses too, and so is a challenge, which therefore is not answered. Where a fault of our own kept the request from
 * being sent, nothing was learnt.
 */
export function optionsProbe(engine: Pick<Engine, 'request'>): Probe {
  return async (trunk, signal) => signOfLife(await engine.request(optionsTo(trunk), signal));
}

/** To the trunk itself, and so without a user (§11.1). */
function optionsTo(trunk: Trunk): PlainRequest {
  const to = `sip:${hostPort(trunk.host, trunk.port)}`;
  return {
    method: 'OPTIONS',
    requestUri: to,
    to,
    from: `sip:voice-otp@${hostPort(trunk.host, undefined)}`,
    nextHop: trunkNextHop(trunk),
    ...(trunk.tls === undefined ? {} : { tls: trunk.tls }),
  };
}

function signOfLife(answer: PlainAnswer): ProbeAnswer | null {
  switch (answer.kind) {
    case 'response':
      return { alive: true, detail: `${answer.sip.status} ${answer.sip.reason}`.trim() };
    case 'no_response':
      return { alive: false, detail: 'no response' };
    case 'unreachable':
      return { alive: false, detail: answer.detail };
    case 'failed':
      return null;
  }
}
