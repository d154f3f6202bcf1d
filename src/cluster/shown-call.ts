import { z } from 'zod';
import type { Attempt, Call } from '../call/call.ts';

/**
 * A call as other processes are told of it: what the API shows of it, and who carries it. Nothing that is sealed, nothing
 * with which its legs could be ended, neither prices nor reasons of its route. Names each key, so that a key that is added to the record
 * does not get out by itself.
 */
export function shownCall(call: Call): Call {
  return {
    id: call.id,
    verificationId: call.verificationId,
    clientId: call.clientId,
    to: call.to,
    reference: call.reference,
    wishes: { cli: null, trunkId: call.wishes.trunkId, ringTimeoutMs: null },
    sealedPlaylist: null,
    prompt: call.prompt,
    state: call.state,
    node: call.node,
    disposition: call.disposition,
    blame: call.blame,
    createdAt: call.createdAt,
    endedAt: call.endedAt,
    attempts: call.attempts.map(shownAttempt),
    timeline: call.timeline,
  };
}

function shownAttempt(attempt: Attempt): Attempt {
  return {
    trunkId: attempt.trunkId,
    channel: attempt.channel ?? 'voice',
    cli: attempt.cli,
    startedAt: attempt.startedAt,
    ringingAt: attempt.ringingAt,
    earlyMediaAt: attempt.earlyMediaAt,
    answeredAt: attempt.answeredAt,
    endedAt: attempt.endedAt,
    codec: attempt.codec,
    sipStatus: attempt.sipStatus,
    sipReason: attempt.sipReason,
    q850: attempt.q850,
    redress: attempt.redress ?? null,
    disposition: attempt.disposition,
    blame: attempt.blame,
    hungUpBy: attempt.hungUpBy,
    promptFinished: attempt.promptFinished,
    media: attempt.media,
    delivered: attempt.delivered ?? null,
    answeredBy: attempt.answeredBy ?? null,
    leftover: null,
  };
}

/** What whoever follows a call relies on. */
const shape = z.looseObject({
  id: z.string(),
  node: z.string().nullable(),
  state: z.enum(['queued', 'dialing', 'ringing', 'answered', 'ended']),
  attempts: z.array(z.looseObject({ trunkId: z.string() })),
  timeline: z
    .array(
      z.strictObject({
        at: z.number(),
        attempt: z.int().nonnegative(),
        type: z.string().regex(/^[a-z_]+$/),
        detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
      }),
    )
    .nonempty(),
});

/** What another process has said of a call; undefined where that is not to be understood, or of another call. */
export function toldCall(text: string, callId: string): Call | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const call = shape.safeParse(value).data;
  return call?.id === callId ? (call as unknown as Call) : undefined;
}
