import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { CallAnswer, TimelineEntryAnswer } from '../../../src/api/schemas.ts';
import { createKey } from '../../../src/clients/keys.ts';
import { ClientRegistry } from '../../../src/clients/registry.ts';
import { dispatch } from '../../../src/commands/command.ts';
import { Screen } from '../../../src/commands/screen.ts';
import { COMMANDS } from '../../../src/commands/table.ts';
import { loadConfig } from '../../../src/config.ts';
import type { Service } from '../api/service.ts';
import { startService } from '../api/service.ts';
import type { ProcessRun } from './process-run.ts';
import { runProcess } from './process-run.ts';

const shop = createKey('shop', randomBytes);
const ANSWERS = '+4930123450';
const BUSY = '+4930123451';
const RINGS = '+4930123452';

let service: Service;
let folder: string;
let url: string;
/** The environment of an operator's shell. */
let env: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-commands-'));
  service = await startService({
    api: { keys: [{ id: shop.id, hash: shop.hash }] },
    trunks: [
      {
        id: 'carrier',
        host: 'sip.carrier.example',
        cli: '+493098765432',
        prefixes: [{ prefix: '+49' }],
        flashPool: [{ first: '+493098760000', last: '+493098760999' }],
      },
    ],
  });
  service.engine.script = (leg) => {
    const { requestUri } = leg.leg;
    if (leg.leg.flash !== undefined) leg.ring().end({ kind: 'rang' });
    else if (requestUri.includes(BUSY))
      leg.end({ kind: 'rejected', sip: { status: 486, reason: 'Busy Here' } });
    else if (requestUri.includes(ANSWERS)) leg.ring().answer().finishPrompt();
    else leg.ring();
  };
  await service.api.listen({ host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${(service.api.server.address() as AddressInfo).port}`;
  env = { VOICE_OTP_URL: url, VOICE_OTP_KEY: shop.key };
  // For the commands that run in this process.
  vi.stubEnv('VOICE_OTP_KEY', shop.key);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await service.close();
  await rm(folder, { recursive: true });
});

/** Runs a command in this process; what goes wrong for a reason that is known is thrown. */
async function run(...args: readonly string[]): Promise<{ code: number; text: string }> {
  const out = new PassThrough();
  const code = await dispatch(COMMANDS, args, out as unknown as NodeJS.WriteStream);
  return { code, text: String(out.read() ?? '') };
}

function linesOf<Line>({ stdout }: ProcessRun): Line[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

interface CallLine {
  readonly callId: string;
  readonly event?: TimelineEntryAnswer;
  readonly call?: CallAnswer;
}

describe.concurrent('call', () => {
  it('is shown until it is over, in a pipe without colours', async () => {
    const { code, stdout, stderr } = await runProcess(['call', ANSWERS, '--say', 'Hello'], { env });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      / 0 ms  queued.*ringing.*answered.*prompt_finished.*ended.*✔ answered; call call_\w+\n$/s,
    );
    expect(stdout).not.toContain('\x1b');
  });

  it('is lines of JSON for scripts, the last of which has the call', async () => {
    const ran = await runProcess(['call', BUSY, '--say', 'Hello', '--json'], { env });
    const lines = linesOf<CallLine>(ran);
    expect([ran.code, ran.stderr]).toEqual([1, '']);
    expect(lines.slice(0, -1).map(({ event }) => event?.index)).toEqual(
      lines.slice(0, -1).map((_, index) => index),
    );
    expect(lines.at(-1)?.call).toMatchObject({ state: 'ended', disposition: 'busy', sipStatus: 486 });
    expect(new Set(lines.map(({ callId }) => callId)).size).toBe(1);
  });

  it('says what it reads, where that is not to be seen', async () => {
    const ran = await runProcess(['call', ANSWERS, '--say', '-', '--json'], {
      env,
      input: 'From standard input',
    });
    expect([ran.code, linesOf<CallLine>(ran).at(-1)?.call?.disposition]).toEqual([0, 'answered']);
    expect(service.tts.asked.some(({ text }) => text.includes('From standard input'))).toBe(true);
  });

  it('is hung up by Ctrl-C, and seen to its end', async () => {
    let pressed = false;
    const ran = await runProcess(['call', RINGS, '--say', 'Hello', '--json'], {
      env,
      onOutput: (soFar, child) => {
        if (!pressed && soFar.includes('"type":"ringing"')) pressed = child.kill('SIGINT');
      },
    });
    const ended = linesOf<CallLine>(ran).at(-1)?.call;
    expect([ran.code, ended?.disposition]).toEqual([130, 'canceled']);
    const stored = await service.store.call(ended?.id ?? '');
    expect(stored).toMatchObject({ state: 'ended', disposition: 'canceled', to: RINGS });
  });

  it('of a verification succeeds with what it asked for', async () => {
    const code = await run('call', ANSWERS, '--code', '--url', url);
    expect([code.code, code.text]).toEqual([
      0,
      expect.stringMatching(/✔ answered; call call_\w+, verification ver_\w+\n$/),
    ]);
    const flash = await run('call', RINGS, '--flash', '--url', url, '--json');
    expect([flash.code, flash.text]).toEqual([0, expect.stringContaining('"disposition":"rang"')]);
  });

  it.each([
    [['call', ANSWERS]],
    [['call', '--say', 'x']],
    [['call', ANSWERS, '--say', 'x', '--code']],
    [['call', ANSWERS, '--code', '--carrier', 'carrier']],
    [['call', ANSWERS, '--say', 'x', '--repeat', 'often']],
    [['call', ANSWERS, BUSY, '--say', 'x']],
    [['call', ANSWERS, '--say']],
    [['trunks', 'all']],
    [['cdr', 'verify', 'a', 'b', '--store', 'c']],
    [['cdr', 'verify', 'a', '--store', 'b']],
    [['cdr', 'export', '--store', 'a', '--config', 'b']],
    [['cdr', 'export', '--from', 'yesterday']],
    [['cdr', 'verify', '--noted', '7']],
    [['cdr', 'forget']],
    [['cdr']],
    [['key', 'no spaces']],
    [['client', 'add', 'no spaces']],
    [['client', 'add', 'shop', '--scope', 'everything']],
    [['client', 'add', 'shop', '--country', 'XX']],
    [['client', 'add', 'shop', '--expires', '2027-02-29']],
    [['client', 'add', 'shop', '--per-day', 'many']],
    [['client', 'add', 'shop', '--spend', '12.50']],
    [['client', 'add', 'shop', '--callback', 'shop.example']],
    [['lab', '--port', '99999']],
    [['check-config', 'a', '--config', 'b']],
    [['frobnicate']],
  ])('%j makes no sense', async (args) => {
    expect(await run(...args)).toEqual({ code: 2, text: '' });
  });
});

describe('every command', () => {
  const doc = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');

  it.each(COMMANDS.map(({ name, takes = [] }) => [name, takes] as const))(
    '%s tells what it takes, and docs/cli.md too',
    async (name, takes) => {
      const { code, text } = await run(...name.split(' '), '--help');
      expect(code).toBe(0);
      expect(text.split('\n')[0]).toBe(['voice-otp', name, ...takes, '[options]'].join(' '));
      expect(text).toMatch(/^ {2}-h, --help /m);
      const [, section = ''] = doc.split(`\n## ${name}\n`);
      const told = section.split('\n## ')[0] ?? '';
      expect(told).toContain(['voice-otp', name, ...takes].join(' '));
      const options = [...text.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, option = '']) => option);
      expect(options.filter((option) => option !== '--help' && !told.includes(`\`${option}`))).toEqual([]);
    },
  );

  it('is in the usage, and that in nothing but the list', async () => {
    const { code, text } = await run('--help');
    expect(code).toBe(0);
    for (const { name } of COMMANDS) expect(text).toContain(`\n  ${name} `);
    expect(await run()).toEqual({ code, text });
  });
});

describe.concurrent('a service that cannot be asked', () => {
  it('is told in a line, with exit code 2', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    const { port } = await new Promise<AddressInfo>((resolve) => {
      closed.once('listening', () => resolve(closed.address() as AddressInfo));
    });
    await new Promise((resolve) => {
      closed.close(resolve);
    });
    const away = `http://127.0.0.1:${port}`;
    const ran = await runProcess(['trunks', '--json'], { env: { ...env, VOICE_OTP_URL: away } });
    expect(ran).toEqual({ code: 2, stdout: '', stderr: `no service answers at ${away}\n` });
    await expect(run('cdr', 'export', '--url', away)).rejects.toThrow(`no service answers at ${away}`);
    await expect(run('trunks', '--url', 'here')).rejects.toThrow('here is no URL of a service');
  });

  it('refuses another key, and what it does not have', async () => {
    const ran = await runProcess(['ladder', 'call_x'], { env: { ...env, VOICE_OTP_KEY: 'vok_wrong' } });
    expect(ran).toEqual({ code: 2, stdout: '', stderr: 'unauthorized: A valid API key is required.\n' });
    await expect(run('ladder', 'call_x', '--url', url)).rejects.toThrow(/^not_found: /);
    await expect(run('cdr', 'verify', '--url', url)).rejects.toThrow(/^forbidden: /);
    await expect(run('call', '12', '--say', 'x', '--url', url)).rejects.toThrow(/^invalid_number: /);
  });

  it('may be something else', async () => {
    const other = createServer((_request, response) => response.end('<html>')).listen(0, '127.0.0.1');
    await new Promise((resolve) => {
      other.once('listening', resolve);
    });
    const at = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    await expect(run('trunks', '--url', at)).rejects.toThrow(`what answers at ${at} is no voice-otp`);
    other.close();
  });
});

describe('trunks and routes', () => {
  it('are lines for people and JSON for scripts', async () => {
    const shown = await run('trunks', '--url', url);
    expect([shown.code, shown.text]).toEqual([0, expect.stringMatching(/^up +carrier +\d\/∞ channels/)]);
    const listed = await run('trunks', '--url', `${url}/`, '--json');
    expect(JSON.parse(listed.text)).toMatchObject({ trunks: [{ id: 'carrier', condition: 'up' }] });
    const route = await run('routes', ANSWERS, '--url', url, '--json');
    expect([route.code, JSON.parse(route.text)]).toMatchObject([
      0,
      { trunks: [{ trunkId: 'carrier', place: 1 }] },
    ]);
    const nowhere = await run('routes', '+33123456789', '--url', url);
    expect([nowhere.code, nowhere.text]).toEqual([1, expect.stringMatching(/^ +- carrier /)]);
  });
});

describe('check-config and key', () => {
  it('say whether a file can be used, also in the shell of an operator', async () => {
    const good = join(folder, 'good.yaml');
    const trunks = 'trunks: [{ id: a, host: a.example, cli: "+4930123456" }]\n';
    await writeFile(good, `${trunks}destinations: { countries: [DE] }\n`);
    const ran = await runProcess(['check-config', good], { env });
    expect(ran).toEqual({
      code: 0,
      stdout: '  ✔ can be used: engine embedded, trunks a, 0 API clients\n',
      stderr: '',
    });
    const mute = join(folder, 'mute.yaml');
    await writeFile(mute, trunks);
    expect((await run('check-config', mute)).text).toContain('destinations.countries lists no country');
    const bad = join(folder, 'bad.yaml');
    await writeFile(bad, 'trunks: [{ id: a, host: a.example }]\n');
    const { code, text } = await run('check-config', bad, '--json');
    expect([code, JSON.parse(text)]).toEqual([
      1,
      { valid: false, problems: [expect.stringMatching(/^trunks.0.cli: /)] },
    ]);
    expect((await run('check-config', '--config', good, '--json')).code).toBe(0);
  });

  it('make a key', async () => {
    const { code, text } = await run('key', 'shop', '--operator', '--json');
    expect([code, JSON.parse(text)]).toEqual([
      0,
      {
        id: 'shop',
        key: expect.stringMatching(/^vok_/),
        hash: expect.stringMatching(/^sha256:/),
        operator: true,
      },
    ]);
    expect((await run('key', 'shop', '--operator')).text).toMatch(
      /\{ id: shop, hash: 'sha256:\w+', operator: true \}\n$/,
    );
  });

  it('make a client whose entry the configuration takes', async () => {
    const terms = ['--scope', 'calls,records', '--country', 'DE,AT', '--cli', '+4930123456'];
    const limits = ['--per-second', '5', '--per-day', '1000', '--spend', '12.50EUR'];
    const told = ['--expires', '2027-03-31', '--callback', 'https://shop.example/hook'];
    const { code, text } = await run('client', 'add', 'shop', ...terms, ...limits, ...told);
    expect(code).toBe(0);
    const key = /vok_\S+/.exec(text)?.[0] ?? '';
    const file = join(folder, 'client.yaml');
    const entry = text.slice(text.indexOf('  api:\n')).replaceAll(/^ {2}/gm, '');
    await writeFile(file, `trunks: [{ id: a, host: a.example, cli: "+4930123456" }]\n${entry}`);
    const { clients } = loadConfig({ file, env: {} }).api;
    expect(clients).toMatchObject([
      {
        id: 'shop',
        keys: [{ expiresAt: Date.UTC(2027, 2, 31) }],
        scopes: ['calls', 'records'],
        countries: ['DE', 'AT'],
        clis: ['+4930123456'],
        callback: { url: 'https://shop.example/hook' },
        limits: { perSecond: 5, perDay: 1000 },
        spend: { currency: 'EUR', microsPerDay: 12_500_000 },
      },
    ]);
    expect(new ClientRegistry(clients, () => 0).holderOf(key)?.id).toBe('shop');
    expect(clients[0]?.callback?.secrets).toHaveLength(1);
  });

  it('make a client for scripts', async () => {
    const { code, text } = await run('client', 'add', 'shop', '--json');
    expect([code, JSON.parse(text)]).toEqual([
      0,
      {
        id: 'shop',
        key: expect.stringMatching(/^vok_/),
        client: { id: 'shop', keys: [{ hash: expect.stringMatching(/^sha256:/) }] },
      },
    ]);
  });
});

describe('lab-carrier', () => {
  it('says where it listens, and is done when it is stopped', async () => {
    const ran = await runProcess(['lab-carrier', '--port', '0', '--json'], {
      onOutput: (_soFar, child) => child.kill('SIGINT'),
    });
    expect([ran.code, ran.stderr, linesOf(ran)]).toEqual([
      0,
      '',
      [{ carrier: { host: '127.0.0.1', port: expect.any(Number) } }],
    ]);
  });
});

describe('a terminal', () => {
  function shown(shell: Record<string, string>, isTTY: boolean): string {
    const out = Object.assign(new PassThrough(), { isTTY }) as unknown as NodeJS.WriteStream;
    const screen = new Screen(out, shell);
    screen.live('working');
    screen.verdict(true, 'done');
    return String(out.read());
  }

  it('has colours and a line that is written over, a pipe has neither', () => {
    const live = '\r\x1b[Kworking\r\x1b[K';
    expect(shown({}, true)).toBe(`${live}  \x1b[32m✔\x1b[39m done\n`);
    expect(shown({ NO_COLOR: '' }, true)).toBe(shown({}, true));
    expect(shown({ NO_COLOR: '1' }, true)).toBe(`${live}  ✔ done\n`);
    expect(shown({ TERM: 'dumb' }, true)).toBe('  ✔ done\n');
    expect(shown({}, false)).toBe('  ✔ done\n');
  });
});
