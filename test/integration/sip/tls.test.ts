import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import type { ClientListener } from '../../../src/sip/client-transactions.ts';
import { SipEndpoint } from '../../../src/sip/endpoint.ts';
import type { SipRequest } from '../../../src/sip/message.ts';
import { responseTo } from '../../../src/sip/response.ts';
import { timersFor } from '../../../src/sip/timers.ts';
import type { TlsListener } from '../../../src/sip/tls.ts';
import type { Peer } from '../../../src/sip/transport.ts';
import { Authority } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';

const authority = new Authority();
const terms = { ca: authority.cert };
const certificate = authority.issue({ names: ['dns:carrier.example'] });
const closing: (() => Promise<void>)[] = [];
const faults: unknown[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  expect(faults).toEqual([]);
});

async function endpoint(tls?: TlsListener): Promise<SipEndpoint & { requests: Peer[] }> {
  const requests: Peer[] = [];
  const made = new SipEndpoint({
    ...{ host: '127.0.0.1', port: 0, tcp: true, timers: timersFor(50) },
    ...(tls === undefined ? {} : { tls }),
    onRequest: (handle) => {
      requests.push(handle.peer);
      handle.respond(responseTo(handle.request, 200, { toTag: 'there' }));
    },
    onFault: (error) => faults.push(error),
  });
  await made.start();
  closing.push(() => made.close());
  return Object.assign(made, { requests });
}

/** Sends OPTIONS; the status of the response, or what went wrong. */
function ask(from: SipEndpoint, peer: Peer, callId: string): Promise<number | string> {
  const request: SipRequest = {
    kind: 'request',
    method: 'OPTIONS',
    uri: 'sip:carrier.example',
    headers: [
      ['Max-Forwards', '70'],
      ['From', '<sip:us@example.org>;tag=1'],
      ['To', '<sip:carrier.example>'],
      ['Call-ID', callId],
      ['CSeq', '1 OPTIONS'],
    ],
    body: '',
  };
  return new Promise((resolve) => {
    const listener: ClientListener = {
      response: ({ status }) => resolve(status),
      timeout: () => resolve('timeout'),
      transportError: (error) => resolve(error.message),
    };
    from.request(request, peer, '127.0.0.1', listener);
  });
}

const at = (port: number): Peer => ({ transport: 'tls', address: '127.0.0.1', port });

describe('an endpoint over TLS', () => {
  it('asks over one connection, and is asked over it though it does not listen', async () => {
    const carrier = await endpoint({ port: 0, certificate });
    const us = await endpoint();
    const [peer = at(0)] = us.secured([at(carrier.tlsPort)], terms, 'carrier.example');
    expect(await Promise.all([ask(us, peer, 'a'), ask(us, peer, 'b')])).toEqual([200, 200]);
    const [first, second] = carrier.requests;
    expect(first).toEqual({ ...at(await us.contactPort(peer)) });
    expect(second).toEqual(first);
    expect(await ask(carrier, first ?? at(0), 'c')).toBe(200);
    expect(us.requests).toEqual([peer]);
    expect([us.tlsPort, carrier.tlsPort === carrier.port]).toEqual([0, false]);
  });

  it('names its own port where it listens', async () => {
    const us = await endpoint({ port: 0, certificate });
    expect(await us.contactPort(at(1))).toBe(us.tlsPort);
  });

  it('passes over servers that cannot be trusted, and tells what is wrong with the last', async () => {
    const bad = await endpoint({ port: 0, certificate: new Authority().issue({ names: [] }) });
    const good = await endpoint({ port: 0, certificate });
    const us = await endpoint();
    const peersTo = (...ports: number[]) => us.secured(ports.map(at), terms, 'carrier.example');
    const [, , ...rest] = peersTo(1, bad.tlsPort, good.tlsPort, 1);
    expect(await us.reachable(peersTo(1, bad.tlsPort, good.tlsPort, 1))).toEqual(rest);
    await expect(us.reachable(peersTo(1, bad.tlsPort))).rejects.toThrow(/unknown authority/);
    await expect(us.reachable(peersTo(1))).rejects.toThrow(/ECONNREFUSED/);
    expect(await us.reachable([{ ...at(1), transport: 'udp' }])).toHaveLength(1);
  });

  it('does not share a connection between terms, and trusts nobody without them', async () => {
    const carrier = await endpoint({ port: 0, certificate });
    const us = await endpoint();
    const [good = at(0)] = us.secured([at(carrier.tlsPort)], terms, 'carrier.example');
    const [other = at(0)] = us.secured([at(carrier.tlsPort)], terms, 'other.example');
    expect(await ask(us, good, 'a')).toBe(200);
    expect(await ask(us, other, 'b')).toMatch(/is for carrier\.example and not for other\.example/);
    expect(await ask(us, at(carrier.tlsPort), 'c')).toMatch(/nobody has said whom to trust/);
    expect(carrier.requests.length).toBe(1);
  });

  it('has nothing to do with TLS 1.1', async () => {
    const server = createServer({
      cert: certificate.cert,
      key: certificate.key.reveal(),
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(async () => {
      server.close();
      await once(server, 'close');
    });
    const us = await endpoint();
    const peers = us.secured([at((server.address() as AddressInfo).port)], terms, 'carrier.example');
    await expect(us.reachable(peers)).rejects.toThrow(/no TLS of version 1\.2 or later/);
    const ours = await endpoint({ port: 0, certificate });
    const old = connect({
      port: ours.tlsPort,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
    });
    const [error] = (await once(old, 'error')) as [Error];
    expect(error.message).toBeDefined();
  });

  it('answers pings, takes messages in pieces, and survives strangers', async () => {
    const ours = await endpoint({ port: 0, certificate });
    const dial = async (): Promise<TLSSocket> => {
      const socket = connect({
        port: ours.tlsPort,
        host: '127.0.0.1',
        ca: authority.cert,
        servername: 'carrier.example',
      });
      closing.unshift(async () => void socket.destroy());
      socket.on('error', () => {});
      await once(socket, 'secureConnect');
      return socket;
    };
    const peer = await dial();
    let heard = '';
    peer.on('data', (chunk) => {
      heard += String(chunk);
    });
    peer.write('\r\n\r\n');
    await eventually(() => expect(heard).toBe('\r\n'));
    const options = `OPTIONS sip:us@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:us@127.0.0.1>\r\nCall-ID: pieces\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`;
    for (const half of [options.slice(0, 50), options.slice(50)]) {
      await new Promise<void>((resolve) => void peer.write(half, () => resolve()));
    }
    await eventually(() => expect(heard).toContain('SIP/2.0 200 OK'));
    expect(heard).toMatch(/Via: SIP\/2\.0\/TLS 192\.0\.2\.1;branch=z9hG4bK1;received=127\.0\.0\.1/);
    const stranger = await dial();
    const gone = once(stranger, 'close');
    stranger.write('x'.repeat(70_000));
    await gone;
    expect(ours.held).toMatchObject({ clients: 0 });
  });

  it('sends a request once more, over a new connection, where the old one ends under it', async () => {
    let connections = 0;
    const heard: string[] = [];
    const server = createServer({ cert: certificate.cert, key: certificate.key.reveal() }, (socket) => {
      const mine = ++connections;
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        heard.push(
          `${mine} ${/^Call-ID: (.*)$/m.exec(String(chunk))?.[1]} ${/branch=(\w+)/.exec(String(chunk))?.[1]}`,
        );
        // The second request finds the door closing.
        if (mine === 1 && heard.length > 1) return void socket.destroy();
        socket.write(String(chunk).replace(/^OPTIONS .*/, 'SIP/2.0 200 OK'));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const us = await endpoint();
    closing.push(async () => {
      server.close();
      await once(server, 'close');
    });
    const [peer = at(0)] = us.secured([at((server.address() as AddressInfo).port)], terms, 'carrier.example');
    expect([await ask(us, peer, 'a'), await ask(us, peer, 'b')]).toEqual([200, 200]);
    const [, lost = '', again] = heard;
    expect(heard.length).toBe(3);
    expect(again).toBe(lost.replace(/^1/, '2'));
    expect(lost).toMatch(/^1 b z9hG4bK/);
  });

  it('tells those who wait for a response when the connection is gone', async () => {
    const server = createServer({ cert: certificate.cert, key: certificate.key.reveal() }, (socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(async () => {
      server.close();
      await once(server, 'close');
    });
    const us = await endpoint();
    const [peer = at(0)] = us.secured([at((server.address() as AddressInfo).port)], terms, 'carrier.example');
    expect(await ask(us, peer, 'a')).toMatch(/closed/);
  });
});
