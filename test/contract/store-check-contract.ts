import { expect, it } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import type { Submitted } from '../../src/verification/verification.ts';
import { acceptedPair, NOW } from '../support/records.ts';

const RIGHT: Submitted = { by: 'code', digest: 'd'.repeat(64) };
const WRONG: Submitted = { by: 'code', digest: 'e'.repeat(64) };
const EXPIRY = NOW + 600_000;

/** What every store promises of submitted proofs. */
export function checkTests(store: () => Store, beside: () => Promise<Store>): void {
  async function accept(maxChecks = 5): Promise<void> {
    const { verification, call } = acceptedPair('a', { maxChecks });
    await store().accept(verification, call, null);
  }

  it('approves one of 50 right codes that come at once', async () => {
    await accept();
    const other = await beside();
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, index) => (index % 2 ? store() : other).check('ver_a', RIGHT, NOW + 1)),
    );
    expect(results.filter((result) => result?.verdict === 'approved')).toHaveLength(1);
    expect(results.filter((result) => result?.verdict === 'not_pending')).toHaveLength(49);
    expect(await store().verification('ver_a')).toMatchObject({
      status: 'approved',
      checks: 1,
      endedAt: NOW + 1,
      sealedCode: null,
    });
  });

  it('looks at five of 1,000 wrong codes that come at once', async () => {
    await accept();
    const results = await Promise.all(
      Array.from({ length: 1000 }, () => store().check('ver_a', WRONG, NOW + 1)),
    );
    expect(results.filter((result) => result?.verdict === 'wrong')).toHaveLength(5);
    expect(await store().verification('ver_a')).toMatchObject({ status: 'max_checks_reached', checks: 5 });
    expect((await store().check('ver_a', RIGHT, NOW + 1))?.verdict).toBe('not_pending');
  });

  it('takes each proof by its own digest, and approves once whatever it was', async () => {
    const cliDigest = 'c'.repeat(64);
    const numbers = { sealedCli: 'c2VhbGVk', cliDigest };
    for (const [name, change, submitted] of [
      ['a', numbers, { by: 'caller_id', digest: cliDigest }],
      ['b', numbers, { by: 'keys', digest: RIGHT.digest }],
      ['c', { ...numbers, codeDigest: null, sealedCode: null }, { by: 'caller_id', digest: cliDigest }],
    ] as const) {
      const { verification, call } = acceptedPair(name, change);
      await store().accept(verification, call, null);
      const id = verification.id;
      expect(await store().verification(id)).toEqual(verification);
      expect((await store().check(id, { by: 'caller_id', digest: RIGHT.digest }, NOW))?.verdict).toBe(
        'wrong',
      );
      expect((await store().check(id, { by: 'code', digest: cliDigest }, NOW))?.verdict).toBe('wrong');
      expect((await store().check(id, { by: 'code', digest: '' }, NOW))?.verdict).toBe('wrong');
      expect(await store().check(id, submitted, NOW)).toMatchObject({
        verdict: 'approved',
        verification: { approvedBy: submitted.by, checks: 4, sealedCode: null, sealedCli: null },
      });
      expect((await store().verification(id))?.approvedBy).toBe(submitted.by);
      expect((await store().check(id, RIGHT, NOW))?.verdict).toBe('not_pending');
    }
  });

  it('counts wrong codes and right ones together', async () => {
    await accept(2);
    expect(await store().check('ver_a', WRONG, NOW)).toMatchObject({
      verdict: 'wrong',
      verification: { status: 'pending', checks: 1 },
    });
    expect((await store().check('ver_a', RIGHT, NOW))?.verdict).toBe('approved');
  });

  it('approves in the last millisecond and not in the next one', async () => {
    await accept();
    expect((await store().check('ver_a', RIGHT, EXPIRY))?.verdict).toBe('not_pending');
    expect(await store().verification('ver_a')).toMatchObject({
      status: 'expired',
      checks: 0,
      endedAt: EXPIRY,
      sealedCode: null,
    });
    const { verification, call } = acceptedPair('b');
    await store().accept(verification, call, null);
    expect((await store().check('ver_b', RIGHT, EXPIRY - 1))?.verdict).toBe('approved');
  });

  it('knows nothing of an unknown id', async () => {
    expect(await store().check('ver_x', RIGHT, NOW)).toBeUndefined();
    expect(await store().endVerification('ver_x', 'canceled', NOW)).toBeUndefined();
  });

  it.each(['failed', 'canceled', 'expired'] as const)(
    'ends a pending verification as %s, once',
    async (status) => {
      await accept();
      const ended = await store().endVerification('ver_a', status, NOW + 7);
      expect(ended).toMatchObject({ status, endedAt: NOW + 7, sealedCode: null });
      expect(await store().endVerification('ver_a', 'canceled', NOW + 8)).toEqual(ended);
      expect((await store().check('ver_a', RIGHT, NOW + 9))?.verdict).toBe('not_pending');
    },
  );

  it('ends a verification whose time is over as expired, whatever is asked for', async () => {
    await accept();
    expect(await store().endVerification('ver_a', 'canceled', EXPIRY + 5)).toMatchObject({
      status: 'expired',
    });
  });
}
