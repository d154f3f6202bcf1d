/** Server transactions as pure state machines: RFC 3261 §17.2, with the Accepted state of RFC 6026. */
import { type SipTimers, transactionMs } from './timers.ts';

export interface ServerTransaction {
  readonly type: 'invite' | 'non_invite';
  readonly reliable: boolean;
  readonly state: 'trying' | 'proceeding' | 'completed' | 'confirmed' | 'accepted' | 'terminated';
  /** The next interval of Timer G. */
  readonly intervalMs: number;
}

/** G retransmits, H waits for the ACK, I and J absorb, L keeps a transaction whose INVITE was accepted. */
export type ServerTimer = 'G' | 'H' | 'I' | 'J' | 'L';

export type ServerInput =
  /** The same request again. */
  | { readonly type: 'request' }
  | { readonly type: 'ack' }
  /** The user's response, already remembered as the last one. */
  | { readonly type: 'respond'; readonly status: number }
  | { readonly type: 'timer'; readonly timer: ServerTimer };

export type ServerAction =
  /** Send the last response (again). */
  | { readonly type: 'send' }
  /** No ACK came within Timer H. */
  | { readonly type: 'timeout' }
  | { readonly type: 'start'; readonly timer: ServerTimer; readonly ms: number }
  | { readonly type: 'stop'; readonly timer: ServerTimer };

export type ServerStep = readonly [ServerTransaction, readonly ServerAction[]];

export function startServer(
  type: ServerTransaction['type'],
  reliable: boolean,
  timers: SipTimers,
): ServerTransaction {
  return { type, reliable, state: type === 'invite' ? 'proceeding' : 'trying', intervalMs: timers.t1Ms };
}

export function stepServer(tx: ServerTransaction, input: ServerInput, timers: SipTimers): ServerStep {
  switch (tx.state) {
    case 'trying':
    case 'proceeding':
      return tx.type === 'invite' ? inviteProceeding(tx, input, timers) : proceeding(tx, input, timers);
    case 'completed':
      return tx.type === 'invite' ? inviteCompleted(tx, input, timers) : completed(tx, input);
    case 'confirmed':
      return input.type === 'timer' && input.timer === 'I' ? [terminated(tx), []] : [tx, []];
    case 'accepted':
      return accepted(tx, input);
    case 'terminated':
      return [tx, []];
  }
}

const terminated = (tx: ServerTransaction): ServerTransaction => ({ ...tx, state: 'terminated' });

function inviteProceeding(tx: ServerTransaction, input: ServerInput, timers: SipTimers): ServerStep {
  // The user answers at once here (100 included), so there is always a last response to send again.
  if (input.type === 'request') return [tx, [{ type: 'send' }]];
  if (input.type !== 'respond') return [tx, []];
  if (input.status < 200) return [tx, [{ type: 'send' }]];
  const allMs = transactionMs(timers);
  // RFC 6026 §7.1: a 2xx leads to Accepted; retransmitting it is the user's work (RFC 3261 §13.3.1.4).
  if (input.status < 300)
    return [{ ...tx, state: 'accepted' }, [{ type: 'send' }, { type: 'start', timer: 'L', ms: allMs }]];
  const actions: ServerAction[] = [{ type: 'send' }, { type: 'start', timer: 'H', ms: allMs }];
  if (!tx.reliable) actions.push({ type: 'start', timer: 'G', ms: tx.intervalMs });
  return [{ ...tx, state: 'completed' }, actions];
}

function inviteCompleted(tx: ServerTransaction, input: ServerInput, timers: SipTimers): ServerStep {
  if (input.type === 'request') return [tx, [{ type: 'send' }]];
  if (input.type === 'timer' && input.timer === 'G') {
    const intervalMs = Math.min(tx.intervalMs * 2, timers.t2Ms);
    return [{ ...tx, intervalMs }, [{ type: 'send' }, { type: 'start', timer: 'G', ms: intervalMs }]];
  }
  if (input.type === 'timer' && input.timer === 'H') return [terminated(tx), [{ type: 'timeout' }]];
  if (input.type !== 'ack') return [tx, []];
  const quiet: ServerAction[] = [
    { type: 'stop', timer: 'G' },
    { type: 'stop', timer: 'H' },
  ];
  if (tx.reliable) return [terminated(tx), quiet];
  return [{ ...tx, state: 'confirmed' }, [...quiet, { type: 'start', timer: 'I', ms: timers.t4Ms }]];
}

function accepted(tx: ServerTransaction, input: ServerInput): ServerStep {
  // The user sends its 2xx again and gets the ACK (RFC 6026 §7.1): a retransmitted INVITE is only absorbed.
  if (input.type === 'respond' && input.status >= 200 && input.status < 300) return [tx, [{ type: 'send' }]];
  return input.type === 'timer' && input.timer === 'L' ? [terminated(tx), []] : [tx, []];
}

/** Trying and Proceeding of what is not an INVITE (§17.2.2). */
function proceeding(tx: ServerTransaction, input: ServerInput, timers: SipTimers): ServerStep {
  if (input.type === 'request') return [tx, tx.state === 'proceeding' ? [{ type: 'send' }] : []];
  if (input.type !== 'respond') return [tx, []];
  if (input.status < 200) return [{ ...tx, state: 'proceeding' }, [{ type: 'send' }]];
  if (tx.reliable) return [terminated(tx), [{ type: 'send' }]];
  const actions: ServerAction[] = [
    { type: 'send' },
    { type: 'start', timer: 'J', ms: transactionMs(timers) },
  ];
  return [{ ...tx, state: 'completed' }, actions];
}

function completed(tx: ServerTransaction, input: ServerInput): ServerStep {
  if (input.type === 'request') return [tx, [{ type: 'send' }]];
  return input.type === 'timer' && input.timer === 'J' ? [terminated(tx), []] : [tx, []];
}
