import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LabCall } from '../../../src/lab/carrier.ts';
import type { Heard } from '../../../src/lab/recogniser.ts';
import { Recogniser } from '../../../src/lab/recogniser.ts';
import { VoiceServer } from '../../../src/lab/voice-server.ts';
import type { Pcm } from '../../../src/media/pcm.ts';
import { parseWav } from '../../../src/media/wav.ts';
import type { TimelineJson } from '../../support/app/client.ts';
import { LAB_TRUNK, type Site, startSite } from '../../support/app/site.ts';

const ESPEAK = { type: 'espeak', id: 'espeak' } as const;
const SLT = join(import.meta.dirname, '../../../sounds/en-US/slt');
const DIGITS = '0123456789'.split('');

/** An item of a playlist of DataTechLabs. */
const text = {
  play: 'Your code is 123456',
  type: 'tts',
  options: { language: 'en-US', gender: 'female', 'say-as': 'digits' },
};
const recordings = ['your-code-is', '1', '2', '3', '4', '5', '6'].map((name) => ({
  play: `http://server.domain.com/voices/${name}.wav`,
}));
const TTS_BODY = { to: '12125551212', from: 'me', playlist: [text, text], carrier_id: '74445609' };
const RECORDED_BODY = {
  to: '12125551212',
  playlist: [...recordings, ...recordings],
  carrier_id: '74445609',
};

let site: Site;
let voices: VoiceServer;

beforeAll(async () => {
  voices = new VoiceServer(
    new Map([
      ['your-code-is', join(SLT, 'greeting.wav')],
      ...DIGITS.map((digit) => [digit, join(SLT, `${digit}.wav`)] as const),
    ]),
  );
  await voices.start();
  const internalHosts = [{ host: 'server.domain.com', address: '127.0.0.1', port: voices.port }];
  site = await startSite({
    fullSounds: true,
    settings: { speech: { providers: [ESPEAK], urls: { internalHosts } } },
    trunks: (port) => [{ ...LAB_TRUNK, id: '74445609', port }],
  });
});

afterAll(async () => {
  const faults = site.faults();
  await site.close();
  await voices.close();
  expect(faults).toEqual([]);
});

interface Envelope {
  readonly code: number;
  readonly status: number;
  readonly data: unknown;
  readonly request_id: string;
}

/** Sends a body, and gives what the phone has heard when the call is over. */
async function play(body: object, to: string): Promise<{ call: LabCall; id: string; requestId: string }> {
  const { body: answer, status } = await site.client.ask<Envelope>('POST', '/voice/call/play', body);
  expect(status).toBe(200);
  expect(answer).toMatchObject({ status: 200, code: 0, data: 'accepted' });
  const id = `call_${answer.request_id.replaceAll('-', '')}`;
  const ended = await site.client.ended(id);
  expect(ended).toMatchObject({ disposition: 'answered', promptFinished: true });
  return { call: await site.phone(to), id, requestId: answer.request_id };
}

/** What the service has made of texts, by name: templates to look for in a recording. */
async function made(texts: ReadonlyMap<string, string>, wish: object): Promise<Recogniser> {
  const clips = new Map<string, Pcm>();
  for (const [name, tts] of texts) {
    const body = { playlist: [{ tts, sayAs: 'digits', ...wish }] };
    const answer = await fetch(`${site.client.url}/v1/prompts/preview`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(200);
    const { samples } = parseWav(new Uint8Array(await answer.arrayBuffer()));
    const first = samples.findIndex((sample) => sample !== 0);
    clips.set(name, { sampleRate: 8000, samples: samples.slice(first) });
  }
  return new Recogniser(clips);
}

const said = ({ items }: Heard): string[] => items.map(({ clip }) => clip);

describe('both forms of a request of DataTechLabs', () => {
  it('by text-to-speech: the phone hears what the provider made, twice', async () => {
    const { call } = await play(TTS_BODY, '+12125551212');
    const texts = new Map(['Your code is', ...DIGITS].map((one) => [one.toLowerCase(), one] as const));
    const recogniser = await made(texts, { locale: 'en-US', gender: 'female' });
    const heard = recogniser.recognise(call.phone.heard);
    const once = ['your code is', '1', '2', '3', '4', '5', '6'];
    expect(said(heard)).toEqual([...once, ...once]);
    for (const { clip, score } of heard.items) expect(score, clip).toBeGreaterThanOrEqual(0.95);
  });

  it('by recordings that are fetched: the phone hears the digits, twice', async () => {
    const { call, requestId } = await play(RECORDED_BODY, '+12125551212');
    expect(site.heard(call)).toEqual(['123456', '123456']);
    const status = await site.client.ask<Envelope>('GET', `/voice/call/status/${requestId}`);
    expect(status.body).toMatchObject({
      code: 0,
      status: 200,
      data: { request_id: requestId, disposition: 'answered', prompt_finished: true },
    });
  });
});

describe.concurrent('a verification in a language without recorded sounds', () => {
  it('is spoken: what had to be made is in the timeline, and nothing the second time', async () => {
    const prepared = async (code: string): Promise<TimelineJson['detail'] | undefined> => {
      const to = `+44207946${code.slice(-1)}200`;
      const { callId } = await site.client.start({ to, code, locale: 'nl-NL', repeat: 1 });
      const call = await site.client.ended(callId);
      expect(call.disposition).toBe('answered');
      return call.timeline.find(({ type }) => type === 'prepared')?.detail;
    };
    const first = await prepared('70001');
    expect(first).toMatchObject({ locale: 'nl', voices: 'tts espeak nl', fallback: 'none' });
    expect(first?.['synthesised']).toBeGreaterThan(10);
    expect(await prepared('70002')).toMatchObject({ synthesised: 0 });
  });

  it('is refused before anything is dialled where nothing speaks it', async () => {
    const answer = await site.client.ask('POST', '/v1/verifications', { to: '+442079460200', locale: 'zz' });
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'unsupported_locale' } } });
  });
});

describe.concurrent('a code of letters and digits', () => {
  it('is spelled in words, heard and approved', async () => {
    const to = '+442079465200';
    const { id, callId } = await site.client.start({ to, code: 'K7QX', sayAs: 'nato', repeat: 2 });
    await site.client.ended(callId);
    const letters = new Recogniser(site.app.library.clips('en-US', true));
    const heard = said(letters.recognise((await site.phone(to)).phone.heard));
    expect(heard.join(' ')).toContain('k 7 q x');
    expect((await site.client.check(id, 'k7qx')).body.approved).toBe(true);
  });
});

describe.concurrent('a playlist that cannot be played', () => {
  it('rings nobody', async () => {
    const to = '+442079466200';
    const url = 'http://server.domain.com/voices/nothing.wav';
    const { body, status } = await site.client.ask('POST', '/v1/calls', { to, playlist: [{ url }] });
    expect(status).toBe(201);
    const call = await site.client.ended(body.id);
    expect(call).toMatchObject({ disposition: 'prompt_failed', attempts: [] });
    expect(call.timeline.map(({ type }) => type)).toEqual(['queued', 'prompt_failed', 'ended']);
    expect(site.carrier.calls.filter((one) => one.number === to)).toEqual([]);
  });
});
