import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { ConfigError, configFrom, loadConfig } from '../../src/config.ts';
import type { configSchema } from '../../src/config-schema.ts';
import { Authority } from '../support/certificates.ts';

type Settings = z.input<typeof configSchema>;
type Freeswitch = NonNullable<Settings['freeswitch']>;

const TRUNK = { id: 'carrier', host: 'sip.carrier.example', cli: '+4930123456' };
const DRACHTIO = { host: 'drachtio', secret: 'hunter2' };
const MEDIA = { host: '192.0.2.7', secret: 'hunter3' };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'voice-otp-freeswitch-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(text: string): string {
  const file = join(folder, 'secret');
  writeFileSync(file, text);
  return file;
}

function settingsWith(freeswitch: Freeswitch, more: Partial<Settings> = {}): Settings {
  return {
    engine: 'freeswitch',
    trunks: [TRUNK],
    ...more,
    freeswitch: { drachtioServers: [DRACHTIO], mediaServers: [MEDIA], ...freeswitch },
  };
}

function problemsOf(settings: Settings): readonly string[] {
  try {
    configFrom(settings);
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.problems;
    }
    throw error;
  }
  return [];
}

describe('the section freeswitch', () => {
  it('fills in every default', () => {
    const { engine, freeswitch } = configFrom(settingsWith({}));
    expect(engine).toBe('freeswitch');
    expect(freeswitch).toMatchObject({
      drachtioServers: [{ host: 'drachtio', port: 9022, weight: 1 }],
      mediaServers: [{ host: '192.0.2.7', port: 8021, weight: 1 }],
      profile: 'drachtio_mrf',
      callback: { host: '0.0.0.0', port: 0 },
      promptFolder: './data/prompts',
      groupReadable: false,
    });
  });

  it('may be left out with the embedded engine', () => {
    expect(configFrom({ trunks: [TRUNK] })).toMatchObject({
      engine: 'embedded',
      freeswitch: { drachtioServers: [], mediaServers: [] },
    });
  });

  it('reads secrets wherever they are kept, and prints none', () => {
    const secretFile = fileOf('JambonzR0ck$ #1 é\n');
    const config = configFrom(
      settingsWith({
        drachtioServers: [DRACHTIO, { host: 'drachtio', port: 9023, secretFile, weight: 100 }],
        mediaServers: [{ host: 'fs', secretFile, promptFolder: '/prompts', listenFolder: '/listen' }],
      }),
    );
    const { drachtioServers, mediaServers } = config.freeswitch;
    expect([...drachtioServers, ...mediaServers].map(({ secret }) => secret.reveal())).toEqual([
      'hunter2',
      'JambonzR0ck$ #1 é',
      'JambonzR0ck$ #1 é',
    ]);
    expect(mediaServers[0]).toMatchObject({ promptFolder: '/prompts', listenFolder: '/listen' });
    expect(config.freeswitch.listenFolder).toBeUndefined();
    expect(`${JSON.stringify(config)}${inspect(config, { depth: 9 })}`).not.toMatch(
      /hunter|Jambonz|secretFile/,
    );
    expect(Object.isFrozen(mediaServers[0])).toBe(true);
  });

  it('can come from the environment', () => {
    const config = loadConfig({
      env: {
        VOICE_OTP_ENGINE: 'freeswitch',
        VOICE_OTP_TRUNKS: JSON.stringify([TRUNK]),
        VOICE_OTP_FREESWITCH_DRACHTIO_SERVERS: '[{host: drachtio, secret: "12345"}]',
        VOICE_OTP_FREESWITCH_MEDIA_SERVERS: JSON.stringify([MEDIA]),
        VOICE_OTP_FREESWITCH_PROFILE: '123',
        VOICE_OTP_FREESWITCH_CALLBACK_HOST: '192.0.2.1',
        VOICE_OTP_FREESWITCH_CALLBACK_ADVERTISED_ADDRESS: 'app',
        VOICE_OTP_FREESWITCH_CALLBACK_PORT: '8085',
        VOICE_OTP_FREESWITCH_GROUP_READABLE: 'true',
      },
    });
    expect(config.freeswitch).toMatchObject({
      drachtioServers: [{ host: 'drachtio' }],
      profile: '123',
      callback: { host: '192.0.2.1', port: 8085, advertisedAddress: 'app' },
      groupReadable: true,
    });
  });

  it('leaves the range of RTP ports to FreeSWITCH', () => {
    const rtp = { portMin: 20_001, portMax: 20_002 };
    expect(problemsOf(settingsWith({}, { rtp }))).toEqual([]);
    expect(problemsOf(settingsWith({}, { rtp, engine: 'embedded' }))).toHaveLength(2);
  });

  const second = { ...DRACHTIO, host: 'DRACHTIO' };
  it.each<[string, Freeswitch, RegExp]>([
    [
      'no drachtio server',
      { drachtioServers: [] },
      /^freeswitch\.drachtioServers: expected at least one server/,
    ],
    ['no media server', { mediaServers: [] }, /^freeswitch\.mediaServers: expected at least one server/],
    [
      'a server that is there twice',
      { drachtioServers: [DRACHTIO, { ...second, port: 9022 }] },
      /^freeswitch\.drachtioServers\.1\.host: expected a host and port that no other/,
    ],
    [
      'a server without a secret',
      { mediaServers: [{ host: 'fs' }] },
      /^freeswitch\.mediaServers\.0\.secret: required, unless `secretFile`/,
    ],
    [
      'two secrets',
      { mediaServers: [{ ...MEDIA, secretFile: '/dev/null' }] },
      /^freeswitch\.mediaServers\.0\.secretFile: expected either `secret` or `secretFile`, not both/,
    ],
    [
      'a secret file that is not there',
      { drachtioServers: [{ host: 'a', secretFile: '/nowhere/hunter2' }] },
      /^freeswitch\.drachtioServers\.0\.secretFile: expected a file that can be read/,
    ],
    [
      'an empty secret file',
      { mediaServers: [{ host: 'a', secretFile: '/dev/null' }] },
      /^freeswitch\.mediaServers\.0\.secretFile: expected a file that holds one line/,
    ],
    [
      'a bar in a secret for drachtio',
      { drachtioServers: [{ host: 'a', secret: 'hunter|2' }] },
      /^freeswitch\.drachtioServers\.0\.secret: expected a secret without `\|`/,
    ],
    [
      'a line break in a secret for drachtio',
      { drachtioServers: [{ host: 'a', secret: 'hunter\n2' }] },
      /^freeswitch\.drachtioServers\.0\.secret: expected a secret without control/,
    ],
    [
      'a line break in a secret for FreeSWITCH',
      { mediaServers: [{ host: 'a', secret: 'hunter\r2' }] },
      /^freeswitch\.mediaServers\.0\.secret: expected a secret without control/,
    ],
    ['no weight', { mediaServers: [{ ...MEDIA, weight: 0 }] }, /^freeswitch\.mediaServers\.0\.weight: .*1/],
    [
      'a name to listen on',
      { callback: { host: 'localhost' } },
      /^freeswitch\.callback\.host: expected an IP/,
    ],
    [
      'an address with a port',
      { callback: { advertisedAddress: 'app:8085' } },
      /^freeswitch\.callback\.advertisedAddress: expected a host name/,
    ],
    [
      'too few ports to be called back on',
      { callback: { port: 65_535 }, mediaServers: [MEDIA, { ...MEDIA, port: 8022 }] },
      /^freeswitch\.callback\.port: expected room for one port for each media server/,
    ],
    [
      'a folder that FreeSWITCH would take for a list',
      { promptFolder: '/prompts!/etc' },
      /^freeswitch\.promptFolder: expected no control/,
    ],
    [
      'a folder that depends on where FreeSWITCH was started',
      { mediaServers: [{ ...MEDIA, promptFolder: 'prompts' }] },
      /^freeswitch\.mediaServers\.0\.promptFolder: expected a path that begins with/,
    ],
    [
      'a folder to listen in that ends the word',
      { listenFolder: "/it's" },
      /^freeswitch\.listenFolder: expected no `'`/,
    ],
    [
      'a folder to listen in that depends on where FreeSWITCH was started',
      { mediaServers: [{ ...MEDIA, listenFolder: 'listen' }] },
      /^freeswitch\.mediaServers\.0\.listenFolder: expected a path that begins with/,
    ],
    ['a profile that is no name', { profile: 'a b' }, /^freeswitch\.profile: expected/],
  ])('refuses %s', (_what, freeswitch, problem) => {
    const problems = problemsOf(settingsWith(freeswitch));
    expect(problems).toContainEqual(expect.stringMatching(problem));
    expect(problems.join()).not.toContain('hunter');
  });

  it('refuses a trunk at localhost, which drachtio would rewrite', () => {
    const trunks = [{ ...TRUNK, host: 'localhost' }];
    expect(problemsOf(settingsWith({}, { trunks }))).toEqual([
      expect.stringMatching(/^trunks\.0\.host: expected another name, such as 127\.0\.0\.1/),
    ]);
    expect(problemsOf({ trunks })).toEqual([]);
  });

  it('sees a bar in a secret file', () => {
    const drachtioServers = [{ host: 'a', secretFile: fileOf('hunter|2') }];
    expect(problemsOf(settingsWith({ drachtioServers }))).toEqual([
      'freeswitch.drachtioServers.0.secretFile: expected a secret without `|`',
    ]);
  });
});

describe('TLS and SRTP with drachtio and FreeSWITCH', () => {
  const [ours, other] = [new Authority('Ours'), new Authority('Other')];
  const secure = (tls: object, more: object = {}) => ({ ...TRUNK, transport: 'tls' as const, tls, ...more });
  const pem = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text);
    return file;
  };
  const believed = () => ({ tls: { caFile: pem('believed.pem', ours.cert), names: 'unchecked' as const } });

  it('are taken where a trunk asks for what drachtio does', () => {
    const trunks = [
      secure({ caFile: pem('same.pem', `# the same\n${ours.cert}\n`) }, { srtp: 'required' }),
      { ...TRUNK, id: 'second', transport: 'tls' as const },
      { ...TRUNK, id: 'third', srtp: 'optional' as const },
    ];
    expect(configFrom(settingsWith(believed(), { trunks })).freeswitch.tls).toEqual({ ca: ours.cert });
  });

  it.each<[string, () => Settings, RegExp]>([
    [
      'without a word on whom drachtio believes',
      () => settingsWith({}, { trunks: [{ ...TRUNK, transport: 'tls' }] }),
      /^trunks\.0\.transport: .*nobody has said whom drachtio believes/,
    ],
    [
      'towards an outbound proxy',
      () =>
        settingsWith({}, { trunks: [{ ...TRUNK, outboundProxy: { host: 'p.example', transport: 'tls' } }] }),
      /^trunks\.0\.transport: .*nobody has said/,
    ],
    [
      'with pins',
      () => settingsWith(believed(), { trunks: [secure({ pins: ['00'.repeat(32)] })] }),
      /^trunks\.0\.tls: .*cannot pin/,
    ],
    [
      'with another name',
      () => settingsWith(believed(), { trunks: [secure({ serverName: 'sbc.example' })] }),
      /^trunks\.0\.tls: .*does not compare the name/,
    ],
    [
      'with a certificate of ours',
      () => {
        const { cert, key } = ours.issue({ names: [] });
        const files = { certificateFile: pem('cert.pem', cert), keyFile: pem('key.pem', key.reveal()) };
        return settingsWith(believed(), { trunks: [secure(files)] });
      },
      /^trunks\.0\.tls: .*one certificate to all trunks/,
    ],
    [
      'with other authorities',
      () => settingsWith(believed(), { trunks: [secure({ caFile: pem('other.pem', other.cert) })] }),
      /^trunks\.0\.tls: .*other authorities/,
    ],
  ])('are refused %s', (_, settings, problem) => {
    expect(problemsOf(settings())).toEqual([expect.stringMatching(problem)]);
  });

  it('ask for the word that names are not compared', () => {
    const { caFile } = believed().tls;
    const tls = { caFile } as unknown as NonNullable<Freeswitch['tls']>;
    expect(problemsOf(settingsWith({ tls }))).toEqual([
      expect.stringMatching(/^freeswitch\.tls\.names: expected `unchecked`/),
    ]);
    expect(
      problemsOf(settingsWith({ tls: { caFile: join(folder, 'none.pem'), names: 'unchecked' } })),
    ).toEqual(['freeswitch.tls.caFile: expected a file that can be read']);
  });
});
