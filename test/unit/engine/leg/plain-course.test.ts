import { describe, expect, it } from 'vitest';
import type { PlainAnswer, PlainRequest } from '../../../../src/engine/engine.ts';
import { carryPlain, type PlainResult, type PlainTry } from '../../../../src/engine/leg/plain-course.ts';
import { RegistrationSeries } from '../../../../src/engine/leg/request-series.ts';
import type { SipHeader } from '../../../../src/sip/message.ts';

const REQUEST: PlainRequest = {
  method: 'REGISTER',
  requestUri: 'sip:carrier.example',
  to: 'sip:us@carrier.example',
  from: 'sip:us@carrier.example',
  nextHop: { host: 'carrier.example', transport: 'udp' },
  expiresSeconds: 600,
};

const SILENCE: PlainResult = { kind: 'no_response' };
const REFUSED: PlainResult = { kind: 'unreachable', detail: 'ECONNREFUSED' };
const contact = 'sip:voice-otp@192.0.2.7';

function says(status: number, ...headers: SipHeader[]): PlainResult {
  return {
    kind: 'response',
    response: { kind: 'response', status, reason: 'Why', headers, body: '' },
    contact,
  };
}

/** Sends to so many peers, each of which has one result for each time that it is asked. */
async function carried(
  results: readonly PlainResult[],
  options: { peers?: number; signal?: AbortSignal } = {},
): Promise<{ answer: PlainAnswer; tries: readonly PlainTry[] }> {
  const { peers = 3, signal = new AbortController().signal } = options;
  const addresses = Array.from({ length: peers }, (_, i) => `192.0.2.${i + 1}`);
  const tries: PlainTry[] = [];
  const answer = await carryPlain(
    REQUEST,
    addresses.map((address) => ({ transport: 'udp', address, port: 5060 })),
    async (attempt) => {
      tries.push(attempt);
      return results[tries.length - 1] ?? SILENCE;
    },
    signal,
  );
  return { answer, tries };
}

const statusOf = (answer: PlainAnswer): unknown =>
  answer.kind === 'response' ? answer.sip.status : answer.kind;

describe('carryPlain', () => {
  it.each([
    ['silence', SILENCE],
    ['a refused connection', REFUSED],
    ['503', says(503)],
  ])('goes on to the next address after %s', async (_case, first) => {
    const { answer, tries } = await carried([first, says(200)]);
    expect(statusOf(answer)).toBe(200);
    expect(tries.map(({ peer }) => peer.address)).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  it.each([404, 500, 603])('has its answer with %i', async (status) => {
    const { answer, tries } = await carried([says(status)]);
    expect(statusOf(answer)).toBe(status);
    expect(tries).toHaveLength(1);
  });

  it('says what the last address did where none is left', async () => {
    expect((await carried([SILENCE, REFUSED, says(503)])).answer).toEqual({
      kind: 'response',
      sip: { status: 503, reason: 'Why' },
    });
    expect((await carried([says(503), SILENCE, REFUSED])).answer).toEqual(REFUSED);
  });

  it('does not wander from address to address without an end', async () => {
    const { answer, tries } = await carried([], { peers: 40 });
    expect(answer).toEqual(SILENCE);
    expect(tries).toHaveLength(5);
  });

  it('is over with a fault of our own', async () => {
    const { answer, tries } = await carried([{ kind: 'failed', detail: 'the server is away' }]);
    expect(answer).toEqual({ kind: 'failed', detail: 'the server is away' });
    expect(tries).toHaveLength(1);
  });

  it('is over when nobody wants to wait any longer', async () => {
    const { answer, tries } = await carried([SILENCE, says(200)], { signal: AbortSignal.abort() });
    expect(answer).toEqual(SILENCE);
    expect(tries).toHaveLength(1);
  });

  it('has nowhere to go without an address', async () => {
    expect((await carried([], { peers: 0 })).answer).toEqual({
      kind: 'unreachable',
      detail: 'no address for carrier.example',
    });
  });

  it('asks for what a 423 wants, once, and for no less than before', async () => {
    const brief = (seconds: number) => says(423, ['Min-Expires', String(seconds)]);
    const asked = ({ tries }: { tries: readonly PlainTry[] }) => tries.map((one) => one.expiresSeconds);
    expect(asked(await carried([brief(900), says(200)]))).toEqual([600, 900]);
    expect(asked(await carried([brief(900), brief(1800), says(200)]))).toEqual([600, 900]);
    expect(asked(await carried([brief(600)]))).toEqual([600]);
    expect(asked(await carried([says(423)]))).toEqual([600]);
  });

  it('tells when a registrar wants to be asked again', async () => {
    const { answer } = await carried([says(500, ['Retry-After', '90'])]);
    expect(answer).toMatchObject({ sip: { status: 500, retryAfterSeconds: 90 } });
  });

  it('tells for how long a contact is kept only where it is', async () => {
    const kept: SipHeader = ['Contact', `<${contact}>;expires=120`];
    expect((await carried([says(200, kept)])).answer).toHaveProperty('expiresSeconds', 120);
    expect((await carried([says(403, kept)])).answer).not.toHaveProperty('expiresSeconds');
  });
});

describe('RegistrationSeries', () => {
  it('goes on for the same address at the same registrar, and begins anew for any other', () => {
    const all = new RegistrationSeries();
    const first = all.of(REQUEST);
    expect([first.next(), first.next(), all.of({ ...REQUEST, expiresSeconds: 0 }).next()]).toEqual([1, 2, 3]);
    const others = [
      all.of({ ...REQUEST, to: 'sip:them@carrier.example' }),
      all.of({ ...REQUEST, requestUri: 'sip:another.example' }),
      all.of(REQUEST, 'another server'),
      all.of({ ...REQUEST, method: 'OPTIONS' }),
      all.of({ ...REQUEST, method: 'OPTIONS' }),
    ];
    expect(new Set([first, ...others].map(({ callId }) => callId)).size).toBe(6);
    expect(others.map((one) => one.next())).toEqual([1, 1, 1, 1, 1]);
  });
});
