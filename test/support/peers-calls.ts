import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { CallEvent, Engine, LegEnd } from '../../src/engine/engine.ts';
import type { WireMessage } from '../../src/sip/transport.ts';
import { eventually } from './eventually.ts';
import { endOf, eventsOf, type LegOverrides, legTo, tone } from './legs.ts';
import { Ear, type HeardStream } from './peers-audio.ts';
import { type CountedEngine, type EngineSource, embeddedEngines } from './peers-engines.ts';
import { LossyPath } from './peers-loss.ts';
import { Sipp, type SippOptions, type SippResult } from './peers-sipp.ts';

/** Calls of one run. */
/** In each scenario: a hundred, or as many as the environment variable SIPP_CALLS says (20 to 1000). */
export const CALLS = Math.min(1000, Math.max(20, Number(process.env['SIPP_CALLS'] ?? 100)));
const PROMPT = tone(200);
const SEED = 1;

export interface Run extends Omit<SippOptions, 'mediaPort' | 'contactPort' | 'calls'> {
  /** RFC 3261 T1 of our side, default 500: SIPp knows only the last message when it comes again. */
  readonly t1Ms?: number;
  readonly leg?: LegOverrides;
  /** Per cent of the messages that are lost on their way, in each direction. */
  readonly lossPercent?: number;
  /** The event after which the leg is aborted. */
  readonly abortOn?: CallEvent['type'];
}

type SipText = Pick<WireMessage, 'direction' | 'text'>;

/** What came of a run. */
export interface RunResult {
  /** How often each course of a call (its events but `sent`, which only some engines tell, and its end) was taken. */
  readonly courses: Readonly<Record<string, number>>;
  readonly sipp: SippResult;
  readonly streams: readonly HeardStream[];
  /** How many messages did not arrive. */
  readonly lost: number;
  /** As our side sent and received it; of an engine that does not tell, what arrived at SIPp. */
  readonly wire: readonly SipText[];
  readonly faults: readonly unknown[];
}

/** What was not given back. */
export interface Leavings {
  /** What engines hold, by the run that they were for. */
  readonly held: Readonly<Record<string, object>>;
  /** Sockets, child processes and timers beyond those that there were before. */
  readonly open: Readonly<Record<string, number>>;
}

/** Runs of calls, through one engine each; what they hold is looked at when all are over. */
export class Runs {
  readonly #source: EngineSource;
  readonly #engines = new Map<string, CountedEngine>();
  readonly #before = resources();
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(source: EngineSource = embeddedEngines()) {
    this.#source = source;
    this.#free = source.runsAtOnce;
  }

  /** The engine that carries the runs. */
  get engine(): Engine['name'] {
    return this.#source.name;
  }

  /** Carries a hundred calls to SIPp. Resolves when both sides say that they are over. */
  async run(run: Run): Promise<RunResult> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await this.#run(run);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  /** Waits for what is still timed, closes the engines, and tells what they did not give back by themselves. */
  async end(): Promise<Leavings> {
    const held = await soon(() => this.#held(), { timeoutMs: 40_000 });
    await Promise.all([...this.#engines.values()].map((engine) => engine.close(AbortSignal.abort())));
    await this.#source.close();
    return { held, open: await openSince(this.#before) };
  }

  async #run(run: Run): Promise<RunResult> {
    const faults: unknown[] = [];
    const wire: SipText[] = [];
    const engine = await this.#source.start({
      t1Ms: run.t1Ms ?? 500,
      onFault: (error) => faults.push(error),
      onWire: (message) => wire.push(message),
    });
    this.#engines.set(`${run.scenario} ${run.transport ?? 'udp'} ${this.#engines.size}`, engine);
    const ear = await Ear.open();
    const path = await LossyPath.open((run.lossPercent ?? 0) / 100, SEED);
    const lossy = run.lossPercent !== undefined;
    const contact = lossy ? { contactPort: path.port } : {};
    const trace = !this.#source.tellsWire;
    const sipp = await Sipp.start({ ...run, ...contact, calls: CALLS, mediaPort: ear.port, trace });
    path.leadTo(sipp.port);
    try {
      const port = lossy ? path.port : sipp.port;
      const events = await callAll(engine, port, run, this.#source.callsPerSecond);
      const result = await sipp.result();
      const { streams } = ear;
      for (const text of await sipp.received()) wire.push({ direction: 'out', text });
      return { courses: tally(events), sipp: result, streams, lost: path.lost, wire, faults };
    } finally {
      await sipp.stop();
      await Promise.all([ear.close(), path.close()]);
    }
  }

  async #held(): Promise<Record<string, object>> {
    const held: [string, object][] = [...this.#engines].map(([name, engine]) => [name, engine.held()]);
    held.push(['servers', await this.#source.held()]);
    return Object.fromEntries(held.filter(([, counts]) => Object.values(counts).some((count) => count > 0)));
  }
}

/** Sockets, child processes and timers that keep this process alive, by kind. */
export function resources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) {
    if (/UDP|TCP|Process|Timeout/.test(kind)) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** What is open beyond `before`, once all had time to close. The test runner's own timers come and go. */
export function openSince(before: Readonly<Record<string, number>>): Promise<Record<string, number>> {
  return soon(() => {
    const more = Object.entries(resources()).map(
      ([kind, count]) => [kind, count - (before[kind] ?? 0)] as const,
    );
    return Object.fromEntries(more.filter(([, count]) => count > 0));
  });
}

/** The record, as soon as it is empty, or as it is in the end. */
async function soon<T extends object>(
  look: () => T | Promise<T>,
  options?: { timeoutMs: number },
): Promise<T> {
  let last = await look();
  const check = async (): Promise<void> => {
    last = await look();
    if (Object.keys(last).length > 0) throw new Error('not yet');
  };
  await eventually(check, options).catch(() => {});
  return last;
}

async function callAll(
  engine: Engine,
  port: number,
  run: Run,
  callsPerSecond: number,
): Promise<CallEvent[][]> {
  const start = performance.now();
  const calls: Promise<CallEvent[]>[] = [];
  for (let i = 0; i < CALLS; i++) {
    await sleep(Math.max(0, start + (i * 1000) / callsPerSecond - performance.now()));
    const abort = new AbortController();
    const { transport = 'udp', abortOn } = run;
    const leg = legTo(port, `+44207946${1000 + i}`, { prompt: PROMPT, transport, ...run.leg });
    const on = ({ type }: CallEvent): void => (type === abortOn ? abort.abort() : undefined);
    calls.push(eventsOf(engine, leg, { signal: abort.signal, on }));
  }
  return Promise.all(calls);
}

function tally(calls: readonly (readonly CallEvent[])[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const events of calls) {
    const types = events.map(({ type }) => type).filter((type) => type !== 'sent' && type !== 'again');
    const course = courseOf(types.join(' '), endOf(events).end);
    counts[course] = (counts[course] ?? 0) + 1;
  }
  return counts;
}

function courseOf(types: string, end: LegEnd): string {
  return `${types}: ${JSON.stringify(end)}`;
}

/** All calls of the run went this way, and SIPp says that each was as its scenario wants it. */
export function assertAll(result: RunResult, types: string, end: LegEnd): void {
  expect(result.faults).toEqual([]);
  expect(result.courses, result.sipp.errors).toEqual({ [courseOf(types, end)]: CALLS });
  expect(result.sipp, result.sipp.errors).toMatchObject({ code: 0, successful: CALLS, failed: 0 });
}

/** The requests of ours with this method, each as often as it was sent: the same text is the same request. */
export function requestsOf(wire: readonly SipText[], method: string): string[] {
  return wire
    .filter(({ direction, text }) => direction === 'out' && text.startsWith(`${method} `))
    .map(({ text }) => text);
}
