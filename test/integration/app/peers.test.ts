import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildRtpPacket } from '../../../src/media/rtp-packet.ts';
import type { SipRequest } from '../../../src/sip/message.ts';
import type { Json } from '../../support/app/client.ts';
import { type OnRequest, RawPeer } from '../../support/app/raw-peer.ts';
import { type Site, startSite } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';

const T1_MS = 50;
/** RFC 3261: 64 × T1, what a transaction waits for a peer that says nothing. */
const TRANSACTION_MS = 64 * T1_MS;
const BUSY = '+442079460486';
const NOTHING = { legs: 0, streams: 0, clients: 0, servers: 0, dialogs: 0 };

let site: Site;
const peers: RawPeer[] = [];

beforeAll(async () => {
  site = await startSite({
    settings: {
      sip: { t1Ms: T1_MS },
      calls: { ringTimeoutMs: 1000, setupTimeoutMs: 1000, lingerMs: 0 },
      verification: { sipTargets: ['127.0.0.1'] },
    },
  });
});

afterAll(async () => {
  const faults = site.faults();
  await site.close();
  await Promise.all(peers.map((peer) => peer.close()));
  expect(faults).toEqual([]);
});

interface Placed {
  readonly peer: RawPeer;
  readonly verification: Json;
  readonly invite: SipRequest;
}

/** A call to a peer of its own. */
async function place(behave: OnRequest): Promise<Placed> {
  const peer = await RawPeer.start(behave);
  peers.push(peer);
  const to = `sip:raw@127.0.0.1:${peer.port}`;
  const verification = await site.client.start({ to, codeLength: 4, repeat: 1 });
  const invite = await eventually(() => {
    const found = peer.requests.find(({ method }) => method === 'INVITE');
    if (found === undefined) throw new Error('no INVITE came');
    return found;
  });
  return { peer, verification, invite };
}

/** A call that is answered and speaks. */
async function placeAnswered(
  behave: OnRequest = (request, raw) => raw.reply(request, 200),
): Promise<Placed & { readonly rtpPort: number }> {
  const placed = await place((request, raw) => {
    if (request.method === 'INVITE') raw.reply(request, 200);
    else if (request.method !== 'ACK') behave(request, raw);
  });
  await eventually(() => expect(placed.peer.rtpPackets).toBeGreaterThan(5));
  return { ...placed, rtpPort: Number(/m=audio (\d+)/.exec(placed.invite.body)?.[1]) };
}

/** Answers an INVITE with a provisional response, and nothing else. */
const only =
  (status: number): OnRequest =>
  (request, raw) => {
    if (request.method === 'INVITE') raw.reply(request, status);
  };

const statuses = (peer: RawPeer): number[] => peer.responses.map(({ status }) => status);

describe.concurrent('a peer that goes silent', () => {
  it('after a 180: CANCEL is sent until it is pointless, the call ends', async () => {
    const { peer, verification } = await place(only(180));
    const call = await site.client.ended(verification.callId);
    expect([call.disposition, call.blame]).toEqual(['no_answer', 'callee']);
    expect(peer.count('CANCEL')).toBeGreaterThan(3);
  });

  it('after a 100: the call ends as a timeout of the trunk', async () => {
    const { verification } = await place(only(100));
    const call = await site.client.ended(verification.callId);
    expect([call.disposition, call.blame]).toEqual(['trunk_timeout', 'trunk']);
  });

  it('from the beginning: the call ends as a timeout of the trunk', async () => {
    const { verification } = await place(() => undefined);
    const call = await site.client.ended(verification.callId);
    expect([call.disposition, call.blame]).toEqual(['trunk_timeout', 'trunk']);
  });

  it('after the answer: the call ends at the time of our BYE', async () => {
    const { peer, verification } = await placeAnswered(() => undefined);
    const hungUpAt = Date.now();
    await site.client.ask('DELETE', `/v1/calls/${verification.callId}`);
    const call = await site.client.ended(verification.callId);
    expect(Date.now() - hungUpAt).toBeGreaterThan(TRANSACTION_MS * 0.9);
    expect(call.disposition).toBe('answered');
    expect(Date.parse(call.attempts[0]?.endedAt ?? '') - hungUpAt).toBeLessThan(500);
    expect(Date.parse(call.endedAt ?? '') - hungUpAt).toBeLessThan(500);
    expect(peer.count('BYE')).toBeGreaterThan(3);
  });
});

describe.concurrent('a peer that talks nonsense in a call', () => {
  it('is answered as the RFC says, and the call goes on to its end', async () => {
    const { peer, verification, invite } = await placeAnswered();
    const ask = async (method: string, change: Parameters<RawPeer['request']>[2], wanted: number) => {
      const before = peer.responses.length;
      peer.request(invite, method, change);
      await eventually(() => expect(statuses(peer).slice(before)).toContain(wanted));
    };
    await ask('BYE', { fromTag: 'other' }, 481);
    await ask('BYE', { toTag: 'other' }, 481);
    await ask('INFO', { cseq: 1000 }, 200);
    await ask('BYE', { cseq: 999 }, 500);
    await ask('INVITE', { cseq: 1001, body: 'v=0\r\nnonsense' }, 488);
    await ask('INVITE', { cseq: 1002, body: 'm=audio 9 RTP/AVP 99\r\n' }, 488);
    await ask('UPDATE', { cseq: 1003, body: '\0\0\0' }, 488);
    await ask('NOTIFY', { cseq: 1004 }, 405);
    await ask('PRACK', { cseq: 1005 }, 481);
    await ask('CANCEL', { cseq: 1006, branch: 'nobody' }, 481);
    for (let i = 0; i < 500; i++) peer.request(invite, 'ACK', { cseq: 2000 + i });
    for (let i = 0; i < 500; i++) peer.request(invite, 'ACK', { fromTag: `t${i}`, toTag: 'x' });
    expect((await site.client.call(verification.callId)).state).toBe('answered');
    const call = await site.client.ended(verification.callId);
    expect(call).toMatchObject({ disposition: 'answered', hungUpBy: 'us', promptFinished: true });
  });

  it('is heard out when it hangs up twice', async () => {
    const { peer, verification, invite } = await placeAnswered();
    peer.request(invite, 'BYE', { cseq: 50, branch: 'bye' });
    peer.request(invite, 'BYE', { cseq: 50, branch: 'bye' });
    peer.request(invite, 'BYE', { cseq: 51 });
    const call = await site.client.ended(verification.callId);
    expect(call).toMatchObject({ disposition: 'answered', hungUpBy: 'callee' });
    await eventually(() =>
      expect(statuses(peer).filter((status) => status === 200 || status === 481)).toHaveLength(3),
    );
    expect(peer.count('BYE')).toBe(0);
  });

  it('may send UPDATE before the answer', async () => {
    const { peer, verification, invite } = await place(only(180));
    await eventually(async () => expect((await site.client.call(verification.callId)).state).toBe('ringing'));
    peer.request(invite, 'UPDATE', { cseq: 1 });
    await eventually(() => expect(statuses(peer)).toContain(200));
    peer.request(invite, 'UPDATE', { cseq: 2, body: peer.sdp });
    await eventually(() => expect(statuses(peer)).toContain(491));
    peer.request(invite, 'BYE', { cseq: 3 });
    await eventually(() => expect(statuses(peer)).toContain(481));
    peer.reply(invite, 486);
    expect((await site.client.ended(verification.callId)).disposition).toBe('busy');
  });

  it('cannot break a call by hanging up at the same moment as we do', async () => {
    const { verification } = await placeAnswered((request, raw) => {
      const invite = raw.requests[0] as SipRequest;
      if (request.method === 'BYE') raw.request(invite, 'BYE', { cseq: 99, branch: 'crossing' });
      raw.reply(request, 200);
    });
    await Promise.all([
      ...Array.from({ length: 5 }, () => site.client.ask('DELETE', `/v1/calls/${verification.callId}`)),
      ...Array.from({ length: 5 }, () => site.client.ask('DELETE', `/v1/verifications/${verification.id}`)),
    ]);
    const call = await site.client.ended(verification.callId);
    expect(call.disposition).toBe('answered');
    expect(call.timeline.filter(({ type }) => type === 'ended')).toHaveLength(2);
    expect((await site.client.verification(verification.id)).status).toBe('canceled');
  });
});

describe('a flood', () => {
  it('of junk on the RTP and SIP ports does not disturb a call', async () => {
    const { peer, verification, rtpPort } = await placeAnswered();
    const flood = setInterval(() => {
      for (let i = 0; i < 60; i++) {
        peer.rtp(randomBytes(1 + (i % 60) * 20), rtpPort);
        peer.rtp(randomBytes(40), rtpPort + 1);
        const fields = { marker: false, payloadType: i % 128, sequence: i, timestamp: i, ssrc: i };
        peer.rtp(buildRtpPacket({ ...fields, payload: randomBytes(160) }), rtpPort);
        peer.raw(i % 2 === 0 ? randomBytes(100) : Buffer.from('INVITE sip:x SIP/2.0\r\nVia: \r\n\r\n'));
      }
    }, 10);
    try {
      const call = await site.client.ended(verification.callId);
      expect(call).toMatchObject({ disposition: 'answered', hungUpBy: 'us', promptFinished: true });
      // 4 digits, four pauses and two short phrases are about six seconds, flood or not.
      expect(call.durations.talkMs).toBeLessThan(8000);
    } finally {
      clearInterval(flood);
    }
  });

  it('of 1,000 requests at once is answered in full, and every call that was taken ends', async () => {
    const answers = await Promise.all(
      Array.from({ length: 1000 }, () => site.client.ask('POST', '/v1/verifications', { to: BUSY })),
    );
    const taken = answers.filter(({ status }) => status === 201);
    expect(new Set(answers.map(({ status }) => status))).toContain(201);
    expect(answers.filter(({ status }) => status !== 201 && status !== 503)).toEqual([]);
    await eventually(
      async () => {
        const { body } = await site.client.ask<{ calls: unknown[] }>(
          'GET',
          '/v1/calls?state=ended&limit=500',
        );
        expect(body.calls.length).toBe(500);
        for (const state of ['queued', 'dialing', 'ringing', 'answered']) {
          const open = await site.client.ask<{ calls: unknown[] }>('GET', `/v1/calls?state=${state}`);
          expect(open.body.calls).toEqual([]);
        }
      },
      { timeoutMs: 10_000, intervalMs: 100 },
    );
    expect(taken.length).toBeGreaterThanOrEqual(500);
    expect(site.carrier.calls.filter(({ number }) => number === BUSY)).toHaveLength(taken.length);
  });
});

describe('after all that', () => {
  it('nothing is held any more: no leg, port, transaction, dialog or line', async () => {
    await eventually(
      async () => {
        expect(site.engine.held()).toEqual(NOTHING);
        const { text } = await site.client.ask('GET', '/metrics');
        expect(/^voice_otp_active_calls (\d+)/m.exec(text)?.[1]).toBe('0');
      },
      { timeoutMs: 3 * TRANSACTION_MS },
    );
  });
});
