import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKey } from '../../../src/clients/keys.ts';
import { VoiceServer } from '../../../src/lab/voice-server.ts';
import { againstUs, SEND_COMMAND, VERIFY_COMMAND, WRITTEN_CODE } from '../../support/app/articles.ts';
import type { Settings, Site } from '../../support/app/site.ts';
import { LAB_TRUNK, startSite } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { TTS_BODY, WAV_BODY } from '../api/datatechlabs-client.ts';

const run = promisify(execFile);
const SLT = join(import.meta.dirname, '../../../sounds/en-US/slt');
const TO = '+13216549879';
const FROM = '+13216549878';

const shop = createKey('shop', randomBytes);
const clients = [{ id: 'shop', keys: [{ hash: shop.hash }] }];
const withKey = { authorization: `Bearer ${shop.key}` };

interface Told {
  readonly http: number;
  readonly body: Record<string, unknown>;
}

/** What a shell does with the command, and what curl got. */
async function shell(command: string): Promise<Told> {
  const { stdout } = await run('sh', ['-c', `${command} --silent --show-error --write-out '\n%{http_code}'`]);
  const [, body = '', http] = /^(.*)\n(\d{3})$/s.exec(stdout) ?? [];
  return { http: Number(http), body: JSON.parse(body) as Record<string, unknown> };
}

async function withSite(options: Parameters<typeof startSite>[0], use: (site: Site) => Promise<void>) {
  const site = await startSite(options);
  try {
    await use(site);
    expect(site.faults()).toEqual([]);
  } finally {
    await site.close();
  }
}

const trunk = (port: number, more: object = {}) => ({ ...LAB_TRUNK, port, allowedClis: [FROM], ...more });
const otherThan = (code: string): string => code.replace(/\d/g, (digit) => String((Number(digit) + 1) % 10));

describeWithPeer('curl', 'the articles', () => {
  const commandsOf = (site: Site) => ({
    send: againstUs(SEND_COMMAND, site.app.url, 'shop', shop.key),
    verify: (code: string) =>
      againstUs(VERIFY_COMMAND.replace(WRITTEN_CODE, code), site.app.url, 'shop', shop.key),
  });

  /** @param codeOf how the person at the phone learns the code */
  async function follow(site: Site, codeOf: () => Promise<string>): Promise<void> {
    const { send, verify } = commandsOf(site);
    const sent = await shell(send);
    expect(sent).toMatchObject({ http: 200, body: { status: 'sent', service: 'Restcomm', to: TO } });
    const code = await codeOf();
    const wrong = code === WRITTEN_CODE ? otherThan(code) : WRITTEN_CODE;
    expect(await shell(verify(wrong))).toMatchObject({
      http: 422,
      body: { code: 'wrong_code', checksLeft: 4 },
    });
    expect(await shell(verify(code))).toEqual({
      http: 200,
      body: { status: 'approved', service: 'Restcomm', number: TO },
    });
    expect(await shell(verify(code))).toMatchObject({ http: 409, body: { code: 'not_pending' } });
    const stranger = againstUs(SEND_COMMAND, site.app.url, 'shop', 'wrong');
    expect(await shell(stranger)).toMatchObject({ http: 401, body: { code: 'unauthorized' } });
  }

  it.concurrent('of Restcomm: a call says the code, where that is the configured default', () =>
    withSite({ settings: { api: { clients } }, trunks: (port) => [trunk(port)] }, (site) =>
      follow(site, async () => {
        const call = await site.phone(TO);
        expect(call.invite.headers.find(([name]) => name === 'From')?.[1]).toContain(FROM);
        await call.phone.over;
        return site.heard(call).find((digits) => digits.length === 6) ?? '';
      }),
    ));

  it.concurrent('of Restcomm: a text message has the code, where that is the configured default', () =>
    withSite(
      {
        settings: { api: { clients, restcomm2faChannel: 'sms' } },
        trunks: (port) => [trunk(port, { sms: {} })],
      },
      (site) =>
        follow(site, async () => {
          const { text, from } = await eventually(() => {
            const found = site.carrier.texts.find((one) => one.number === TO);
            if (found === undefined) throw new Error('no text has come');
            return found;
          });
          expect(from).toContain(FROM.slice(1));
          return /^Your verification code is: (\d{6})$/.exec(text)?.[1] ?? '';
        }),
    ));

  let site: Site;
  let voices: VoiceServer;
  beforeAll(async () => {
    const digits = ['1', '2', '3', '4', '5', '6'];
    voices = new VoiceServer(
      new Map([
        ['your-code-is', join(SLT, 'greeting.wav')],
        ...digits.map((digit) => [digit, join(SLT, `${digit}.wav`)] as const),
      ]),
    );
    await voices.start();
    const internalHosts = [{ host: 'server.domain.com', address: '127.0.0.1', port: voices.port }];
    const speech: Settings['speech'] = {
      providers: [{ type: 'espeak', id: 'espeak' }],
      urls: { internalHosts },
    };
    site = await startSite({
      fullSounds: true,
      settings: { api: { clients }, speech },
      trunks: (port) => [trunk(port, { id: '74445609' })],
    });
  });
  afterAll(async () => {
    const [faults, { calls }] = [site.faults(), site.carrier];
    expect(calls.map(({ number }) => number)).toEqual(['+12125551212', '+12125551212']);
    await site.close();
    await voices.close();
    expect(faults).toEqual([]);
  });

  const play = (body: string, key: string): Promise<Told> =>
    shell(
      `curl -X POST ${site.app.url}/voice/call/play -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '${body}'`,
    );

  it.concurrent.each([
    ['by text-to-speech', TTS_BODY],
    ['by recordings', WAV_BODY],
  ])('of DataTechLabs: a playlist %s', async (_name, body) => {
    const { http, body: envelope } = await play(body, shop.key);
    expect([http, envelope]).toMatchObject([200, { code: 0, status: 200, data: 'accepted' }]);
    const url = `/voice/call/status/${String(envelope['request_id'])}`;
    const status = await eventually(
      async () => {
        const { body: told } = await site.client.ask<{ data: object }>('GET', url, undefined, withKey);
        expect(told.data).toMatchObject({ state: 'ended' });
        return told.data;
      },
      { timeoutMs: 40_000, intervalMs: 200 },
    );
    expect(status).toMatchObject({ disposition: 'answered', prompt_finished: true, carrier_id: '74445609' });
    if (body !== WAV_BODY) return;
    // Both ring the same number. It is said twice, and a busy machine may lose a digit.
    const heard = site.carrier.calls.flatMap((call) => site.heard(call));
    expect(heard).toContain('123456');
  });

  it.concurrent('of DataTechLabs: another key is refused, in the envelope of that API', async () => {
    expect(await play(TTS_BODY, 'wrong')).toMatchObject({ http: 401, body: { code: 2001, status: 401 } });
  });
});
