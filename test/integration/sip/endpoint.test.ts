import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { tagOf } from '../../../src/sip/header.ts';
import { header, headerList, type SipRequest } from '../../../src/sip/message.ts';
import { responseTo } from '../../../src/sip/response.ts';
import type { ServerHandle } from '../../../src/sip/server-transactions.ts';
import { eventually } from '../../support/eventually.ts';
import { startAnswering } from '../../support/sip/answering-endpoint.ts';
import { type RawPeer, rawRequest, tcpPeer, udpPeer } from '../../support/sip/raw-peer.ts';
import { INVALID } from '../../support/sip/torture-invalid.ts';
import { SEMANTICS } from '../../support/sip/torture-semantics.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setUp(answer?: (handle: ServerHandle) => void) {
  const us = await startAnswering(answer === undefined ? {} : { answer });
  const udp = await udpPeer(us.endpoint.port);
  const tcp = await tcpPeer(us.endpoint.port);
  closing.push(udp.close, tcp.close, () => us.endpoint.close());
  return { ...us, udp, tcp };
}

/** A torture message with a Via that leads back to the sender. */
function fromPeer(bytes: Buffer | undefined, peer: RawPeer): Buffer {
  const text = (bytes ?? Buffer.alloc(0)).toString('latin1');
  return Buffer.from(
    text.replace(/^(Via:\s*SIP\/\d\.0\/UDP)\s+[^;\s]+/m, `$1 127.0.0.1:${peer.port}`),
    'latin1',
  );
}

describe('SipEndpoint and single messages', () => {
  it.each(['udp', 'tcp'] as const)(
    'answers OPTIONS over %s where it came from, with received and rport',
    async (over) => {
      const { faults, ...peers } = await setUp();
      const peer = peers[over];
      const via = `SIP/2.0/${over.toUpperCase()} hidden.example:9;rport;branch=z9hG4bK${over};x="a;b"`;
      await peer.send(rawRequest(peer, 'OPTIONS', { Via: via }));
      const response = await peer.next();
      expect(response.status).toBe(200);
      expect(header(response, 'Via')).toBe(
        `SIP/2.0/${over.toUpperCase()} hidden.example:9;rport=${peer.port};branch=z9hG4bK${over};x="a;b";received=127.0.0.1`,
      );
      expect(faults).toEqual([]);
    },
  );

  it('answers to the port of Via where there is no rport (RFC 3261 §18.2.2)', async () => {
    const { udp, endpoint } = await setUp();
    const other = await udpPeer(endpoint.port);
    closing.push(other.close);
    await udp.send(
      rawRequest(udp, 'OPTIONS', { Via: `SIP/2.0/UDP 127.0.0.1:${other.port};branch=z9hG4bK1` }),
    );
    expect((await other.next()).status).toBe(200);
  });

  it('keeps all Via and Record-Route lines in order', async () => {
    const { udp } = await setUp();
    const via = `SIP/2.0/UDP 127.0.0.1:${udp.port};rport;branch=z9hG4bKa, SIP/2.0/UDP b;branch=z9hG4bKb`;
    await udp.send(
      rawRequest(udp, 'OPTIONS', { Via: via, v: 'SIP/2.0/TLS c', 'Record-Route': '<sip:p;lr>' }),
    );
    const response = await udp.next();
    expect(headerList(response, 'Via').slice(1)).toEqual(['SIP/2.0/UDP b;branch=z9hG4bKb', 'SIP/2.0/TLS c']);
    expect(header(response, 'Record-Route')).toBe('<sip:p;lr>');
  });

  it.each<[string, number]>([
    ['badinv01', 400],
    ['clerr', 400],
    ['ncl', 400],
    ['quotbal', 400],
    ['ltgtruri', 400],
    ['lwsruri', 400],
    ['lwsstart', 400],
    ['baddn', 400],
    ['badvers', 505],
    ['mismatch01', 400],
    ['mismatch02', 400],
  ])('refuses RFC 4475 %s with %i, tagged', async (name, status) => {
    const { udp, requests, endpoint } = await setUp();
    const bytes = fromPeer(INVALID[name], udp);
    await udp.send(bytes);
    const response = await udp.next();
    expect([response.status, requests.length]).toEqual([status, 0]);
    expect(header(response, 'To')).toMatch(/;tag=[0-9a-z-]+$/);
    // Without state, and so with the same tag when it comes again (RFC 3261 §8.2.7).
    expect(endpoint.held.servers).toBe(0);
    await udp.send(bytes);
    expect(header(await udp.next(), 'To')).toBe(header(response, 'To'));
  });

  it.each<[string, number]>([
    ['insuf', 400],
    ['multi01', 400],
    ['mcl01', 400],
    ['zeromf', 200],
    ['badbranch', 200],
  ])('answers RFC 4475 %s with %i', async (name, status) => {
    const { udp } = await setUp();
    await udp.send(fromPeer(SEMANTICS[name], udp));
    expect((await udp.next()).status).toBe(status);
  });

  it.each(['nobodyKnowsThisScheme:totallyopaquecontent', 'soap.beep://192.0.2.103:3002'])(
    'RFC 4475 §3.3.2, §3.3.3: 416 for %s',
    async (uri) => {
      const { udp, requests } = await setUp();
      await udp.send(rawRequest(udp, 'OPTIONS', {}, { uri }));
      expect([(await udp.next()).status, requests.length]).toEqual([416, 0]);
    },
  );

  it('481 for a To-tag without a dialog, and for a CANCEL without an INVITE', async () => {
    const { udp, requests } = await setUp();
    await udp.send(rawRequest(udp, 'BYE', { To: '<sip:us@127.0.0.1>;tag=gone' }));
    expect((await udp.next()).status).toBe(481);
    await udp.send(rawRequest(udp, 'CANCEL'));
    const response = await udp.next();
    expect([response.status, tagOf(response, 'To') === '', requests.length]).toEqual([481, false, 0]);
  });

  it('never answers an ACK or a response, however wrong', async () => {
    const { udp, faults } = await setUp();
    for (const bytes of [
      rawRequest(udp, 'ACK', { From: 'x' }),
      rawRequest(udp, 'ACK'),
      INVALID.scalarlg,
      INVALID.bigcode,
      SEMANTICS.bcast,
    ])
      await udp.send(bytes ?? '');
    await udp.send(rawRequest(udp, 'OPTIONS', { 'Call-ID': 'last' }));
    const response = await udp.next();
    expect([header(response, 'Call-ID'), faults]).toEqual(['last', []]);
  });

  it('tells the INVITE of its CANCEL once, after answering it, and not when it is over', async () => {
    const canceled: string[] = [];
    const handles: ServerHandle[] = [];
    const { udp, endpoint } = await setUp((handle) => {
      handles.push(handle);
      handle.respond(responseTo(handle.request, 180, { toTag: 'us' }));
      handle.onCancel = () => {
        canceled.push(header(handle.request, 'Call-ID') ?? '');
        handle.respond(responseTo(handle.request, 487, { toTag: 'us' }));
      };
    });
    const [Via, CallId] = [`SIP/2.0/UDP 127.0.0.1:${udp.port};rport;branch=z9hG4bKcancel`, 'cancel-me'];
    const send = (method: string) => udp.send(rawRequest(udp, method, { Via, 'Call-ID': CallId }));
    await send('INVITE');
    expect((await udp.next()).status).toBe(180);
    await send('CANCEL');
    const [first, second] = [await udp.next(), await udp.next()];
    expect([first, second].map((r) => [r.status, header(r, 'CSeq')])).toEqual([
      [200, '1 CANCEL'],
      [487, '1 INVITE'],
    ]);
    await send('ACK');
    await eventually(() => expect(endpoint.held.servers).toBe(0));
    expect(canceled).toEqual(['cancel-me']);

    const late = { Via: Via.replace('cancel', 'late'), 'Call-ID': 'late' };
    // The 487 may have been sent again before its ACK came.
    const next = async (): Promise<number> => {
      for (;;) {
        const response = await udp.next();
        if (header(response, 'Call-ID') === 'late') return response.status;
      }
    };
    await udp.send(rawRequest(udp, 'INVITE', late));
    expect(await next()).toBe(180);
    handles[1]?.respond(responseTo(handles[1].request, 200, { toTag: 'us' }));
    expect(await next()).toBe(200);
    await udp.send(rawRequest(udp, 'CANCEL', late));
    expect(await next()).toBe(200);
    expect(canceled).toEqual(['cancel-me']);
  });

  it('gives the requests of a call to its owner until it is let go', async () => {
    const { udp, endpoint, requests } = await setUp();
    const seen: string[] = [];
    const disown = endpoint.own('owned', {
      request: (handle) => {
        seen.push(handle.request.method);
        handle.respond(responseTo(handle.request, 200));
      },
      ack: (ack: SipRequest) => seen.push(ack.method),
    });
    for (const method of ['ACK', 'BYE'])
      await udp.send(rawRequest(udp, method, { 'Call-ID': 'owned', To: '<sip:us@a>;tag=1' }));
    expect((await udp.next()).status).toBe(200);
    expect([seen, requests.length]).toEqual([['ACK', 'BYE'], 0]);
    disown();
    await udp.send(rawRequest(udp, 'BYE', { 'Call-ID': 'owned', To: '<sip:us@a>;tag=1' }));
    expect((await udp.next()).status).toBe(481);
  });

  it('a bug in who answers becomes a fault and a 500, and holds nothing', async () => {
    const bug = new Error('a bug');
    const { udp, faults, endpoint } = await setUp(() => {
      throw bug;
    });
    await udp.send(rawRequest(udp, 'OPTIONS'));
    expect((await udp.next()).status).toBe(500);
    expect(faults).toEqual([bug]);
    await eventually(() => expect(endpoint.held.servers).toBe(0));
  });

  it('closes a stream that cannot be followed, and answers pings', async () => {
    const { tcp, endpoint } = await setUp();
    const pinging = await tcpPeer(endpoint.port);
    closing.push(pinging.close);
    await tcp.send('INVITE sip:a SIP/2.0\r\nNo: length\r\n\r\n');
    await eventually(() => expect(tcp.closed()).toBe(true));
    await pinging.send('\r\n\r\n');
    await pinging.send(rawRequest(pinging, 'OPTIONS', {}, { transport: 'TCP' }));
    expect((await pinging.next()).status).toBe(200);
    expect(pinging.closed()).toBe(false);
  });

  it('lets go of a peer that sends and never reads', async () => {
    const { endpoint, faults } = await setUp();
    const deaf = connect(endpoint.port, '127.0.0.1');
    closing.push(async () => {
      deaf.destroy();
    });
    // A reset is one of the ways of being let go.
    deaf.on('error', () => {});
    deaf.pause();
    await once(deaf, 'connect');
    // Each answer repeats the 40 kB of its request: what the system buffers is full before 2,000 of them.
    const long = `"${'x'.repeat(40_000)}" <sip:raw@127.0.0.1>;tag=raw`;
    for (let i = 0; i < 2000 && !deaf.closed; i++) {
      const bytes = rawRequest({ port: 5060 }, 'OPTIONS', { From: long }, { transport: 'TCP' });
      await new Promise((resolve) => deaf.write(bytes, resolve));
    }
    await eventually(() => expect(deaf.closed).toBe(true));
    expect(faults).toEqual([]);
  });

  it('close() ends at once, with one connection in use and one being opened', async () => {
    const { endpoint, tcp } = await setUp();
    await tcp.send(rawRequest(tcp, 'OPTIONS', {}, { transport: 'TCP' }));
    await tcp.next();
    // Refused by the system or ended by close(): either way the promise has to end.
    const sending = endpoint
      .transmit(
        { kind: 'request', method: 'OPTIONS', uri: 'sip:a', headers: [], body: '' },
        { transport: 'tcp', address: '127.0.0.1', port: 1 },
      )
      .then(
        () => 'sent',
        () => 'refused',
      );
    await endpoint.close();
    expect(await sending).toBe('refused');
    await eventually(() => expect(tcp.closed()).toBe(true));
    expect(endpoint.held).toEqual({ clients: 0, servers: 0, dialogs: 0 });
  });
});
