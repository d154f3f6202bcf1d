import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, type TestContext, vi } from 'vitest';
import type {
  FreeswitchEngine,
  FreeswitchEngineOptions,
} from '../../../src/engine/freeswitch/freeswitch-engine.ts';
import { within } from '../../../src/engine/leg/deadline.ts';
import { Secret } from '../../../src/secret.ts';
import { eventually } from '../../support/eventually.ts';
import { FaultRig, START_MS, timed } from '../../support/fault-rig.ts';
import { freePorts } from '../../support/free-ports.ts';
import { type ServerRef, startFreeswitchEngine } from '../../support/freeswitch.ts';
import {
  acceptedByDrachtio,
  acceptedByEventSocket,
  flood,
  HostileServer,
  type Hostility,
} from '../../support/hostile-server.ts';
import { endOf, eventsOf } from '../../support/legs.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { TcpRelay } from '../../support/tcp-relay.ts';

const MEGABYTE = 2 ** 20;
/** More than the limit of the engine and what the system keeps for a connection. */
const BUFFERS = 10 * MEGABYTE;
const silence: Hostility = () => {};
const hangUp: Hostility = (socket) => void socket.end();
const says = (text: string) => (socket: Socket) => void socket.write(text);
const HTTP = 'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nBad Request';

const DRACHTIO: Readonly<Record<string, Hostility>> = {
  silence,
  'hangs up': hangUp,
  'speaks HTTP': (socket) => void socket.end(HTTP),
  'sends a #': says('#'),
  'sends letters before a #': says('abc#def#'),
  'sends short messages': (socket) => flood(socket, '5#a|b|c', 100 * MEGABYTE),
  'sends half a SIP message': says('30#a|sip|network|1|udp|x|y|z|1|2|\r'),
  'never ends': (socket) => flood(socket, '1', 100 * MEGABYTE),
  'announces a huge message': (socket) => {
    socket.write('9999999999#');
    flood(socket, 'x', 100 * MEGABYTE);
  },
  'takes the secret and hangs up': acceptedByDrachtio(hangUp),
  'takes the secret and sends garbage': acceptedByDrachtio(says('4#\0\0\0\0'.repeat(1000))),
  'takes the secret and never ends': acceptedByDrachtio((socket) => flood(socket, '1', 100 * MEGABYTE)),
};

const EVENT_SOCKET: Readonly<Record<string, Hostility>> = {
  silence,
  'hangs up': hangUp,
  'speaks HTTP': (socket) => void socket.end(HTTP),
  'sends what cannot be decoded': says('Content-Type: %zz\n\n'),
  'sends empty lines': (socket) => flood(socket, '\n', 100 * MEGABYTE),
  'never ends': (socket) => flood(socket, 'x', 100 * MEGABYTE),
  'announces a huge event': (socket) => {
    socket.write('Content-Length: 9999999999\n\n');
    flood(socket, 'x', 100 * MEGABYTE);
  },
  'takes the password and hangs up': acceptedByEventSocket(hangUp),
  'takes the password and says nothing': acceptedByEventSocket(silence),
  'takes the password and sends bad JSON': acceptedByEventSocket(
    says('Content-Length: 3\nContent-Type: text/event-json\n\n{{{'),
  ),
  'takes the password and knows no profile': acceptedByEventSocket((socket) => {
    socket.on('data', () => socket.write('Content-Type: api/response\nContent-Length: 4\n\nnone'));
  }),
};

/** How late the event loop was at worst, milliseconds. */
async function longestStall(work: Promise<unknown>): Promise<number> {
  let [last, worst] = [performance.now(), 0];
  const timer = setInterval(() => {
    const now = performance.now();
    worst = Math.max(worst, now - last - 10);
    last = now;
  }, 10);
  await work.finally(() => clearInterval(timer));
  return worst;
}

describe('servers that are none', () => {
  it('are told, are not hammered, and cost neither the process nor its memory', async () => {
    const all = (hostilities: typeof DRACHTIO) =>
      Promise.all(Object.entries(hostilities).map(([name, act]) => HostileServer.start(name, act)));
    const [drachtio, freeswitch] = [await all(DRACHTIO), await all(EVENT_SOCKET)];
    const promptFolder = await mkdtemp(join(tmpdir(), 'voice-otp-hostile-'));
    const said = vi.spyOn(console, 'error').mockImplementation(() => {});
    const faults: unknown[] = [];
    const reference = ({ reference: one }: HostileServer) => one;
    const starting = startFreeswitchEngine(drachtio.map(reference), freeswitch.map(reference), {
      promptFolder,
      onFault: (error) => faults.push(error),
    });
    const stallMs = await longestStall(Promise.all([starting, sleep(3000)]));
    const engine = await starting;
    expect(stallMs).toBeLessThan(1000);
    for (const { name, accepted, mostTaken } of [...drachtio, ...freeswitch]) {
      expect(`${name}: ${accepted}`).toMatch(/: [1-9]$/);
      expect(mostTaken, name).toBeLessThan(BUFFERS);
    }
    expect(engine.missing()).toContain('freeswitch');
    expect(faults.length).toBeLessThan(100);
    expect(said).not.toHaveBeenCalled();
    await engine.close(AbortSignal.timeout(1000));
    await Promise.all([...drachtio, ...freeswitch].map((server) => server.close()));
    await rm(promptFolder, { recursive: true });
    said.mockRestore();
  });
});

/** What callers of the callback port do that are no channels. */
const CHANNEL =
  'Content-Type: command/reply\nEvent-Name: CHANNEL_DATA\nUnique-ID: 7\nvariable_sip_user_agent: ';
const UNKNOWN = 'drachtio-fsmrf:00000000-0000-0000-0000-000000000000';
const CALLERS: Readonly<Record<string, Hostility>> = {
  'says nothing': silence,
  'sends garbage': says('\0\xff#garbage\n\n\n\n'),
  'sends what cannot be decoded': says('Content-Type: %zz\n\n'),
  'never ends': (socket) => flood(socket, 'x', 100 * MEGABYTE),
  'sends empty lines': (socket) => flood(socket, '\n', 100 * MEGABYTE),
  'announces a huge event': says('Content-Length: 9999999999\n\nx'),
  'sends small events for ever': (socket) => flood(socket, 'Content-Type: a/b\n\n', 100 * MEGABYTE),
  'is a channel that nobody knows': says(`${CHANNEL}${UNKNOWN}\n\n`),
  'is a channel without a name': says(`${CHANNEL}\n\n`),
  'is a channel and never ends': (socket) => {
    socket.write(`${CHANNEL}${UNKNOWN}\n\n`);
    flood(socket, 'x', 100 * MEGABYTE);
  },
};

describeWithPeer(['drachtio', 'freeswitch'], 'right servers and', () => {
  let rig: FaultRig;
  let callbackPort: number;
  const said = vi.spyOn(console, 'error').mockImplementation(() => {});

  beforeAll(async () => {
    callbackPort = await freePorts(1);
    rig = await FaultRig.start({}, async () => ({
      options: { callback: { host: '127.0.0.1', port: callbackPort } },
    }));
  }, START_MS);
  afterAll(async () => {
    await rig.close();
  });
  afterEach(async () => {
    await rig.expectNothingHeld();
    expect(said).not.toHaveBeenCalled();
  });

  /** An engine of its own: what it says is missing, what it said of it, and that it asks seldom. */
  async function expectUseless(
    { missing, reason, options, secrets }: Misfit,
    onTestFinished: TestContext['onTestFinished'],
  ): Promise<FreeswitchEngine> {
    const promptFolder = await mkdtemp(join(tmpdir(), 'voice-otp-misfit-'));
    const changes: string[] = [];
    const reach = async ({ port, host, secret }: ServerRef, wrong: Secret | undefined) => {
      const relay = await TcpRelay.start({ host, port });
      onTestFinished(() => relay.close());
      return { relay, reference: { host, port: relay.port, secret: wrong ?? secret } };
    };
    const drachtio = await reach(rig.drachtio(), secrets?.drachtio);
    const freeswitch = await reach(rig.freeswitch(), secrets?.freeswitch);
    const engine = await startFreeswitchEngine([drachtio.reference], [freeswitch.reference], {
      promptFolder,
      onChange: (text) => changes.push(text),
      ...options,
    });
    onTestFinished(async () => {
      await engine.close(AbortSignal.timeout(1000));
      await rm(promptFolder, { recursive: true });
    });
    await sleep(3000);
    expect(engine.missing(), changes.join()).toEqual([missing]);
    expect(changes.filter((text) => reason.test(text))).toHaveLength(1);
    expect(drachtio.relay.accepted + freeswitch.relay.accepted).toBeLessThan(10);
    const [events, ms] = await timed(eventsOf(engine, rig.leg('200')));
    expect(endOf(events).end.kind).toBe('failed');
    expect(ms).toBeLessThan(500);
    return engine;
  }

  it.concurrent.for<Misfit & { readonly name: string }>([
    {
      name: 'a wrong drachtio secret',
      missing: 'drachtio',
      reason: /wrong secret/,
      secrets: { drachtio: new Secret('wrong') },
    },
    {
      name: 'a wrong event socket password',
      missing: 'freeswitch',
      reason: /wrong password/,
      secrets: { freeswitch: new Secret('wrong') },
    },
    {
      name: 'an unknown profile',
      missing: 'freeswitch',
      reason: /no running SIP profile nonsense/,
      options: { profile: 'nonsense' },
    },
    {
      name: 'a profile that is no name',
      missing: 'freeswitch',
      reason: /cannot be reached/,
      options: { profile: '(' },
    },
  ])('$name: says so, and does not hammer them', async (misfit, { onTestFinished }) => {
    await expectUseless(misfit, onTestFinished);
  });

  it('a callback port in use: says so, and works when it is free', async ({ onTestFinished }) => {
    const other = createServer();
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const options = { callback: { host: '127.0.0.1', port } };
    const misfit = { missing: 'freeswitch', reason: /EADDRINUSE/, options } as const;
    const engine = await expectUseless(misfit, onTestFinished);
    other.close();
    await eventually(() => expect(engine.missing()).toEqual([]), { timeoutMs: 8000 });
    expect(endOf(await eventsOf(engine, rig.leg('200'))).end).toMatchObject({ why: 'prompt_finished' });
  });

  it('callers of the callback port that are no channels: are cut off, and calls go on', async () => {
    const callers = Object.entries(CALLERS).map(async ([name, act]) => {
      const socket = connect(callbackPort, '127.0.0.1');
      socket.on('error', () => {}).resume();
      act(socket);
      // `once` of node:events would reject at an error.
      await new Promise((resolve) => socket.once('close', resolve));
      return [name, socket.bytesWritten] as const;
    });
    const work = within(8000, Promise.all([rig.expectCallWorks(), ...callers]), 'a caller stays');
    expect(await longestStall(work)).toBeLessThan(1000);
    const [, ...written] = await work;
    for (const [name, bytes] of written) expect(bytes, name).toBeLessThan(BUFFERS);
  });
});

interface Misfit {
  readonly missing: 'drachtio' | 'freeswitch';
  readonly reason: RegExp;
  readonly options?: Partial<FreeswitchEngineOptions>;
  readonly secrets?: { readonly drachtio?: Secret; readonly freeswitch?: Secret };
}
