import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EmbeddedEngine } from '../../../src/engine/embedded/embedded-engine.ts';
import type { CallEvent, TlsTerms } from '../../../src/engine/engine.ts';
import type { LabCarrier } from '../../../src/lab/carrier.ts';
import { Secret } from '../../../src/secret.ts';
import { SipEndpoint } from '../../../src/sip/endpoint.ts';
import { header } from '../../../src/sip/message.ts';
import { responseTo } from '../../../src/sip/response.ts';
import { timersFor } from '../../../src/sip/timers.ts';
import type { TlsListener } from '../../../src/sip/tls.ts';
import type { TlsCertificate } from '../../../src/sip/tls-trust.ts';
import type { WireMessage } from '../../../src/sip/transport.ts';
import { Authority, selfSigned, sha256 } from '../../support/certificates.ts';
import { startEmbedded } from '../../support/embedded.ts';
import { eventually } from '../../support/eventually.ts';
import { startCarrier } from '../../support/lab.ts';
import { courseOf, endOf, eventsOf, gistOf, legTo } from '../../support/legs.ts';

const authority = new Authority();
const good = authority.issue({ names: ['ip:127.0.0.1'] });
const closing: (() => Promise<void>)[] = [];
const faults: unknown[] = [];
let engine: EmbeddedEngine;
let wire: WireMessage[];

beforeAll(async () => {
  engine = await startEmbedded({
    onFault: (error) => faults.push(error),
    onWire: (message) => wire.push(message),
  });
});
afterAll(() => engine.close(AbortSignal.timeout(2000)));
afterEach(async () => {
  await eventually(() => expect(engine.held()).toMatchObject({ legs: 0, streams: 0, dialogs: 0 }));
  for (const close of closing.splice(0)) await close();
  expect(faults).toEqual([]);
});

async function carrierWith(
  certificate: TlsCertificate,
  more: Partial<TlsListener> = {},
): Promise<LabCarrier> {
  wire = [];
  const lab = await startCarrier({ tls: { port: 0, certificate, ...more } });
  closing.push(async () => {
    await lab.carrier.close();
    expect(lab.faults).toEqual([]);
  });
  return lab.carrier;
}

function call(
  carrier: { readonly tlsPort: number },
  tls?: TlsTerms,
  number = '4930000200',
): Promise<CallEvent[]> {
  const leg = legTo(carrier.tlsPort, number, { transport: 'tls', ...(tls === undefined ? {} : { tls }) });
  return eventsOf(engine, leg);
}

function detailOf(events: readonly CallEvent[]): string {
  const { end } = endOf(events);
  expect(events.map(({ type }) => type)).toEqual(['trying', 'ended']);
  expect(end.kind).toBe('unreachable');
  return end.kind === 'unreachable' ? end.detail : '';
}

describe('a call over TLS', () => {
  it('goes all its way over one connection', async () => {
    const carrier = await carrierWith(good);
    const events = await call(carrier, { ca: authority.cert });
    expect(gistOf(events)).toBe('hung_up by us: prompt_finished');
    expect(courseOf(events)).toBe('trying ringing answered prompt_finished ended');
    const peers = new Set(wire.map(({ peer }) => `${peer.transport} ${peer.port}`));
    expect([...peers]).toEqual([`tls ${carrier.tlsPort}`]);
    const [invite] = wire;
    expect(invite?.text).toMatch(/^Via: SIP\/2\.0\/TLS 127\.0\.0\.1:/m);
    expect(invite?.text).toMatch(/^Contact: <sip:voice-otp@127\.0\.0\.1:\d+;transport=tls>/m);
    expect(invite?.text).not.toContain('sips:');
  });

  it('carries a text message, for whom it proved to be the right one', async () => {
    const carrier = await carrierWith(good);
    const nextHop = { host: '127.0.0.1', port: carrier.tlsPort, transport: 'tls' } as const;
    const text = {
      ...{ callId: 'call_text', requestUri: 'sip:4930000200@127.0.0.1', nextHop, headers: [] },
      ...{ from: { uri: 'sip:Code@127.0.0.1' }, body: new Secret('493817'), timeoutMs: 2000 },
    };
    const endsWith = async (tls: TlsTerms): Promise<unknown> => {
      const events = [];
      for await (const event of engine.message({ ...text, tls }, new AbortController().signal))
        events.push(event);
      return endOf(events).end;
    };
    expect(await endsWith({})).toMatchObject({ kind: 'unreachable' });
    expect(carrier.texts).toEqual([]);
    expect(await endsWith({ ca: authority.cert })).toMatchObject({ kind: 'taken' });
    expect(carrier.texts).toMatchObject([{ number: '4930000200', text: '493817' }]);
    expect(wire.map(({ peer }) => peer.transport)).toEqual(['tls', 'tls']);
  });

  it('takes the connection of the call before it', async () => {
    const carrier = await carrierWith(good);
    for (const number of ['4930000486', '4930000404']) await call(carrier, { ca: authority.cert }, number);
    const contacts = carrier.calls.map(({ invite }) => header(invite, 'Contact'));
    expect(contacts.length).toBe(2);
    expect(new Set(contacts).size).toBe(1);
  });

  it('takes a BYE of the far end', async () => {
    const carrier = await carrierWith(good);
    const leg = legTo(carrier.tlsPort, '4930000200', { transport: 'tls', tls: { ca: authority.cert } });
    const events = await eventsOf(engine, leg, {
      on: ({ type }) => {
        if (type === 'answered') carrier.calls[0]?.phone.hangUp();
      },
    });
    expect(gistOf(events)).toBe('hung_up by callee: peer');
    expect(wire.filter(({ text }) => text.startsWith('BYE')).map(({ peer }) => peer.transport)).toEqual([
      'tls',
    ]);
  });

  it.each(['', ';transport=udp', ';transport=tcp'])(
    'stays on TLS where the Contact has %j',
    async (parameter) => {
      const methods: string[] = [];
      const media = 'c=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n';
      const far = new SipEndpoint({
        ...{
          host: '127.0.0.1',
          port: 0,
          tcp: true,
          timers: timersFor(50),
          tls: { port: 0, certificate: good },
        },
        onRequest: (handle) => {
          const { request, peer } = handle;
          methods.push(`${request.method} ${peer.transport}`);
          const answer = { body: `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n${media}` };
          const headers = [['Contact', `<sip:phone@127.0.0.1:${far.port}${parameter}>`]] as const;
          handle.respond(responseTo(request, 200, { toTag: 't', headers, ...answer }));
        },
        onFault: (error) => faults.push(error),
      });
      await far.start();
      closing.push(() => far.close());
      wire = [];
      const events = await call({ tlsPort: far.tlsPort }, { ca: authority.cert });
      expect(gistOf(events)).toBe('hung_up by us: prompt_finished');
      expect(methods).toEqual(['INVITE tls']);
      const words = wire.map(({ direction, text }) => `${direction} ${text.split(' ')[0]}`);
      // The far end keeps no dialog, and says so to the BYE.
      expect(words).toEqual(['out INVITE', 'in SIP/2.0', 'out ACK', 'out BYE', 'in SIP/2.0']);
      expect(new Set(wire.map(({ peer }) => peer.port))).toEqual(new Set([far.tlsPort]));
    },
  );

  it('connects again where the connection is gone', async () => {
    const carrier = await carrierWith(good);
    const port = carrier.tlsPort;
    await call(carrier, { ca: authority.cert });
    await closing.pop()?.();
    const again = await startCarrier({ tls: { port, certificate: good } });
    closing.push(() => again.carrier.close());
    const events = await call(again.carrier, { ca: authority.cert });
    expect(gistOf(events), JSON.stringify(endOf(events))).toBe('hung_up by us: prompt_finished');
  });

  it('is ended by a later process that has the same terms', async () => {
    const carrier = await carrierWith(good);
    const tls = { ca: authority.cert };
    const leg = legTo(carrier.tlsPort, '4930000180', { transport: 'tls', tls });
    const later = await startEmbedded();
    closing.push(() => later.close(AbortSignal.timeout(2000)));
    const events = eventsOf(engine, leg, {
      on: (event) => {
        if (event.type !== 'ringing') return;
        const leftover = JSON.parse(JSON.stringify(event.leftover));
        void later.endLeftover(leftover, undefined, tls).then((ended) => expect(ended).toBe(true));
      },
    });
    expect(gistOf(await events)).toBe('rejected 487');
  });
});

describe('a server that is not the one', () => {
  it.each<[string, TlsCertificate, RegExp]>([
    ['has expired', authority.issue({ names: ['ip:127.0.0.1'], validFrom: -9, validTo: -2 }), /has expired/],
    ['is not valid yet', authority.issue({ names: ['ip:127.0.0.1'], validFrom: 2 }), /not valid yet/],
    [
      'has another address',
      authority.issue({ names: ['ip:127.0.0.9'] }),
      /is for 127\.0\.0\.9 and not for 127\.0\.0\.1/,
    ],
    ['has no name', authority.issue({ names: [] }), /is for no name and not for 127\.0\.0\.1/],
    [
      'has an unknown authority',
      new Authority('Other').issue({ names: ['ip:127.0.0.1'] }),
      /unknown authority/,
    ],
    ['is signed by itself', selfSigned({ names: ['ip:127.0.0.1'] }), /signed by itself/],
  ])('is refused, and hears nothing, where its certificate %s', async (_, certificate, reason) => {
    const carrier = await carrierWith(certificate);
    expect(detailOf(await call(carrier, { ca: authority.cert }))).toMatch(reason);
    expect(wire).toEqual([]);
    expect(carrier.calls).toEqual([]);
  });

  it('is refused where nobody has named its authority', async () => {
    expect(detailOf(await call(await carrierWith(good)))).toMatch(/unknown authority/);
  });

  it('speaks no TLS, or an old one', async () => {
    const plain = createServer((socket) => void socket.end('SIP/2.0 400 Bad Request\r\n\r\n'));
    const port = await listening(plain);
    expect(detailOf(await call({ tlsPort: port }))).toMatch(/does not speak TLS there/);
  });

  it('closes the connection in the handshake', async () => {
    const port = await listening(createServer((socket) => void socket.destroy()));
    expect(detailOf(await call({ tlsPort: port }))).toMatch(/closed the connection/);
  });

  it('is given up where it never finishes the handshake', async () => {
    const port = await listening(createServer((socket) => void socket.resume()));
    const leg = legTo(port, '4930000200', { transport: 'tls', timeouts: { setupMs: 200 } });
    expect(detailOf(await eventsOf(engine, leg))).toMatch(/handshake takes too long/);
  });

  it('is given up after five seconds where a leg would wait longer', async () => {
    const port = await listening(createServer((socket) => void socket.resume()));
    const leg = legTo(port, '4930000200', { transport: 'tls', timeouts: { setupMs: 20_000 } });
    const startMs = performance.now();
    expect(detailOf(await eventsOf(engine, leg))).toMatch(/handshake takes too long/);
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });

  it('is passed over where there are terms that cannot be used', async () => {
    const carrier = await carrierWith(good);
    expect(detailOf(await call(carrier, { ca: 'nonsense' }))).toBe('TLS: ca is no certificate in PEM');
  });
});

/** Listens until the test is over, with all that connects to it. */
async function listening(server: ReturnType<typeof createServer>): Promise<number> {
  wire = [];
  const sockets: Socket[] = [];
  server.on('connection', (socket: Socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return (server.address() as AddressInfo).port;
}

describe('the name of a server', () => {
  it.each<[string, string]>([
    ['uri:sip:carrier.example', 'carrier.example'],
    ['dns:Carrier.Example', 'carrier.example'],
    ['dns:*.carrier.example', '*.carrier.example'],
  ])('may be %s where %s is asked for', async (name, serverName) => {
    const certificate = authority.issue({ names: [name as `dns:${string}`] });
    const carrier = await carrierWith(certificate);
    const events = await call(carrier, { ca: authority.cert, serverName });
    expect(gistOf(events)).toBe('hung_up by us: prompt_finished');
  });

  it('is not that of a subdomain, and a SIP URI takes precedence', async () => {
    const carrier = await carrierWith(
      authority.issue({ names: ['uri:sip:other.example', 'dns:carrier.example'] }),
    );
    const detail = detailOf(await call(carrier, { ca: authority.cert, serverName: 'carrier.example' }));
    expect(detail).toContain('sip:other.example');
  });
});

describe('a pinned server', () => {
  const pinned = selfSigned({ names: ['dns:whatever.example'], validFrom: -9, validTo: -2 });
  const { raw, publicKey } = new X509Certificate(pinned.cert);
  const key = sha256(publicKey.export({ type: 'spki', format: 'der' }));

  it.each([
    ['its certificate', sha256(raw)],
    ['its certificate with colons', (sha256(raw).toUpperCase().match(/../g) ?? []).join(':')],
    ['its key in base64', Buffer.from(key, 'hex').toString('base64')],
  ])('is believed for %s alone', async (_, pin) => {
    const carrier = await carrierWith(pinned);
    const events = await call(carrier, { pins: ['00'.repeat(32), pin] });
    expect(gistOf(events)).toBe('hung_up by us: prompt_finished');
  });

  it('is not believed for another pin, nor for the pin alone where an authority is named too', async () => {
    const carrier = await carrierWith(pinned);
    expect(detailOf(await call(carrier, { pins: ['00'.repeat(32)] }))).toMatch(/not the pinned one/);
    expect(detailOf(await call(carrier, { pins: [key], ca: authority.cert }))).toMatch(
      /unknown authority|signed by itself|expired/,
    );
    expect(wire).toEqual([]);
  });
});

describe('a server that wants to know who we are', () => {
  const clients = new Authority('Clients');

  it('lets a client with a certificate in', async () => {
    const carrier = await carrierWith(good, { clientCa: clients.cert });
    const certificate = clients.issue({ names: ['dns:voice-otp.example'] });
    const events = await call(carrier, { ca: authority.cert, certificate });
    expect(gistOf(events)).toBe('hung_up by us: prompt_finished');
  });

  it.each<[string, TlsTerms, RegExp]>([
    ['none', {}, /wants a certificate of ours/],
    [
      'one that it does not know',
      { certificate: new Authority('Stranger').issue({ names: ['dns:voice-otp.example'] }) },
      /does not know the authority|refused? our certificate/,
    ],
  ])('refuses %s, and that is told at once', async (_, terms, reason) => {
    const carrier = await carrierWith(good, { clientCa: clients.cert });
    const { end } = endOf(await call(carrier, { ca: authority.cert, ...terms }));
    expect(end).toMatchObject({ kind: 'unreachable', detail: expect.stringMatching(reason) });
    expect(carrier.calls).toEqual([]);
  });
});
