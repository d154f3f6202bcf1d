import type { Call, Disposition } from '../call/call.ts';

/** What a call of the API of Restcomm is doing, or what became of it. */
export type RestcommStatus =
  | 'queued'
  | 'ringing'
  | 'in-progress'
  | 'completed'
  | 'failed'
  | 'busy'
  | 'no-answer'
  | 'canceled';

/**
 * What became of a call that has ended. Whatever was answered is completed, by whom and for how long it may be; what
 * nobody answered in time, or could not be rung, is no answer; a callee who declines is busy (SIP 603 counts as 486 there).
 */
const ENDS = {
  answered: 'completed',
  no_key: 'completed',
  machine: 'completed',
  busy: 'busy',
  declined: 'busy',
  no_answer: 'no-answer',
  rang: 'no-answer',
  no_ring: 'no-answer',
  unreachable: 'no-answer',
  canceled: 'canceled',
  rejected: 'failed',
  blocked: 'failed',
  invalid_number: 'failed',
  media_rejected: 'failed',
  identity_rejected: 'failed',
  redirected: 'failed',
  diverted: 'failed',
  trunk_auth: 'failed',
  trunk_failure: 'failed',
  trunk_timeout: 'failed',
  prompt_failed: 'failed',
  capacity: 'failed',
  interrupted: 'failed',
  failed: 'failed',
} as const satisfies Readonly<Partial<Record<Disposition, RestcommStatus>>>;

/** The status of a call that is in this state, or has ended with this disposition. */
export function restcommStatusOf({
  state,
  disposition,
}: Pick<Call, 'state' | 'disposition'>): RestcommStatus {
  switch (state) {
    case 'queued':
    case 'dialing':
      return 'queued';
    case 'ringing':
      return 'ringing';
    case 'answered':
      return 'in-progress';
    case 'ended':
      return endOf(disposition ?? 'failed');
  }
}

/** Also of what is no end of a call, such as that of a text message. */
function endOf(disposition: Disposition): RestcommStatus {
  const ends: Readonly<Partial<Record<Disposition, RestcommStatus>>> = ENDS;
  return ends[disposition] ?? 'completed';
}
