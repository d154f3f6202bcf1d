import type { CallEvent, Engine, Leg, LegTimeouts, SipTransport } from '../../src/engine/engine.ts';
import type { Speech } from '../../src/media/speech.ts';

/** A tone, so that a recording tells speech from silence. */
export function tone(ms: number, hz = 440): Speech {
  const samples = Int16Array.from(
    { length: ms * 8 },
    (_, i) => 8000 * Math.sin((2 * Math.PI * hz * i) / 8000),
  );
  return { sampleRate: 8000, parts: [samples] };
}

/** One after the other. */
export function inTurn(...speeches: readonly Speech[]): Speech {
  return { sampleRate: 8000, parts: speeches.flatMap(({ parts }) => parts) };
}

export interface LegOverrides extends Partial<Omit<Leg, 'timeouts' | 'nextHop'>> {
  readonly transport?: SipTransport;
  readonly timeouts?: Partial<LegTimeouts>;
}

/** A leg to a number at a carrier on this machine. */
export function legTo(
  port: number,
  number: string,
  { transport, timeouts, ...rest }: LegOverrides = {},
): Leg {
  return {
    callId: `call_${number}`,
    requestUri: `sip:${number}@127.0.0.1:${port}`,
    nextHop: { host: '127.0.0.1', port, transport: transport ?? 'udp' },
    from: { uri: 'sip:+442079460999@127.0.0.1', displayName: 'Test' },
    headers: [],
    codecs: ['PCMU', 'PCMA'],
    prompt: tone(400),
    ...rest,
    timeouts: { setupMs: 4000, ringMs: 4000, maxCallMs: 20_000, lingerMs: 50, ...timeouts },
  };
}

/** All events of a leg; `on` sees each before the next one is asked for. */
export async function eventsOf(
  engine: Engine,
  leg: Leg,
  options: { signal?: AbortSignal; on?: (event: CallEvent) => void } = {},
): Promise<CallEvent[]> {
  const events: CallEvent[] = [];
  for await (const event of engine.originate(leg, options.signal ?? new AbortController().signal)) {
    events.push(event);
    options.on?.(event);
  }
  return events;
}

/** The `ended` event that has to be the last one. */
export function endOf(events: readonly CallEvent[]): Extract<CallEvent, { type: 'ended' }> {
  const last = events.at(-1);
  if (last?.type !== 'ended') throw new Error(`the last event is ${last?.type}, not ended`);
  return last;
}

/** Shortens the end of a leg to what tables of tests name. */
export function gistOf(events: readonly CallEvent[]): string {
  const { end } = endOf(events);
  if (end.kind === 'rejected') return `rejected ${end.sip.status}`;
  return end.kind === 'hung_up' ? `hung_up by ${end.by}: ${end.why}` : end.kind;
}

/** The types of the events in their order, with blanks between them; without `sent`, which not every engine tells, and `again`. */
export function courseOf(events: readonly CallEvent[]): string {
  return events
    .map(({ type }) => type)
    .filter((type) => type !== 'sent' && type !== 'again')
    .join(' ');
}
