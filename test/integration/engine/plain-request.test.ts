import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EmbeddedEngine } from '../../../src/engine/embedded/embedded-engine.ts';
import type { PlainRequest, TlsTerms } from '../../../src/engine/engine.ts';
import type { LabCarrier } from '../../../src/lab/carrier.ts';
import type { WireMessage } from '../../../src/sip/transport.ts';
import { Authority } from '../../support/certificates.ts';
import { startEmbedded } from '../../support/embedded.ts';
import { eventually } from '../../support/eventually.ts';
import { LAB_CREDENTIALS, startCarrier } from '../../support/lab.ts';

const authority = new Authority();
const never = new AbortController().signal;
const faults: unknown[] = [];
let engine: EmbeddedEngine;
/** Whose Timer F is 640 ms. */
let hasty: EmbeddedEngine;
let carrier: LabCarrier;
let wire: WireMessage[] = [];

beforeAll(async () => {
  const watched = {
    onFault: (error: unknown) => void faults.push(error),
    onWire: (message: WireMessage) => void wire.push(message),
  };
  engine = await startEmbedded({ t1Ms: 200, ...watched });
  hasty = await startEmbedded({ t1Ms: 10, ...watched });
  const lab = await startCarrier({
    tls: { port: 0, certificate: authority.issue({ names: ['ip:127.0.0.1'] }) },
    onFault: (error) => faults.push(error),
  });
  ({ carrier } = lab);
});
afterAll(async () => {
  for (const one of [engine, hasty]) await one.close(AbortSignal.timeout(2000));
  await carrier.close();
  expect(faults).toEqual([]);
});
afterEach(() => {
  wire = [];
  carrier.optionsAnswer = 200;
});

function options(change: Partial<PlainRequest> = {}): PlainRequest {
  const trunk = `sip:127.0.0.1:${carrier.port}`;
  return {
    method: 'OPTIONS',
    requestUri: trunk,
    to: trunk,
    from: 'sip:voice-otp@127.0.0.1',
    nextHop: { host: '127.0.0.1', port: carrier.port, transport: 'udp' },
    ...change,
  };
}

function overTls(tls: TlsTerms, change: Partial<PlainRequest> = {}): PlainRequest {
  return options({ nextHop: { host: '127.0.0.1', port: carrier.tlsPort, transport: 'tls' }, tls, ...change });
}

describe('a request outside of calls', () => {
  it('is sent again and again until Timer F, and then there was no response', async () => {
    carrier.optionsAnswer = 'silent';
    expect(await hasty.request(options(), never)).toEqual({ kind: 'no_response' });
    const sent = wire.filter(({ direction }) => direction === 'out');
    expect(sent.length).toBeGreaterThan(1);
    expect(new Set(sent.map(({ text }) => text)).size).toBe(1);
    expect(hasty.held().clients).toBe(0);
  });

  it('holds nothing once it was given up, and what still comes is nobody’s', async () => {
    carrier.optionsAnswer = 'silent';
    const abort = new AbortController();
    const asked = engine.request(options(), abort.signal);
    await eventually(() => expect(engine.held().clients).toBe(1));
    abort.abort();
    expect(await asked).toEqual({ kind: 'no_response' });
    expect(engine.held().clients).toBe(0);
  });

  it('leads nowhere where its host has no address', async () => {
    const nextHop = { host: 'host.invalid', port: 5060, transport: 'udp' } as const;
    expect(await engine.request(options({ nextHop }), never)).toEqual({
      kind: 'unreachable',
      detail: 'no address for host.invalid',
    });
  });

  it('goes over TLS to whom proves to be the one that is meant, and to nobody else', async () => {
    expect(await engine.request(overTls({ ca: authority.cert }), never)).toMatchObject({
      sip: { status: 200 },
    });
    expect(wire[0]?.text).toMatch(/^Via: SIP\/2\.0\/TLS /m);
    wire = [];
    const stranger = await engine.request(overTls({ ca: new Authority().cert }), never);
    expect(stranger).toEqual({ kind: 'unreachable', detail: expect.stringMatching(/certificate/i) });
    expect(wire).toEqual([]);
  });

  it('registers the connection that it came by, where there is no listener for TLS', async () => {
    const aor = 'sip:secured@127.0.0.1';
    const request = overTls(
      { ca: authority.cert },
      { method: 'REGISTER', to: aor, from: aor, credentials: LAB_CREDENTIALS, expiresSeconds: 300 },
    );
    expect(await engine.request(request, never)).toMatchObject({ sip: { status: 200 }, expiresSeconds: 300 });
    const [binding] = carrier.registrar.bindings.filter((one) => one.aor === aor);
    expect(binding?.contact).toMatch(/^sip:voice-otp@127\.0\.0\.1:[1-9]\d*;transport=tls$/);
    expect(binding?.contact).not.toContain(`:${engine.port};`);
  });
});

describe('an engine that is closed', () => {
  it('lets nobody wait', async () => {
    const short = await startEmbedded({ onFault: (error) => faults.push(error) });
    carrier.optionsAnswer = 'silent';
    const asked = short.request(options(), never);
    await eventually(() => expect(short.held().clients).toBe(1));
    await short.close(AbortSignal.timeout(2000));
    expect(await asked).toEqual({ kind: 'failed', detail: 'the engine was closed' });
    expect(await short.request(options(), never)).toEqual({
      kind: 'failed',
      detail: 'the engine is not started',
    });
  });
});
