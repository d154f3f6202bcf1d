import { afterEach, expect, it } from 'vitest';
import { EmbeddedEngine } from '../../../src/engine/embedded/embedded-engine.ts';
import type { CallEvent, Leftover, Leg } from '../../../src/engine/engine.ts';
import type { LabCarrier } from '../../../src/lab/carrier.ts';
import { startEmbedded } from '../../support/embedded.ts';
import { eventually } from '../../support/eventually.ts';
import { freePorts } from '../../support/free-ports.ts';
import { startCarrier } from '../../support/lab.ts';
import { endOf, eventsOf, gistOf, legTo, tone } from '../../support/legs.ts';

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function carrierUp(): Promise<LabCarrier> {
  const { carrier, faults } = await startCarrier({ t1Ms: 100 });
  cleanups.push(async () => {
    await carrier.close();
    expect(faults).toEqual([]);
  });
  return carrier;
}

async function engineUp(started: Promise<EmbeddedEngine> = startEmbedded()): Promise<EmbeddedEngine> {
  const engine = await started;
  cleanups.push(() => engine.close(AbortSignal.timeout(2000)));
  return engine;
}

/** An engine with ports for the audio of one call. */
async function narrow(): Promise<EmbeddedEngine> {
  const portMin = await freePorts(2);
  const engine = new EmbeddedEngine({
    sip: { host: '127.0.0.1', port: 0, tcp: true, userAgent: 'voice-otp test', t1Ms: 50 },
    rtp: { host: '127.0.0.1', portMin, portMax: portMin + 1, symmetric: true, drainMs: 0 },
    onFault: (error) => expect.fail(String(error)),
  });
  await engine.start();
  return engine;
}

function flashTo(
  { port }: LabCarrier,
  suffix: string,
  onAnswer: 'hangup' | 'speak' = 'hangup',
  ringHoldMs = 500,
): Leg {
  return legTo(port, `+442079460${suffix}`, {
    prompt: onAnswer === 'speak' ? tone(300) : null,
    flash: { ringHoldMs, maxRingMs: 4000, onAnswer },
  });
}

it.each([
  ['hangup', 0],
  ['speak', 1],
] as const)(
  'a flash call whose answer is to get %s has %i streams while it rings',
  async (onAnswer, streams) => {
    const [carrier, engine] = [await carrierUp(), await engineUp()];
    const held: number[] = [];
    const on = ({ type }: CallEvent): void => {
      if (type === 'ringing' || type === 'trying') held.push(engine.held().streams);
    };
    const events = await eventsOf(engine, flashTo(carrier, '180', onAnswer), { on });
    expect(gistOf(events)).toBe('rang');
    expect(held).toEqual([streams, streams]);
    await eventually(() => expect(engine.held().streams).toBe(0));
  },
);

it('a flash call that says nothing needs no port', async () => {
  const [carrier, engine] = [await carrierUp(), await engineUp(narrow())];
  const speaks = eventsOf(engine, flashTo(carrier, '180', 'speak', 1500));
  await eventually(() => expect(engine.held().streams).toBe(1));
  const refused = await eventsOf(engine, flashTo(carrier, '200', 'speak', 1500));
  expect(endOf(refused).end).toMatchObject({ kind: 'failed' });
  const mute = await eventsOf(engine, flashTo(carrier, '200', 'hangup', 1500));
  expect(gistOf(mute)).toBe('hung_up by us: flash_answered');
  expect(gistOf(await speaks)).toBe('rang');
});

it('two hundred flash calls ring at once, without a stream among them', async () => {
  const [carrier, engine] = [await carrierUp(), await engineUp()];
  const all = Array.from({ length: 200 }, () => eventsOf(engine, flashTo(carrier, '180')));
  await eventually(() => expect(carrier.calls).toHaveLength(200));
  expect(engine.held().streams).toBe(0);
  expect((await Promise.all(all)).map(gistOf)).toEqual(all.map(() => 'rang'));
  await eventually(() => expect(engine.held()).toMatchObject({ legs: 0, dialogs: 0 }));
});

it.each([
  ['180', 'ringing', 'canceled'],
  ['487', 'ringing', 'they_hung_up'],
] as const)('another process ends a flash call to %s that was %s: %s', async (suffix, type, end) => {
  const [carrier, engine, later] = [await carrierUp(), await engineUp(), await engineUp()];
  const ended: boolean[] = [];
  for await (const event of engine.originate(
    flashTo(carrier, suffix, 'hangup', 3000),
    new AbortController().signal,
  )) {
    if (event.type !== type || !('leftover' in event)) continue;
    const leftover = JSON.parse(JSON.stringify(event.leftover)) as Leftover;
    ended.push(await later.endLeftover(leftover));
  }
  expect(ended).toEqual([true]);
  const [call] = carrier.calls;
  await call?.phone.over;
  expect(call?.phone.record.end).toBe(end);
});
