import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Service } from './service.ts';
import { startService } from './service.ts';

/** All of them: `GUESSES=100000`. */
const GUESSES = Number(process.env['GUESSES'] ?? 10_000);
/** Requests that are under way at the same time. */
const AT_ONCE = 500;
const CHECKS = 4;

interface Request {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly payload?: object;
}

interface Guessed {
  readonly id: string;
  readonly guess: (code: string) => Request;
}

/** How a code is sent and guessed by each API. */
interface Way {
  readonly start: (service: Service, to: string) => Promise<Guessed>;
  /** What tells that the code was compared, and what came of it. */
  readonly compared: (status: number, body: string) => 'wrong' | 'right' | undefined;
}

async function sent(service: Service, url: string, payload: object): Promise<{ id: string }> {
  const { statusCode, body, json } = await service.api.inject({ method: 'POST', url, payload });
  if (statusCode >= 300) throw new Error(`${statusCode}: ${body}`);
  return json();
}

const WAYS: Readonly<Record<string, Way>> = {
  '/v1/verifications/{id}/check': {
    start: async (service, to) => {
      const { id } = await sent(service, '/v1/verifications', { to, maxChecks: CHECKS });
      const url = `/v1/verifications/${id}/check`;
      return { id, guess: (code) => ({ method: 'POST', url, payload: { code } }) };
    },
    compared: (status, body) =>
      status === 200 ? (body.includes('"approved":true') ? 'right' : 'wrong') : undefined,
  },
  '/2fa/verify': {
    start: async (service, to) => {
      const { id } = await sent(service, '/2fa/send', { service: 'shop', to, channel: 'call' });
      const known = { service: 'shop', number: to };
      return { id, guess: (code) => ({ method: 'POST', url: '/2fa/verify', payload: { ...known, code } }) };
    },
    compared: (status) => (status === 200 ? 'right' : status === 422 ? 'wrong' : undefined),
  },
  '/verify/{id}?token=': {
    start: async (service, to) => {
      const wish = { recipient: to, type: 'tts', maxAttempts: CHECKS };
      const { id } = await sent(service, '/verify', wish);
      return { id: `ver_${id}`, guess: (token) => ({ method: 'GET', url: `/verify/${id}?token=${token}` }) };
    },
    compared: (status, body) =>
      status === 200 ? 'right' : body.includes('The token is invalid') ? 'wrong' : undefined,
  },
};

describe(`${GUESSES} guesses at the same time`, () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      api: { rateLimit: { max: 1_000_000 } },
      verification: { maxChecks: CHECKS },
      log: { level: 'error' },
    });
  });
  afterAll(() => service.close());

  it.each(Object.entries(WAYS))(
    'by %s are not compared more often than the verification allows',
    async (_url, { start, compared }) => {
      const { id, guess } = await start(service, '+442071234567');
      const counts = { wrong: 0, right: 0, refused: 0 };
      let next = 0;
      const guessOn = async (): Promise<void> => {
        while (next < GUESSES) {
          const code = String(next).padStart(6, '0');
          next += 1;
          const { statusCode, body } = await service.api.inject(guess(code));
          expect(statusCode).toBeLessThan(500);
          counts[compared(statusCode, body) ?? 'refused'] += 1;
        }
      };
      const began = performance.now();
      await Promise.all(Array.from({ length: AT_ONCE }, guessOn));
      const seconds = (performance.now() - began) / 1000;
      process.stdout.write(`${GUESSES} guesses in ${seconds.toFixed(1)} s: ${JSON.stringify(counts)}\n`);

      const reply = await service.api.inject({ method: 'GET', url: `/v1/verifications/${id}` });
      const { status, checks } = reply.json<{ status: string; checks: number }>();
      expect(counts.wrong + counts.right).toBe(checks);
      expect(counts.wrong + counts.right + counts.refused).toBe(GUESSES);
      // The right one may have been among them.
      if (counts.right === 0) {
        expect([status, checks]).toEqual(['max_checks_reached', CHECKS]);
      } else {
        expect([status, counts.right]).toEqual(['approved', 1]);
      }
    },
    120_000,
  );
});
