import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import type { ComposeFile, ComposeService } from '../../deploy/compose-file.ts';
import { parseComposeFile } from '../../deploy/compose-file.ts';
import {
  elements,
  freeswitchProblems,
  freeswitchVariables,
  parametersOf,
  readXml,
  xmlFiles,
} from '../../deploy/freeswitch-files.ts';
import { ClientRegistry } from '../../src/clients/registry.ts';
import { loadConfig } from '../../src/config.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DEPLOY = join(ROOT, 'deploy');
const FREESWITCH = join(DEPLOY, 'freeswitch');
const compose = parseComposeFile(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'voice-otp-deploy-'));
makeSecrets();
const config = composeConfig();
const variables = freeswitchVariables(FREESWITCH);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('docker-compose.yml', () => {
  test('publishes the API on loopback and nothing else', () => {
    const ports = Object.entries(compose.services).flatMap(([name, { ports: published }]) =>
      published.map((port) => ({ name, ...port })),
    );
    expect(ports).toEqual([
      { name: 'balancer', address: '127.0.0.1', host: 8080, container: config.api.port },
    ]);
    expect(config.api.host).toBe('0.0.0.0');
    expect(config.api.trustProxy).toEqual([addressOf('balancer')]);
  });
});

describe('secrets', () => {
  test('are made once, for their owner only', () => {
    const before = secretFiles();
    makeSecrets();
    expect(secretFiles()).toEqual(before);
    const modes = Object.fromEntries(before.map(({ name, mode }) => [name, mode]));
    expect(modes).toEqual({
      'secrets/drachtio': 0o600,
      'secrets/event-socket': 0o600,
      // Redis runs as another user of the group.
      'secrets/redis': 0o640,
      'keys/api-key': 0o600,
      'keys/api-key-hash': 0o600,
      'keys/operator-key': 0o600,
      'keys/operator-key-hash': 0o600,
    });
    expect(new Set(before.map(({ text }) => text)).size).toBe(before.length);
    for (const { text } of before) expect(text.length).toBeGreaterThanOrEqual(40);
  });

  test.each([
    ['api-key', 'first', false],
    ['operator-key', 'operator', true],
  ])('the %s is the one whose hash the app has', (file, client, operator) => {
    const key = readFileSync(join(folder, 'keys', file), 'utf8').trim();
    const holder = new ClientRegistry(config.api.clients, Date.now).holderOf(key);
    expect([holder?.id, holder?.scopes.includes('operator')]).toEqual([client, operator]);
  });

  test('reach every service that reads them, read-only', () => {
    for (const service of Object.values(compose.services)) {
      const used = [...JSON.stringify(service).matchAll(/(?<![\w/])\/(?:secrets|keys)(?=\/[a-z])/g)];
      for (const [target] of used) {
        expect(service.volumes).toContainEqual(
          expect.objectContaining({ source: target.slice(1), target, readOnly: true }),
        );
      }
    }
    expect(mountOf('app', '/secrets').source).toBe(mountOf('secrets', '/secrets').source);
    expect(mountOf('app', '/keys').source).toBe(mountOf('secrets', '/keys').source);
  });

  test('drachtio and FreeSWITCH read the files that the app reads', () => {
    const { drachtioServers, mediaServers } = config.freeswitch;
    expect(drachtioServers.map(({ secret }) => secret.reveal())).toEqual([secretOf('drachtio')]);
    expect(mediaServers.map(({ secret }) => secret.reveal())).toEqual([secretOf('event-socket')]);
    expect(commandOf('drachtio')).toContain('$(cat /secrets/drachtio)');
    expect(variables.get('event_socket_password')).toMatch(/^cat \/secrets\/event-socket \|\| /);
    expect(mountOf('freeswitch', '/secrets').source).toBe('secrets');
    expect(commandOf('redis')).toContain('$(cat /secrets/redis)');
  });

  test('are not in any committed file', () => {
    const yaml = readFileSync(join(DEPLOY, 'voice-otp/voice-otp.yaml'), 'utf8').replaceAll(/#.*$/gm, '');
    const given = [...yaml.matchAll(/\b(?:password|secret|hash): *([^\s,}]+)/g)].map(([, value]) => value);
    // The lab's own, which opens lab phones only.
    expect(given).toEqual(['lab-secret']);
    for (const { environment } of Object.values(compose.services)) {
      expect(Object.keys(environment).filter((name) => /KEY|PASS|SECRET|TOKEN/.test(name))).toEqual([]);
    }
    const files = readdirSync(DEPLOY, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    // Known defaults, and what looks like a key.
    const secret = /ClueCon|JambonzR0ck|cymru|\bvok_[\w-]{20}|(?<!@sha256:)\b[0-9a-f]{32,}\b/;
    for (const file of [...files, join(ROOT, 'docker-compose.yml'), join(ROOT, 'Dockerfile')]) {
      expect(readFileSync(file, 'utf8')).not.toMatch(secret);
    }
  });
});

describe('drachtio', () => {
  const root = readXml(join(DEPLOY, 'drachtio/drachtio.conf.xml'));
  const [admin] = elements(root, 'admin');

  test('listens for the app where the app looks for it', () => {
    const [server] = config.freeswitch.drachtioServers;
    expect(config.freeswitch.drachtioServers).toHaveLength(1);
    expect(serviceAt(server?.host)).toBe(compose.services['drachtio']);
    expect(option('drachtio', '--port')).toBe(String(server?.port));
    expect(option('drachtio', '--address')).toBe('0.0.0.0');
    expect(healthOf('drachtio')).toContain(`/127.0.0.1/${server?.port}`);
    expect(admin?.getAttribute('port')).toBe(String(server?.port));
  });

  test('has no secret in its file, and listens on loopback until it is told otherwise', () => {
    expect(admin?.getAttribute('secret')).toBe('');
    expect(admin?.textContent).toBe('127.0.0.1');
  });

  test('speaks SIP at its own address', () => {
    expect(commandOf('drachtio')).toContain(
      `--contact 'sip:${addressOf('drachtio')}:5060;transport=udp,tcp'`,
    );
  });

  test('is started with the file that is mounted', () => {
    expect(mountOf('drachtio', option('drachtio', '--file')).source).toBe(
      './deploy/drachtio/drachtio.conf.xml',
    );
  });
});

describe('FreeSWITCH', () => {
  const sofia = readXml(join(FREESWITCH, 'sip_profiles/drachtio_mrf.xml'));
  const profile = parametersOf(sofia);
  const eventSocket = parametersOf(readXml(join(FREESWITCH, 'autoload_configs/event_socket.conf.xml')));

  test('every file is XML that FreeSWITCH reads as it looks', () => {
    expect(xmlFiles(FREESWITCH).length).toBeGreaterThan(8);
    for (const file of xmlFiles(DEPLOY)) expect(() => readXml(file)).not.toThrow();
    expect(freeswitchProblems(FREESWITCH)).toEqual([]);
  });

  test('is started with the configuration that is mounted, and writes on tmpfs only', () => {
    const { command = [], tmpfs } = serviceNamed('freeswitch');
    const after = (flag: string): string => command[command.indexOf(flag) + 1] ?? '';
    expect(mountOf('freeswitch', after('-conf')).source).toBe('./deploy/freeswitch');
    const [temporary = ''] = tmpfs.map((entry) => entry.split(':')[0]);
    // The expanded configuration, with the password, goes into the log folder.
    for (const flag of ['-log', '-db', '-run']) expect(after(flag)).toMatch(new RegExp(`^${temporary}/`));
    expect(tmpfs[0]).toContain('mode=0700');
  });

  test('its event socket is where the app looks for it', () => {
    const [server] = config.freeswitch.mediaServers;
    expect(config.freeswitch.mediaServers).toHaveLength(1);
    expect(serviceAt(server?.host)).toBe(compose.services['freeswitch']);
    expect(variables.get('event_socket_port')).toBe(String(server?.port));
    expect(variables.get('event_socket_ip')).toBe('0.0.0.0');
    expect(eventSocket.get('listen-port')).toBe('$${event_socket_port}');
    expect(eventSocket.get('password')).toBe('$${event_socket_password}');
    expect(healthOf('freeswitch')).toContain(`/127.0.0.1/${server?.port}`);
  });

  test('its addresses are those of its container and network', () => {
    const address = addressOf('freeswitch');
    for (const name of ['sip_ip', 'rtp_ip', 'ext_rtp_ip']) expect(variables.get(name)).toBe(address);
    expect(variables.get('allowed_network')).toBe(compose.networks['voice']?.ipam.config[0].subnet);
    expect(healthOf('freeswitch')).toContain(`/${address}/${variables.get('sip_port')}`);
  });

  test('the profile is the one that the app asks for, and leads to the dialplan', () => {
    expect(sofia.getAttribute('name')).toBe(config.freeswitch.profile);
    const [context] = elements(readXml(join(FREESWITCH, 'dialplan/drachtio.xml')), 'context');
    expect(context?.getAttribute('name')).toBe(profile.get('context'));
  });

  test('the dialplan reads the headers that the engine and drachtio-fsmrf send', () => {
    const dialplan = readFileSync(join(FREESWITCH, 'dialplan/drachtio.xml'), 'utf8');
    const headers = [...dialplan.matchAll(/field="\$\{sip_h_([^}]+)\}"/g)].map(([, header]) => header);
    expect(headers).toEqual(['X-max-seconds', 'X-srtp', 'X-esl-outbound']);
    const engine = join(ROOT, 'src/engine/freeswitch');
    const sources = readdirSync(engine).map((file) => readFileSync(join(engine, file), 'utf8'));
    for (const header of ['X-max-seconds', 'X-srtp']) expect(sources.join('\n')).toContain(`'${header}'`);
    const fsmrf = join(ROOT, 'node_modules/drachtio-fsmrf/lib/mediaserver.js');
    expect(readFileSync(fsmrf, 'utf8')).toContain("'X-esl-outbound'");
  });

  test('whoever is not in the network is refused, by SIP and at the event socket', () => {
    expect(profile.get('apply-inbound-acl')).toBe('voice_otp');
    expect(eventSocket.get('apply-inbound-acl')).toBe('voice_otp');
    const lists = elements(readXml(join(FREESWITCH, 'autoload_configs/acl.conf.xml')), 'list');
    expect(lists.map((list) => list.getAttribute('name'))).toEqual([
      'voice_otp',
      profile.get('local-network-acl'),
    ]);
    expect(lists.map((list) => list.getAttribute('default'))).toEqual(['deny', 'deny']);
  });

  test('has room for as many calls as the app places at a time', () => {
    const sessions = Number(variables.get('max_sessions'));
    const ports = Number(variables.get('rtp_end_port')) - Number(variables.get('rtp_start_port'));
    // Of three nodes, as the profile `cluster` is started.
    expect(sessions).toBeGreaterThanOrEqual(3 * config.calls.maxConcurrent);
    expect(ports).toBeGreaterThanOrEqual(2 * sessions);
    expect(Number(variables.get('sessions_per_second'))).toBeGreaterThanOrEqual(200);
  });
});

describe('the app', () => {
  test('is given the configuration and the folders that it names', () => {
    const { environment } = serviceNamed('app');
    const file = environment['VOICE_OTP_CONFIG'] ?? '';
    expect(mountOf('app', file).source).toBe('./deploy/voice-otp/voice-otp.yaml');
    expect(Object.keys(environment)).toEqual(['VOICE_OTP_CONFIG']);
    for (const path of [config.store.path, config.store.keyFile, config.cluster.spoolFolder]) {
      expect(mountOf('app', path.replace(/\/[^/]*$/, '')).readOnly).toBe(false);
    }
  });

  test('shares its prompts with FreeSWITCH: the same place, the same user, in memory', () => {
    const prompts = mountOf('app', config.freeswitch.promptFolder);
    expect(mountOf('freeswitch', config.freeswitch.promptFolder)).toEqual({ ...prompts, readOnly: true });
    expect(prompts.readOnly).toBe(false);
    expect(compose.volumes[prompts.source]?.driver_opts['type']).toBe('tmpfs');
    // The image's user `node` is 1000.
    expect(serviceNamed('freeswitch').entrypoint).toEqual(
      expect.arrayContaining(['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups']),
    );
    expect(compose.volumes[prompts.source]?.driver_opts['o']).toMatch(/uid=1000,gid=1000,mode=0700/);
    expect(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')).toMatch(/^USER node$/m);
  });

  test('hears callees by another place of that kind, where FreeSWITCH may write', () => {
    const { listenFolder = '' } = config.freeswitch;
    const listen = mountOf('app', listenFolder);
    expect(mountOf('freeswitch', listenFolder)).toEqual({ ...listen, readOnly: false });
    expect(listen.source).not.toBe(mountOf('app', config.freeswitch.promptFolder).source);
    const { type, o } = compose.volumes[listen.source]?.driver_opts ?? {};
    expect(type).toBe('tmpfs');
    expect(o).toMatch(/uid=1000,gid=1000,mode=0700/);
  });

  test('its image owns the folder of every volume that Docker makes', () => {
    const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');
    const [, made = ''] = /^RUN install -d -o node -g node -m 0750 (.*)$/m.exec(dockerfile) ?? [];
    const volumes = [...serviceNamed('app').volumes, ...serviceNamed('secrets').volumes];
    const targets = volumes.filter(({ isPath }) => !isPath).map(({ target }) => target);
    expect(made.split(' ').toSorted()).toEqual([...new Set(targets)].toSorted());
  });

  test('waits for FreeSWITCH at whatever address its container has', () => {
    // FreeSWITCH is told the one from which its event socket was reached.
    expect(config.freeswitch.callback).toEqual({ host: '0.0.0.0', port: expect.any(Number) });
    expect(config.freeswitch.callback.port).toBeGreaterThan(0);
  });

  test('may be there several times, and nothing else may', () => {
    const scalable = Object.entries(compose.services).filter(([, service]) => service['x-scalable'] === true);
    expect(scalable.map(([name]) => name)).toEqual(['app']);
  });

  test('is not killed before its calls were given their time', () => {
    const { noticeMs, drainMs } = config.calls;
    const grace = Number.parseInt(serviceNamed('app').stop_grace_period ?? '', 10) * 1000;
    expect(serviceNamed('app').stop_grace_period).toMatch(/^\d+s$/);
    // What is hung up then gets some seconds more.
    expect(grace).toBeGreaterThanOrEqual(noticeMs + drainMs + 10_000);
  });

  test('its trunk is the lab', () => {
    expect(config.trunks).toHaveLength(1);
    const [trunk] = config.trunks;
    expect(serviceAt(trunk?.host)).toBe(compose.services['lab']);
    const { command = [] } = serviceNamed('lab');
    expect(command).toEqual([
      'node',
      'dist/main.js',
      'lab-carrier',
      '--host',
      addressOf('lab'),
      '--port',
      String(trunk?.port),
    ]);
    const site = readFileSync(join(ROOT, 'src/commands/lab-site.ts'), 'utf8');
    expect(site).toContain(`'${trunk?.username}'`);
    expect(site).toContain(`'${trunk?.password?.reveal()}'`);
  });
});

/** Runs the script of the service `secrets` as that service does. */
function makeSecrets(): void {
  const script = join(DEPLOY, 'voice-otp/secrets.sh');
  expect(mountOf('secrets', '/etc/voice-otp/secrets.sh').source).toBe('./deploy/voice-otp/secrets.sh');
  const { command = [] } = serviceNamed('secrets');
  expect(command).toEqual(['sh', '/etc/voice-otp/secrets.sh', '/secrets', '/keys']);
  execFileSync('sh', [script, join(folder, 'secrets'), join(folder, 'keys')]);
}

/** The app's configuration, with the folders of its secrets where this test has them. */
function composeConfig(): ReturnType<typeof loadConfig> {
  const text = readFileSync(join(DEPLOY, 'voice-otp/voice-otp.yaml'), 'utf8');
  const file = join(folder, 'voice-otp.yaml');
  writeFileSync(
    file,
    text.replaceAll(/(File: )(\/(?:secrets|keys)\/)/g, (_, key, path) => `${key}${folder}${path}`),
  );
  return loadConfig({ file, env: {} });
}

function secretFiles(): { name: string; mode: number; text: string }[] {
  return ['secrets', 'keys'].flatMap((part) =>
    readdirSync(join(folder, part)).map((file) => {
      const path = join(folder, part, file);
      return { name: `${part}/${file}`, mode: statSync(path).mode & 0o777, text: readFileSync(path, 'utf8') };
    }),
  );
}

function secretOf(name: string): string {
  return readFileSync(join(folder, 'secrets', name), 'utf8');
}

function serviceNamed(name: string): ComposeService {
  const service = compose.services[name];
  if (service === undefined) throw new Error(`there is no service ${name}`);
  return service;
}

/** The service that a host of the app's configuration leads to. */
function serviceAt(host: string | undefined): ComposeFile['services'][string] | undefined {
  return Object.entries(compose.services).find(
    ([name, { networks }]) => name === host || networks['voice']?.ipv4_address === host,
  )?.[1];
}

function addressOf(name: string): string {
  return serviceNamed(name).networks['voice']?.ipv4_address ?? '';
}

function mountOf(name: string, target: string): ComposeService['volumes'][number] {
  const mount = serviceNamed(name).volumes.find((volume) => volume.target === target);
  if (mount === undefined) throw new Error(`${name} has nothing mounted at ${target}`);
  return mount;
}

function commandOf(name: string): string {
  return (serviceNamed(name).command ?? []).join(' ');
}

function option(name: string, flag: string): string {
  return new RegExp(`${flag} (\\S+)`).exec(commandOf(name))?.[1] ?? '';
}

function healthOf(name: string): string {
  const { healthcheck } = serviceNamed(name);
  return 'test' in healthcheck ? healthcheck.test.join(' ') : '';
}
