import type { CallSeen } from '../../../bench/chaos/records.ts';
import type { WireEntry } from '../../../bench/chaos/wire.ts';

const START = 1_800_000_000_000;

/** One message at a carrier, so many ms after the beginning. */
export function passed(ms: number, what: string, call: Partial<WireEntry> = {}): WireEntry {
  const [direction = 'in', first = '', second] = what.split(' ');
  const isResponse = second !== undefined;
  const method = second ?? first;
  const number = call.number ?? '+493000000100';
  return {
    trunkId: 'first',
    peerPort: 10_000,
    callId: `sip-${number}`,
    branch: `z9hG4bK-${number}-${method}`,
    ...call,
    at: START + ms,
    direction: direction === 'in' ? 'in' : 'out',
    method,
    status: isResponse ? Number(first) : null,
    number: method === 'INVITE' && !isResponse ? number : null,
  };
}

/** An answered call that the node hangs up. */
export function answeredLeg(number: string, fromMs: number, change: Partial<WireEntry> = {}): WireEntry[] {
  const call = { number, ...change };
  return [
    passed(fromMs, 'in INVITE', call),
    passed(fromMs + 5, 'out 100 INVITE', call),
    passed(fromMs + 50, 'out 180 INVITE', call),
    passed(fromMs + 300, 'out 200 INVITE', call),
    passed(fromMs + 310, 'in ACK', call),
    passed(fromMs + 2000, 'in BYE', call),
    passed(fromMs + 2005, 'out 200 BYE', call),
  ];
}

export function refusedLeg(
  number: string,
  fromMs: number,
  status: number,
  change: Partial<WireEntry> = {},
): WireEntry[] {
  const call = { number, ...change };
  return [
    passed(fromMs, 'in INVITE', call),
    passed(fromMs + 5, 'out 100 INVITE', call),
    passed(fromMs + 60, `out ${status} INVITE`, call),
    passed(fromMs + 65, 'in ACK', call),
  ];
}

const TIME = '2026-11-21T12:00:00.000Z';

type AttemptSeen = CallSeen['attempts'][number];

export function attempt(change: Partial<AttemptSeen> = {}): AttemptSeen {
  return {
    trunkId: 'first',
    startedAt: TIME,
    ringingAt: TIME,
    answeredAt: TIME,
    endedAt: TIME,
    disposition: 'answered',
    ...change,
  };
}

/** An ended call, as a node tells it. */
export function callTo(
  to: string,
  attempts: readonly AttemptSeen[],
  change: Partial<CallSeen> = {},
): CallSeen {
  return {
    id: `call_${to.slice(1)}`,
    verificationId: `ver_${to.slice(1)}`,
    to,
    state: 'ended',
    disposition: attempts.at(-1)?.disposition ?? 'capacity',
    createdAt: TIME,
    endedAt: TIME,
    attempts: [...attempts],
    ...change,
  };
}
