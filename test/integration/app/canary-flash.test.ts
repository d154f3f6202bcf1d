import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shownCaller } from '../../../src/lab/caller-id.ts';
import type { LabCall, LabCarrier } from '../../../src/lab/carrier.ts';
import { findCodes, type Place, placesIn } from '../../support/app/canary.ts';
import type { Client, Json } from '../../support/app/client.ts';
import { type Served, serve } from '../../support/app/process.ts';
import { shortSounds } from '../../support/app/short-sounds.ts';
import { LAB_TRUNK, type Settings, testSettings } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { freePorts } from '../../support/free-ports.ts';
import { startCarrier } from '../../support/lab.ts';

/** Of the pool; the numbers in between are nowhere else. */
const FLASH_POOL = [{ first: '+491627384950110', last: '+491627384950189' }];
/** Ten digits, so that no time, id or count is one of them by chance; the phone keys in one too many first. */
const CONFIRMED = '4938170526';
const KEYED = `4${CONFIRMED}`;
/** A code that is said behind a key. */
const GATED = '7391846205';

const number = (suffix: string): string => `+442079460${suffix}`;

let folder: string;
let data: string;
let sounds: string;
let carrier: LabCarrier;
let settings: Settings;
const running: Served[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-canary-flash-'));
  data = join(folder, 'data');
  await Promise.all([mkdir(data), mkdir(join(folder, 'tmp'))]);
  sounds = await shortSounds();
  ({ carrier } = await startCarrier());
  const defaults = testSettings(data);
  settings = {
    ...defaults,
    sip: { ...defaults.sip, port: await freePorts(1) },
    sounds: { folder: sounds },
    flash: {
      ringHoldMs: 1500,
      maxRingSeconds: 5,
      voiceAfterSeconds: 30,
      maxGuessProbability: 0.5,
      guard: { answeredRatio: 1 },
    },
    gate: { seconds: 2 },
    trunks: [{ ...LAB_TRUNK, port: carrier.port, flashPool: FLASH_POOL }],
  };
});

afterAll(async () => {
  await Promise.all(running.map((served) => served.kill()));
  await carrier.close();
  await rm(folder, { recursive: true, force: true });
  await rm(sounds, { recursive: true, force: true });
});

async function start(): Promise<Served> {
  const served = await serve(data, settings, { env: { TMPDIR: join(folder, 'tmp') } });
  running.push(served);
  return served;
}

async function phone(suffix: string): Promise<LabCall> {
  return eventually(() => {
    const call = carrier.calls.find((one) => one.number === number(suffix));
    expect(call?.phone.record.ringingAt ?? null, suffix).not.toBeNull();
    return call as LabCall;
  });
}

async function keyIn(keys: string, suffix: string): Promise<void> {
  const { phone: one } = await phone(suffix);
  await eventually(() => expect(one.record.answeredAt).not.toBeNull());
  one.press(keys);
}

/** All that the service has written or said so far, but for the configuration, which names the pool. */
async function places(when: string): Promise<Place[]> {
  const written = (await placesIn(folder)).filter(({ name }) => !name.endsWith('config.yaml'));
  const answers = running.flatMap(({ client }) => client.answers);
  // The answer to the request alone has it, by intention.
  const shown = answers.filter((answer) => !answer.includes('"confirmCode":"'));
  expect(answers.length - shown.length).toBe(1);
  return [
    ...written,
    { name: 'log', bytes: Buffer.from(running.map((served) => served.output()).join('\n')) },
    { name: 'API', bytes: Buffer.from(shown.join('\n')) },
  ].map(({ name, bytes }) => ({ name: `${when}, ${name}`, bytes }));
}

async function readEverything(client: Client): Promise<void> {
  const list = await client.ask<{ calls: readonly Json[] }>('GET', '/v1/calls');
  for (const { id } of list.body.calls) {
    const { state, verificationId } = await client.call(id);
    if (state === 'ended') await client.events(id);
    if (verificationId !== null) await client.verification(verificationId);
  }
  for (const path of ['/metrics', '/openapi.json', '/healthz']) await client.ask('GET', path);
}

/** The number without its country: what every spelling of it has in common. */
const withoutCountry = (call: LabCall): string => (shownCaller(call.invite) ?? '').replace(/^\+49/, '');

async function check(client: Client, { id }: Json, callerId: string): Promise<boolean> {
  return (await client.ask('POST', `/v1/verifications/${id}/check`, { callerId })).body.approved;
}

describe('the number of a flash call, the keys of a gate and a code that is keyed in', () => {
  it('are nowhere to be found, while the phone rings and after it', async () => {
    const first = await start();
    const { client } = first;
    const ringing = await client.start({ to: number('180'), channel: 'flash' });
    const answered = await client.start({ to: number('200'), channel: 'flash' });
    const waiting = await client.start({ to: number('186'), channel: 'auto', codeLength: 10 });
    const keyed = await client.start({ to: number('215'), code: CONFIRMED, confirm: true });
    const wrong = await client.start({ to: number('254'), code: GATED, gate: { digit: '9' } });
    const calls = await Promise.all(['180', '200', '186'].map(phone));
    await keyIn(KEYED, '215');
    const clis = calls.map(withoutCountry);
    for (const cli of clis) expect(cli).toMatch(/^16273849501[1-8]\d$/);
    const secrets = [...clis, GATED, KEYED, CONFIRMED];

    // The INVITEs are out, and what would end them is stored.
    const during = await places('while it rings');
    const wrongAnswers = [
      await client.ask('POST', `/v1/verifications/${ringing.id}/check`, `{"callerId": "0${clis[0]}"`),
      await client.ask('POST', `/v1/verifications/${ringing.id}/check`, { callerId: `0${clis[0]}x` }),
      await client.ask('POST', `/v1/verifications/${ringing.id}/check`, { [`0${clis[0]}`]: 1 }),
      await client.ask('GET', `/v1/verifications/0${clis[0]}`),
    ];
    for (const { status } of wrongAnswers) expect(status).toBeGreaterThanOrEqual(400);
    for (const { callId } of [ringing, answered, keyed, wrong]) await client.ended(callId);
    expect((await client.verification(keyed.id)).status).toBe('approved');
    expect((await client.call(wrong.callId)).disposition).toBe('no_key');
    expect(await check(client, ringing, `+49${clis[0]}`)).toBe(true);
    expect(await check(client, answered, `0${clis[1]}`)).toBe(true);
    await readEverything(client);
    const between = await places('in the wait');

    await first.kill();
    const dead = await places('after kill -9');
    const second = await start();
    await eventually(async () => expect((await second.client.call(waiting.callId)).state).toBe('ended'));
    expect(await check(second.client, waiting, `0049 ${clis[2]}`)).toBe(true);
    await readEverything(second.client);
    second.child.kill('SIGTERM');
    expect((await second.exited).code).toBe(0);
    const end = await places('in the end');

    const all = [...during, ...between, ...dead, ...end];
    expect(all.filter(({ name }) => /store\.db(-wal)?$/.test(name)).length).toBeGreaterThanOrEqual(4);
    expect(findCodes(all, secrets)).toEqual([]);
    // What the search would say if one of them were there.
    const planted = Buffer.from(`From: <sip:+49${clis[0]}@127.0.0.1>`);
    expect(findCodes([{ name: 'planted', bytes: planted }], secrets)).toContain('planted: plain, code 0');
    expect((await readFile(join(data, 'config.yaml'), 'utf8')).includes('491627384950110')).toBe(true);
  });
});
