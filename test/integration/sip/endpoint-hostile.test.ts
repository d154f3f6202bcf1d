import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cutFrames } from '../../../src/sip/stream-framing.ts';
import { eventually } from '../../support/eventually.ts';
import { type AnsweringEndpoint, startAnswering } from '../../support/sip/answering-endpoint.ts';
import { mutate } from '../../support/sip/mutate.ts';
import { type RawPeer, rawRequest, tcpPeer, udpPeer } from '../../support/sip/raw-peer.ts';
import { SAMPLES } from '../../support/sip/sample-messages.ts';
import { seededRandom } from '../../support/sip/seeded-random.ts';
import { INVALID } from '../../support/sip/torture-invalid.ts';
import { SEMANTICS } from '../../support/sip/torture-semantics.ts';
import { VALID } from '../../support/sip/torture-valid.ts';

const SEED = 4475;
const TORTURE = [VALID, INVALID, SEMANTICS].flatMap((table) => Object.values(table));
const CORPUS = [...TORTURE, ...Object.values(SAMPLES)];
/** A UDP datagram over IPv4 carries no more. */
const MAX_DATAGRAM = 65_507;

const uncaught: unknown[] = [];
const note = (error: unknown) => uncaught.push(error);
let us: AnsweringEndpoint;

beforeAll(async () => {
  process.on('uncaughtException', note);
  process.on('unhandledRejection', note);
  us = await startAnswering();
});

afterAll(async () => {
  await us.endpoint.close();
  process.off('uncaughtException', note);
  process.off('unhandledRejection', note);
});

/** Valid calls go on, nothing was thrown, nothing is held. */
async function expectUnharmed(): Promise<void> {
  for (const [open, transport] of [
    [udpPeer, 'UDP'],
    [tcpPeer, 'TCP'],
  ] as const) {
    const peer = await open(us.endpoint.port);
    await peer.send(rawRequest(peer, 'OPTIONS', {}, { transport }));
    expect((await peer.next()).status).toBe(200);
    await peer.close();
  }
  expect([uncaught, us.faults]).toEqual([[], []]);
  await eventually(() => expect(us.endpoint.held).toEqual({ clients: 0, servers: 0, dialogs: 0 }));
}

/** Waits until the endpoint has read all that was sent to it: it answers an OPTIONS behind it. */
async function drained(peer: RawPeer): Promise<void> {
  const before = peer.responses.length;
  await peer.send(rawRequest(peer, 'OPTIONS'));
  await eventually(() => expect(peer.responses.length).toBeGreaterThan(before), { intervalMs: 1 });
}

async function sendDatagrams(datagrams: Iterable<Buffer>): Promise<number> {
  const peer = await udpPeer(us.endpoint.port);
  let sent = 0;
  for (const datagram of datagrams) {
    await peer.send(datagram.subarray(0, MAX_DATAGRAM));
    // Not faster than they are read, so that none is lost in a full buffer.
    if (++sent % 50 === 0) await drained(peer);
  }
  await drained(peer);
  const answered = peer.responses.length;
  await peer.close();
  return answered;
}

/** Sends each piece over a connection that is opened again whenever the endpoint has closed it. */
async function sendStreams(pieces: Iterable<Buffer>): Promise<number> {
  let connections = 0;
  let peer: RawPeer | undefined;
  for (const piece of pieces) {
    if (peer === undefined || peer.closed()) {
      await peer?.close();
      peer = await tcpPeer(us.endpoint.port);
      connections++;
    }
    const half = piece.length >> 1;
    await peer.send(piece.subarray(0, half));
    await peer.send(piece.subarray(half));
    // One that waits for the rest of a body would swallow all that follows.
    const { broken, rest } = cutFrames(piece);
    if (broken || rest.length > 0) {
      await peer.close();
      peer = undefined;
    }
  }
  await peer?.close();
  return connections;
}

function* mutations(seed: number, count: number): Generator<Buffer> {
  const random = seededRandom(seed);
  for (let i = 0; i < count; i++) yield mutate(random, CORPUS);
}

describe(`SipEndpoint under attack (seed ${SEED})`, () => {
  it('the messages of RFC 4475 over UDP', async () => {
    await sendDatagrams(TORTURE);
    await expectUnharmed();
  });

  it('the messages of RFC 4475 over TCP', async () => {
    await sendStreams(TORTURE);
    await expectUnharmed();
  });

  it('4,000 mutations over UDP', async () => {
    expect(await sendDatagrams(mutations(SEED, 4000))).toBeGreaterThan(100);
    await expectUnharmed();
  });

  it('2,000 mutations over TCP', async () => {
    expect(await sendStreams(mutations(SEED + 1, 2000))).toBeGreaterThan(100);
    await expectUnharmed();
  });

  it('random bytes over both', async () => {
    const random = seededRandom(SEED + 2);
    const noise = Array.from({ length: 300 }, (_, i) =>
      Buffer.from(Array.from({ length: i * 4 }, () => Math.floor(random() * 256))),
    );
    await sendDatagrams(noise);
    await sendStreams(noise);
    await expectUnharmed();
  });

  it('the largest datagrams: each hostile repetition at 64 kB', async () => {
    const fill = (head: string, filler: string, end = '\r\n\r\n') =>
      Buffer.from(head + filler.repeat((65_000 - head.length) / filler.length) + end);
    await sendDatagrams([
      fill('OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a', ' ', 'b\r\n\r\n'),
      fill('OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP ', ' ', 'a\rx\r\n\r\n'),
      fill('SIP/2.0 200', ' ', '\rx\r\n\r\n'),
      fill('OPTIONS sip:a SIP/2.0\r\nTo: ', '"\\'),
      fill('OPTIONS sip:a SIP/2.0\r\nVia: ', ';,'),
      fill('OPTIONS sip:a SIP/2.0\r\n', 'v: ,\r\n'),
      fill('OPTIONS sip:a SIP/2.0\r\nCSeq: ', '9'),
      fill('OPTIONS ', ' '),
      fill('', '\r\n'),
    ]);
    await expectUnharmed();
  });
});
