import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { speechMs } from '../../../src/media/speech.ts';
import { eventually } from '../../support/eventually.ts';
import type { ScriptedLeg } from './scripted-engine.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let service: Service;
beforeEach(async () => {
  service = await startService();
});
afterEach(() => service.close());

async function start(to = '+4930123456'): Promise<{ id: string; callId: string; leg: ScriptedLeg }> {
  const before = service.engine.legs.length;
  const reply = await service.api.inject({ method: 'POST', url: '/v1/verifications', payload: { to } });
  const { id, callId } = reply.json<{ id: string; callId: string }>();
  const leg = await eventually(() => {
    const found = service.engine.legs[before];
    expect(found).toBeDefined();
    return found as ScriptedLeg;
  });
  return { id, callId, leg };
}

async function get(url: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const reply = await service.api.inject(url);
  return { status: reply.statusCode, body: reply.json<Record<string, unknown>>() };
}

async function ended(callId: string): Promise<Record<string, unknown>> {
  return eventually(async () => {
    const { body } = await get(`/v1/calls/${callId}`);
    expect(body['state']).toBe('ended');
    return body;
  });
}

describe('GET /v1/calls/:id', () => {
  it('tells all about a call that was answered', async () => {
    const { id, callId, leg } = await start();
    leg.ring().answer().press('7').finishPrompt();
    const call = await ended(callId);
    expect(call).toEqual({
      id: callId,
      verificationId: id,
      to: '+4930123456',
      reference: null,
      carrierId: null,
      prompt: {
        locale: 'en-US',
        voices: ['recorded en-US/slt'],
        fallback: 'none',
        durationMs: speechMs(leg.leg.prompt ?? expect.unreachable('nothing to say')),
        synthesised: 0,
        fetched: 0,
        preparedMs: expect.any(Number),
      },
      state: 'ended',
      disposition: 'answered',
      blame: 'none',
      sipStatus: null,
      sipReason: null,
      q850: null,
      hungUpBy: 'us',
      promptFinished: true,
      durations: { pddMs: expect.any(Number), ringMs: expect.any(Number), talkMs: expect.any(Number) },
      createdAt: expect.stringMatching(ISO),
      endedAt: expect.stringMatching(ISO),
      attempts: [
        {
          trunkId: 'carrier',
          channel: 'voice',
          cli: '+493098765432',
          startedAt: expect.stringMatching(ISO),
          ringingAt: expect.stringMatching(ISO),
          earlyMediaAt: null,
          answeredAt: expect.stringMatching(ISO),
          endedAt: expect.stringMatching(ISO),
          codec: 'PCMU',
          sipStatus: null,
          sipReason: null,
          q850: null,
          redress: null,
          disposition: 'answered',
          blame: 'none',
          hungUpBy: 'us',
          promptFinished: true,
          billable: true,
          delivered: { characters: 0, codes: 0, keys: 1, falseAnswer: false },
          answeredBy: null,
          media: { packetsSent: 50, packetsReceived: 40, jitterMs: 1.5, promptSentMs: 1000 },
        },
      ],
      timeline: expect.any(Array),
    });
    const timeline = call['timeline'] as { index: number; type: string; attempt: number }[];
    expect(timeline.map(({ type, attempt }) => `${type} ${attempt}`)).toEqual([
      'queued 0',
      'prepared 0',
      'trying 1',
      'ringing 1',
      'answered 1',
      'dtmf 1',
      'prompt_finished 1',
      'ended 1',
      'ended 0',
    ]);
    expect(timeline.map(({ index }) => index)).toEqual([...timeline.keys()]);
    expect(JSON.stringify(call)).not.toMatch(/leftover|clientId|sealed/i);
  });

  it('tells the SIP result of one that was refused', async () => {
    const { callId, leg } = await start();
    leg.end({ kind: 'rejected', sip: { status: 486, reason: 'Busy Here', q850: 17 } });
    expect(await ended(callId)).toMatchObject({
      disposition: 'busy',
      blame: 'callee',
      sipStatus: 486,
      sipReason: 'Busy Here',
      q850: 17,
      hungUpBy: null,
      durations: { pddMs: null, ringMs: null, talkMs: null },
      attempts: [{ media: null, codec: null }],
    });
  });

  it('tells whom to ask for redress after a block', async () => {
    const { callId, leg } = await start();
    const redressUri = 'https://block.example/complaint';
    leg.end({ kind: 'rejected', sip: { status: 608, reason: 'Rejected', redressUri } });
    expect(await ended(callId)).toMatchObject({
      disposition: 'blocked',
      attempts: [{ sipStatus: 608, redress: redressUri }],
    });
  });

  it('knows what happens while it happens, before the store does', async () => {
    const { callId, leg } = await start();
    leg.ring().answer().press('1');
    await eventually(async () => {
      const { body } = await get(`/v1/calls/${callId}`);
      expect(body['state']).toBe('answered');
      expect(JSON.stringify(body['timeline'])).toContain('dtmf');
    });
  });

  it('fails the verification of a call that nobody answered', async () => {
    const { id, callId, leg } = await start();
    leg.ring().end({ kind: 'ring_timeout' });
    await ended(callId);
    expect((await get(`/v1/verifications/${id}`)).body).toMatchObject({ status: 'failed' });
  });

  it.each([
    ['call_nowhere', 404],
    ['ver_nowhere', 400],
    ['call_..', 400],
  ])('%s: %i', async (id, status) => {
    expect((await get(`/v1/calls/${id}`)).status).toBe(status);
    expect((await get(`/v1/calls/${id}/events`)).status).toBe(status);
    expect((await service.api.inject({ method: 'DELETE', url: `/v1/calls/${id}` })).statusCode).toBe(status);
  });
});

describe('GET /v1/calls', () => {
  it('pages through all calls, newest first', async () => {
    const started: string[] = [];
    for (let n = 0; n < 5; n++) {
      started.unshift((await start(`+49301234${50 + n}`)).callId);
    }
    const seen: string[] = [];
    let next: unknown = undefined;
    do {
      const { status, body } = await get(
        `/v1/calls?limit=2${typeof next === 'string' ? `&after=${next}` : ''}`,
      );
      expect(status).toBe(200);
      seen.push(...(body['calls'] as { id: string }[]).map(({ id }) => id));
      next = body['next'];
    } while (next !== null);
    expect(seen).toEqual(started);
  });

  it('filters by state and verification, and shows no timelines', async () => {
    const first = await start();
    const second = await start();
    first.leg.end({ kind: 'rejected', sip: { status: 404, reason: 'Not Found' } });
    await ended(first.callId);
    const ofState = (await get('/v1/calls?state=ended')).body['calls'] as Record<string, unknown>[];
    expect(ofState).toMatchObject([{ id: first.callId, disposition: 'invalid_number', attempts: 1 }]);
    expect(ofState[0]).not.toHaveProperty('timeline');
    const ofVerification = await get(`/v1/calls?verificationId=${second.id}`);
    expect(ofVerification.body).toMatchObject({ calls: [{ id: second.callId }], next: null });
  });

  it.each([
    ['limit=0', /^query\.limit: /],
    ['limit=501', /^query\.limit: /],
    ['limit=ten', /^query\.limit: /],
    ['limit=1&limit=2', /^query\.limit: /],
    ['state=asleep', /^query\.state: /],
    ['after=x', /^query\.after: /],
    ['clientId=shop', /^query: has a key that is not known: clientId/],
    ['__proto__=1', /^query: has a key that is not known/],
  ])('refuses ?%s', async (query, message) => {
    const { status, body } = await get(`/v1/calls?${query}`);
    expect(status).toBe(400);
    expect(body).toMatchObject({
      error: { code: 'invalid_request', message: expect.stringMatching(message) },
    });
  });
});

describe('DELETE /v1/calls/:id', () => {
  it('hangs up a call that rings', async () => {
    const { callId, leg } = await start();
    leg.ring();
    const reply = await service.api.inject({ method: 'DELETE', url: `/v1/calls/${callId}` });
    expect(reply.statusCode).toBe(202);
    expect(reply.json()).toMatchObject({ id: callId });
    expect(await ended(callId)).toMatchObject({ disposition: 'canceled', blame: 'none' });
  });

  it('hangs up a call that was answered, and the code stays valid', async () => {
    const { id, callId, leg } = await start();
    leg.ring().answer();
    await eventually(async () => expect((await get(`/v1/calls/${callId}`)).body['state']).toBe('answered'));
    await service.api.inject({ method: 'DELETE', url: `/v1/calls/${callId}` });
    expect(await ended(callId)).toMatchObject({
      disposition: 'answered',
      hungUpBy: 'us',
      promptFinished: false,
    });
    expect((await get(`/v1/verifications/${id}`)).body).toMatchObject({ status: 'pending' });
  });

  it('answers 200 for one that has ended', async () => {
    const { callId, leg } = await start();
    leg.end({ kind: 'setup_timeout' });
    await ended(callId);
    const reply = await service.api.inject({ method: 'DELETE', url: `/v1/calls/${callId}` });
    expect(reply.statusCode).toBe(200);
    expect(reply.json()).toMatchObject({ disposition: 'trunk_timeout' });
  });
});
