import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildRtpPacket } from '../../../src/media/rtp-packet.ts';
import { header, type SipRequest } from '../../../src/sip/message.ts';
import type { Json } from '../../support/app/client.ts';
import { type OnRequest, RawPeer } from '../../support/app/raw-peer.ts';
import { type Site, startSite } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';

const T1_MS = 50;
/** RFC 3261: 64 × T1, what a transaction waits for a peer that says nothing. */
const TRANSACTION_MS = 64 * T1_MS;
const NOTHING = { legs: 0, streams: 0, clients: 0, servers: 0, dialogs: 0 };

let site: Site;
let peer: RawPeer;
let behave: OnRequest;

beforeAll(async () => {
  peer = await RawPeer.start((request, raw) => behave(request, raw));
  site = await startSite({
    settings: { sip: { t1Ms: T1_MS }, calls: { ringTimeoutMs: 1000, setupTimeoutMs: 1000, lingerMs: 0 } },
    trunks: () => [{ id: 'raw', host: '127.0.0.1', port: peer.port, cli: '+442079460999' }],
  });
});

afterEach(() => {
  peer.requests.length = 0;
  peer.responses.length = 0;
});

afterAll(async () => {
  const faults = site.faults();
  await site.close();
  await peer.close();
  expect(faults).toEqual([]);
});

/** Nothing of any call is held any more: no leg, port, transaction, dialog or line. */
async function expectNothingHeld(): Promise<void> {
  await eventually(
    async () => {
      expect(site.engine.held()).toEqual(NOTHING);
      const { text } = await site.client.ask('GET', '/metrics');
      expect(/^voice_otp_active_calls (\d+)/m.exec(text)?.[1]).toBe('0');
    },
    { timeoutMs: 3 * TRANSACTION_MS },
  );
}

async function place(): Promise<{ verification: Json; invite: SipRequest }> {
  const verification = await site.client.start({ to: '+442079460200', codeLength: 4, repeat: 1 });
  const invite = await eventually(() => {
    const found = peer.requests.find(({ method }) => method === 'INVITE');
    if (found === undefined) throw new Error('no INVITE came');
    return found;
  });
  return { verification, invite };
}

/** A call that is answered and speaks. */
async function placeAnswered(): Promise<{ verification: Json; invite: SipRequest; rtpPort: number }> {
  behave = (request, raw) => {
    if (request.method === 'INVITE') raw.reply(request, 200);
    else if (request.method !== 'ACK') raw.reply(request, 200);
  };
  const before = peer.rtpPackets;
  const { verification, invite } = await place();
  await eventually(() => expect(peer.rtpPackets).toBeGreaterThan(before + 5));
  return { verification, invite, rtpPort: Number(/m=audio (\d+)/.exec(invite.body)?.[1]) };
}

const statuses = (): number[] => peer.responses.map(({ status }) => status);

describe('a peer that goes silent', () => {
  it('after a 180: CANCEL is sent until it is pointless, the call ends, and nothing is left', async () => {
    behave = (request, raw) => {
      if (request.method === 'INVITE') raw.reply(request, 180);
    };
    const { verification } = await place();
    const call = await site.client.ended(verification.callId);
    expect([call.disposition, call.blame]).toEqual(['no_answer', 'callee']);
    expect(peer.count('CANCEL')).toBeGreaterThan(3);
    await expectNothingHeld();
  });

  it('after a 100: the call ends as a timeout of the trunk, and nothing is left', async () => {
    behave = (request, raw) => {
      if (request.method === 'INVITE') raw.reply(request, 100);
    };
    const { verification } = await place();
    const call = await site.client.ended(verification.callId);
    expect([call.disposition, call.blame]).toEqual(['trunk_timeout', 'trunk']);
    await expectNothingHeld();
  });

  it('from the beginning: the call ends as a timeout of the trunk, and nothing is left', async () => {
    behave = () => undefined;
    const { verification } = await place();
    const call = await site.client.ended(verification.callId);
    expect([call.disposition, call.blame]).toEqual(['trunk_timeout', 'trunk']);
    await expectNothingHeld();
  });

  it('after the answer: the call ends at the time of our BYE', async () => {
    const { verification } = await placeAnswered();
    behave = () => undefined;
    const hungUpAt = Date.now();
    await site.client.ask('DELETE', `/v1/calls/${verification.callId}`);
    const call = await site.client.ended(verification.callId);
    expect(Date.now() - hungUpAt).toBeGreaterThan(TRANSACTION_MS * 0.9);
    expect(call.disposition).toBe('answered');
    expect(Date.parse(call.attempts[0]?.endedAt ?? '') - hungUpAt).toBeLessThan(500);
    expect(Date.parse(call.endedAt ?? '') - hungUpAt).toBeLessThan(500);
    expect(peer.count('BYE')).toBeGreaterThan(3);
    await expectNothingHeld();
  });
});

describe('a peer that talks nonsense in a call', () => {
  it('is answered as the RFC says, and the call goes on to its end', async () => {
    const { verification, invite } = await placeAnswered();
    const ask = async (method: string, change: Parameters<RawPeer['request']>[2], wanted: number) => {
      const before = peer.responses.length;
      peer.request(invite, method, change);
      await eventually(() => expect(statuses().slice(before)).toContain(wanted));
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
    await expectNothingHeld();
  });

  it('is heard out when it hangs up twice', async () => {
    const { verification, invite } = await placeAnswered();
    peer.request(invite, 'BYE', { cseq: 50, branch: 'bye' });
    peer.request(invite, 'BYE', { cseq: 50, branch: 'bye' });
    peer.request(invite, 'BYE', { cseq: 51 });
    const call = await site.client.ended(verification.callId);
    expect(call).toMatchObject({ disposition: 'answered', hungUpBy: 'callee' });
    await eventually(() => expect(statuses().filter((status) => status === 200 || status === 481)).toHaveLength(3));
    expect(peer.count('BYE')).toBe(0);
    await expectNothingHeld();
  });

  it('may send UPDATE before the answer', async () => {
    behave = (request, raw) => {
      if (request.method === 'INVITE') raw.reply(request, 180);
      else if (request.method !== 'ACK') raw.reply(request, 200);
    };
    const { verification, invite } = await place();
    await eventually(async () => expect((await site.client.call(verification.callId)).state).toBe('ringing'));
    peer.request(invite, 'UPDATE', { cseq: 1 });
    await eventually(() => expect(statuses()).toContain(200));
    peer.request(invite, 'UPDATE', { cseq: 2, body: peer.sdp });
    await eventually(() => expect(statuses()).toContain(491));
    peer.request(invite, 'BYE', { cseq: 3 });
    await eventually(() => expect(statuses()).toContain(481));
    peer.reply(invite, 486);
    expect((await site.client.ended(verification.callId)).disposition).toBe('busy');
    await expectNothingHeld();
  });

  it('cannot break a call by hanging up at the same moment as we do', async () => {
    const { verification, invite } = await placeAnswered();
    behave = (request, raw) => {
      if (request.method === 'BYE') raw.request(invite, 'BYE', { cseq: 99, branch: 'crossing' });
      if (request.method !== 'ACK') raw.reply(request, 200);
    };
    await Promise.all([
      ...Array.from({ length: 5 }, () => site.client.ask('DELETE', `/v1/calls/${verification.callId}`)),
      ...Array.from({ length: 5 }, () => site.client.ask('DELETE', `/v1/verifications/${verification.id}`)),
    ]);
    const call = await site.client.ended(verification.callId);
    expect(call.disposition).toBe('answered');
    expect(call.timeline.filter(({ type }) => type === 'ended')).toHaveLength(2);
    expect((await site.client.verification(verification.id)).status).toBe('canceled');
    await expectNothingHeld();
  });
});

describe('a flood', () => {
  it('of junk on the RTP and SIP ports does not disturb a call', async () => {
    const { verification, rtpPort } = await placeAnswered();
    const flood = setInterval(() => {
      for (let i = 0; i < 60; i++) {
        peer.rtp(randomBytes(1 + (i % 60) * 20), rtpPort);
        peer.rtp(randomBytes(40), rtpPort + 1);
        const header = { marker: false, payloadType: i % 128, sequence: i, timestamp: i, ssrc: i };
        peer.rtp(buildRtpPacket({ ...header, payload: randomBytes(160) }), rtpPort);
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
    await expectNothingHeld();
  });

  it('of 1,000 requests at once is answered in full, and every call that was taken ends', async () => {
    behave = (request, raw) => {
      if (request.method === 'INVITE') raw.reply(request, 486);
    };
    const answers = await Promise.all(
      Array.from({ length: 1000 }, () =>
        site.client.ask('POST', '/v1/verifications', { to: '+442079460486' }),
      ),
    );
    const taken = answers.filter(({ status }) => status === 201);
    expect(new Set(answers.map(({ status }) => status))).toContain(201);
    expect(answers.filter(({ status }) => status !== 201 && status !== 503)).toEqual([]);
    await eventually(
      async () => {
        const { body } = await site.client.ask<{ calls: unknown[] }>('GET', '/v1/calls?state=ended&limit=500');
        expect(body.calls.length).toBeGreaterThanOrEqual(Math.min(500, taken.length));
        for (const state of ['queued', 'dialing', 'ringing', 'answered']) {
          const open = await site.client.ask<{ calls: unknown[] }>('GET', `/v1/calls?state=${state}`);
          expect(open.body.calls).toEqual([]);
        }
      },
      { timeoutMs: 10_000, intervalMs: 100 },
    );
    const dialled = new Set(peer.requests.map((request) => header(request, 'Call-ID')));
    expect(dialled.size).toBe(taken.length);
    await expectNothingHeld();
  });
});
