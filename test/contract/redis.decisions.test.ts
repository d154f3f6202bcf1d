import * as fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { endCall } from '../../src/call/apply.ts';
import type { RedisStore } from '../../src/store/redis/redis-store.ts';
import type { CliRequest, CliTaken } from '../../src/store/store.ts';
import type { CountedCli } from '../../src/trunk/cli-pool.ts';
import { leastUsed } from '../../src/trunk/cli-pool.ts';
import type { Proof, Verification } from '../../src/verification/verification.ts';
import { applyCheck, endVerification, expectedDigest, expire } from '../../src/verification/verification.ts';
import { describeWithPeer } from '../support/peers.ts';
import { acceptedPair, NOW } from '../support/records.ts';
import { RedisServer } from '../support/redis-server.ts';
import { redisStore } from '../support/redis-store.ts';

const CODE = 'd'.repeat(64);
const CLI = 'c'.repeat(64);
const TTL_MS = 10_000;

type Ending = 'failed' | 'canceled' | 'expired';

type Step = { readonly now: number } & (
  | { readonly kind: 'check'; readonly by: Proof; readonly digest: string }
  | { readonly kind: 'end'; readonly status: Ending }
  | { readonly kind: 'finish'; readonly fail: boolean }
  | { readonly kind: 'sweep' }
);

/** Most around the end of the time; fractions too, as clocks have them that follow another one. */
const aTime = fc
  .tuple(fc.constantFrom(0, TTL_MS - 1, TTL_MS, 5 * TTL_MS), fc.nat(2), fc.constantFrom(0, 0.25))
  .map(([base, more, fraction]) => NOW + base + more + fraction);

const aStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('check' as const),
    now: aTime,
    by: fc.constantFrom<Proof>('code', 'caller_id', 'keys'),
    digest: fc.constantFrom(CODE, CLI, 'e'.repeat(64), ''),
  }),
  fc.record({
    kind: fc.constant('end' as const),
    now: aTime,
    status: fc.constantFrom<Ending>('failed', 'canceled', 'expired'),
  }),
  fc.record({ kind: fc.constant('finish' as const), now: aTime, fail: fc.boolean() }),
  fc.record({ kind: fc.constant('sweep' as const), now: aTime }),
);

const aVerification = fc.record({
  maxChecks: fc.integer({ min: 1, max: 4 }),
  codeDigest: fc.constantFrom(CODE, null),
  cliDigest: fc.constantFrom(CLI, null),
  sealedCode: fc.constantFrom('c2VhbGVk', null),
  sealedCli: fc.constantFrom('c2VhbGVk', null),
  reference: fc.option(fc.string({ unit: 'binary' })),
  ttlSeconds: fc.constant(TTL_MS / 1000),
});

describeWithPeer('redis-server', 'decisions in Lua', () => {
  let server: RedisServer;
  let client: Redis;
  let count = 0;

  beforeAll(async () => {
    server = await RedisServer.start();
    client = new Redis(server.port);
  });
  afterAll(async () => {
    await client.quit();
    await server.remove();
  });

  /** With keys of its own. */
  function freshStore(): RedisStore {
    count += 1;
    return redisStore(client, `p${count}`);
  }

  it('treat a verification as verification.ts does, whatever is asked in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(aVerification, fc.array(aStep, { maxLength: 10 }), async (change, steps) => {
        const store = freshStore();
        const { verification, call } = acceptedPair('a', change);
        await store.accept(verification, call, null);
        let model: Verification = verification;
        let finished = false;
        for (const step of steps) {
          const { now } = step;
          if (step.kind === 'check') {
            const expected = expectedDigest(model, step.by);
            const checked = applyCheck(model, step.by, expected === step.digest, now);
            expect(await store.check('ver_a', step, now)).toEqual(checked);
            model = checked.verification;
          } else if (step.kind === 'end') {
            model = endVerification(expire(model, now), step.status, now);
            expect(await store.endVerification('ver_a', step.status, now)).toEqual(model);
          } else if (step.kind === 'sweep') {
            model = expire(model, now);
            await store.sweep(now, { verificationsBefore: 0, callsBefore: 0, cliUsesBefore: 0 });
          } else if (!finished) {
            finished = true;
            if (step.fail) model = endVerification(expire(model, now), 'failed', now);
            model = { ...model, sealedCode: null, sealedCli: null };
            await store.finishCall(endCall(call, now, 'busy', 'callee'), step.fail, now);
          }
          expect(await store.verification('ver_a')).toEqual(model);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('choose calling numbers as cli-pool.ts does', async () => {
    const aRequest: fc.Arbitrary<CliRequest> = fc.record({
      clis: fc.constantFrom(5, 9, 10).map((size) => Array.from({ length: size }, (_, i) => `cli ${i}`)),
      callee: fc.constantFrom('x', 'y', 'z}'),
      now: fc.nat(40).map((later) => NOW + later + 0.5 * (later % 2)),
      reuseWindowMs: fc.constantFrom(0, 5, 1000),
      fewest: fc.constantFrom(1, 4),
      random: fc.oneof(
        fc.constantFrom(0, 1e-9, 1 - 2 ** -53),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(aRequest, { maxLength: 40 }), async (requests) => {
        const store = freshStore();
        const take = cliModel();
        const wanted = requests.map(take);
        const taken = [];
        for (const request of requests) taken.push(await store.takeCli(request));
        expect(taken).toEqual(wanted);
      }),
      { numRuns: 60 },
    );
  });
});

/** What store.ts says of `takeCli`, in memory. */
function cliModel(): (request: CliRequest) => CliTaken {
  const shown = new Map<string, number>();
  const counts = new Map<string, CountedCli>();
  return ({ clis, callee, now, reuseWindowMs, fewest, random }) => {
    const countOf = (cli: string): CountedCli =>
      counts.get(`${clis.length} ${cli}`) ?? { cli, uses: 0, usedAt: 0 };
    const eligible = clis.filter((cli) => {
      const at = shown.get(`${callee} ${cli}`);
      return at === undefined || at <= now - reuseWindowMs;
    });
    const candidates = eligible.length < fewest ? [] : leastUsed(eligible.map(countOf));
    const cli = candidates[Math.floor(random * candidates.length)]?.cli;
    if (cli !== undefined) {
      shown.set(`${callee} ${cli}`, now);
      counts.set(`${clis.length} ${cli}`, { cli, uses: countOf(cli).uses + 1, usedAt: now });
    }
    return { cli, choices: eligible.length, candidates: candidates.length };
  };
}
