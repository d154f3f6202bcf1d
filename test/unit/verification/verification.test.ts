import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyCheck, endVerification, expire } from '../../../src/verification/verification.ts';
import { acceptedPair, NOW } from '../../support/records.ts';

const { verification } = acceptedPair('a');

describe('createVerification', () => {
  it('is pending until its time is over', () => {
    expect(verification).toMatchObject({
      status: 'pending',
      checks: 0,
      endedAt: null,
      expiresAt: NOW + 600_000,
    });
    expect(verification).not.toHaveProperty('ttlSeconds');
  });
});

describe('applyCheck', () => {
  it('approves a right code once, and forgets its sealed copy', () => {
    const first = applyCheck(verification, 'code', true, NOW + 5);
    expect(first.verdict).toBe('approved');
    expect(first.verification).toMatchObject({
      status: 'approved',
      approvedBy: 'code',
      checks: 1,
      endedAt: NOW + 5,
      sealedCode: null,
    });
    expect(applyCheck(first.verification, 'code', true, NOW + 6)).toEqual({
      verdict: 'not_pending',
      verification: first.verification,
    });
  });

  it('approves on the last check', () => {
    const last = { ...verification, checks: 4 };
    expect(applyCheck(last, 'code', true, NOW).verification.status).toBe('approved');
  });

  it('ends with the last wrong code', () => {
    const { verdict, verification: after } = applyCheck(
      { ...verification, checks: 4 },
      'code',
      false,
      NOW + 1,
    );
    expect(verdict).toBe('wrong');
    expect(after).toMatchObject({
      status: 'max_checks_reached',
      checks: 5,
      endedAt: NOW + 1,
      sealedCode: null,
    });
  });

  it.each([
    [NOW + 599_999, 'approved'],
    [NOW + 600_000, 'not_pending'],
    [NOW + 600_001, 'not_pending'],
  ])('at %i: %s', (now, verdict) => {
    expect(applyCheck(verification, 'code', true, now).verdict).toBe(verdict);
  });

  it('compares at most maxChecks times, approves at most once, and never after the end', () => {
    const check = fc.record({ equal: fc.boolean(), waitMs: fc.integer({ min: 0, max: 200_000 }) });
    fc.assert(
      fc.property(
        fc.array(check, { maxLength: 30 }),
        fc.integer({ min: 1, max: 10 }),
        (checks, maxChecks) => {
          let current = { ...verification, maxChecks };
          let now = NOW;
          const verdicts: string[] = [];
          for (const { equal, waitMs } of checks) {
            now += waitMs;
            const result = applyCheck(current, 'code', equal, now);
            const over = current.status !== 'pending' || now >= verification.expiresAt;
            expect(result.verdict === 'not_pending').toBe(over);
            verdicts.push(result.verdict);
            current = result.verification;
          }
          const compared = verdicts.filter((verdict) => verdict !== 'not_pending').length;
          expect(compared).toBe(current.checks);
          expect(compared).toBeLessThanOrEqual(maxChecks);
          expect(verdicts.filter((verdict) => verdict === 'approved').length).toBeLessThanOrEqual(1);
          expect(current.status === 'pending').toBe(current.endedAt === null);
        },
      ),
    );
  });
});

describe('expire', () => {
  it('ends a pending verification at its own time, however late that is noticed', () => {
    expect(expire(verification, NOW + 9_999_999)).toMatchObject({
      status: 'expired',
      endedAt: NOW + 600_000,
      sealedCode: null,
    });
  });

  it('leaves alone what is not due or already final', () => {
    expect(expire(verification, NOW)).toBe(verification);
    const canceled = endVerification(verification, 'canceled', NOW);
    expect(expire(canceled, NOW + 9_999_999)).toBe(canceled);
  });
});

describe('endVerification', () => {
  it('never changes what is final', () => {
    const failed = endVerification(verification, 'failed', NOW + 1);
    expect(failed).toMatchObject({ status: 'failed', endedAt: NOW + 1, sealedCode: null });
    expect(endVerification(failed, 'canceled', NOW + 2)).toBe(failed);
  });
});
