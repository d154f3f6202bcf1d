import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseComposeFile } from '../../deploy/compose-file.ts';
import { loadConfig } from '../../src/config.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/free-ports.ts';
import { describeWithPeer, mortal } from '../support/peers.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NODE_SCRIPT = join(ROOT, 'deploy/voice-otp/node.sh');
const YAML = readFileSync(join(ROOT, 'deploy/voice-otp/voice-otp.yaml'), 'utf8');
const compose = parseComposeFile(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'));
/** Stands for the app: says what it was started with, and stays. */
const SAY_AND_STAY = 'console.log(JSON.stringify(process.env)); setInterval(() => undefined, 1e6)';

type Environment = Readonly<Record<string, string>>;

let folder: string;
let secrets: string;
let children: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'voice-otp-nodes-'));
  secrets = join(folder, 'secrets');
  children = [];
  execFileSync('sh', [join(ROOT, 'deploy/voice-otp/secrets.sh'), secrets, join(folder, 'keys')]);
});

afterEach(async () => {
  for (const child of children) await killed(child);
  rmSync(folder, { recursive: true, force: true });
});

describe.runIf(process.platform === 'linux')('deploy/voice-otp/node.sh', () => {
  test('is what the app is started with, with the command of its image', () => {
    const { command = [], volumes = [] } = compose.services['app'] ?? {};
    const [shell, script, data, secretsFolder, ...rest] = command;
    expect([shell, data, secretsFolder]).toEqual(['sh', '/data', '/secrets']);
    expect(volumes).toContainEqual(
      expect.objectContaining({ source: './deploy/voice-otp/node.sh', target: script }),
    );
    const [, image = ''] = /^CMD (\[.*\])$/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')) ?? [];
    expect(rest).toEqual(JSON.parse(image));
  });

  test('without the profile there is one node, with SQLite', async () => {
    const environment = await startNode();
    expect(settingsIn(environment)).toEqual({ VOICE_OTP_CLUSTER_NODE: 'app-1' });
    expect(configOf(environment).store).toMatchObject({ kind: 'sqlite', path: '/data/voice-otp.db' });
    const { status, stderr } = spawnSync('sh', [NODE_SCRIPT, folder, secrets, 'true'], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toContain('profile "cluster"');
  });

  test('with the profile each has a name of its own, and they share Redis', async () => {
    beCluster();
    const environments = [await startNode(), await startNode(), await startNode()];
    const configs = environments.map(configOf);
    expect(configs.map(({ cluster }) => cluster.node)).toEqual(['app-1', 'app-2', 'app-3']);
    for (const { store, cdr, cluster } of configs) {
      expect(store.kind).toBe('redis');
      expect(store.redis?.url).toBe('redis://redis:6379');
      expect(store.redis?.password?.reveal()).toBe(readFileSync(join(secrets, 'redis'), 'utf8').trim());
      expect(cdr.sink?.folder).toBe(join(folder, 'cdrs'));
      expect(cluster.spoolFolder).toBe('/data/spool');
    }
  });

  test('whoever comes after a node that died has its name', async () => {
    beCluster();
    await startNode();
    const second = await startNode();
    await startNode();
    expect(second['VOICE_OTP_CLUSTER_NODE']).toBe('app-2');
    const [, child] = children;
    if (child !== undefined) await killed(child);
    expect((await startNode())['VOICE_OTP_CLUSTER_NODE']).toBe('app-2');
    expect((await startNode())['VOICE_OTP_CLUSTER_NODE']).toBe('app-4');
  });

  test('nodes that start together have different names', async () => {
    beCluster();
    const environments = await Promise.all(Array.from({ length: 6 }, startNode));
    const names = environments.map(({ VOICE_OTP_CLUSTER_NODE: name }) => name);
    expect(new Set(names)).toEqual(new Set([1, 2, 3, 4, 5, 6].map((number) => `app-${number}`)));
  });
});

describeWithPeer('redis-server', 'the service redis', () => {
  test('asks for the password, keeps what it was given, and refuses instead of forgetting', async () => {
    const { client } = await startRedis();
    const config = async (key: string): Promise<string | undefined> => (await client.config('GET', key))[1];
    expect(await config('appendonly')).toBe('yes');
    expect(await config('appendfsync')).toBe('everysec');
    expect(await config('maxmemory-policy')).toBe('noeviction');
    expect(Number(await config('maxmemory'))).toBe(512 * 2 ** 20);
    expect(await config('save')).toBe('');
    await client.set('kept', 'yes');
    client.disconnect();
    const [child] = children;
    if (child !== undefined) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    expect(existsSync(join(folder, 'redis/appendonlydir'))).toBe(true);
    const again = await startRedis();
    expect(await again.client.get('kept')).toBe('yes');
    again.client.disconnect();
    const nobody = new Redis({ port: again.port, retryStrategy: () => null, lazyConnect: true });
    nobody.on('error', () => undefined);
    await expect(nobody.ping()).rejects.toThrow('NOAUTH');
    nobody.disconnect();
  });

  test('has its password in no list of processes', async () => {
    const { client } = await startRedis();
    client.disconnect();
    const [child] = children;
    const line = readFileSync(`/proc/${child?.pid}/cmdline`, 'utf8');
    expect(line).toContain('redis-server');
    expect(line).not.toContain(readFileSync(join(secrets, 'redis'), 'utf8').trim());
  });

  /** By its command in docker-compose.yml, with folders and a port of this test. */
  async function startRedis(): Promise<{ client: Redis; port: number }> {
    const port = await freePorts(1);
    const { command = [], networks } = compose.services['redis'] ?? {};
    const address = networks?.['voice']?.ipv4_address ?? '';
    const changes: readonly [string, string][] = [
      [`--bind ${address} 127.0.0.1`, `--port ${port} --bind 127.0.0.1`],
      ['--dir /data', `--dir ${join(folder, 'redis')}`],
      ['/secrets/', `${secrets}/`],
    ];
    const text = changes.reduce((changed, [from, to]) => {
      expect(changed).toContain(from);
      return changed.replaceAll(from, to);
    }, command.at(-1) ?? '');
    mkdirSync(join(folder, 'redis'), { recursive: true });
    started(command.slice(0, -1).concat(text));
    const password = readFileSync(join(secrets, 'redis'), 'utf8').trim();
    const client = new Redis({ port, password, retryStrategy: () => 20 });
    client.on('error', () => undefined);
    await eventually(async () => expect(await client.ping()).toBe('PONG'));
    return { client, port };
  }
});

function beCluster(): void {
  const { command = [], volumes = [] } = compose.services['cluster'] ?? {};
  const [shell = '', flags = '', script = ''] = command;
  expect(volumes.map(({ target }) => target)).toEqual(['/data']);
  execFileSync(shell, [flags, script.replaceAll('/data', folder)]);
}

/** @returns what the app would be started with */
async function startNode(): Promise<Environment> {
  const child = started(['sh', NODE_SCRIPT, folder, secrets, process.execPath, '-e', SAY_AND_STAY]);
  if (child.stdout === null) throw new Error('there is no output');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return JSON.parse(line) as Environment;
}

function started(command: readonly string[]): ChildProcess {
  const [program = '', ...args] = mortal(command);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

function settingsIn(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => name.startsWith('VOICE_OTP_')));
}

/** The app's configuration, with its secrets where this test has them. */
function configOf(environment: Environment): ReturnType<typeof loadConfig> {
  const file = join(folder, 'voice-otp.yaml');
  writeFileSync(
    file,
    YAML.replaceAll(/(File: )\/(secrets|keys)\//g, (_, key, part) => `${key}${join(folder, part)}/`),
  );
  return loadConfig({ file, env: settingsIn(environment) });
}
