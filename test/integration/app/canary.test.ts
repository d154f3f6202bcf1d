import { createSocket } from 'node:dgram';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LabCall, LabCarrier } from '../../../src/lab/carrier.ts';
import { Recogniser } from '../../../src/lab/recogniser.ts';
import { buildRtpPacket } from '../../../src/media/rtp-packet.ts';
import { encodeKeyPress } from '../../../src/media/telephone-event.ts';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import { FORMS, findCodes, type Place, placesIn } from '../../support/app/canary.ts';
import type { Client, Json } from '../../support/app/client.ts';
import { type Served, serve } from '../../support/app/process.ts';
import { shortSounds } from '../../support/app/short-sounds.ts';
import { LAB_TRUNK, type Settings, testSettings } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { freePorts } from '../../support/free-ports.ts';
import { startCarrier } from '../../support/lab.ts';
import { MadeUpTts } from '../../support/made-up-tts.ts';
import { TTS_KEY, TtsServer } from '../../support/tts-server.ts';

/** Ten digits, so that no time, id or count is one of them by chance. */
const HEARD = '7391846205';
const BUSY = '5820617394';
const CANCELED = '4917362850';
const KILLED = '8206491735';
const WRONG = '1640958273';
const SPOKEN = '6058294713';
const PLAYED = '2950381746';
const REFUSED = '3719462058';
const FILED = '5183706294';
const CODES = [HEARD, BUSY, CANCELED, KILLED, WRONG, SPOKEN, PLAYED, REFUSED, FILED];

const CLIP = join(import.meta.dirname, '../../../sounds/en-US/slt/again.wav');

const number = (suffix: string): string => `+442079460${suffix}`;

describe('the search', () => {
  it.each(FORMS.map((form) => [form.name, form] as const))(
    'finds a code that is written %s',
    (_name, form) => {
      const planted = Buffer.concat([Buffer.from('{"a":"12x'), form.sample(HEARD), Buffer.from('y34"}')]);
      expect(findCodes([{ name: 'here', bytes: planted }], CODES)).toContain(`here: ${form.name}, code 0`);
    },
  );

  it('finds nothing where there is nothing', () => {
    const bytes = Buffer.from(`${'0123456789'.repeat(100)} call_739184 1791173491846 seven three`);
    expect(findCodes([{ name: 'here', bytes }], CODES)).toEqual([]);
  });
});

describe('a code', () => {
  let folder: string;
  let sounds: string;
  let data: string;
  let temporary: string;
  let carrier: LabCarrier;
  let settings: Settings;
  let tts: TtsServer;
  /** What the program was told. */
  let texts: string;
  const wire: string[] = [];
  const running: Served[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-canary-'));
    [data, temporary] = [join(folder, 'data'), join(folder, 'tmp')];
    await Promise.all([mkdir(data), mkdir(temporary)]);
    texts = join(folder, 'texts');
    sounds = await shortSounds();
    ({ carrier } = await startCarrier({ onWire: ({ text }) => wire.push(text) }));
    const voice = new MadeUpTts({ locales: ['nl', 'en-US'] });
    await voice.start();
    tts = await TtsServer.start(voice);
    const defaults = testSettings(data);
    settings = {
      ...defaults,
      sip: { ...defaults.sip, port: await freePorts(1) },
      sounds: { folder: sounds },
      speech: {
        ...defaults.speech,
        providers: [
          {
            type: 'http',
            id: 'cloud',
            preset: 'openai',
            url: tts.url,
            key: TTS_KEY,
            voices: { nl: 'alloy', 'en-US': 'alloy' },
          },
          {
            // Keeps every text that it gets in a file, and says the same to all of them.
            type: 'program',
            id: 'filing',
            command: '/bin/sh',
            args: ['-c', 'cat "$1" >>"$3"; cp "$4" "$2"', 'speak', '{input}', '{output}', texts, CLIP],
            input: 'file',
            output: 'file',
            voices: { sv: 'any' },
          },
        ],
      },
      trunks: [{ ...LAB_TRUNK, port: carrier.port }],
    };
  });

  afterAll(async () => {
    await Promise.all(running.map((served) => served.kill()));
    await carrier.close();
    await tts.close();
    await rm(folder, { recursive: true, force: true });
    await rm(sounds, { recursive: true, force: true });
  });

  async function start(): Promise<Served> {
    const served = await serve(data, settings, { env: { TMPDIR: temporary } });
    running.push(served);
    return served;
  }

  async function phone(suffix: string): Promise<LabCall> {
    return eventually(() => {
      const call = carrier.calls.find((one) => one.number === number(suffix));
      expect(call?.phone.record.packets ?? 0).toBeGreaterThan(5);
      return call as LabCall;
    });
  }

  /** All that the service has written or said so far, wherever that was. */
  async function places(when: string): Promise<Place[]> {
    const written = await placesIn(folder);
    const said = [
      { name: 'log', bytes: Buffer.from(running.map((served) => served.output()).join('\n')) },
      { name: 'SIP', bytes: Buffer.from(wire.join('\n')) },
      {
        name: 'provider requests',
        bytes: Buffer.from(tts.requests.map((one) => JSON.stringify(one)).join('\n')),
      },
      { name: 'API', bytes: Buffer.from(running.flatMap(({ client }) => client.answers).join('\n')) },
    ];
    return [...written, ...said].map(({ name, bytes }) => ({ name: `${when}, ${name}`, bytes }));
  }

  it('is nowhere to be found, whatever becomes of its call', async () => {
    const first = await start();
    const { client } = first;
    const heard = await client.start({ to: number('200'), code: HEARD, repeat: 1 });
    const generated = await client.start({ to: number('407'), codeLength: 10, repeat: 2 });
    const killed = await client.start({ to: number('401'), code: KILLED, repeat: 5 });
    const busy = await client.start({ to: number('486'), code: BUSY });
    const ringing = await client.start({ to: number('180'), code: CANCELED });
    const spoken = await speakWith(client);
    await client.ended(busy.callId);
    await client.ask('DELETE', `/v1/verifications/${ringing.id}`);
    await offendWith(client, heard);
    await press(HEARD, await phone('200'));
    const sealed = sealedCopies(join(data, 'store.db'));
    expect(sealed.length).toBe(7);
    const [before] = await Promise.all([places('during the calls'), phone('407'), phone('401')]);
    await client.ended(heard.callId);
    for (const id of spoken) expect((await client.ended(id)).disposition).toBe('answered');
    expect(tts.requests.length).toBeGreaterThan(20);
    expect(await readFile(texts, 'utf8')).toContain('Din verifieringskod');

    const recogniser = new Recogniser((await PromptLibrary.load(sounds)).clips('en-US'));
    // A machine under load may tear a digit; the code is said twice.
    const listener = await phone('407');
    const digits = await eventually(
      () => {
        const { groups } = recogniser.recognise(listener.phone.heard);
        const whole = groups.find((group) => group.length === 10);
        expect(whole, groups.join()).toBeDefined();
        return whole ?? '';
      },
      { timeoutMs: 12_000, intervalMs: 1000 },
    );
    const codes = [...CODES, digits];
    expect((await client.check(heard.id, WRONG)).body.approved).toBe(false);
    expect((await client.check(heard.id, HEARD)).body.approved).toBe(true);
    expect((await client.check(heard.id, HEARD)).status).toBe(409);
    expect((await client.check(generated.id, digits)).body.approved).toBe(true);
    await readEverything(client);

    await first.kill();
    const dead = await places('after kill -9');
    const second = await start();
    await eventually(async () => expect((await second.client.call(killed.callId)).state).toBe('ended'));
    expect((await second.client.check(killed.id, KILLED)).body.approved).toBe(true);
    await readEverything(second.client);
    second.child.kill('SIGTERM');
    expect((await second.exited).code).toBe(0);
    const end = await places('in the end');

    const all = [...before, ...dead, ...end];
    for (const name of [
      'log',
      'SIP',
      'API',
      'provider requests',
      'store.db',
      'store.db-wal',
      'store.db-shm',
      'file names',
    ]) {
      expect(all.filter((place) => place.name.endsWith(name)).length, name).toBeGreaterThan(0);
      expect(all.filter((place) => place.name.endsWith(name)).some(({ bytes }) => bytes.length > 0)).toBe(
        true,
      );
    }
    expect(findCodes(all, codes)).toEqual([]);
    // What the search would say if one of them were there.
    await writeFile(join(temporary, 'note.txt'), `the code is ${digits.split('').join(' ')}`);
    expect(findCodes(await places('planted'), codes)).toContain(
      `planted, tmp/note.txt: plain, code ${CODES.length}`,
    );

    // The sealed copies are gone from the file, from its free pages too.
    const database = await readFile(join(data, 'store.db'));
    expect(sealed.filter((copy) => database.includes(copy))).toEqual([]);
  });
});

/** What the store holds of codes and playlists that wait to be said. */
function sealedCopies(path: string): string[] {
  const database = new Database(path, { readonly: true });
  try {
    const rows = database
      .prepare(
        `SELECT sealed_code AS copy FROM verifications WHERE sealed_code IS NOT NULL
        UNION ALL SELECT sealed_playlist FROM calls WHERE sealed_playlist IS NOT NULL`,
      )
      .all();
    return (rows as { copy: string }[]).map((row) => row.copy);
  } finally {
    database.close();
  }
}

/** Codes where no code belongs: in broken bodies, of a wrong type, in paths, queries and headers. */
async function offendWith(client: Client, { id }: Json): Promise<void> {
  const check = `/v1/verifications/${id}/check`;
  const wrong = [
    await client.ask('POST', check, `{"code": "${HEARD}"`),
    await client.ask('POST', check, `{"code": "${HEARD}", "${HEARD}": 1}`),
    await client.ask('POST', check, `{"code": ${HEARD}}`),
    await client.ask('POST', check, { code: `${HEARD}1` }),
    await client.ask('POST', check, { code: HEARD.split('').join(' ') }),
    await client.ask('POST', check, HEARD, { 'content-type': 'text/plain' }),
    await client.ask('POST', '/v1/verifications', { to: number('200'), code: `${HEARD}x` }),
    await client.ask('POST', '/v1/verifications', { to: number('200'), code: HEARD, codeLength: 4 }),
    await client.ask('POST', '/v1/verifications', { to: 'nobody', code: HEARD }),
    await client.ask('GET', `/v1/verifications/${HEARD}`),
    await client.ask('GET', `/v1/verifications/ver_${HEARD}`),
    await client.ask('GET', `/v1/calls?state=${HEARD}`),
    await client.ask('GET', `/v1/calls?${HEARD}=1`),
    await client.ask('GET', `/${HEARD}`),
    await client.ask('GET', `/%ff${HEARD}`),
    await client.ask('PUT', `${check}?code=${HEARD}`, { code: HEARD }),
    await client.ask('GET', '/v1/calls', undefined, {
      'last-event-id': HEARD,
      authorization: `Bearer ${HEARD}`,
    }),
  ];
  expect(wrong.slice(0, -1).filter(({ status }) => status < 400)).toEqual([]);
}

/** Codes in texts that a provider speaks, and in playlists that cannot be played; gives the calls that are placed. */
async function speakWith(client: Client): Promise<string[]> {
  const verification = await client.start({ to: number('209'), code: SPOKEN, locale: 'nl', repeat: 1 });
  const playlist = [
    { tts: `Code ${PLAYED.slice(0, 5)} ${PLAYED.slice(5)}.` },
    { digits: PLAYED, locale: 'nl' },
  ];
  const call = await client.ask('POST', '/v1/calls', { to: number('208'), playlist });
  const preview = await client.ask('POST', '/v1/prompts/preview', { playlist });
  const filed = await client.start({ to: number('206'), code: FILED, locale: 'sv', repeat: 1 });
  expect([call.status, preview.status]).toEqual([201, 200]);
  const text = { play: `Code ${PLAYED}`, type: 'tts', options: { 'say-as': 'digits' } };
  const play = await client.ask<{ request_id: string }>('POST', '/voice/call/play', {
    to: number('207'),
    playlist: [text],
  });
  expect(play.status).toBe(200);
  const refused = [
    [{ digits: `${REFUSED}x` }],
    [{ tts: REFUSED, digits: REFUSED }],
    [{ file: REFUSED }],
    [{ url: `http://127.0.0.1/${REFUSED}` }, { url: REFUSED }],
    [{ tts: REFUSED, speed: 99 }],
    [{ [REFUSED]: 1 }],
  ];
  for (const items of refused) {
    for (const path of ['/v1/calls', '/v1/prompts/preview']) {
      const body = { ...(path === '/v1/calls' ? { to: number('200') } : {}), playlist: items };
      expect((await client.ask('POST', path, body)).status, JSON.stringify(items)).toBe(400);
    }
  }
  const elsewhere = { to: number('200'), playlist: [{ url: `http://127.0.0.1:9/${REFUSED}?${REFUSED}` }] };
  const unplayed = await client.ask('POST', '/v1/calls', elsewhere);
  expect((await client.ended(unplayed.body.id)).disposition).toBe('prompt_failed');
  return [
    verification.callId,
    filed.callId,
    call.body.id,
    `call_${play.body.request_id.replaceAll('-', '')}`,
  ];
}

async function readEverything(client: Client): Promise<void> {
  const list = await client.ask<{ calls: readonly Json[] }>('GET', '/v1/calls');
  for (const { id } of list.body.calls) {
    await client.call(id);
    if ((await client.call(id)).state === 'ended') await client.events(id);
    const { verificationId } = await client.call(id);
    if (verificationId !== null) await client.verification(verificationId);
  }
  for (const path of ['/metrics', '/openapi.json', '/docs', '/healthz', '/readyz'])
    expect((await client.ask('GET', path)).status).toBeLessThan(400);
}

/** The phone's keys, as if somebody typed the code that they hear. */
async function press(keys: string, call: LabCall): Promise<void> {
  const port = Number(/m=audio (\d+)/.exec(call.invite.body)?.[1]);
  const socket = createSocket('udp4');
  let sequence = 0;
  for (const [i, key] of keys.split('').entries()) {
    for (const packet of encodeKeyPress(key, { timestamp: i * 4000, durationMs: 40 })) {
      const { marker, timestamp, payload } = packet;
      sequence += 1;
      socket.send(
        buildRtpPacket({ marker, timestamp, payload, sequence, payloadType: 101, ssrc: 7 }),
        port,
        '127.0.0.1',
      );
      await sleep(5);
    }
  }
  socket.close();
}
