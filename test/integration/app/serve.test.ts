import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../../support/app/client.ts';
import { serve, startCommand } from '../../support/app/process.ts';
import { shortSounds } from '../../support/app/short-sounds.ts';
import { LAB_TRUNK, type Settings, testSettings } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { freePorts } from '../../support/free-ports.ts';
import { startCarrier } from '../../support/lab.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-serve-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

function settings(): Settings {
  return { ...testSettings(folder), trunks: [{ ...LAB_TRUNK, port: 9 }] };
}

/** A command that ends by itself: how, and what it wrote. */
async function ending(...args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const command = startCommand(args);
  const { code } = await command.exited;
  return { code, output: command.output() };
}

async function servingWith(name: string, text: string): Promise<{ code: number | null; output: string }> {
  const file = join(folder, `${name}.yaml`);
  await writeFile(file, text);
  return ending('serve', '--config', file);
}

/** Lets the system's clock of a process jump: a day on with SIGUSR2, a day back with SIGWINCH. */
const JUMPING_CLOCK = `data:text/javascript,${encodeURIComponent(`
  const now = Date.now;
  let shiftMs = 0;
  Date.now = () => now() + shiftMs;
  process.on('SIGUSR2', () => { shiftMs += 86400000; });
  process.on('SIGWINCH', () => { shiftMs -= 86400000; });
`)}`;

describe('a log that cannot be written', () => {
  it.each(['/dev/full', 'pipe'] as const)('stops neither the service nor its end: %s', async (where) => {
    const own = await mkdtemp(join(folder, 'log-'));
    const port = await freePorts(1);
    const file = join(own, 'config.yaml');
    await writeFile(
      file,
      JSON.stringify({ ...testSettings(own), api: { port }, trunks: [{ ...LAB_TRUNK, port: 9 }], log: {} }),
    );
    const output = where === 'pipe' ? undefined : await open(where, 'w');
    const command = startCommand(['serve', '--config', file], { output: output?.fd });
    // Nobody reads any more.
    if (output === undefined) command.child.stdout?.destroy();
    const client = new Client(`http://127.0.0.1:${port}`);
    await eventually(async () => expect((await client.ask('GET', '/healthz')).status).toBe(200), {
      timeoutMs: 20_000,
    });
    expect((await client.ask('POST', '/v1/verifications', { to: '+442079460200' })).status).toBe(201);
    command.child.kill('SIGTERM');
    expect(await command.exited).toEqual({ code: 0, signal: null });
    await output?.close();
  });
});

describe.concurrent('a clock that jumps by a day in the middle of calls', () => {
  it('turns no timeline round and falsifies no duration; a verification expires by it', async () => {
    const own = await mkdtemp(join(folder, 'clock-'));
    const sounds = await shortSounds();
    const { carrier } = await startCarrier();
    const served = await serve(
      own,
      { ...testSettings(own), sounds: { folder: sounds }, trunks: [{ ...LAB_TRUNK, port: carrier.port }] },
      { preload: [JUMPING_CLOCK] },
    );
    const { client, child } = served;
    try {
      const body = { codeLength: 4, repeat: 1 };
      const one = await client.start({ to: '+442079460201', ...body });
      const other = await client.start({ to: '+442079460180', code: '4711' });
      const [call] = await eventually(() => {
        expect(carrier.calls.map(({ phone }) => phone.record.ringingAt === null)).toEqual([false, false]);
        return carrier.calls;
      });
      child.kill('SIGWINCH');
      await eventually(() => expect(call?.phone.record.packets).toBeGreaterThan(50));
      child.kill('SIGUSR2');
      child.kill('SIGUSR2');
      const late = await client.ended(one.callId);
      // The second one is hung up a day before it was placed.
      child.kill('SIGWINCH');
      child.kill('SIGWINCH');
      await eventually(() => expect(carrier.calls[1]?.phone.record.end).toBeNull());
      await client.ask('DELETE', `/v1/calls/${other.callId}`);
      const early = await client.ended(other.callId);
      for (const { timeline, createdAt, endedAt } of [late, early]) {
        const times = timeline.map(({ at }) => Date.parse(at));
        expect(times).toEqual(times.toSorted((a, b) => a - b));
        expect(Date.parse(endedAt ?? '') - Date.parse(createdAt)).toBeLessThan(30_000);
      }
      expect(late.durations.ringMs).toBeGreaterThan(800);
      expect(late.durations.ringMs).toBeLessThan(2000);
      expect(late.durations.talkMs).toBeGreaterThan(3500);
      expect(late.durations.talkMs).toBeLessThan(9000);

      const third = await client.start({ to: '+442079460180', code: '4711' });
      child.kill('SIGUSR2');
      await eventually(async () => expect((await client.verification(third.id)).status).toBe('expired'));
      const check = await client.check(third.id, '4711');
      expect([check.status, check.body.error.code]).toEqual([409, 'not_pending']);
      expect(served.output()).not.toMatch(/"level":"(error|fatal)"/);
    } finally {
      await served.kill();
      await carrier.close();
      await rm(sounds, { recursive: true, force: true });
    }
  });
});

describe.concurrent('a disk that is full', () => {
  const missing = spawnSync('prlimit', ['--version']).error;
  if (missing !== undefined) console.warn('skipped: prlimit is missing (apt-get install util-linux)');

  it.skipIf(missing !== undefined)(
    'costs no call that is under way, and no call is taken that could not be kept',
    async () => {
      const own = await mkdtemp(join(folder, 'disk-'));
      const sounds = await shortSounds();
      const { carrier } = await startCarrier();
      const served = await serve(own, {
        ...testSettings(own),
        sounds: { folder: sounds },
        trunks: [{ ...LAB_TRUNK, port: carrier.port }],
      });
      const { client } = served;
      /** The size to which files of the process may grow: what is written beyond fails, as on a full disk. */
      const limit = (bytes: number | 'unlimited'): void => {
        const { status, stderr } = spawnSync('prlimit', ['--pid', String(served.pid), `--fsize=${bytes}:`]);
        expect([status, stderr.toString()]).toEqual([0, '']);
      };
      try {
        const { id, callId } = await client.start({ to: '+442079460200', code: '4711', repeat: 1 });
        await eventually(() => expect(carrier.calls[0]?.phone.record.packets).toBeGreaterThan(10));
        limit(1000);
        const refused = await client.ask('POST', '/v1/verifications', { to: '+442079460200' });
        expect([refused.status, refused.body.error.code]).toEqual([503, 'store_unavailable']);
        expect((await client.ask('GET', '/readyz')).status).toBe(503);
        expect((await client.check(id, '4711')).status).toBe(503);
        await eventually(() => expect(carrier.calls[0]?.phone.record.end).toBe('they_hung_up'), {
          timeoutMs: 10_000,
        });
        limit('unlimited');
        expect(await client.ended(callId)).toMatchObject({ disposition: 'answered', promptFinished: true });
        expect((await client.check(id, '4711')).body.status).toBe('approved');
        await eventually(async () => expect((await client.ask('GET', '/readyz')).status).toBe(200));
        const next = await client.start({ to: '+442079460486' });
        expect((await client.ended(next.callId)).disposition).toBe('busy');
        expect(carrier.calls).toHaveLength(2);
      } finally {
        await served.kill();
        await carrier.close();
        await rm(sounds, { recursive: true, force: true });
      }
    },
  );
});

describe.concurrent('serve that cannot start says why, in words and without a stack, and is gone', () => {
  it('without its file', async () => {
    const { code, output } = await ending('serve', '--config', join(folder, 'none.yaml'));
    expect([code, output]).toEqual([
      2,
      expect.stringContaining('none.yaml cannot be used:\n  it cannot be read'),
    ]);
  });

  it('with bad YAML, which is not quoted', async () => {
    const { code, output } = await servingWith('bad', 'trunks:\n  - password: hunter2\n   bad');
    expect([code, output]).toEqual([2, expect.stringMatching(/line 3, column \d+: not valid YAML/)]);
    expect(output).not.toContain('hunter2');
  });

  it('with a wrong key', async () => {
    const { code, output } = await servingWith('key', JSON.stringify({ ...settings(), sipp: {} }));
    expect([code, output]).toEqual([2, expect.stringContaining('sipp')]);
  });

  it('where another process has the SIP port', async () => {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    const { code, output } = await servingWith(
      'sip',
      JSON.stringify({ ...settings(), sip: { host: '127.0.0.1', port } }),
    );
    socket.close();
    expect([code, output]).toEqual([
      1,
      expect.stringContaining(`SIP cannot listen on 127.0.0.1, port ${port}: bind EADDRINUSE`),
    ]);
    expect(output).not.toContain('    at ');
  });

  it('where another process has the port of the API', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { code, output } = await servingWith('api', JSON.stringify({ ...settings(), api: { port } }));
    server.close();
    expect([code, output]).toEqual([
      1,
      expect.stringContaining(`The API cannot listen on 127.0.0.1, port ${port}: listen EADDRINUSE`),
    ]);
    expect(output).not.toContain('    at ');
  });

  it('where the store is no file', async () => {
    const path = join(folder, 'a-folder');
    await mkdir(path);
    const store = { ...settings().store, path };
    const { code, output } = await servingWith('store', JSON.stringify({ ...settings(), store }));
    expect([code, output]).toEqual([1, expect.stringContaining('The store cannot be used')]);
    expect(output).toContain('EISDIR');
  });

  it.each([
    [['serve', '--nope'], "Unknown option '--nope'"],
    [['frobnicate'], 'voice-otp <command>'],
  ])('with the arguments %j', async (args, said) => {
    const { code, output } = await ending(...args);
    expect([code, output]).toEqual([2, expect.stringContaining(said)]);
  });
});
