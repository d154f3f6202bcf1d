import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { parseWav } from '../../../src/media/wav.ts';
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
    const ms = (TEXT.length * 100 + 500) * 2 + 250;
    expect([sampleRate, samples.length]).toEqual([8000, ms * 8]);
    // Bits a sample and channels, as the format chunk has them.
    expect([reply.rawPayload.readUInt16LE(34), reply.rawPayload.readUInt16LE(22)]).toEqual([16, 1]);
    expect(samples.some((sample) => Math.abs(sample) > 5000)).toBe(true);
  });

  it('says with what it was spoken, in ASCII, and nothing of what was said', async () => {
    const reply = await preview({ playlist: [{ tts: TEXT }] });
    const header = String(reply.headers['voice-otp-prompt']);
    expect(header).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(header)).toEqual({
      locale: 'en-US',
      voices: ['tone é'],
      fallback: 'none',
      durationMs: TEXT.length * 100,
      synthesised: 1,
      fetched: 0,
      preparedMs: 0,
    });
    expect(header + service.log()).not.toContain(CODE);
    expect(service.prompter.playlists).toEqual([{ items: [{ tts: TEXT }], repeat: 1, repeatPauseMs: 1000 }]);
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
    expect(service.prompter.playlists).toEqual([]);
  });

  it.each([
    ['invalid_playlist', 400],
    ['unsupported_locale', 400],
    ['prompt_failed', 422],
    ['speech_unavailable', 503],
  ] as const)('tells %s with %i', async (code, status) => {
    service.prompter.fault = new AppError(code, { message: 'Item 1: files.example answered 404.' });
    const reply = await preview({ playlist: [{ tts: TEXT }] });
    expect(reply.statusCode).toBe(status);
    expect(reply.headers['content-type']).toContain('application/json');
    expect(reply.json()).toMatchObject({ error: { code, message: 'Item 1: files.example answered 404.' } });
    expect(reply.body + service.log()).not.toContain(CODE);
    expect(service.faults()).toEqual([]);
  });

  it('breaks off when the client goes away, without a fault', async () => {
    service.prompter.stalled = true;
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
    await eventually(() => expect(service.prompter.playlists).toHaveLength(1));
    expect(service.prompter.brokenOff).toBe(0);
    client.destroy();
    await eventually(() => expect(service.prompter.brokenOff).toBe(1));
    expect((await service.api.inject('/healthz')).statusCode).toBe(200);
    expect(service.faults()).toEqual([]);
  });
});
