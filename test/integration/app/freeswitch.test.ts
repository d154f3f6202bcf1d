import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Cdr } from '../../../src/cdr/cdr.ts';
import type { LabCall, LabCarrier } from '../../../src/lab/carrier.ts';
import { Recogniser } from '../../../src/lab/recogniser.ts';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import { header } from '../../../src/sip/message.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { findCodes, type Place, placesIn } from '../../support/app/canary.ts';
import type { Json } from '../../support/app/client.ts';
import { type Served, serve } from '../../support/app/process.ts';
import { shortSounds } from '../../support/app/short-sounds.ts';
import { LAB_TRUNK, type Settings, testSettings } from '../../support/app/site.ts';
import { billedSeconds } from '../../support/billed-seconds.ts';
import { eventually } from '../../support/eventually.ts';
import { type ServerSite, startServers } from '../../support/freeswitch.ts';
import { channelsOf, type TestServer } from '../../support/freeswitch-servers.ts';
import { startCarrier } from '../../support/lab.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { SipCapture } from '../../support/sip-capture.ts';

interface Sip {
  readonly messages: readonly {
    readonly at: string;
    readonly direction: string;
    readonly transport: string;
    readonly remote: string;
    readonly text: string;
  }[];
  readonly ladder: readonly string[];
}

/** `out INVITE`, `in 180 INVITE`. */
function rungs({ messages }: Sip): readonly string[] {
  return messages.map(({ direction, text }) => {
    const status = /^SIP\/2\.0 (\d+)/.exec(text)?.[1];
    const method = /^CSeq: \d+ (\w+)/m.exec(text)?.[1];
    return [direction, ...(status === undefined ? [] : [status]), method].join(' ');
  });
}

/** Ten digits, so that no time, id or count is one of them by chance. */
const HEARD = '7391846205';
const KILLED = '8206491735';
const price = { amount: '0.06', increment: '1/2' };
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
      trunks: [{ ...LAB_TRUNK, port: carrier.port, prefixes: [{ prefix: '+44', price, currency: 'EUR' }] }],
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

  async function sipOf(callId: string): Promise<Sip> {
    return (await service.client.ask<Sip>('GET', `/v1/calls/${callId}/sip`)).body;
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

  it('shows the SIP of a call as a ladder, in order, masked, and nothing of the media server', async () => {
    const { client } = service;
    const [{ callId }, crossed] = await Promise.all(
      [
        ['407', 'answered'],
        ['487', 'ringing'],
      ].map(async ([suffix = '', state]) => {
        const asked = await client.start({ to: number(suffix) });
        await eventually(async () => expect((await client.call(asked.callId)).state).toBe(state));
        await client.ask('DELETE', `/v1/verifications/${asked.id}`);
        await client.ended(asked.callId);
        return asked;
      }) as [Promise<Json>, Promise<Json>],
    );
    const [challenged, late] = await Promise.all([sipOf(callId), sipOf(crossed.callId)]);
    expect(rungs(challenged)).toEqual([
      'out INVITE',
      'in 407 INVITE',
      'out INVITE',
      'in 180 INVITE',
      'in 200 INVITE',
      'out ACK',
      'out BYE',
      'in 200 BYE',
    ]);
    // Our CANCEL crosses the answer: ACK and BYE are drachtio's own.
    expect(rungs(late)).toEqual(
      'out INVITE,in 180 INVITE,out CANCEL,in 200 INVITE,out ACK,out BYE'.split(','),
    );
    for (const { messages, ladder } of [challenged, late]) {
      expect(new Set(messages.map(({ remote }) => remote))).toEqual(new Set([`127.0.0.1:${carrier.port}`]));
      expect(new Set(messages.map(({ transport }) => transport))).toEqual(new Set(['udp']));
      expect(messages.map(({ at }) => at)).toEqual(messages.map(({ at }) => at).sort());
      expect(ladder).toHaveLength(messages.length + 1);
    }
    const texts = challenged.messages.map(({ text }) => text).join('');
    expect(texts).toContain('Proxy-Authorization: [redacted]');
    expect(texts).not.toContain(number('407').slice(1));
    expect(texts).not.toContain(LAB_TRUNK.cli.slice(1));
    // The carrier has seen the same: what it got is what the trace says was sent.
    const branches = challenged.messages.flatMap(({ text }) => /branch=\w+/.exec(text)?.[0] ?? []);
    const { invite } = carrier.calls.findLast((one) => one.number === number('407')) as LabCall;
    expect(branches).toContain(/branch=\w+/.exec(header(invite, 'Via') ?? '')?.[0]);
  });

  describeWithPeer('tshark', 'what calls by drachtio cost', () => {
    it('is what the packets on the wire say', async () => {
      const capture = await SipCapture.start([carrier.port]);
      const store = new SqliteStore({ path: join(folder, 'data', 'store.db'), synchronous: 'full' });
      try {
        const ends = ['callee', 'us'].flatMap((by) => [200, 2000].map((afterMs) => ({ by, afterMs })));
        const numbers = await Promise.all(
          ends.map(async ({ by, afterMs }, i) => {
            const to = `+4420794${70 + i}200`;
            const { id, callId } = await service.client.start({ to, code: HEARD });
            const { phone: picked } = await eventually(() => {
              const call = carrier.calls.findLast((one) => one.number === to);
              expect(call?.phone.record.answeredAt ?? null).not.toBeNull();
              return call as LabCall;
            });
            // The length of the call is what is tried here: far from the edges of its increment.
            await sleep(afterMs);
            if (by === 'callee') picked.hangUp();
            else await service.client.ask('DELETE', `/v1/verifications/${id}`);
            await service.client.ended(callId);
            const last = by === 'callee' ? ['in BYE', 'out 200 BYE'] : ['out BYE', 'in 200 BYE'];
            await eventually(async () => expect(rungs(await sipOf(callId)).slice(-2)).toEqual(last));
            return to;
          }),
        );
        const captured = billedSeconds(await capture.read(), () => price.increment);
        const rows = await store.cdrs.page({ after: 0, upTo: 1000 }, 1000);
        const billed = new Map(
          rows.map(({ record }) => {
            const { callee, billableSeconds } = JSON.parse(record) as Cdr;
            return [callee, billableSeconds];
          }),
        );
        expect(numbers.map((to) => [to, billed.get(to)])).toEqual(
          numbers.map((to) => [to, captured.get(to)]),
        );
        expect(numbers.map((to) => billed.get(to))).toEqual([1, 3, 1, 3]);
      } finally {
        await store.close();
        await capture.close();
      }
    });
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
