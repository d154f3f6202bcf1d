import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import { afterAll, describe, expect, it } from 'vitest';
import type { CallEvent, FlashTerms } from '../../src/engine/engine.ts';
import { Secret } from '../../src/secret.ts';
import { eventually } from '../support/eventually.ts';
import { courseOf, eventsOf, gistOf, legTo, tone } from '../support/legs.ts';
import { Ear, type HeardStream } from '../support/peers-audio.ts';
import type { EngineSource } from '../support/peers-engines.ts';
import { Sipp, type SippResult } from '../support/peers-sipp.ts';
import { WireRecord } from '../support/wire-record.ts';

const CALLS = 50;
const CALLS_PER_SECOND = 25;
/** What the issue allows for a CANCEL that is due, and from a 200 to our BYE. */
const SLACK_MS = 50;
const BYE_MS = 200;
const RING_HOLD_MS = 700;
const MAX_RING_MS = 1500;
const PROMPT_MS = 300;
/** They mostly wait. */
const RUNS_AT_ONCE = 2;

interface FlashRun {
  readonly scenario: string;
  readonly transport?: 'udp' | 'tcp';
  readonly onAnswer?: FlashTerms['onAnswer'];
}

interface FlashResult {
  readonly calls: readonly (readonly CallEvent[])[];
  readonly numbers: readonly string[];
  readonly sipp: SippResult;
  readonly streams: readonly HeardStream[];
  /** By SIPp's own clock. */
  readonly wire: WireRecord;
}

/** Flash calls to SIPp, with the times that SIPp wrote down. */
export function describeFlash(source: EngineSource): void {
  const { run, close } = flashRuns(source);
  afterAll(close);

  it.concurrent.each(['udp', 'tcp'] as const)('ring for their ring hold, over %s', async (transport) => {
    const result = await run({ scenario: 'rings', transport });
    assertAll(result, 'trying ringing ended', 'rang');
    await assertAfter(result, ['out 180 INVITE', 'in CANCEL'], RING_HOLD_MS);
  });

  it.concurrent('end at their limit where there is early media and no ringing', async () => {
    const result = await run({ scenario: 'early-media-only' });
    assertAll(result, 'trying early_media ended', 'no_ring');
    await assertAfter(result, ['in INVITE', 'in CANCEL'], MAX_RING_MS);
  });

  it.concurrent('ring from the first 180 on, behind early media too', async () => {
    const result = await run({ scenario: 'early-media-then-rings' });
    assertAll(result, 'trying early_media ringing ended', 'rang');
    await assertAfter(result, ['out 180 INVITE', 'in CANCEL'], RING_HOLD_MS);
  });

  it.concurrent('are canceled as soon as they are forwarded', async () => {
    const result = await run({ scenario: 'forwarded' });
    assertAll(result, 'trying ringing progress ended', 'diverted');
    await assertWithin(result, ['out 181 INVITE', 'in CANCEL']);
  });

  it.concurrent.each([
    ['answers', 'udp', 'trying ringing answered ended'],
    ['answers', 'tcp', 'trying ringing answered ended'],
    ['answers-at-once', 'udp', 'trying answered ended'],
    ['answers-at-once', 'tcp', 'trying answered ended'],
    ['407-md5', 'udp', 'trying answered ended'],
  ] as const)('are hung up when they are answered: %s, over %s', async (scenario, transport, types) => {
    const result = await run({ scenario, transport });
    assertAll(result, types, 'hung_up by us: flash_answered');
    await assertWithin(result, ['out 200 INVITE', 'in BYE']);
    expect(result.streams).toEqual([]);
  });

  it.concurrent('say their prompt to who answers, where they are to', async () => {
    const result = await run({ scenario: 'answers', onAnswer: 'speak' });
    assertAll(result, 'trying ringing answered prompt_finished ended', 'hung_up by us: prompt_finished');
    expect(result.streams).toHaveLength(CALLS);
    for (const { length } of result.streams) expect(length).toBeGreaterThanOrEqual(PROMPT_MS / 20);
  });

  describe.each(['hangup', 'speak'] as const)('with an answer that is to get: %s', (onAnswer) => {
    it.concurrent.each(['cancel-crosses-200', 'cancel-too-late'])(
      'are hung up when the answer comes after the CANCEL: %s',
      async (scenario) => {
        const result = await run({ scenario, onAnswer });
        assertAll(result, 'trying ringing answered ended', 'hung_up by us: crossed_cancel');
        await assertAfter(result, ['out 180 INVITE', 'in CANCEL'], RING_HOLD_MS);
        await assertWithin(result, ['out 200 INVITE', 'in BYE']);
        expect(result.streams).toEqual([]);
      },
    );
  });
}

function flashRuns(source: EngineSource) {
  const limit = pLimit(RUNS_AT_ONCE);
  const run = async ({
    scenario,
    transport = 'udp',
    onAnswer = 'hangup',
  }: FlashRun): Promise<FlashResult> => {
    const faults: unknown[] = [];
    const onFault = (error: unknown): number => faults.push(error);
    const engine = await source.start({ t1Ms: 200, onFault, onWire: () => {} });
    const ear = await Ear.open();
    const sipp = await Sipp.start({ scenario, calls: CALLS, transport, mediaPort: ear.port, trace: true });
    const prompt = onAnswer === 'speak' ? tone(PROMPT_MS) : null;
    const flash = { ringHoldMs: RING_HOLD_MS, maxRingMs: MAX_RING_MS, onAnswer };
    const credentials = { username: 'sipp', password: new Secret('sipp-secret') };
    const numbers = Array.from({ length: CALLS }, (_, i) => `+44207946${1000 + i}`);
    const wire = new WireRecord();
    try {
      const start = performance.now();
      const perSecond = Math.min(CALLS_PER_SECOND, source.callsPerSecond);
      const calls = await Promise.all(
        numbers.map(async (number, i) => {
          await sleep(start + (i * 1000) / perSecond - performance.now());
          return eventsOf(engine, legTo(sipp.port, number, { transport, prompt, flash, credentials }));
        }),
      );
      const result = await sipp.result();
      for (const message of await sipp.messages()) wire.take(message);
      await eventually(() => expect(heldBy(engine.held())).toEqual([]), { timeoutMs: 20_000 });
      expect(faults).toEqual([]);
      return { calls, numbers, sipp: result, streams: ear.streams, wire };
    } finally {
      await engine.close(AbortSignal.abort());
      await sipp.stop();
      await ear.close();
    }
  };
  return { run: (wanted: FlashRun) => limit(run, wanted), close: () => source.close() };
}

/** What is held but transactions, which linger for as long as the RFC has them. */
function heldBy(counts: Readonly<Record<string, number>>): string[] {
  const linger = ['clients', 'servers'];
  return Object.keys(counts).filter((name) => counts[name] !== 0 && !linger.includes(name));
}

/** All calls went this way, and SIPp says that each was as its scenario wants it. */
function assertAll({ calls, sipp }: FlashResult, types: string, end: string): void {
  expect(new Set(calls.map((events) => `${courseOf(events)}: ${gistOf(events)}`)), sipp.errors).toEqual(
    new Set([`${types}: ${end}`]),
  );
  expect(sipp, sipp.errors).toMatchObject({ code: 0, successful: CALLS, failed: 0 });
}

async function assertAfter(
  { numbers, wire }: FlashResult,
  [first, then]: readonly [string, string],
  ms: number,
): Promise<void> {
  for (const number of numbers) {
    const measured = await wire.between(number, first, then);
    expect(Math.abs(measured - ms), `${first} to ${then}: ${measured} ms`).toBeLessThanOrEqual(SLACK_MS);
  }
}

async function assertWithin(
  { numbers, wire }: FlashResult,
  [first, then]: readonly [string, string],
): Promise<void> {
  for (const number of numbers) {
    const measured = await wire.between(number, first, then);
    expect(measured, `${first} to ${then}`).toBeGreaterThanOrEqual(0);
    expect(measured, `${first} to ${then}`).toBeLessThanOrEqual(BYE_MS);
  }
}
