import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DATATECHLABS_CODES } from '../../../src/api/datatechlabs-envelope.ts';
import { ERROR_TABLE } from '../../../src/errors.ts';
import { eventually } from '../../support/eventually.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

let service: Service;
beforeAll(async () => {
  service = await startService({
    api: { rateLimit: { max: 1_000_000 } },
    verification: { sipTargets: ['pbx.example'] },
  });
  service.engine.script = (leg) => leg.ring().answer().finishPrompt();
});
afterAll(() => service.close());

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'] as const;

interface Request {
  readonly method: (typeof METHODS)[number];
  readonly url: string;
  readonly headers?: Record<string, string>;
  readonly payload?: string | Buffer;
}

/**
 * Any answer is JSON below 500; every error has the one shape, or on the paths of DataTechLabs theirs, a code of the
 * table, and that code's status.
 */
async function expectDocumented(request: Request): Promise<number> {
  const reply = await service.api.inject(request);
  expect(reply.statusCode).toBeLessThan(500);
  if (reply.body === '' || reply.statusCode < 400) {
    return reply.statusCode;
  }
  // As it was sent: clients drop `..` from paths.
  if (/^\/(voice\/call|status\/carrier)(?:[/?]|$)/.test(reply.raw.req.url ?? '')) {
    expect(reply.json()).toEqual({
      code: expect.any(Number),
      status: reply.statusCode,
      data: expect.stringMatching(/./),
    });
    expect(STATUS_OF_NUMBER.get(reply.json<{ code: number }>().code)).toBe(reply.statusCode);
    return reply.statusCode;
  }
  const { error, ...rest } = reply.json<{ error: { code: keyof typeof ERROR_TABLE } }>();
  expect(rest).toEqual({});
  expect(error).toEqual({
    code: expect.stringMatching(/^[a-z_]+$/),
    message: expect.stringMatching(/./),
    requestId: reply.headers['x-request-id'],
  });
  expect(ERROR_TABLE[error.code].status).toBe(reply.statusCode);
  return reply.statusCode;
}

/** Status of each number of DataTechLabs. */
const STATUS_OF_NUMBER = new Map(
  Object.entries(DATATECHLABS_CODES).map(([code, number]): [number, number] => [
    number,
    ERROR_TABLE[code as keyof typeof ERROR_TABLE].status,
  ]),
);

/** JSON of what the arbitrary makes, whatever that is. */
function asJson(arbitrary: fc.Arbitrary<unknown>): fc.Arbitrary<string> {
  return arbitrary.map(
    (body) =>
      JSON.stringify(body, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)) ??
      'null',
  );
}

const callees = fc.oneof(
  fc.constantFrom('+4930123456', '4930123456', '004930123456', 'sip:a@pbx.example'),
  fc.string(),
  fc.anything(),
);

const items = fc.oneof(
  fc.constantFrom({ tts: 'Your code is 482913' }, { digits: '482913' }, { pauseMs: 10 }),
  fc.record(
    {
      tts: fc.oneof(fc.string({ unit: 'binary', maxLength: 50 }), fc.anything()),
      file: fc.string(),
      url: fc.oneof(fc.webUrl(), fc.anything()),
      digits: fc.oneof(fc.stringMatching(/^[0-9A-Za-z]{1,32}$/), fc.anything()),
      pauseMs: fc.oneof(fc.integer(), fc.double()),
      speed: fc.double(),
      voice: fc.string(),
      locale: fc.string(),
      sayAs: fc.constantFrom('digits', 'pairs', 'nato', 'x'),
    },
    { requiredKeys: [] },
  ),
  fc.anything(),
);

const playlists = fc.oneof(fc.array(items, { maxLength: 5 }), fc.anything());

const callBodies = fc.oneof(
  fc.string(),
  asJson(
    fc.record(
      {
        to: callees,
        from: fc.oneof(fc.constantFrom('me', '+493098765432'), fc.string(), fc.anything()),
        carrierId: fc.oneof(fc.constant('carrier'), fc.string()),
        playlist: playlists,
        repeat: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.anything()),
        repeatPauseMs: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.anything()),
        ringTimeoutSeconds: fc.oneof(fc.integer({ min: 1, max: 180 }), fc.anything()),
        reference: fc.oneof(fc.string({ unit: 'binary' }), fc.anything()),
      },
      { requiredKeys: ['to', 'playlist'] },
    ),
  ),
);

const playBodies = fc.oneof(
  fc.string(),
  asJson(
    fc.record(
      {
        to: callees,
        from: fc.oneof(fc.constantFrom('me', '493098765432'), fc.string(), fc.anything()),
        playlist: fc.oneof(
          fc.array(
            fc.oneof(
              fc.constant({ play: 'Your code is 482913', type: 'tts' }),
              fc.record(
                {
                  play: fc.oneof(fc.string({ unit: 'binary' }), fc.webUrl(), fc.anything()),
                  type: fc.oneof(fc.constant('tts'), fc.anything()),
                  options: fc.oneof(
                    fc.record(
                      {
                        language: fc.oneof(fc.constant('en-US'), fc.string()),
                        gender: fc.constantFrom('female', 'male', 'x'),
                        'say-as': fc.constantFrom('digits', 'nato', 'x'),
                        more: fc.anything(),
                      },
                      { requiredKeys: [] },
                    ),
                    fc.anything(),
                  ),
                },
                { requiredKeys: ['play'] },
              ),
            ),
            { maxLength: 3 },
          ),
          fc.anything(),
        ),
        carrier_id: fc.oneof(fc.constantFrom('carrier', '', 0, 74445609), fc.anything()),
      },
      { requiredKeys: ['to', 'playlist'] },
    ),
  ),
);

const bodies = fc.oneof(
  fc.json(),
  fc.string(),
  fc
    .record(
      {
        to: fc.oneof(
          fc.constant('+4930123456'),
          fc.constant('sip:a@pbx.example'),
          fc.string(),
          fc.anything(),
        ),
        code: fc.oneof(fc.constant('482913'), fc.string(), fc.anything()),
        locale: fc.oneof(fc.constant('en-US'), fc.string()),
        codeLength: fc.oneof(fc.integer(), fc.double(), fc.anything()),
        ttlSeconds: fc.oneof(fc.integer({ min: 30, max: 600 }), fc.anything()),
        maxChecks: fc.oneof(fc.integer({ min: 1, max: 10 }), fc.anything()),
        repeat: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.anything()),
        reference: fc.oneof(fc.string({ unit: 'binary' }), fc.anything()),
      },
      { requiredKeys: [] },
    )
    .map((body) =>
      JSON.stringify(body, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
    ),
);

const headerText = fc.stringMatching(/^[\x21-\x7e]{0,40}$/);

describe('any request', () => {
  it('to start a verification is answered as documented', async () => {
    const seen = new Set<number>();
    await fc.assert(
      fc.asyncProperty(
        bodies,
        fc.constantFrom(
          'application/json',
          'application/json; charset=utf-8',
          'text/plain',
          'application/json;x',
        ),
        fc.option(headerText, { nil: undefined }),
        async (payload, type, key) => {
          const headers = { 'content-type': type, ...(key === undefined ? {} : { 'idempotency-key': key }) };
          seen.add(await expectDocumented({ method: 'POST', url: '/v1/verifications', headers, payload }));
        },
      ),
      {
        numRuns: 300,
        examples: [[JSON.stringify({ to: '+4930123456', code: '482913' }), 'application/json', undefined]],
      },
    );
    expect([...seen]).toEqual(expect.arrayContaining([201, 400, 415]));
  });

  it.each([
    ['/v1/calls', callBodies, { to: '+4930123456', playlist: [{ tts: 'Your code is 482913' }] }, 201],
    ['/v1/prompts/preview', callBodies, { playlist: [{ tts: 'Your code is 482913' }] }, 200],
    [
      '/voice/call/play',
      playBodies,
      { to: '4930123456', playlist: [{ play: 'Your code is 482913', type: 'tts' }] },
      200,
    ],
  ] as const)('to %s is answered as documented', async (url, payloads, example, accepted) => {
    const seen = new Set<number>();
    const headers = { 'content-type': 'application/json' };
    await fc.assert(
      fc.asyncProperty(payloads, async (payload) => {
        seen.add(await expectDocumented({ method: 'POST', url, headers, payload }));
      }),
      { numRuns: 300, examples: [[JSON.stringify(example)]] },
    );
    expect([...seen]).toEqual(expect.arrayContaining([accepted, 400]));
    await eventually(() => expect(service.dialer.active()).toBe(0));
  });

  it('to check a code is answered as documented', async () => {
    const reply = await service.api.inject({
      method: 'POST',
      url: '/v1/verifications',
      payload: { to: '+4930123456', code: '482913', maxChecks: 10 },
    });
    const { id } = reply.json<{ id: string }>();
    const checked = fc.assert(
      fc.asyncProperty(bodies, async (payload) => {
        const headers = { 'content-type': 'application/json' };
        await expectDocumented({ method: 'POST', url: `/v1/verifications/${id}/check`, headers, payload });
      }),
      { numRuns: 200 },
    );
    await expect(checked).resolves.toBeUndefined();
  });

  it('with any method, path and query is answered as documented', async () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'v1',
        'verifications',
        'calls',
        'check',
        'voice',
        'call',
        'play',
        'status',
        'carrier',
        'prompts',
        'ver_x',
        'call_x',
        'docs',
        'healthz',
        '..',
        '%00',
        '%',
      ),
      fc.webSegment(),
    );
    const checked = fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...METHODS),
        fc.array(piece, { maxLength: 5 }),
        fc.webQueryParameters(),
        async (method, pieces, query) => {
          await expectDocumented({ method, url: `/${pieces.join('/')}?${query}` });
        },
      ),
      { numRuns: 300 },
    );
    await expect(checked).resolves.toBeUndefined();
  });

  it('with any headers is answered as documented', async () => {
    const checked = fc.assert(
      fc.asyncProperty(
        fc.dictionary(
          fc.constantFrom(
            'authorization',
            'last-event-id',
            'idempotency-key',
            'accept',
            'content-length',
            'x-forwarded-for',
            'expect',
          ),
          headerText,
        ),
        fc.constantFrom('/v1/calls', '/v1/calls/call_x/events', '/healthz'),
        async (headers, url) => {
          await expectDocumented({ method: 'GET', url, headers });
        },
      ),
      { numRuns: 200 },
    );
    await expect(checked).resolves.toBeUndefined();
  });

  it('leaves no fault in the log, and no code', () => {
    expect(service.faults()).toEqual([]);
    expect(service.log().includes('482913')).toBe(false);
  });
});
