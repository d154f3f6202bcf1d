import type { Call, TimelineEntry } from '../call/call.ts';
import type { VerificationView } from '../verification/service.ts';
import type { Channel, VerificationStatus } from '../verification/verification.ts';

/** One thing that happened to a call, for people. */
export interface Step {
  /** From the request on, milliseconds. */
  readonly afterMs: number;
  readonly name: string;
  /** What is worth to be known of it beside its name. */
  readonly more: string | null;
}

/** How things stand, in a sentence; `busy` while something is still to happen by itself. */
export interface Standing {
  readonly tone: 'busy' | 'waiting' | 'good' | 'bad';
  readonly text: string;
}

const FINAL: Readonly<Record<Exclude<VerificationStatus, 'pending'>, readonly [name: string, text: string]>> =
  {
    approved: ['OK', 'The number is proven.'],
    expired: ['Not OK', 'The time is over.'],
    failed: ['Not OK', 'The call did not get through.'],
    canceled: ['Not OK', 'It was canceled.'],
    max_checks_reached: ['Not OK', 'There were too many wrong entries.'],
  };

/** OK or not, and why; undefined while that is open. */
export function verdictOf(
  { status, approvedBy }: VerificationView,
  call: Call | undefined,
): { readonly isGood: boolean; readonly name: string; readonly text: string } | undefined {
  if (status === 'pending') return undefined;
  const [name, text] = FINAL[status];
  const proof = status === 'approved' && approvedBy !== null ? ` ${PROOFS[approvedBy]}` : '';
  const why = status === 'failed' ? ending(call) : undefined;
  return { isGood: status === 'approved', name, text: why ?? `${text}${proof}` };
}

const PROOFS = {
  code: 'The code was right.',
  caller_id: 'The number that called was right.',
  keys: 'The code was keyed in during the call.',
} as const;

/** What the call is doing, in a sentence. */
export function standingOf(verification: VerificationView, call: Call | undefined): Standing {
  const verdict = verdictOf(verification, call);
  if (verdict !== undefined)
    return { tone: verdict.isGood ? 'good' : 'bad', text: `${verdict.name}. ${verdict.text}` };
  if (call === undefined) return { tone: 'busy', text: 'In the queue.' };
  const shown: Channel = call.attempts.at(-1)?.channel ?? verification.channel;
  if (call.state === 'ended') return { tone: 'waiting', text: afterwards(verification, call) };
  const waits = call.timeline.at(-1)?.type === 'waiting';
  if (waits) return { tone: 'waiting', text: 'It rang. Without an answer here, a spoken code follows.' };
  if (shown === 'sms') return { tone: 'busy', text: 'Sending.' };
  return { tone: 'busy', text: UNDER_WAY[call.state](shown === 'flash') };
}

const UNDER_WAY: Readonly<Record<Exclude<Call['state'], 'ended'>, (isFlash: boolean) => string>> = {
  queued: () => 'In the queue.',
  dialing: (isFlash) => (isFlash ? 'Calling: it will ring briefly.' : 'Calling.'),
  ringing: (isFlash) => (isFlash ? 'Ringing. Do not answer.' : 'Ringing. Please answer.'),
  answered: () => 'Answered: the code is being said.',
};

function afterwards(verification: VerificationView, call: Call): string {
  const why = ending(call);
  const channel: Channel = verification.channel;
  if (channel === 'flash') return why ?? 'It rang. Which number called?';
  return why ?? 'Enter the code.';
}

/** Why a call ended that did not do what it should; undefined where it did. */
function ending(call: Call | undefined): string | undefined {
  return call?.disposition === null || call === undefined ? undefined : ENDINGS[call.disposition];
}

const ENDINGS: Readonly<Record<string, string>> = {
  busy: 'The number is busy.',
  no_answer: 'Nobody answered.',
  declined: 'The call was declined.',
  rejected: 'The network refused the call.',
  blocked: 'The call was blocked.',
  unreachable: 'The phone cannot be reached.',
  invalid_number: 'There is no such number.',
  canceled: 'The call was canceled.',
  media_rejected: 'The far end takes none of our audio formats.',
  identity_rejected: 'The network does not believe who calls.',
  redirected: 'The call was sent elsewhere.',
  trunk_auth: 'The trunk does not accept our credentials.',
  trunk_failure: 'The trunk has failed.',
  trunk_timeout: 'The trunk does not answer.',
  prompt_failed: 'What was to be said could not be made.',
  capacity: 'All lines are in use.',
  no_ring: 'It did not ring.',
  diverted: 'The call was forwarded to another phone.',
  no_key: 'No key was pressed.',
  machine: 'A voicemail answered.',
  interrupted: 'The service was restarted during the call.',
  failed: 'The call failed.',
};

const NAMES: Readonly<Partial<Record<TimelineEntry['type'], string>>> = {
  queued: 'Queued',
  prompt_failed: 'Nothing could be said',
  waiting: 'Waiting for an entry',
  trying: 'Trying',
  progress: 'Progress',
  ringing: 'Ringing',
  early_media: 'Early media',
  answered: 'Answered',
  dtmf: 'Key',
  gate_opened: 'Key accepted',
  detected: 'Detected',
  tone_heard: 'Tone heard',
  prompt_finished: 'Code said',
  ended: 'Ended',
};

/** What happened so far. No number and no code is in it: of a flash call even the caller is a secret. */
export function stepsOf(call: Call): readonly Step[] {
  return call.timeline.flatMap((entry) => {
    const name = NAMES[entry.type];
    // Attempts end, and then the call: once is enough.
    if (name === undefined || (entry.type === 'ended' && entry.attempt === 0 && call.attempts.length > 0)) {
      return [];
    }
    return [{ afterMs: Math.max(0, entry.at - call.createdAt), name, more: detailOf(entry, call) }];
  });
}

function detailOf({ type, attempt, detail }: TimelineEntry, call: Call): string | null {
  if (type === 'trying') {
    const tried = call.attempts[attempt - 1];
    const channel = tried?.channel ?? 'voice';
    return tried === undefined ? null : `trunk ${tried.trunkId}${channel === 'voice' ? '' : `, ${channel}`}`;
  }
  if (type === 'progress') return `SIP ${detail['status'] ?? ''}`;
  if (type === 'answered') return typeof detail['codec'] === 'string' ? detail['codec'] : null;
  if (type === 'detected') return String(detail['verdict'] ?? '');
  if (type !== 'ended') return null;
  const status = detail['status'] === undefined ? '' : `SIP ${detail['status']}`;
  return [detail['disposition'], status].filter(Boolean).join(', ').replaceAll('_', ' ');
}
