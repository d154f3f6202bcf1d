import type { Meters } from './meters.ts';

/** What clients are told, and what not yet. */
export interface WebhookState {
  /** Of this process, since its beginning: events that were taken, attempts in vain, notices that were given up. */
  readonly delivered: number;
  readonly failed: number;
  readonly dead: number;
  /** In the store: those that are not over, and those that were given up and can be sent again. */
  readonly open: number;
  readonly deadNow: number;
  /** Since when the oldest that is not over began, milliseconds. */
  readonly oldestMs: number;
}

/** @returns what notes the state before a page is read */
export function webhookMetrics(
  meters: Meters,
  state: () => Promise<WebhookState | undefined>,
): () => Promise<void> {
  const events = meters.counter(
    'voice_otp_webhook_events_total',
    'Events of callbacks: delivered, and attempts that failed.',
    ['result'],
  );
  const dead = meters.counter('voice_otp_webhooks_dead_total', 'Calls whose callbacks were given up.');
  const kept = meters.gauge(
    'voice_otp_webhooks',
    'Calls whose callbacks are not all delivered, in the store that all nodes share: open, or given up.',
    ['state'],
  );
  const oldest = meters.gauge(
    'voice_otp_webhook_oldest_seconds',
    'Age of the oldest call whose callbacks are not all delivered, calls under way included; 0: there is none.',
  );
  return async () => {
    // A page without them is better than none, where the store is away.
    const known = await state().catch(() => undefined);
    events.reset();
    dead.reset();
    if (known === undefined) return;
    events.inc({ result: 'delivered' }, known.delivered);
    events.inc({ result: 'failed' }, known.failed);
    dead.inc(known.dead);
    kept.set({ state: 'open' }, known.open);
    kept.set({ state: 'dead' }, known.deadNow);
    oldest.set(known.oldestMs / 1000);
  };
}
