import type { CallEvent, Leftover } from '../engine/engine.ts';
import { Secret } from '../secret.ts';
import type { Vault } from '../verification/vault.ts';

/** The event with its leftover sealed: what ends a flash call has its calling number, which the store must not show. */
export function withSealedLeftover(event: CallEvent, callId: string, vault: Pick<Vault, 'seal'>): CallEvent {
  if (!('leftover' in event)) return event;
  return { ...event, leftover: { sealed: vault.seal(callId, new Secret(JSON.stringify(event.leftover))) } };
}

/** The leftover as its engine told it. @throws Error where it was sealed with another master key */
export function openLeftover(leftover: Leftover, callId: string, vault: Pick<Vault, 'open'>): Leftover {
  const { sealed } = leftover;
  return typeof sealed === 'string'
    ? (JSON.parse(vault.open(callId, sealed).reveal()) as Leftover)
    : leftover;
}
