import type { Rate, TextCharge } from '../cdr/billing.ts';
import type { CallEvent, Leftover, LegEnd, SipResult } from '../engine/engine.ts';
import type { DeliveryMarks } from '../prompt/delivered.ts';
import { saidOf } from '../prompt/delivered.ts';
import type { PromptError } from '../prompt/prompt-error.ts';
import type { PromptReport } from '../prompt/prompt-report.ts';
import type {
  Attempt,
  AttemptChannel,
  Blame,
  Call,
  CallState,
  Delivered,
  Disposition,
  RouteReason,
  TimelineEntry,
} from './call.ts';
import { historyOf, judge } from './outcome.ts';

/** The trunk and calling number of the attempt that an event belongs to. */
export interface AttemptContext {
  readonly trunkId: string;
  readonly channel: AttemptChannel;
  readonly cli: string;
  /** Of the prompt. */
  readonly marks: DeliveryMarks;
  /** See `Attempt`; null where it is not given. */
  readonly rate?: Rate | null;
  /** Of a text message. */
  readonly textCharge?: TextCharge;
  readonly route?: RouteReason | null;
}

type Detail = TimelineEntry['detail'];

/** A callee who keeps pressing keys must not make the record grow without bound. */
const MAX_KEY_PRESSES = 32;

/** Texts of the far end are kept up to this length. */
const MAX_FOREIGN_TEXT = 200;

/** Longer than other texts of the far end: a part of an address is of no use. */
const MAX_REDRESS = 2000;

/** What a silent peer is shown as. */
const TIMEOUT_STATUS = 408;

/**
 * The call after an event of its engine; the only way in which a leg changes a call. `trying` begins an
 * attempt. `ended` closes the attempt, not the call: another trunk may follow (`endCall`).
 */
export function apply(call: Call, event: CallEvent, context: AttemptContext): Call {
  if (call.state === 'ended') {
    return call;
  }
  if (event.type === 'trying') {
    return begin(call, event.at, context, event.leftover);
  }
  const attempt = call.attempts.at(-1);
  if (attempt === undefined || attempt.endedAt !== null) {
    throw new Error(`${event.type} without an attempt that is under way`);
  }
  const { at } = event;
  switch (event.type) {
    case 'again':
      return call;
    // Nothing that happened to the call: only the way to end it is better known.
    case 'sent':
      return changed(call, call.state, { leftover: event.leftover });
    case 'progress':
      return seenBefore(call, 'progress', event.status)
        ? call
        : noted(call, at, 'progress', { status: event.status });
    case 'ringing':
      return attempt.ringingAt === null
        ? updated(call, 'ringing', { ringingAt: at, leftover: event.leftover }, at, 'ringing')
        : changed(call, call.state, { leftover: event.leftover });
    case 'early_media':
      return attempt.earlyMediaAt === null
        ? updated(call, call.state, { earlyMediaAt: at }, at, 'early_media')
        : call;
    case 'answered':
      return updated(
        call,
        'answered',
        { answeredAt: at, codec: event.codec, leftover: event.leftover },
        at,
        'answered',
        event.codec === null ? {} : { codec: event.codec },
      );
    // Which key it was stays out of the record: some people type the code that they hear.
    case 'dtmf':
      return call.timeline.filter(({ type }) => type === 'dtmf').length < MAX_KEY_PRESSES
        ? noted(call, at, 'dtmf', { durationMs: event.durationMs })
        : call;
    case 'gate_opened':
    case 'tone_heard':
      return noted(call, at, event.type, {});
    case 'detected': {
      const { verdict, reason } = event;
      return updated(call, call.state, { answeredBy: verdict }, at, 'detected', { verdict, reason });
    }
    case 'prompt_finished':
      return updated(call, call.state, { promptFinished: true }, at, 'prompt_finished');
    case 'ended':
      return closed(call, event.at, event.end, event.media ?? null, context);
  }
}

/** The call with a note that its prompt is ready, and with which voices: what comes after is signalling. */
export function markPrepared(call: Call, at: number, prompt: PromptReport): Call {
  const { voices, locale, ...rest } = prompt;
  const detail = { ...(locale === null ? {} : { locale }), voices: voices.join(', '), ...rest };
  return noted({ ...call, prompt }, notBeforeLast(call, at), 'prepared', detail, 0);
}

/** The call with a note that it waits, for so long at most, for what would make its next round needless. */
export function markWaiting(call: Call, at: number, forMs: number): Call {
  return noted(call, notBeforeLast(call, at), 'waiting', { forMs }, 0);
}

/** The call with a note why its prompt cannot be played. */
export function markUnprepared(call: Call, at: number, { fault, message }: PromptError): Call {
  return noted(call, notBeforeLast(call, at), 'prompt_failed', { fault, message: clipped(message) }, 0);
}

/** The call in its final state. Its last timeline entry, `ended` of attempt 0, is what listeners wait for. */
export function endCall(call: Call, now: number, disposition: Disposition, blame: Blame): Call {
  if (call.state === 'ended') {
    return call;
  }
  const at = notBeforeLast(call, now);
  const attempts = call.attempts.map((attempt) =>
    attempt.endedAt === null ? { ...attempt, endedAt: at, disposition, blame, leftover: null } : attempt,
  );
  const entry: TimelineEntry = { at, attempt: 0, type: 'ended', detail: { disposition, blame } };
  return {
    ...call,
    state: 'ended',
    disposition,
    blame,
    endedAt: at,
    sealedPlaylist: null,
    attempts,
    timeline: [...call.timeline, entry],
  };
}

/** The system's clock may have been set back; a timeline does not go back. */
function notBeforeLast(call: Call, at: number): number {
  return Math.max(at, call.timeline.at(-1)?.at ?? at);
}

function begin(
  call: Call,
  at: number,
  { trunkId, channel, cli, rate = null, textCharge, route = null }: AttemptContext,
  leftover: Leftover,
): Call {
  const attempt: Attempt = {
    trunkId,
    channel,
    cli,
    startedAt: at,
    ringingAt: null,
    earlyMediaAt: null,
    answeredAt: null,
    endedAt: null,
    codec: null,
    sipStatus: null,
    sipReason: null,
    q850: null,
    redress: null,
    disposition: null,
    blame: null,
    hungUpBy: null,
    promptFinished: false,
    media: null,
    delivered: null,
    answeredBy: null,
    rate,
    ...(textCharge === undefined ? {} : { textCharge }),
    route,
    leftover,
  };
  const begun: Call = { ...call, state: 'dialing', attempts: [...call.attempts, attempt] };
  return noted(begun, at, 'trying', { trunkId });
}

function closed(call: Call, at: number, end: LegEnd, media: Attempt['media'], context: AttemptContext): Call {
  const sip = sipOf(end);
  // What one trunk allows does not matter here: only the dialer asks whether to go on.
  const { disposition, blame } = judge(end, historyOf(call, false));
  const detail: Record<string, string | number | boolean> = { kind: end.kind, disposition };
  if (end.kind === 'hung_up') {
    detail['by'] = end.by;
    detail['why'] = end.why;
  }
  if (sip !== undefined) {
    Object.assign(detail, {
      status: sip.status,
      reason: clipped(sip.reason),
      ...(sip.q850 === undefined ? {} : { q850: sip.q850 }),
      // 603+ and 608 name here whom to ask for redress (ATIS-1000099, RFC 8688).
      ...(sip.reasonText === undefined ? {} : { reasonText: clipped(sip.reasonText) }),
    });
  }
  if ('detail' in end) {
    detail['detail'] = clipped(end.detail);
  }
  const silent = end.kind === 'setup_timeout';
  const final = end.kind === 'rejected' || end.kind === 'taken' ? end.sip : undefined;
  const shut = changed(call, call.state === 'answered' ? 'answered' : 'dialing', {
    endedAt: at,
    sipStatus: final?.status ?? (silent ? TIMEOUT_STATUS : null),
    sipReason: final === undefined ? null : clipped(final.reason),
    q850: sip?.q850 ?? null,
    redress: disposition === 'blocked' ? redressOf(sip) : null,
    disposition,
    blame,
    hungUpBy: end.kind === 'hung_up' ? end.by : null,
    media,
    delivered: deliveredBy(call, at, media, context.marks),
    leftover: null,
  });
  return noted(shut, at, 'ended', detail);
}

/** An answer of a shorter call says nothing: its audio may not have come yet. */
const SILENCE_TELLS_MS = 1000;

function deliveredBy(
  call: Call,
  at: number,
  media: Attempt['media'],
  marks: DeliveryMarks,
): Delivered | null {
  const answeredAt = call.attempts.at(-1)?.answeredAt ?? null;
  if (answeredAt === null || media === null) return null;
  const said = marks.codes.length === 0 ? undefined : saidOf(marks, media.promptSentMs);
  const number = call.attempts.length;
  return {
    characters: said?.characters ?? null,
    codes: said?.codes ?? null,
    keys: call.timeline.filter(({ attempt, type }) => attempt === number && type === 'dtmf').length,
    falseAnswer: media.packetsReceived === 0 && at - answeredAt >= SILENCE_TELLS_MS,
  };
}

function sipOf(end: LegEnd): SipResult | undefined {
  return end.kind === 'rejected' || end.kind === 'taken' || end.kind === 'hung_up' ? end.sip : undefined;
}

function redressOf(sip: SipResult | undefined): string | null {
  const text = sip?.redressUri ?? sip?.reasonText ?? '';
  return text === '' ? null : text.slice(0, MAX_REDRESS);
}

function updated(
  call: Call,
  state: CallState,
  change: Partial<Attempt>,
  at: number,
  type: TimelineEntry['type'],
  detail: Detail = {},
): Call {
  return noted(changed(call, state, change), at, type, detail);
}

function changed(call: Call, state: CallState, change: Partial<Attempt>): Call {
  const last = call.attempts.length - 1;
  return {
    ...call,
    state,
    attempts: call.attempts.map((attempt, index) => (index === last ? { ...attempt, ...change } : attempt)),
  };
}

function noted(
  call: Call,
  at: number,
  type: TimelineEntry['type'],
  detail: Detail,
  attempt = call.attempts.length,
): Call {
  return { ...call, timeline: [...call.timeline, { at, attempt, type, detail }] };
}

function seenBefore(call: Call, type: TimelineEntry['type'], status: number): boolean {
  return call.timeline.some(
    (entry) =>
      entry.attempt === call.attempts.length && entry.type === type && entry.detail['status'] === status,
  );
}

function clipped(text: string): string {
  return text.slice(0, MAX_FOREIGN_TEXT);
}
