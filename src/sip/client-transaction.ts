/**
 * Client transactions as pure state machines: RFC 3261 §17.1, with the Accepted state of RFC 6026. A step
 * takes a state and an input and answers the next state and what is to be done; `sip/transactions` does it.
 */
import { type SipTimers, timerD, transactionMs } from './timers.ts';

export interface ClientTransaction {
  readonly type: 'invite' | 'non_invite';
  /** A transport that retransmits by itself: TCP, TLS. */
  readonly reliable: boolean;
  readonly state: 'calling' | 'trying' | 'proceeding' | 'completed' | 'accepted' | 'terminated';
  /** The next interval of Timer A or E. */
  readonly intervalMs: number;
}

/** A and E retransmit, B and F give up, D, K and M absorb what comes late. */
export type ClientTimer = 'A' | 'B' | 'D' | 'E' | 'F' | 'K' | 'M';

export type ClientInput =
  | { readonly type: 'response'; readonly status: number }
  | { readonly type: 'timer'; readonly timer: ClientTimer }
  | { readonly type: 'transport_error' }
  /** Our user no longer wants it and no provisional came: do not send the INVITE again. */
  | { readonly type: 'hush' };

export type ClientAction =
  | { readonly type: 'send' }
  /** ACK to a final response other than 2xx (RFC 3261 §17.1.1.3). */
  | { readonly type: 'send_ack' }
  /** Hand this response to the transaction user. */
  | { readonly type: 'deliver' }
  | { readonly type: 'timeout' }
  | { readonly type: 'transport_error' }
  | { readonly type: 'start'; readonly timer: ClientTimer; readonly ms: number }
  | { readonly type: 'stop'; readonly timer: ClientTimer };

export type ClientStep = readonly [ClientTransaction, readonly ClientAction[]];

export function startClient(
  type: ClientTransaction['type'],
  reliable: boolean,
  timers: SipTimers,
): ClientStep {
  const invite = type === 'invite';
  const actions: ClientAction[] = [{ type: 'send' }];
  // §17.1.1.2, §17.1.2.2: A and E only where the transport may lose a message.
  if (!reliable) actions.push({ type: 'start', timer: invite ? 'A' : 'E', ms: timers.t1Ms });
  actions.push({ type: 'start', timer: invite ? 'B' : 'F', ms: transactionMs(timers) });
  return [{ type, reliable, state: invite ? 'calling' : 'trying', intervalMs: timers.t1Ms }, actions];
}

export function stepClient(tx: ClientTransaction, input: ClientInput, timers: SipTimers): ClientStep {
  if (input.type === 'transport_error') return transportError(tx);
  switch (tx.state) {
    case 'calling':
      return calling(tx, input, timers);
    case 'trying':
      return trying(tx, input, timers);
    case 'proceeding':
      return tx.type === 'invite' ? inviteProceeding(tx, input, timers) : trying(tx, input, timers);
    case 'completed':
      return completed(tx, input);
    case 'accepted':
      return accepted(tx, input);
    case 'terminated':
      return [tx, []];
  }
}

const terminated = (tx: ClientTransaction): ClientTransaction => ({ ...tx, state: 'terminated' });

/** §17.1.4: the user is told, once; after the final response there is nobody to tell. */
function transportError(tx: ClientTransaction): ClientStep {
  if (tx.state === 'terminated' || tx.state === 'accepted') return [tx, []];
  return [terminated(tx), tx.state === 'completed' ? [] : [{ type: 'transport_error' }]];
}

function calling(tx: ClientTransaction, input: ClientInput, timers: SipTimers): ClientStep {
  if (input.type === 'hush') return [tx, [{ type: 'stop', timer: 'A' }]];
  if (input.type === 'timer') {
    // "When timer A fires, the client transaction MUST retransmit the request and reset the timer to 2*T1."
    if (input.timer === 'A') {
      const intervalMs = tx.intervalMs * 2;
      return [{ ...tx, intervalMs }, [{ type: 'send' }, { type: 'start', timer: 'A', ms: intervalMs }]];
    }
    return input.timer === 'B' ? [terminated(tx), [{ type: 'timeout' }]] : [tx, []];
  }
  if (input.type === 'response') return inviteResponse(tx, input.status, timers);
  return [tx, []];
}

function inviteProceeding(tx: ClientTransaction, input: ClientInput, timers: SipTimers): ClientStep {
  return input.type === 'response' ? inviteResponse(tx, input.status, timers) : [tx, []];
}

function inviteResponse(tx: ClientTransaction, status: number, timers: SipTimers): ClientStep {
  const quiet: ClientAction[] = [
    { type: 'stop', timer: 'A' },
    { type: 'stop', timer: 'B' },
  ];
  if (status < 200) return [{ ...tx, state: 'proceeding' }, [...quiet, { type: 'deliver' }]];
  if (status < 300) {
    // RFC 6026 §8.4: stay for Timer M, so that every 2xx, of this fork or another, reaches the user.
    const start: ClientAction = { type: 'start', timer: 'M', ms: transactionMs(timers) };
    return [{ ...tx, state: 'accepted' }, [...quiet, { type: 'deliver' }, start]];
  }
  const after: ClientAction[] = [...quiet, { type: 'send_ack' }, { type: 'deliver' }];
  // §17.1.1.2: D is zero over a reliable transport.
  if (tx.reliable) return [terminated(tx), after];
  return [{ ...tx, state: 'completed' }, [...after, { type: 'start', timer: 'D', ms: timerD(timers) }]];
}

/** Trying and Proceeding of what is not an INVITE (§17.1.2.2) differ only in the interval of Timer E. */
function trying(tx: ClientTransaction, input: ClientInput, timers: SipTimers): ClientStep {
  if (input.type === 'timer' && input.timer === 'E') {
    const intervalMs = tx.state === 'proceeding' ? timers.t2Ms : Math.min(tx.intervalMs * 2, timers.t2Ms);
    return [{ ...tx, intervalMs }, [{ type: 'send' }, { type: 'start', timer: 'E', ms: intervalMs }]];
  }
  if (input.type === 'timer' && input.timer === 'F') return [terminated(tx), [{ type: 'timeout' }]];
  if (input.type !== 'response') return [tx, []];
  if (input.status < 200) return [{ ...tx, state: 'proceeding' }, [{ type: 'deliver' }]];
  const done: ClientAction[] = [
    { type: 'stop', timer: 'E' },
    { type: 'stop', timer: 'F' },
    { type: 'deliver' },
  ];
  if (tx.reliable) return [terminated(tx), done];
  return [{ ...tx, state: 'completed' }, [...done, { type: 'start', timer: 'K', ms: timers.t4Ms }]];
}

function completed(tx: ClientTransaction, input: ClientInput): ClientStep {
  if (input.type === 'timer' && (input.timer === 'D' || input.timer === 'K')) return [terminated(tx), []];
  // "Any retransmissions of the final response … MUST cause the ACK to be re-passed to the transport layer."
  if (tx.type === 'invite' && input.type === 'response' && input.status >= 300)
    return [tx, [{ type: 'send_ack' }]];
  return [tx, []];
}

function accepted(tx: ClientTransaction, input: ClientInput): ClientStep {
  if (input.type === 'timer' && input.timer === 'M') return [terminated(tx), []];
  // RFC 6026 §8.4: "any 2xx … MUST be passed to the TU"; anything else is dropped.
  if (input.type === 'response' && input.status >= 200 && input.status < 300)
    return [tx, [{ type: 'deliver' }]];
  return [tx, []];
}
