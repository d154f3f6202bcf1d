import type { Attempt, Call, TimelineEntry } from '../call/call.ts';
import { durations } from '../call/call.ts';
import type { VerificationView } from '../verification/service.ts';
import type {
  AttemptAnswer,
  CallAnswer,
  CallSummaryAnswer,
  PromptReportAnswer,
  TimelineEntryAnswer,
} from './schemas.ts';
import type { VerificationAnswer } from './verification-schemas.ts';

/** Everything here names each key, so that a key that is added to a record does not leak out by itself. */
export function verificationAnswerOf(verification: VerificationView): VerificationAnswer {
  return {
    id: verification.id,
    status: verification.status,
    to: verification.to,
    locale: verification.locale,
    codeLength: verification.codeLength,
    repeat: verification.repeat,
    sayAs: verification.sayAs,
    channel: verification.channel,
    flash: flashAnswerOf(verification),
    template: verification.template,
    gate: gateOf(verification),
    approvedBy: verification.approvedBy,
    checks: verification.checks,
    maxChecks: verification.maxChecks,
    checksLeft: checksLeft(verification),
    reference: verification.reference,
    createdAt: iso(verification.createdAt),
    expiresAt: iso(verification.expiresAt),
    endedAt: isoOrNull(verification.endedAt),
    callId: verification.callId,
  };
}

function flashAnswerOf({ flash }: VerificationView): VerificationAnswer['flash'] {
  if (flash === null) return null;
  const { prefix, hiddenDigits, guessProbability, ringHoldMs, maxRingMs } = flash;
  return { prefix, hiddenDigits, guessProbability, ringHoldMs, maxRingMs };
}

function gateOf({ delivery }: VerificationView): VerificationAnswer['gate'] {
  const gate = delivery?.gate ?? null;
  if (gate === null) return 'none';
  return gate.key === null ? 'confirm' : 'key';
}

/** None once the verification is final: nothing is compared any more. */
export function checksLeft(verification: VerificationView): number {
  return verification.status === 'pending' ? verification.maxChecks - verification.checks : 0;
}

export function callAnswerOf(call: Call): CallAnswer {
  return {
    ...shared(call),
    attempts: call.attempts.map(attemptAnswerOf),
    timeline: call.timeline.map(timelineEntryAnswerOf),
  };
}

export function callSummaryOf(call: Call): CallSummaryAnswer {
  return { ...shared(call), attempts: call.attempts.length };
}

export function timelineEntryAnswerOf(entry: TimelineEntry, index: number): TimelineEntryAnswer {
  return { index, at: iso(entry.at), attempt: entry.attempt, type: entry.type, detail: { ...entry.detail } };
}

function shared(call: Call): Omit<CallSummaryAnswer, 'attempts'> {
  const last = call.attempts.at(-1);
  return {
    id: call.id,
    verificationId: call.verificationId,
    to: call.to,
    reference: call.reference,
    carrierId: call.wishes.trunkId,
    prompt: call.prompt === null ? null : promptReportOf(call.prompt),
    state: call.state,
    disposition: call.disposition,
    blame: call.blame,
    sipStatus: last?.sipStatus ?? null,
    sipReason: last?.sipReason ?? null,
    q850: last?.q850 ?? null,
    hungUpBy: last?.hungUpBy ?? null,
    promptFinished: last?.promptFinished ?? false,
    durations: last === undefined ? { pddMs: null, ringMs: null, talkMs: null } : durations(last),
    createdAt: iso(call.createdAt),
    endedAt: isoOrNull(call.endedAt),
  };
}

export function promptReportOf(report: NonNullable<Call['prompt']>): PromptReportAnswer {
  return {
    locale: report.locale,
    voices: [...report.voices],
    fallback: report.fallback,
    durationMs: report.durationMs,
    synthesised: report.synthesised,
    fetched: report.fetched,
    preparedMs: report.preparedMs,
  };
}

/** Without `leftover`, which only an engine understands. */
function attemptAnswerOf(attempt: Attempt): AttemptAnswer {
  return {
    trunkId: attempt.trunkId,
    channel: attempt.channel ?? 'voice',
    cli: attempt.cli,
    startedAt: iso(attempt.startedAt),
    ringingAt: isoOrNull(attempt.ringingAt),
    earlyMediaAt: isoOrNull(attempt.earlyMediaAt),
    answeredAt: isoOrNull(attempt.answeredAt),
    endedAt: isoOrNull(attempt.endedAt),
    codec: attempt.codec,
    sipStatus: attempt.sipStatus,
    sipReason: attempt.sipReason,
    q850: attempt.q850,
    redress: attempt.redress ?? null,
    disposition: attempt.disposition,
    blame: attempt.blame,
    hungUpBy: attempt.hungUpBy,
    promptFinished: attempt.promptFinished,
    billable: attempt.answeredAt !== null,
    delivered: deliveredOf(attempt),
    answeredBy: attempt.answeredBy ?? null,
    media: attempt.media === null ? null : { ...attempt.media },
  };
}

function deliveredOf({ delivered }: Attempt): AttemptAnswer['delivered'] {
  if (delivered === null || delivered === undefined) return null;
  const { characters, codes, keys, falseAnswer } = delivered;
  return { characters, codes, keys, falseAnswer };
}

/** ISO 8601, UTC, with milliseconds. */
export function iso(at: number): string {
  return new Date(at).toISOString();
}

export function isoOrNull(at: number | null): string | null {
  return at === null ? null : iso(at);
}
