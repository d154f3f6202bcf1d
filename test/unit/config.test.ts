import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Environment } from '../../src/config.ts';
import { ConfigError, configFrom, loadConfig, variableOf } from '../../src/config.ts';
import { configSchema } from '../../src/config-schema.ts';

const TRUNK = { id: 'carrier', host: 'sip.carrier.example', cli: '+4930123456' };
const HASH = `sha256:${'0a'.repeat(32)}`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'voice-otp-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(text: string, name = 'voice-otp.yaml'): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function load(text: string, env: Environment = {}) {
  return loadConfig({ file: fileOf(text), env });
}

function problemsOf(make: () => unknown): readonly string[] {
  try {
    make();
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.problems;
    }
    throw error;
  }
  return [];
}

function exactly(text: string): RegExp {
  return new RegExp(`^\`${text.replace(/[^A-Za-z0-9]/g, '\\$&')}\`$`);
}

const YAML = `
api:
trunks:
  - id: carrier
    host: sip.carrier.example
    cli: "+4930123456"
`;

describe('loadConfig', () => {
  it('fills in every default', () => {
    expect(load(YAML)).toMatchObject({
      engine: 'embedded',
      api: { host: '127.0.0.1', port: 8080, clients: [], rateLimit: { max: 600, windowSeconds: 60 } },
      sip: { host: '0.0.0.0', port: 5060, tcp: true, t1Ms: 500 },
      rtp: { portMin: 16384, portMax: 32767, symmetric: true },
      trunks: [
        {
          ...TRUNK,
          transport: 'udp',
          codecs: ['PCMU', 'PCMA'],
          numberFormat: '+E164',
          identity: 'from',
          setupTimeoutMs: 8000,
          ringTimeoutMs: 30_000,
        },
      ],
      verification: {
        codeLength: 6,
        ttlSeconds: 600,
        maxChecks: 5,
        repeat: 2,
        locale: 'en-US',
        sipTargets: [],
      },
      store: { path: './data/voice-otp.db', retentionDays: { verifications: 30, calls: 90 } },
      log: { level: 'info' },
    });
  });

  it('reads JSON too, and takes the path from the environment', () => {
    const file = fileOf(JSON.stringify({ trunks: [TRUNK], api: { port: 0 } }), 'voice-otp.json');
    expect(loadConfig({ env: { VOICE_OTP_CONFIG: file } }).api.port).toBe(0);
  });

  it('prefers the given path to that of the environment', () => {
    const file = fileOf(JSON.stringify({ trunks: [TRUNK] }), 'given.json');
    expect(loadConfig({ file, env: { VOICE_OTP_CONFIG: '/nowhere' } }).trunks[0]?.id).toBe('carrier');
  });

  it('can do without a file', () => {
    const config = loadConfig({ env: { VOICE_OTP_TRUNKS: JSON.stringify([TRUNK]) } });
    expect(config.trunks[0]).toMatchObject(TRUNK);
  });

  it('lets the environment win', () => {
    const config = load(`${YAML}log: {level: debug}\nrtp: {drainMs: 7}\n`, {
      VOICE_OTP_API_PORT: '9000',
      VOICE_OTP_API_RATE_LIMIT_MAX: '7',
      VOICE_OTP_SIP_TCP: 'false',
      VOICE_OTP_SIP_USER_AGENT: '12345',
      VOICE_OTP_LOG_LEVEL: 'warn',
      VOICE_OTP_VERIFICATION_SIP_TARGETS: '[pbx.example, lab.example]',
      VOICE_OTP_STORE_RETENTION_DAYS_CALLS: '',
      HOME: '/root',
    });
    expect(config).toMatchObject({
      api: { port: 9000, rateLimit: { max: 7, windowSeconds: 60 } },
      sip: { tcp: false, userAgent: '12345' },
      rtp: { drainMs: 7 },
      log: { level: 'warn' },
      verification: { sipTargets: ['pbx.example', 'lab.example'] },
      store: { retentionDays: { calls: 90 } },
    });
  });

  it('freezes everything', () => {
    const config = load(YAML);
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.trunks[0]?.codecs)).toBe(true);
    expect(() => Object.assign(config.api.rateLimit, { max: 1 })).toThrow(TypeError);
  });

  it('reads a password from its file, and prints none', () => {
    const passwordFile = fileOf('hunter2\n', 'password');
    const config = configFrom({
      trunks: [
        { ...TRUNK, username: 'alice', passwordFile },
        { ...TRUNK, id: 'second', username: 'bob', password: 'hunter3' },
      ],
    });
    expect(config.trunks.map(({ password }) => password?.reveal())).toEqual(['hunter2', 'hunter3']);
    expect(JSON.stringify(config)).not.toMatch(/hunter|passwordFile/);
  });

  it('lets a trunk have timeouts of its own', () => {
    const { trunks } = configFrom({
      calls: { setupTimeoutMs: 5000, ringTimeoutMs: 20_000 },
      trunks: [TRUNK, { ...TRUNK, id: 'slow', setupTimeoutMs: 9000 }],
    });
    expect(trunks).toMatchObject([
      { setupTimeoutMs: 5000, ringTimeoutMs: 20_000 },
      { setupTimeoutMs: 9000, ringTimeoutMs: 20_000 },
    ]);
  });

  it.each(['127.0.0.1', '127.8.8.8', '::1', 'localhost'])('needs no key on %s', (host) => {
    expect(configFrom({ api: { host }, trunks: [TRUNK] }).api.host).toBe(host);
  });

  it('listens anywhere with a key', () => {
    const config = configFrom({
      api: { host: '0.0.0.0', keys: [{ id: 'shop', hash: HASH }] },
      trunks: [TRUNK],
    });
    expect(config.api.clients).toMatchObject([{ id: 'shop', keys: [{ hash: HASH, expiresAt: null }] }]);
  });
});

describe('a configuration that cannot be used', () => {
  const twice = [TRUNK, TRUNK];
  it.each<[string, unknown, RegExp]>([
    ['no trunks', {}, /^trunks: required/],
    ['an empty list of trunks', { trunks: [] }, /^trunks: expected at least one trunk/],
    ['a text for a number', { api: { port: 'http' } }, /^api\.port: expected number, not string/],
    ['a port that is none', { api: { port: 70_000 } }, /^api\.port: .*65535/],
    ['half a port', { api: { port: 1.5 } }, /^api\.port: expected int/],
    ['an unknown key', { api: { prot: 1 } }, /^api: there is no such key: prot/],
    ['an unknown section', { apis: {} }, /^top level: there is no such key: apis/],
    ['__proto__', JSON.parse('{"api":{"__proto__":{"port":1}}}'), /^api: there is no such key: __proto__/],
    ['a section that is a list', { api: [] }, /^api: expected object/],
    [
      'a key that is no hash',
      { api: { keys: [{ id: 'a', hash: 'vok_x' }] } },
      /^api\.keys\.0\.hash: expected `sha256:/,
    ],
    ['a key without an id', { api: { keys: [{ hash: HASH }] } }, /^api\.keys\.0\.id: required/],
    [
      'two keys with one id',
      {
        api: {
          keys: [
            { id: 'a', hash: HASH },
            { id: 'a', hash: HASH },
          ],
        },
      },
      /^api\.keys\.1\.id: expected an id that no other client has/,
    ],
    [
      'all interfaces without a key',
      { api: { host: '0.0.0.0' } },
      /^api\.clients: expected at least one client, because `api\.host`/,
    ],
    [
      'a name that only begins like loopback',
      { api: { host: '127.0.0.1.example.com' } },
      /^api\.clients: expected at least/,
    ],
    [
      'a proxy that is no address',
      { api: { trustProxy: ['10.0.0.0/33'] } },
      /^api\.trustProxy\.0: expected an IP address/,
    ],
    ['an odd first RTP port', { rtp: { portMin: 20_001 } }, /^rtp\.portMin: expected an even port/],
    [
      'a small RTP range',
      { rtp: { portMin: 20_000, portMax: 20_100 } },
      /^rtp\.portMax: expected a range of at least 1000 ports/,
    ],
    [
      'an RTP range upside down',
      { rtp: { portMin: 30_000, portMax: 20_000 } },
      /^rtp\.portMax: expected a range/,
    ],
    [
      'a default past its maximum',
      { verification: { ttlSeconds: 900 } },
      /^verification\.ttlSeconds: expected at most/,
    ],
    ['a code of three digits', { verification: { codeLength: 3 } }, /^verification\.codeLength: .*4/],
    [
      'a line break in a header',
      { sip: { userAgent: 'a\r\nEvil: 1' } },
      /^sip\.userAgent: expected no control/,
    ],
    [
      'a host with a port',
      { trunks: [{ ...TRUNK, host: 'a.example:5060' }] },
      /^trunks\.0\.host: expected a host name/,
    ],
    ['a number without quotes', { trunks: [{ ...TRUNK, cli: 4930123456 }] }, /^trunks\.0\.cli: .*in quotes/],
    ['two trunks with one id', { trunks: twice }, /^trunks\.1\.id: expected an id that no other trunk has/],
    [
      'a user without password',
      { trunks: [{ ...TRUNK, username: 'a' }] },
      /^trunks\.0\.username: expected together/,
    ],
    [
      'a password without user',
      { trunks: [{ ...TRUNK, password: 'hunter2' }] },
      /^trunks\.0\.username: expected together/,
    ],
    [
      'two passwords',
      { trunks: [{ ...TRUNK, username: 'a', password: 'hunter2', passwordFile: '/dev/null' }] },
      /^trunks\.0\.passwordFile: expected either/,
    ],
    [
      'a password file that is not there',
      { trunks: [{ ...TRUNK, username: 'a', passwordFile: '/nowhere/hunter2' }] },
      /^trunks\.0\.passwordFile: expected a file that can be read/,
    ],
    [
      'an empty password file',
      { trunks: [{ ...TRUNK, username: 'a', passwordFile: '/dev/null' }] },
      /^trunks\.0\.passwordFile: expected a file that holds one line/,
    ],
    ['an unknown codec', { trunks: [{ ...TRUNK, codecs: ['G729'] }] }, /^trunks\.0\.codecs\.0: .*PCMU/],
    [
      'an unknown number format',
      { trunks: [{ ...TRUNK, numberFormat: 'national' }] },
      /^trunks\.0\.numberFormat: expected/,
    ],
  ])('%s', (_what, settings, problem) => {
    const whole = { trunks: [TRUNK], ...(settings as object) };
    const given = Object.keys(settings as object).length === 0 ? {} : whole;
    const problems = problemsOf(() => configFrom(given as z.input<typeof configSchema>));
    expect(problems).toContainEqual(expect.stringMatching(problem));
    expect(problems.join()).not.toContain('hunter2');
  });

  it('names every problem at once, and the file', () => {
    const text = 'api: {port: x}\nlog: {level: loud}\n';
    expect(problemsOf(() => load(text)).map((problem) => problem.split(':')[0])).toEqual([
      'api.port',
      'trunks',
      'log.level',
    ]);
    expect(() => load(text)).toThrow(/voice-otp\.yaml cannot be used:\n {2}api\.port: /);
  });

  it('names the variable that a bad value came from', () => {
    expect(problemsOf(() => load(YAML, { VOICE_OTP_API_PORT: 'http' }))).toEqual([
      'api.port (VOICE_OTP_API_PORT): expected number, not string',
    ]);
  });

  it('refuses a variable that sets nothing', () => {
    expect(problemsOf(() => load(YAML, { VOICE_OTP_API_PROT: '1', VOICE_OTP_API: '{}' }))).toEqual([
      'VOICE_OTP_API_PROT: there is no such key',
      'VOICE_OTP_API: there is no such key',
    ]);
  });

  it.each([
    ['broken YAML', 'trunks:\n  - password: "hunter2\n  x: [', /^line \d+, column \d+: not valid YAML/],
    [
      'a key that is there twice',
      'api: {}\napi: {}\n',
      /^line 2, column 1: not valid YAML \(DUPLICATE_KEY\)/,
    ],
    ['a text instead of keys', 'hunter2', /^top level: expected object/],
    [
      'aliases that grow',
      `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c]`,
      /more YAML aliases/,
    ],
  ])('%s', (_what, text, problem) => {
    const problems = problemsOf(() => load(text));
    expect(problems).toContainEqual(expect.stringMatching(problem));
    expect(problems.join()).not.toContain('hunter2');
  });

  it('a file that is not there', () => {
    expect(() => loadConfig({ file: join(folder, 'nowhere.yaml'), env: {} })).toThrow(/cannot be read/);
  });
});

describe('docs/config.md', () => {
  interface Json {
    readonly type?: string;
    readonly properties?: Readonly<Record<string, Json>>;
    readonly items?: Json;
    readonly oneOf?: readonly Json[];
    readonly const?: unknown;
    readonly required?: readonly string[];
    readonly enum?: readonly unknown[];
    readonly default?: unknown;
    readonly minimum?: number;
    readonly maximum?: number;
  }

  /** Every key of the schema with its own part of it; sections themselves are headings, lists of sections are keys. */
  function keysOf(schema: Json, path: string): [string, Json & { isRequired: boolean }][] {
    return Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
      const name = path === '' ? key : `${path}.${key}`;
      const self: [string, Json & { isRequired: boolean }] = [
        name,
        { ...child, isRequired: schema.required?.includes(key) ?? false },
      ];
      if (child.properties !== undefined) {
        return child.default === undefined ? [self, ...keysOf(child, name)] : keysOf(child, name);
      }
      const kinds = (child.items?.oneOf ?? []).flatMap((kind) =>
        keysOf(kind, `${name}[${String(kind.properties?.['type']?.const)}]`),
      );
      const items = child.items?.properties === undefined ? [] : keysOf(child.items, `${name}[]`);
      return [self, ...items, ...kinds];
    });
  }

  const schema = new Map(keysOf(z.toJSONSchema(configSchema, { io: 'input' }) as Json, ''));
  const docs = new Map(
    [
      ...readFileSync(new URL('../../docs/config.md', import.meta.url), 'utf8').matchAll(
        /^\| `(.+)` \| (.+) \| (.+) \| (.+) \|$/gm,
      ),
    ].map(([, key = '', preset = '', values = '', meaning = '']) => [key, { preset, values, meaning }]),
  );

  it('explains every key, and only keys that exist', () => {
    expect([...docs.keys()].toSorted()).toEqual([...schema.keys()].toSorted());
    expect(schema.size).toBeGreaterThan(50);
  });

  /** What the default column says of a key; a key without default or need says in words what happens then. */
  function presetOf({ isRequired, ...json }: Json & { isRequired: boolean }): RegExp {
    if (isRequired) {
      return /^required$/;
    }
    return json.default === undefined
      ? /^[a-z]/
      : exactly(typeof json.default === 'string' ? json.default : JSON.stringify(json.default));
  }

  /** What the values column must contain. */
  function valuesOf(json: Json): string[] {
    const range = json.type === 'integer' ? [`${json.minimum} to ${json.maximum}`] : [];
    return [...range, ...(json.enum ?? []).map((value) => `\`${String(value)}\``)];
  }

  it.each([...schema])('%s: default and values', (key, json) => {
    const row = docs.get(key);
    expect(row?.preset).toEqual(expect.stringMatching(presetOf(json)));
    expect(valuesOf(json).filter((value) => row?.values.includes(value) !== true)).toEqual([]);
  });

  it('names variables as the code does', () => {
    expect(variableOf(['api', 'rateLimit', 'max'])).toBe('VOICE_OTP_API_RATE_LIMIT_MAX');
    expect(variableOf(['sip', 't1Ms'])).toBe('VOICE_OTP_SIP_T1_MS');
  });
});
