import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LabCall, LabCarrier } from '../../../src/lab/carrier.ts';
import { Recogniser } from '../../../src/lab/recogniser.ts';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import { findCodes, type Place, placesIn } from '../../support/app/canary.ts';
import { type Served, serve } from '../../support/app/process.ts';
import { shortSounds } from '../../support/app/short-sounds.ts';
import { LAB_TRUNK, type Settings, testSettings } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { type ServerSite, startServers } from '../../support/freeswitch.ts';
import { channelsOf, type TestServer } from '../../support/freeswitch-servers.ts';
import { startCarrier } from '../../support/lab.ts';
import { describeWithPeer } from '../../support/peers.ts';

/** Ten digits, so that no time, id or count is one of them by chance. */
const HEARD = '7391846205';
const KILLED = '8206491735';
const number = (suffix: string): string => `+442079460${suffix}`;

describeWithPeer(['drachtio', 'freeswitch'], 'the service on drachtio and FreeSWITCH', () => {
  let folder: string;
  let sounds: string;
  let servers: ServerSite;
  let carrier: LabCarrier;
  let settings: Settings;
  let service: Served;
  const output: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-freeswitch-app-'));
    await mkdir(join(folder, 'data'));
    sounds = await shortSounds();
    // All that they can say, so that a code would be found in it.
    servers = await startServers({ logLevel: 'debug' });
    ({ carrier } = await startCarrier());
    const reference = ({ host, port, secret }: TestServer) => ({ host, port, secret: secret.reveal() });
    settings = {
      ...testSettings(join(folder, 'data')),
      engine: 'freeswitch',
      freeswitch: {
        drachtioServers: servers.drachtio.map(reference),
        mediaServers: servers.freeswitch.map(reference),
        callback: { host: '127.0.0.1' },
        promptFolder: join(folder, 'prompts'),
      },
      sounds: { folder: sounds },
      trunks: [{ ...LAB_TRUNK, port: carrier.port }],
    };
    service = await start();
  });

  afterAll(async () => {
    await service.kill();
    await carrier.close();
    await servers.close();
    await rm(folder, { recursive: true, force: true });
    await rm(sounds, { recursive: true, force: true });
  });

  async function start(): Promise<Served> {
    const served = await serve(join(folder, 'data'), settings);
    served.child.stderr?.on('data', (chunk: Buffer) => output.push(chunk.toString()));
    return served;
  }

  const drachtio = () => servers.drachtio[0] as TestServer;
  const freeswitch = () => servers.freeswitch[0] as TestServer;
  const prompts = () => readdir(join(folder, 'prompts'));

  function phone(suffix: string): Promise<LabCall> {
    return eventually(() => {
      const call = carrier.calls.findLast((one) => one.number === number(suffix));
      expect(call?.phone.record.packets ?? 0).toBeGreaterThan(5);
      return call as LabCall;
    });
  }

  async function places(): Promise<Place[]> {
    const written = [...(await placesIn(folder)), ...(await placesIn(freeswitch().folder ?? ''))];
    return [
      ...written,
      { name: 'log', bytes: Buffer.from(service.output()) },
      { name: 'drachtio', bytes: Buffer.from(drachtio().process.output) },
      { name: 'FreeSWITCH', bytes: Buffer.from(freeswitch().process.output) },
    ];
  }

  it('says a code that is heard and approves, and is in no log, variable or file name', async () => {
    const { client } = service;
    const asked = await client.start({ to: number('407'), code: HEARD, repeat: 2 });
    const call = await phone('407');
    expect(await prompts()).toEqual([expect.stringMatching(/^otp-[0-9a-f]{12}-\d+-[0-9a-f]{32}\.wav$/)]);
    const during = await places();
    const ended = await client.ended(asked.callId);
    expect(ended).toMatchObject({ disposition: 'answered', promptFinished: true });

    const recogniser = new Recogniser((await PromptLibrary.load(sounds)).clips('en-US'));
    const { groups } = recogniser.recognise(call.phone.heard);
    expect(groups).toEqual([HEARD, HEARD]);
    expect((await client.check(asked.id, HEARD)).body.approved).toBe(true);
    expect(await prompts()).toEqual([]);

    const found = [...during, ...(await places())];
    expect(found.some(({ name, bytes }) => name.endsWith('.log') && bytes.length > 10_000)).toBe(true);
    const sound = (name: string) => name.endsWith('.wav');
    expect(
      findCodes(
        found.filter(({ name }) => !sound(name)),
        [HEARD],
      ),
    ).toEqual([]);
  });

  it('refuses calls while a server is missing, says which, and takes them again when it is back', async () => {
    const { client } = service;
    for (const [name, server] of [
      ['drachtio', drachtio()],
      ['freeswitch', freeswitch()],
    ] as const) {
      await server.process.kill();
      const refused = await eventually(async () => {
        const answer = await client.ask('POST', '/v1/verifications', { to: number('200') });
        expect(answer.status).toBe(503);
        return answer;
      });
      expect(refused.body.error).toMatchObject({ code: 'engine_unavailable' });
      expect(refused.body.error.message).toContain(name);
      expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
      const readiness = await client.ask('GET', '/readyz');
      expect([readiness.status, readiness.body.error.message]).toEqual([503, `Missing: ${name}.`]);
      await server.restart();
      await eventually(async () => expect((await client.ask('GET', '/readyz')).status).toBe(200), {
        timeoutMs: 15_000,
      });
    }
    const asked = await client.start({ to: number('200') });
    expect(await client.ended(asked.callId)).toMatchObject({ disposition: 'answered' });
  });

  it('ends what a killed process left up, at drachtio, FreeSWITCH and in the folder', async () => {
    const up = await service.client.start({ to: number('401'), code: KILLED, repeat: 5 });
    const ringing = await service.client.start({ to: number('180') });
    const answered = await phone('401');
    const rung = await eventually(() => {
      const call = carrier.calls.findLast((one) => one.number === number('180'));
      expect(call?.phone.record.ringingAt).not.toBeNull();
      return call as LabCall;
    });
    await eventually(async () => expect((await service.client.call(ringing.callId)).state).toBe('ringing'));
    expect(await channelsOf(freeswitch())).toBe(2);
    await service.kill();
    expect(answered.phone.record.end).toBeNull();
    expect((await prompts()).length).toBe(2);

    service = await start();
    await Promise.all([answered.phone.over, rung.phone.over]);
    expect(answered.phone.record.end).toBe('they_hung_up');
    expect(rung.phone.record.end).toBe('canceled');
    await eventually(async () => expect(await channelsOf(freeswitch())).toBe(0));
    expect(await prompts()).toEqual([]);
    const call = await service.client.call(up.callId);
    expect(call).toMatchObject({ state: 'ended', disposition: 'interrupted' });
  });
});
