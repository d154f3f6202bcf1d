import { apply, endCall } from '../../src/call/apply.ts';
import type { Attempt, Call } from '../../src/call/call.ts';
import { createCall } from '../../src/call/call.ts';
import { NO_MARKS } from '../../src/prompt/delivered.ts';
import { NOW } from './records.ts';

const CONTEXT = {
  trunkId: 'alpha',
  channel: 'voice',
  cli: '+498912345',
  marks: NO_MARKS,
  rate: null,
  route: null,
} as const;

/** A call that one trunk refused and another carried to its end: answered for 61 s. */
export function endedCall(name: string, change: Partial<Attempt> = {}): Call {
  return closed(answeredCall(name, change));
}

/** The same, still up. */
export function answeredCall(name: string, change: Partial<Attempt> = {}): Call {
  const leftover = { callId: `${name}@here` };
  let call = createCall({
    id: `call_${name}`,
    verificationId: null,
    clientId: 'shop',
    to: '+4930123456',
    now: NOW,
  });
  const events = [
    { type: 'trying', at: NOW + 10, leftover },
    {
      type: 'ended',
      at: NOW + 200,
      end: { kind: 'rejected', sip: { status: 503, reason: 'Full, "sorry"', q850: 34, reasonText: '=1+1' } },
    },
    { type: 'trying', at: NOW + 300, leftover },
    { type: 'early_media', at: NOW + 1300 },
    { type: 'ringing', at: NOW + 2300, leftover },
    { type: 'answered', at: NOW + 5300, codec: 'PCMA', leftover },
  ] as const;
  for (const event of events) call = apply(call, event, CONTEXT);
  const attempts = call.attempts.map((attempt) => ({ ...attempt, ...change }));
  return { ...call, attempts };
}

function closed(call: Call): Call {
  const media = { packetsSent: 3000, packetsReceived: 2990, jitterMs: 1.2345, promptSentMs: 9000 };
  const end = {
    kind: 'hung_up',
    by: 'callee',
    why: 'peer',
    sip: { status: 200, reason: 'OK', q850: 16 },
  } as const;
  const over = apply(call, { type: 'ended', at: NOW + 66_300, end, media }, CONTEXT);
  return endCall(over, NOW + 66_300, 'answered', 'none');
}
