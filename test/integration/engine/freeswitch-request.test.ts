import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { PlainRequest } from '../../../src/engine/engine.ts';
import type { FreeswitchEngine } from '../../../src/engine/freeswitch/freeswitch-engine.ts';
import { eventually } from '../../support/eventually.ts';
import { startFreeswitchEngine } from '../../support/freeswitch.ts';
import { acceptedByDrachtio, HostileServer } from '../../support/hostile-server.ts';

const never = new AbortController().signal;
const REQUEST: PlainRequest = {
  method: 'OPTIONS',
  requestUri: 'sip:127.0.0.1:5099',
  to: 'sip:127.0.0.1:5099',
  from: 'sip:voice-otp@127.0.0.1',
  nextHop: { host: '127.0.0.1', port: 5099, transport: 'udp' },
};

const faults: unknown[] = [];
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  expect(faults).toEqual([]);
});

/** An engine with a drachtio that takes the secret and whatever it is asked, and says nothing. */
async function startMute(): Promise<{ engine: FreeswitchEngine; sent: () => number; hangUp: () => void }> {
  const folder = await mkdtemp(join(tmpdir(), 'voice-otp-request-'));
  const sockets: Socket[] = [];
  let asked = '';
  const mute = acceptedByDrachtio((socket) => {
    sockets.push(socket);
    socket.on('data', (data) => {
      asked += data.toString();
    });
  });
  // Whoever comes back is not let in again.
  const drachtio = await HostileServer.start('mute', (socket) =>
    sockets.length === 0 ? mute(socket) : void socket.destroy(),
  );
  const onFault = (error: unknown): void => void faults.push(error);
  const engine = await startFreeswitchEngine([drachtio.reference], [], { promptFolder: folder, onFault });
  closing.push(async () => {
    await engine.close(AbortSignal.timeout(1000));
    await drachtio.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    engine,
    sent: () => asked.split('\r\nOPTIONS ').length - 1,
    hangUp: () => sockets[0]?.destroy(),
  };
}

describe('a request by a drachtio that does not answer', () => {
  it('ends when nobody wants to wait any longer', async () => {
    const { engine, sent } = await startMute();
    const abort = new AbortController();
    const answer = engine.request(REQUEST, abort.signal);
    await eventually(() => expect(sent()).toBe(1));
    abort.abort();
    expect(await answer).toEqual({ kind: 'no_response' });
  });

  it.each([
    ['the Request-URI', { requestUri: 'sip:127.0.0.1|x' }],
    ['To', { to: 'sip:127.0.0.1\r\nX: y' }],
    ['From', { from: 'sip:a>@127.0.0.1' }],
    ['the next hop', { nextHop: { host: 'a b', transport: 'udp' } as const }],
  ])('is not sent with more in %s than SIP allows there', async (_where, change) => {
    const { engine, sent } = await startMute();
    expect(await engine.request({ ...REQUEST, ...change }, never)).toEqual({
      kind: 'failed',
      detail: expect.any(String),
    });
    expect(sent()).toBe(0);
  });

  it('does not go over TLS where nobody knows whom that drachtio believes', async () => {
    const { engine, sent } = await startMute();
    const nextHop = { host: '127.0.0.1', port: 5099, transport: 'tls' } as const;
    expect(await engine.request({ ...REQUEST, nextHop }, never)).toEqual({
      kind: 'failed',
      detail: expect.any(String),
    });
    expect(sent()).toBe(0);
  });

  it('is a fault of our own when the connection is lost, and as long as there is none', async () => {
    const { engine, sent, hangUp } = await startMute();
    const answer = engine.request(REQUEST, never);
    await eventually(() => expect(sent()).toBe(1));
    hangUp();
    expect(await answer).toEqual({ kind: 'failed', detail: 'the connection to drachtio is lost' });
    for (const method of ['OPTIONS', 'REGISTER'] as const)
      expect(await engine.request({ ...REQUEST, method }, never)).toEqual({
        kind: 'failed',
        detail: 'no drachtio server is connected',
      });
  });

  it('is over when the engine is closed', async () => {
    const { engine, sent } = await startMute();
    const answer = engine.request(REQUEST, never);
    await eventually(() => expect(sent()).toBe(1));
    await engine.close(AbortSignal.timeout(1000));
    expect(await answer).toMatchObject({ kind: 'failed' });
  });
});
