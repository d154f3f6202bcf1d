import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VoiceServer } from '../../../src/lab/voice-server.ts';
import { CallsClient } from './calls-client.ts';
import { OwnSounds, serveRecordings, speechFrom } from './own-sounds.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const TO = '+4930123456';
/** Nothing of these may be seen anywhere but in the prompt. */
const CODE = '482913';
const TEXT = `Your code is ${CODE}, dear Anneliese`;
const NAME_OF_CODE = `secret-path/${CODE}.wav?token=Anneliese`;
const URL_OF_CODE = `http://files.example/voices/${NAME_OF_CODE}.wav`;

let sounds: OwnSounds;
let web: VoiceServer;
beforeAll(async () => {
  sounds = await OwnSounds.create();
  await sounds.add(`Anneliese/${CODE}`);
  web = await serveRecordings([NAME_OF_CODE]);
});
afterAll(async () => {
  await web.close();
  await sounds.close();
});

let service: Service;
let client: CallsClient;
beforeEach(async () => {
  service = await startService({
    sounds: { folder: sounds.folder },
    speech: speechFrom('files.example', web),
  });
  client = new CallsClient(service);
});
afterEach(() => service.close());

/** A request with one item. */
function saying(item: unknown): object {
  return { to: TO, playlist: [item] };
}

describe('Idempotency-Key', () => {
  const key = { 'idempotency-key': 'order-7' };

  it('gives the first answer again and places one call', async () => {
    const first = await client.post({ to: TO, playlist: [{ tts: TEXT, speed: 1 }] }, key);
    (await client.leg()).ring().answer().finishPrompt();
    await client.ended(first.body['id']);
    const again = await client.post({ playlist: [{ speed: 1, tts: TEXT }], repeat: 1, to: TO }, key);
    expect([first.headers['idempotency-replayed'], again.headers['idempotency-replayed']]).toEqual([
      undefined,
      'true',
    ]);
    expect([again.status, again.headers['location'], again.body]).toEqual([
      201,
      first.headers['location'],
      first.body,
    ]);
    expect(await service.store.calls({ limit: 10 })).toHaveLength(1);
  });

  it('places one call for twenty requests at once', async () => {
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => client.post(saying({ tts: TEXT }), key)),
    );
    expect(new Set(replies.map(({ body }) => body['id'])).size).toBe(1);
    expect(replies.filter(({ headers }) => headers['idempotency-replayed'] === undefined)).toHaveLength(1);
    expect(await service.store.calls({ limit: 10 })).toHaveLength(1);
  });

  it.each([
    saying({ tts: `${TEXT}!` }),
    saying({ tts: TEXT, speed: 1.1 }),
    { ...saying({ tts: TEXT }), repeat: 2 },
    { ...saying({ tts: TEXT }), reference: 'x' },
  ])('refuses another body: %#', async (body) => {
    await client.post(saying({ tts: TEXT }), key);
    const reply = await client.post(body, key);
    expect([reply.status, reply.body]).toMatchObject([422, { error: { code: 'idempotency_key_reused' } }]);
  });

  it('gives it also where the playlist could not be played any more', async () => {
    await sounds.add('custom/welcome');
    const body = saying({ file: 'custom/welcome' });
    const first = await client.post(body, key);
    expect(first.status).toBe(201);
    (await client.leg()).ring().answer().finishPrompt();
    await client.ended(first.body['id']);
    await sounds.remove('custom/welcome');
    expect((await client.post(body)).body).toMatchObject({ error: { code: 'invalid_playlist' } });
    const again = await client.post(body, key);
    expect([again.status, again.headers['idempotency-replayed'], again.body]).toEqual([
      201,
      'true',
      first.body,
    ]);
    expect(await service.store.calls({ limit: 10 })).toHaveLength(1);
    // Another one under this key is told so, whatever there is to say of it.
    const other = await client.post(saying({ file: 'custom/other' }), key);
    expect(other.body).toMatchObject({ error: { code: 'idempotency_key_reused' } });
  });

  it('is not shared with verifications', async () => {
    await client.post(saying({ tts: TEXT }), key);
    const other = { method: 'POST', url: '/v1/verifications', headers: key, payload: { to: TO } } as const;
    expect((await service.api.inject(other)).statusCode).toBe(422);
  });
});

it('leaves nothing of a playlist in answers and in the log', async () => {
  const seen: string[] = [];
  const playlist = [
    { tts: TEXT },
    { url: URL_OF_CODE },
    { digits: CODE, sayAs: 'digits' },
    { file: `Anneliese/${CODE}` },
  ];
  const { body } = await client.post({ to: TO, playlist }, { 'idempotency-key': 'k' });
  (await client.leg()).ring().answer().finishPrompt();
  seen.push(JSON.stringify([body, await client.ended(body['id'])]));
  seen.push((await service.api.inject(`/v1/calls/${String(body['id'])}/events`)).body);
  // A provider whose error names the text.
  service.tts.mood = 'breaks';
  const failed = await client.post(saying({ tts: 'Dear Anneliese' }));
  const fault = await client.ended(failed.body['id']);
  expect(fault).toMatchObject({ disposition: 'prompt_failed' });
  seen.push(JSON.stringify(fault));
  const missing = await client.post(saying({ url: URL_OF_CODE.replace('secret-path', 'secret-path/x') }));
  const notFound = await client.ended(missing.body['id']);
  expect(JSON.stringify(notFound)).toContain('files.example');
  seen.push(JSON.stringify(notFound));
  service.breakWith(new TypeError('a bug'));
  const broken = await client.post({ to: TO, playlist });
  expect(broken.status).toBe(500);
  seen.push(JSON.stringify(broken.body));
  expect(service.log()).toContain('a bug');
  expect(seen.join('\n') + service.log()).not.toMatch(/482913|Anneliese|secret-path|4829 ?13/);
});
