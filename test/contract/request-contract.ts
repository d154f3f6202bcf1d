import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PlainAnswer, PlainRequest } from '../../src/engine/engine.ts';
import type { LabCarrier } from '../../src/lab/carrier.ts';
import { Secret } from '../../src/secret.ts';
import { parseCSeq } from '../../src/sip/header.ts';
import { header, parseMessage, type SipRequest } from '../../src/sip/message.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/free-ports.ts';
import { LAB_CREDENTIALS, startCarrier } from '../support/lab.ts';
import type { EngineUnderTest } from './engine-contract.ts';

/** What every engine does with requests outside of calls; each adapter has one visible file that runs this. */
export function requestContract(start: () => Promise<EngineUnderTest>): void {
  let under: EngineUnderTest;
  let carrier: LabCarrier;
  let faults: unknown[];
  /** What reached the carrier in a test, retransmissions aside. */
  let seen: SipRequest[];
  let serial = 0;
  let aor: string;

  const ask = (change: Partial<PlainRequest> = {}, signal = new AbortController().signal) => {
    const trunk = `sip:127.0.0.1:${carrier.port}`;
    return under.engine.request(
      {
        method: 'OPTIONS',
        requestUri: trunk,
        to: trunk,
        from: 'sip:voice-otp@127.0.0.1',
        nextHop: { host: '127.0.0.1', port: carrier.port, transport: 'udp' },
        ...change,
      },
      signal,
    );
  };
  /** A REGISTER of this test's own account. */
  const registration = (): PlainRequest => ({
    method: 'REGISTER',
    requestUri: `sip:127.0.0.1:${carrier.port}`,
    to: aor,
    from: aor,
    nextHop: { host: '127.0.0.1', port: carrier.port, transport: 'udp' },
    credentials: LAB_CREDENTIALS,
    expiresSeconds: 600,
  });
  const register = (change: Partial<PlainRequest> = {}): Promise<PlainAnswer> =>
    ask({ ...registration(), ...change });
  const bound = () => carrier.registrar.bindings.filter((binding) => binding.aor === aor);
  const statusOf = (answer: PlainAnswer): unknown =>
    answer.kind === 'response' ? answer.sip.status : answer;
  const cseqs = (): (number | undefined)[] => seen.map((one) => parseCSeq(header(one, 'CSeq'))?.number);

  beforeAll(async () => {
    under = await start();
    ({ carrier, faults } = await startCarrier({
      t1Ms: 100,
      onWire: ({ direction, text }) => {
        const message = parseMessage(Buffer.from(text));
        if (direction !== 'in' || message.kind !== 'request') return;
        const via = header(message, 'Via');
        if (seen.every((one) => header(one, 'Via') !== via)) seen.push(message);
      },
    }));
  });
  beforeEach(() => {
    seen = [];
    aor = `sip:account-${serial++}@127.0.0.1`;
    carrier.optionsAnswer = 200;
    Object.assign(carrier.registrar, {
      algorithm: 'MD5',
      minSeconds: 1,
      maxSeconds: 7200,
      usesOfNonce: Number.POSITIVE_INFINITY,
      refusal: undefined,
    });
  });
  afterAll(async () => {
    expect(under.held()).toBe(0);
    expect(faults).toEqual([]);
    await under.close();
    await carrier.close();
  });

  describe('OPTIONS', () => {
    it.each(['udp', 'tcp'] as const)('is answered, over %s', async (transport) => {
      const nextHop = { host: '127.0.0.1', port: carrier.port, transport };
      expect(await ask({ nextHop })).toEqual({ kind: 'response', sip: { status: 200, reason: 'OK' } });
      const [request] = seen as [SipRequest];
      expect(seen).toHaveLength(1);
      expect(request.method).toBe('OPTIONS');
      expect(request.uri).toBe(`sip:127.0.0.1:${carrier.port}`);
      expect(header(request, 'Accept')).toBe('application/sdp');
      expect(header(request, 'Via')).toContain(`/${transport.toUpperCase()} `);
      expect(header(request, 'Max-Forwards')).toBe('70');
    });

    it.each([404, 480, 503])('tells a refusal with %i as the response that it is', async (status) => {
      carrier.optionsAnswer = status;
      expect(statusOf(await ask())).toBe(status);
      expect(seen).toHaveLength(1);
    });

    it('is given up when nobody wants to wait any longer', async () => {
      carrier.optionsAnswer = 'silent';
      const abort = new AbortController();
      const asked = ask({}, abort.signal);
      await eventually(() => expect(seen).toHaveLength(1));
      abort.abort();
      expect(await asked).toEqual({ kind: 'no_response' });
    });

    it('is not waited for where nobody wants it from the beginning', async () => {
      expect(await ask({}, AbortSignal.abort())).toEqual({ kind: 'no_response' });
    });

    it('cannot be sent where nobody listens', async () => {
      const nextHop = { host: '127.0.0.1', port: await freePorts(1), transport: 'tcp' } as const;
      expect(await ask({ nextHop })).toEqual({ kind: 'unreachable', detail: expect.any(String) });
    });

    it('can be asked for many times at once', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask()));
      expect(answers.map(statusOf)).toEqual(Array.from({ length: 20 }, () => 200));
      expect(new Set(seen.map((one) => header(one, 'Call-ID'))).size).toBe(20);
    });
  });

  describe('REGISTER', () => {
    it.each(['MD5', 'SHA-256'] as const)(
      'answers a challenge with %s, and is told for how long',
      async (kind) => {
        carrier.registrar.algorithm = kind;
        carrier.registrar.maxSeconds = 90;
        const answer = await register();
        expect(answer).toEqual({ kind: 'response', sip: { status: 200, reason: 'OK' }, expiresSeconds: 90 });
        expect(seen.map((one) => header(one, 'Authorization') !== undefined)).toEqual([false, true]);
        expect(seen.map(({ uri }) => uri)).toEqual(
          Array.from({ length: 2 }, () => `sip:127.0.0.1:${carrier.port}`),
        );
        expect(bound()).toEqual([
          expect.objectContaining({ aor, callId: header(seen[0] as SipRequest, 'Call-ID') }),
        ]);
        expect(bound()[0]?.contact).toMatch(/^sip:voice-otp@127\.0\.0\.1:\d+/);
      },
    );

    it('names the transport that it came by in its contact', async () => {
      const nextHop = { host: '127.0.0.1', port: carrier.port, transport: 'tcp' } as const;
      expect(statusOf(await register({ nextHop }))).toBe(200);
      expect(bound()[0]?.contact).toContain(';transport=tcp');
    });

    it('is the same registration again: one Call-ID, and a CSeq that rises', async () => {
      expect(statusOf(await register())).toBe(200);
      expect(statusOf(await register())).toBe(200);
      expect(new Set(seen.map((one) => header(one, 'Call-ID'))).size).toBe(1);
      expect(cseqs()).toEqual([1, 2, 3, 4]);
      expect(bound()).toHaveLength(1);
    });

    it('is taken back', async () => {
      await register();
      expect(bound()).toHaveLength(1);
      expect(statusOf(await register({ expiresSeconds: 0 }))).toBe(200);
      expect(bound()).toEqual([]);
    });

    it('only asks where no time is asked for', async () => {
      const { expiresSeconds: _, ...question } = registration();
      expect(statusOf(await ask(question))).toBe(200);
      expect(seen.map((one) => header(one, 'Contact'))).toEqual([undefined, undefined]);
      expect(bound()).toEqual([]);
    });

    it('is refused with a wrong password, which is shown once', async () => {
      const credentials = { username: LAB_CREDENTIALS.username, password: new Secret('another') };
      const answer = await register({ credentials });
      expect(answer).toEqual({ kind: 'response', sip: { status: 401, reason: 'Unauthorized' } });
      expect(seen).toHaveLength(2);
      expect(bound()).toEqual([]);
    });

    it('is refused without any credentials', async () => {
      const { credentials: _, ...nobody } = registration();
      expect(statusOf(await ask(nobody))).toBe(401);
      expect(seen).toHaveLength(1);
    });

    it('takes another nonce where one is stale, but not for ever', async () => {
      carrier.registrar.usesOfNonce = 0;
      expect(statusOf(await register())).toBe(401);
      expect(seen.length).toBeGreaterThan(2);
      expect(seen.length).toBeLessThan(8);
      carrier.registrar.usesOfNonce = 1;
      expect(statusOf(await register())).toBe(200);
    });

    it('asks for more time where the registrar wants that, once', async () => {
      carrier.registrar.minSeconds = 1800;
      expect(await register()).toMatchObject({ sip: { status: 200 }, expiresSeconds: 1800 });
      const asked = seen.map((one) => /expires=(\d+)/.exec(header(one, 'Contact') ?? '')?.[1]);
      expect(asked).toEqual(['600', '600', '1800']);
      expect(cseqs()).toEqual([1, 2, 3]);
    });

    it('tells a 423 that wants no more than was asked for', async () => {
      carrier.registrar.refusal = 423;
      expect(statusOf(await register())).toBe(423);
      expect(seen).toHaveLength(1);
    });
  });
}
