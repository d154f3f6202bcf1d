import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shownCaller } from '../../../src/lab/caller-id.ts';
import type { LabCall, LabCarrier } from '../../../src/lab/carrier.ts';
import type { Client, Json } from '../../support/app/client.ts';
import { type Served, serve } from '../../support/app/process.ts';
import { LAB_TRUNK, type Settings, testSettings } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { freePorts } from '../../support/free-ports.ts';
import { startCarrier } from '../../support/lab.ts';

const FLASH_POOL = [{ first: '+498990007100', last: '+498990007299' }];

const number = (suffix: string): string => `+442079460${suffix}`;

let folder: string;
let carrier: LabCarrier;
let settings: Settings;
const running: Served[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-kill-flash-'));
  ({ carrier } = await startCarrier());
  const defaults = testSettings(folder);
  settings = {
    ...defaults,
    sip: { ...defaults.sip, port: await freePorts(1) },
    log: { level: 'info' },
    flash: { ringHoldMs: 500, voiceAfterSeconds: 60 },
    trunks: [{ ...LAB_TRUNK, port: carrier.port, flashPool: FLASH_POOL }],
  };
});

afterAll(async () => {
  await Promise.all(running.map((served) => served.kill()));
  await carrier.close();
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<Served> {
  const served = await serve(folder, settings);
  running.push(served);
  return served;
}

const callsOf = (suffix: string): LabCall[] => carrier.calls.filter((call) => call.number === number(suffix));

async function ended(client: Client, { callId }: Json) {
  return eventually(async () => {
    const call = await client.call(callId);
    expect(call.state).toBe('ended');
    return call;
  });
}

async function check(client: Client, { id }: Json, call: LabCall | undefined) {
  const callerId = call === undefined ? '' : shownCaller(call.invite);
  return client.ask('POST', `/v1/verifications/${id}/check`, { callerId });
}

describe('kill -9 with flash calls under way', () => {
  it('leaves no phone ringing, calls nobody again, and lets the number that was seen still be approved', async () => {
    const first = await start();
    const ringing = await first.client.start({ to: number('180'), channel: 'flash', ringHoldMs: 8000 });
    const challenged = await first.client.start({ to: number('141'), channel: 'flash', ringHoldMs: 8000 });
    const silent = await first.client.start({ to: number('184'), channel: 'flash' });
    const waiting = await first.client.start({ to: number('186'), channel: 'auto' });
    await eventually(async () => {
      for (const suffix of ['180', '141']) {
        expect(callsOf(suffix)[0]?.phone.record.ringingAt).toBeTypeOf('number');
      }
      expect((await first.client.call(silent.callId)).state).toBe('dialing');
      expect((await first.client.call(waiting.callId)).timeline.at(-1)?.type).toBe('waiting');
    });
    await first.kill();
    expect(callsOf('180')[0]?.phone.record.end).toBeNull();

    const second = await start();
    for (const one of [ringing, challenged, silent, waiting]) {
      expect(await ended(second.client, one)).toMatchObject({ disposition: 'interrupted', blame: 'us' });
    }
    await eventually(() => {
      for (const suffix of ['180', '141', '184']) {
        expect([suffix, callsOf(suffix)[0]?.phone.record.end]).toEqual([suffix, 'canceled']);
      }
    });
    expect((await second.client.call(waiting.callId)).attempts.map(({ disposition }) => disposition)).toEqual(
      ['rang'],
    );
    // That phone never rang, as far as the network said.
    expect((await second.client.verification(silent.id)).status).toBe('failed');
    for (const [one, suffix] of [
      [ringing, '180'],
      [challenged, '141'],
      [waiting, '186'],
    ] as const) {
      expect(callsOf(suffix)).toHaveLength(1);
      expect((await check(second.client, one, callsOf(suffix)[0])).body).toMatchObject({ approved: true });
    }
    // A new call is shown another number: what was used is remembered.
    const again = await second.client.start({ to: number('180'), channel: 'flash', ringHoldMs: 500 });
    await second.client.ended(again.callId);
    const [before, after] = callsOf('180').map(({ invite }) => shownCaller(invite));
    expect(after).not.toBe(before);
  });
});
