import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { Config } from '../../src/config.ts';
import { ConfigError, configFrom } from '../../src/config.ts';
import type { configSchema } from '../../src/config-schema.ts';
import { compare, Reload } from '../../src/reload.ts';
import { selfSigned } from '../support/certificates.ts';

type Settings = z.input<typeof configSchema>;

const TRUNK = { id: 'alpha', host: 'alpha.example', cli: '+4930123456' };
const BETA = { ...TRUNK, id: 'beta', host: 'beta.example' };
const keyOf = (id: string, digit: string) => ({ id, hash: `sha256:${digit.repeat(64)}` });

/** A client with a callback whose secret is made of one letter. */
const heardAt = (letter: string) => ({
  id: 'shop',
  keys: [{ hash: keyOf('shop', 'a').hash }],
  callback: { url: 'https://shop.example/', secret: `whsec_${letter.repeat(32)}` },
});

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'voice-otp-reload-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function config(change: Partial<Settings> = {}): Config {
  return configFrom({ trunks: [TRUNK], ...change });
}

describe('compare', () => {
  it.each<[string, Partial<Settings>, Partial<Settings>, readonly string[], readonly string[]]>([
    ['nothing', {}, {}, [], []],
    ['a new trunk', {}, { trunks: [TRUNK, BETA] }, ['trunks.beta (new)'], []],
    ['a trunk that is gone', { trunks: [TRUNK, BETA] }, { trunks: [BETA] }, ['trunks.alpha (gone)'], []],
    ['the order of trunks', { trunks: [TRUNK, BETA] }, { trunks: [BETA, TRUNK] }, ['trunks (order)'], []],
    ['a limit', {}, { trunks: [{ ...TRUNK, cps: 5 }] }, ['trunks.alpha'], []],
    [
      'a password',
      { trunks: [{ ...TRUNK, username: 'a', password: 'one' }] },
      { trunks: [{ ...TRUNK, username: 'a', password: 'two' }] },
      ['trunks.alpha'],
      [],
    ],
    [
      'no password',
      { trunks: [{ ...TRUNK, username: 'a', password: 'one' }] },
      { trunks: [{ ...TRUNK, username: 'a', password: 'one' }] },
      [],
      [],
    ],
    [
      'a timeout of all trunks',
      {},
      { calls: { ringTimeoutMs: 9000 } },
      ['trunks.alpha', 'calls.ringTimeoutMs'],
      [],
    ],
    ['the log', {}, { log: { level: 'debug' } }, ['log.level'], []],
    [
      'a key',
      { api: { keys: [keyOf('shop', 'a')] } },
      { api: { keys: [keyOf('shop', 'b')] } },
      ['api.clients'],
      [],
    ],
    [
      'what a client may do',
      { api: { keys: [keyOf('shop', 'a')] } },
      { api: { clients: [{ id: 'shop', keys: [{ hash: keyOf('shop', 'a').hash }], scopes: ['calls'] }] } },
      ['api.clients'],
      [],
    ],
    [
      'the other form of the same client',
      { api: { keys: [keyOf('shop', 'a')] } },
      { api: { clients: [{ id: 'shop', keys: [{ hash: keyOf('shop', 'a').hash }] }] } },
      [],
      [],
    ],
    [
      'a secret of a callback',
      { api: { clients: [heardAt('A')] } },
      { api: { clients: [heardAt('B')] } },
      ['api.clients'],
      [],
    ],
    ['the first key', {}, { api: { keys: [keyOf('shop', 'a')] } }, [], ['api.clients']],
    ['the last key', { api: { keys: [keyOf('shop', 'a')] } }, {}, [], ['api.clients']],
    [
      'what needs a restart',
      {},
      { sip: { port: 5070 }, store: { retentionDays: { calls: 1 } }, calls: { maxConcurrent: 9 } },
      [],
      ['calls.maxConcurrent', 'sip.port', 'store.retentionDays'],
    ],
    ['a section that was not there', {}, { trace: { hep: { host: 'homer.example' } } }, [], ['trace.hep']],
  ])('tells of %s', (_what, before, after, applied, waiting) => {
    const found = compare(config(before), config(after));
    expect([found.applied, found.waiting.toSorted()]).toEqual([applied, waiting]);
  });

  it('tells again of what waits until a restart, and of nothing that was applied', () => {
    const next = config({ trunks: [BETA], sip: { port: 5070 }, log: { level: 'debug' } });
    const { running } = compare(config(), next);
    expect(compare(running, next)).toMatchObject({ applied: [], waiting: ['sip.port'] });
    expect(running).toMatchObject({ trunks: [{ id: 'beta' }], sip: { port: 5060 }, log: { level: 'debug' } });
  });

  it('sees a certificate that was replaced in its file, and names no value', () => {
    const caFile = join(folder, 'ca.pem');
    const read = (): Config => {
      writeFileSync(caFile, selfSigned({ names: ['dns:alpha.example'] }).cert);
      return config({ trunks: [{ ...TRUNK, transport: 'tls', tls: { caFile } }] });
    };
    const { applied, running: _running, ...rest } = compare(read(), read());
    expect({ applied, ...rest }).toEqual({ applied: ['trunks.alpha'], waiting: [] });
  });
});

describe('Reload', () => {
  /** A service that goes by what it is given, and all that was written to its log. */
  function rig(load: () => Config) {
    const gone: Config[] = [];
    const said: string[] = [];
    const say = (level: string) => (fields: object, text: string) =>
      void said.push(`${level} ${text} ${JSON.stringify(fields)}`);
    let running = config();
    const service = {
      reload: (next: Config) => {
        gone.push(next);
        const found = compare(running, next);
        running = found.running;
        return found;
      },
    };
    const logger = { info: say('info'), warn: say('warn'), error: say('error') };
    return { reload: new Reload(load), service, logger: logger as never, gone, said };
  }

  it('has the service go by what it reads, and says what waits', () => {
    const { reload, service, logger, gone, said } = rig(() =>
      config({ trunks: [BETA], sip: { port: 5070 } }),
    );
    reload.begin(service, logger);
    expect(gone).toEqual([]);
    reload.now();
    expect(gone).toHaveLength(1);
    expect(said[0]).toMatch(/^info .*"trunks\.beta \(new\)"/);
    expect(said[1]).toMatch(/^warn .*"sip\.port"/);
  });

  it('changes nothing where the configuration cannot be used, and goes on', () => {
    const answers: (() => Config)[] = [
      () => config({ trunks: [] }),
      () => {
        throw new Error('a bug');
      },
      () => config(),
    ];
    const { reload, service, logger, gone, said } = rig(() => (answers.shift() as () => Config)());
    reload.begin(service, logger);
    reload.now();
    expect(said).toEqual([expect.stringMatching(/^error .*trunks: expected at least one trunk/)]);
    reload.now();
    expect(gone).toEqual([]);
    reload.now();
    expect(gone).toHaveLength(1);
  });

  it('does what was asked for during the start when the service is up, once; and nothing after its end', () => {
    const { reload, service, logger, gone } = rig(() => config());
    reload.now();
    reload.now();
    expect(gone).toEqual([]);
    reload.begin(service, logger);
    expect(gone).toHaveLength(1);
    reload.end();
    reload.now();
    expect(gone).toHaveLength(1);
  });

  it('says a ConfigError without values', () => {
    const { reload, service, logger, said } = rig(() => {
      throw new ConfigError('/etc/voice-otp.yaml', ['trunks.0.cps: expected a number'], new Error('hunter2'));
    });
    reload.begin(service, logger);
    reload.now();
    expect(said.join()).toContain('trunks.0.cps: expected a number');
    expect(said.join()).not.toContain('hunter2');
  });
});
