import type { Call } from '../call/call.ts';

/** What one process asks of another one that shares its store. */
export type PeerMessage =
  /** To end a call that it carries. */
  | { readonly kind: 'hang_up'; readonly callId: string }
  /** Nothing is to be proven by a call any more. */
  | { readonly kind: 'settle'; readonly callId: string }
  /** A call that it waited with is carried by another process now. */
  | { readonly kind: 'moved'; readonly callId: string };

/**
 * The processes that share a store, as one of them knows them. A process is known by its token: its name and a random
 * part, so that the next process of the same name is another one. A process that was given up for dead, since it stood
 * still for too long, gets another token when it goes on.
 */
export interface Peers {
  /** What this process is called now. */
  readonly token: string;
  /**
   * Whether a process may still carry calls: false only where it has said that it ended, or where this one has seen it
   * stand still for the lease's time while it could see it.
   */
  isAlive(token: string): boolean;
  /**
   * Whether nobody can have given this process up for dead: false where it has not been heard of for so long that others
   * may carry its calls by now.
   */
  isTrusted(): boolean;
  /** Tells a process something. False where nobody took it. Never rejects. */
  send(token: string, message: PeerMessage): Promise<boolean>;
  /** Tells everybody who follows a call how it is now. Returns at once and never throws. */
  publish(call: Call): void;
  /**
   * Hears of a call that another process carries, whenever it changes, until the function that it answers is called. What
   * gets lost on the way is read from the store a little later.
   */
  follow(callId: string, listener: (call: Call) => void): () => void;
}
