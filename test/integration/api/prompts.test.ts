import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseWav } from '../../../src/media/wav.ts';
import { CODE_PAUSES } from '../../../src/prompt/code-prompt.ts';
import { eventually } from '../../support/eventually.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const CODE = '482913';
const TEXT = `Your code is ${CODE}`;

let service: Service;
beforeEach(async () => {
  service = await startService();
});
afterEach(() => service.close());

/** Length of a sound, milliseconds. */
function lengthMs(wav: Uint8Array): number {
  return parseWav(wav).samples.length / 8;
}

function preview(payload: object) {
  return service.api.inject({ method: 'POST', url: '/v1/prompts/preview', payload });
}

describe('POST /v1/prompts/preview', () => {
  it('answers the sound that a call would play', async () => {
    const reply = await preview({
      playlist: [{ tts: TEXT }, { pauseMs: 500 }],
      repeat: 2,
      repeatPauseMs: 250,
    });
    expect(reply.statusCode).toBe(200);
    expect(reply.headers).toMatchObject({
      'content-type': 'audio/wav',
      'cache-control': 'no-store',
      'content-length': String(reply.rawPayload.length),
    });
    const { sampleRate, samples } = parseWav(reply.rawPayload);
    const text = lengthMs((await preview({ playlist: [{ tts: TEXT }] })).rawPayload) - CODE_PAUSES.leadInMs;
    const ms = CODE_PAUSES.leadInMs + (text + 500) * 2 + 250;
    expect([sampleRate, samples.length]).toEqual([8000, ms * 8]);
    expect(text).toBeGreaterThan(1000);
    // Bits a sample and channels, as the format chunk has them.
    expect([reply.rawPayload.readUInt16LE(34), reply.rawPayload.readUInt16LE(22)]).toEqual([16, 1]);
    expect(samples.some((sample) => Math.abs(sample) > 2000)).toBe(true);
  });

  it('says with what it was spoken, in ASCII, and nothing of what was said', async () => {
    const reply = await preview({ playlist: [{ tts: TEXT }] });
    const header = String(reply.headers['voice-otp-prompt']);
    expect(header).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(header)).toEqual({
      locale: 'en-US',
      voices: ['tts tone é en-US'],
      fallback: 'none',
      durationMs: lengthMs(reply.rawPayload),
      // The words before the code, and all digits.
      synthesised: 11,
      fetched: 0,
      preparedMs: expect.any(Number),
    });
    expect(header + service.log()).not.toContain(CODE);
    expect(service.tts.asked).toHaveLength(11);
    expect(service.tts.texts).toContain('Your code is');
  });

  it('calls nobody and stores nothing', async () => {
    await preview({ playlist: [{ digits: CODE }] });
    expect(await service.store.calls({ limit: 1 })).toEqual([]);
    expect([service.dialer.active(), service.engine.legs.length]).toEqual([0, 0]);
  });

  it.each<[string, object, RegExp]>([
    ['nothing', {}, /^body\.playlist: required/],
    ['a verification', { verificationId: 'ver_x' }, /^body\.playlist: required|not known/],
    [
      'a verification too',
      { playlist: [{ tts: TEXT }], verificationId: 'ver_x' },
      /not known: verificationId/,
    ],
    ['a number', { playlist: [{ tts: TEXT }], to: '+4930123456' }, /^body: has a key that is not known: to/],
    ['an item of no kind', { playlist: [{ tts: TEXT }, {}] }, /^body\.playlist\.1: expected one of tts, /],
    ['six times', { playlist: [{ tts: TEXT }], repeat: 6 }, /^body\.repeat: /],
  ])('refuses %s', async (_what, body, message) => {
    const reply = await preview(body);
    expect(reply.statusCode).toBe(400);
    expect(reply.json()).toMatchObject({
      error: { code: 'invalid_request', message: expect.stringMatching(message) },
    });
    expect(service.tts.asked).toEqual([]);
  });

  const lettersOnly = 'Item 1 of the playlist: letters can be said with `nato` only.';
  it.each([
    ['invalid_playlist', 400, { digits: `A${CODE}` }, lettersOnly],
    ['unsupported_locale', 400, { tts: TEXT, locale: 'tlh' }, 'No voice here speaks tlh.'],
    [
      'prompt_failed',
      422,
      { url: `http://files.example/${CODE}.wav` },
      'Item 1: http://files.example leads to an address that is not public.',
    ],
    ['speech_unavailable', 503, { tts: 'Good morning' }, 'Text cannot be spoken at the moment.'],
  ] as const)('tells %s with %i', async (code, status, item, message) => {
    service.tts.mood = { fault: 'tts_failed' };
    const reply = await preview({ playlist: [item] });
    expect(reply.statusCode).toBe(status);
    expect(reply.headers['content-type']).toContain('application/json');
    expect(reply.json()).toMatchObject({ error: { code, message } });
    expect(reply.body + service.log()).not.toContain(CODE);
    expect(service.faults()).toEqual([]);
  });

  it.each(['silent', 'empty', 'breaks', { fault: 'tts_failed' }] as const)(
    'takes a provider that is %j for its own fault, however often',
    async (mood) => {
      service.tts.mood = mood;
      for (let i = 0; i < 4; i++) {
        const reply = await preview({ playlist: [{ tts: `Good morning, ${i}` }] });
        expect(reply.statusCode).toBe(503);
        expect(reply.json()).toMatchObject({ error: { code: 'speech_unavailable' } });
      }
    },
  );

  it('takes a text that a provider is silent for, and no other, for the fault of the text', async () => {
    service.tts.moods.set('Good morning', 'silent');
    for (let i = 0; i < 4; i++) {
      const reply = await preview({ playlist: [{ tts: 'Good morning' }] });
      expect(reply.statusCode).toBe(422);
      expect(reply.json()).toMatchObject({ error: { code: 'prompt_failed' } });
    }
    expect((await preview({ playlist: [{ tts: 'Good evening' }] })).statusCode).toBe(200);
  });

  it.each(['en-US-x-rp', 'en-x-central', 'en-Latn-US-x-rp'])('knows the locale %s', async (locale) => {
    expect((await preview({ playlist: [{ tts: TEXT, locale }] })).statusCode).toBe(200);
  });

  it.each(['en-', 'en--US', 'en-US-x-', 'en-a-b-c-d-e', 'en-123456789', 'e', 'en_US'])(
    'does not take %s for a locale',
    async (locale) => {
      const reply = await preview({ playlist: [{ tts: TEXT, locale }] });
      expect(reply.json()).toMatchObject({ error: { code: 'invalid_request' } });
    },
  );

  it('breaks off when the client goes away, without a fault', async () => {
    service.tts.mood = 'stalls';
    await service.api.listen({ host: '127.0.0.1', port: 0 });
    const { port } = service.api.server.address() as AddressInfo;
    const client = request({
      port,
      method: 'POST',
      path: '/v1/prompts/preview',
      headers: { 'content-type': 'application/json', host: 'localhost' },
    });
    client.on('error', () => undefined);
    client.end(JSON.stringify({ playlist: [{ tts: TEXT }] }));
    // The words and the digits are asked for side by side.
    await eventually(() => expect(service.tts.running).toBe(2));
    expect(service.tts.aborted).toBe(0);
    client.destroy();
    await eventually(() => expect(service.tts.running).toBe(0));
    expect(service.tts.aborted).toBe(2);
    expect((await service.api.inject('/healthz')).statusCode).toBe(200);
    expect(service.faults()).toEqual([]);
  });
});
