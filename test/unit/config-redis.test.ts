import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { type Config, ConfigError, configFrom, loadConfig } from '../../src/config.ts';
import type { configSchema } from '../../src/config-schema.ts';
import { compare } from '../../src/reload.ts';
import { Authority } from '../support/certificates.ts';

type Settings = z.input<typeof configSchema>;
type Redis = NonNullable<NonNullable<Settings['store']>['redis']>;

const TRUNK = { id: 'carrier', host: 'sip.carrier.example', cli: '+4930123456' };
const URL_KEY = { url: 'redis://redis:6379' };
const NODE = { host: 'redis-1' };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'voice-otp-config-redis-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function settingsWith(redis: Redis): Settings {
  return { trunks: [TRUNK], store: { kind: 'redis', redis } };
}

function configWith(redis: Redis): Config {
  return configFrom(settingsWith(redis));
}

function problemsOf(settings: Settings): readonly string[] {
  try {
    configFrom(settings);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('store.redis', () => {
  it('is not there unless it is asked for', () => {
    const { store, cluster, cdr, calls } = configFrom({ trunks: [TRUNK] });
    expect(store.kind).toBe('sqlite');
    expect(store.redis).toBeUndefined();
    expect(cluster).toEqual({ leaseMs: 10_000, spoolFolder: './data/spool' });
    expect(cdr).toEqual({});
    expect(calls.drainMs).toBe(30_000);
  });

  it('fills in every default', () => {
    expect(configWith(URL_KEY).store.redis).toEqual({ ...URL_KEY, prefix: 'votp', commandTimeoutMs: 800 });
    expect(configWith({ cluster: { nodes: [NODE] } }).store.redis?.cluster?.nodes).toEqual([
      { host: 'redis-1', port: 6379 },
    ]);
    expect(configWith({ sentinel: { name: 'main', nodes: [NODE] } }).store.redis?.sentinel).toEqual({
      name: 'main',
      nodes: [{ host: 'redis-1', port: 26_379 }],
    });
  });

  it('keeps the passwords, from keys or files, and shows them to nobody', () => {
    const passwordFile = fileOf('password', 'swordfish\n');
    const config = configWith({
      sentinel: { name: 'main', nodes: [NODE], passwordFile },
      username: 'dialer',
      password: 'hunter2',
    });
    expect(config.store.redis?.password?.reveal()).toBe('hunter2');
    expect(config.store.redis?.sentinel?.password?.reveal()).toBe('swordfish');
    const shown = inspect(config, { depth: null }) + JSON.stringify(config);
    expect(shown).not.toMatch(/hunter2|swordfish/);
    expect(configWith({ ...URL_KEY, passwordFile }).store.redis?.password?.reveal()).toBe('swordfish');
  });

  it('reads certificates', () => {
    const authority = new Authority();
    const { cert, key } = authority.issue({ names: ['dns:dialer.example'] });
    const { tls } =
      configWith({
        url: 'rediss://redis.example',
        tls: {
          caFile: fileOf('ca.pem', authority.cert),
          certFile: fileOf('cert.pem', cert),
          keyFile: fileOf('key.pem', key.reveal()),
          serverName: 'redis.internal',
        },
      }).store.redis ?? {};
    expect(tls).toMatchObject({ ca: authority.cert, certificate: { cert }, serverName: 'redis.internal' });
    expect(tls?.certificate?.key.reveal()).toBe(key.reveal());
    expect(inspect(tls, { depth: null })).not.toContain('PRIVATE');
  });

  it('comes from the environment too', () => {
    const trunks = JSON.stringify([TRUNK]);
    const env = {
      VOICE_OTP_TRUNKS: trunks,
      VOICE_OTP_STORE_KIND: 'redis',
      VOICE_OTP_STORE_REDIS_URL: 'redis://[::1]:7000/2',
      VOICE_OTP_STORE_REDIS_PASSWORD: 'hunter2',
      VOICE_OTP_CLUSTER_NODE: 'dialer-3',
    };
    const { store, cluster } = loadConfig({ env });
    expect(store.redis).toMatchObject({ url: 'redis://[::1]:7000/2', prefix: 'votp' });
    expect(store.redis?.password?.reveal()).toBe('hunter2');
    expect(cluster.node).toBe('dialer-3');
  });

  it.each<[string, Redis]>([
    ['no way at all', {}],
    ['two ways', { ...URL_KEY, cluster: { nodes: [NODE] } }],
    ['two other ways', { sentinel: { name: 'main', nodes: [NODE] }, cluster: { nodes: [NODE] } }],
  ])('does not take %s', (_, redis) => {
    expect(problemsOf(settingsWith(redis))).toEqual([
      'store.redis: expected exactly one of url, sentinel and cluster',
    ]);
  });

  it.each([
    'redis',
    'http://redis:6379',
    'redis://:hunter2@redis',
    'redis://dialer:hunter2@redis:6379',
    'redis://redis:0',
    'redis://redis:70000',
    'redis://redis/x',
    'redis://redis?password=hunter2',
    'redis://[::1',
  ])('does not take the address %s, and does not repeat it', (url) => {
    const problems = problemsOf(settingsWith({ url }));
    expect(problems).toEqual([expect.stringMatching(/^store\.redis\.url: expected `redis:\/\//)]);
    expect(problems.join()).not.toContain('hunter2');
  });

  it.each<[string, Redis, RegExp]>([
    ['a user without a password', { ...URL_KEY, username: 'a' }, /^store\.redis\.password: required/],
    [
      'two passwords',
      { ...URL_KEY, password: 'a', passwordFile: '/nowhere' },
      /^store\.redis\.passwordFile: expected either/,
    ],
    ['TLS terms without TLS', { ...URL_KEY, tls: {} }, /^store\.redis\.url: expected `rediss:/],
    ['no node', { cluster: { nodes: [] } }, /^store\.redis\.cluster\.nodes: expected at least one node/],
    [
      'an authority that is not there',
      { url: 'rediss://a', tls: { caFile: '/nowhere/ca.pem' } },
      /^store\.redis\.tls\.caFile: expected a file that can be read/,
    ],
    ['a time beyond the second', { ...URL_KEY, commandTimeoutMs: 1000 }, /^store\.redis\.commandTimeoutMs: /],
    ['a prefix with a brace', { ...URL_KEY, prefix: 'a{b}' }, /^store\.redis\.prefix: expected/],
  ])('does not take %s', (_, redis, problem) => {
    const problems = problemsOf(settingsWith(redis));
    expect(problems.some((line) => problem.test(line))).toBe(true);
  });

  it('names its own keys where certificate and key are not together', () => {
    const certFile = fileOf('alone.pem', new Authority().cert);
    expect(problemsOf(settingsWith({ url: 'rediss://a', tls: { certFile } }))).toEqual([
      'store.redis.tls.certFile: expected certFile and keyFile, or neither',
    ]);
  });

  it('belongs to the kind redis, and to no other', () => {
    expect(problemsOf({ trunks: [TRUNK], store: { kind: 'redis' } })).toEqual([
      'store.redis: required, because `store.kind` is `redis`',
    ]);
    expect(problemsOf({ trunks: [TRUNK], store: { redis: URL_KEY } })).toEqual([
      'store.redis: expected none, because `store.kind` is `sqlite`',
    ]);
  });

  it('waits for a restart, a new password too', () => {
    const [before, after] = ['one', 'two'].map((password) => configWith({ ...URL_KEY, password }));
    if (before === undefined || after === undefined) return expect.fail('no configurations');
    expect(compare(before, after)).toMatchObject({ applied: [], waiting: ['store.redis'] });
    expect(compare(before, before)).toMatchObject({ applied: [], waiting: [] });
    const named = configFrom({ ...settingsWith(URL_KEY), cluster: { node: 'a' } });
    expect(compare(configWith(URL_KEY), named)).toMatchObject({ applied: [], waiting: ['cluster.node'] });
  });
});
