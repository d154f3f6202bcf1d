import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { apply, endCall, markPrepared } from '../../src/call/apply.ts';
import type { Call } from '../../src/call/call.ts';
import { createCall } from '../../src/call/call.ts';
import type { IdempotentRequest, Store } from '../../src/store/store.ts';
import { acceptedPair, NOW, SOME_PROMPT } from '../support/records.ts';
import { cliTests } from './store-cli-contract.ts';

/** A store and a way to come back to what it holds, as a later process would. */
export interface StoreUnderTest {
  readonly store: Store;
  /** A second store over the same data, while the first one is open. */
  beside(): Promise<Store>;
  /** Closes everything and removes the data. */
  remove(): Promise<void>;
}

const RIGHT = 'd'.repeat(64);
const WRONG = 'e'.repeat(64);
const EXPIRY = NOW + 600_000;

/** What every store promises. */
export function storeContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`${name} as a store`, () => {
    let subject: StoreUnderTest;
    let store: Store;

    beforeEach(async () => {
      subject = await open();
      store = subject.store;
    });

    afterEach(async () => {
      await subject.remove();
    });

    describe('accepting', () => {
      acceptanceTests(() => store);
    });
    describe('checking', () => {
      checkTests(
        () => store,
        () => subject.beside(),
      );
    });
    describe('calls', () => {
      callTests(() => store);
    });
    describe('sweeping', () => {
      sweepTests(() => store);
    });

    describe('calling numbers for flash calls', () => {
      cliTests(
        () => store,
        () => subject.beside(),
      );
    });

    it('is seen by a store beside it at once', async () => {
      const { verification, call } = acceptedPair('a');
      const other = await subject.beside();
      expect(await other.call('call_a')).toBeUndefined();
      await store.accept(verification, call, null);
      expect(await other.call('call_a')).toEqual(call);
      await other.saveCall(dialling(call));
      expect((await store.call('call_a'))?.state).toBe('dialing');
    });

    it('answers a ping, and after closing nothing any more', async () => {
      await store.ping();
      await store.close();
      await store.close();
      await expect(store.ping()).rejects.toMatchObject({ code: 'store_unavailable' });
      await expect(store.call('call_a')).rejects.toMatchObject({ code: 'store_unavailable' });
    });

    it('writes what was asked for before it was closed', async () => {
      const { verification, call } = acceptedPair('a');
      const accepted = store.accept(verification, call, null);
      await store.close();
      expect(await accepted).toEqual({ kind: 'accepted' });
      expect(await (await subject.beside()).call('call_a')).toEqual(call);
    });
  });
}

function acceptanceTests(store: () => Store): void {
  const request: IdempotentRequest = {
    key: 'shop 1',
    fingerprint: 'f1',
    reply: '{"id":"ver_a"}',
    expiresAt: NOW + 86_400_000,
  };

  it('gives back what it was given', async () => {
    const { verification, call } = acceptedPair('a', { clientId: null, reference: 'größe ☎ "\'; --' });
    expect(await store().accept(verification, call, null)).toEqual({ kind: 'accepted' });
    expect(await store().verification('ver_a')).toEqual(verification);
    expect(await store().call('call_a')).toEqual(call);
    expect(await store().verification('ver_b')).toBeUndefined();
    expect(await store().call('call_b')).toBeUndefined();
  });

  it('stores all or nothing', async () => {
    const first = acceptedPair('a');
    await store().accept(first.verification, first.call, null);
    const second = acceptedPair('b');
    await expect(store().accept(second.verification, first.call, request)).rejects.toThrow(/constraint/i);
    await expect(store().accept(first.verification, second.call, request)).rejects.toThrow(/constraint/i);
    expect(await store().verification('ver_b')).toBeUndefined();
    expect(await store().call('call_b')).toBeUndefined();
    // The key was not taken either.
    expect(await store().accept(second.verification, second.call, request)).toEqual({ kind: 'accepted' });
  });

  it('lets one bad record spoil only itself', async () => {
    const first = acceptedPair('a');
    await store().accept(first.verification, first.call, null);
    const results = await Promise.allSettled(
      ['b', 'a', 'c'].map((id) => {
        const { verification, call } = acceptedPair(id);
        return store().accept(verification, call, null);
      }),
    );
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await store().call('call_c')).toBeDefined();
  });

  it('answers a repeated request as it did the first time, and stores nothing', async () => {
    const first = acceptedPair('a');
    const second = acceptedPair('b');
    await store().accept(first.verification, first.call, request);
    const again = { ...request, reply: '{"id":"ver_b"}' };
    expect(await store().accept(second.verification, second.call, again)).toEqual({
      kind: 'replayed',
      reply: '{"id":"ver_a"}',
    });
    const other = { ...request, fingerprint: 'f2' };
    expect(await store().accept(second.verification, second.call, other)).toEqual({ kind: 'key_reused' });
    expect(await store().verification('ver_b')).toBeUndefined();
  });

  it('tells the answer to a repeated request beforehand, and stores nothing', async () => {
    const { verification, call } = acceptedPair('a');
    const now = verification.createdAt;
    expect(await store().earlierAnswer(request, now)).toBeUndefined();
    await store().accept(verification, call, request);
    const again = { key: request.key, fingerprint: request.fingerprint };
    expect(await store().earlierAnswer(again, now)).toEqual({ kind: 'replayed', reply: request.reply });
    expect(await store().earlierAnswer({ ...again, fingerprint: 'f2' }, now)).toEqual({ kind: 'key_reused' });
    expect(await store().earlierAnswer({ ...again, key: 'other' }, now)).toBeUndefined();
    expect(await store().earlierAnswer(again, request.expiresAt)).toBeUndefined();
    expect(await store().unfinishedCalls()).toHaveLength(1);
  });

  it('accepts one of many equal requests that come at once', async () => {
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) => {
        const { verification, call } = acceptedPair(String(index));
        return store().accept(verification, call, { ...request, reply: String(index) });
      }),
    );
    expect(results.filter(({ kind }) => kind === 'accepted')).toHaveLength(1);
    expect(new Set(results.map((result) => (result.kind === 'replayed' ? result.reply : '0')))).toEqual(
      new Set(['0']),
    );
    expect(await store().unfinishedCalls()).toHaveLength(1);
  });

  it('forgets a request after its time', async () => {
    const first = acceptedPair('a');
    await store().accept(first.verification, first.call, request);
    const later = acceptedPair('b', { createdAt: request.expiresAt });
    const fresh = { ...request, fingerprint: 'f2', expiresAt: request.expiresAt + 1 };
    expect(await store().accept(later.verification, later.call, fresh)).toEqual({ kind: 'accepted' });
  });
}

function checkTests(store: () => Store, beside: () => Promise<Store>): void {
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

function dialling(call: Call): Call {
  return apply(
    call,
    { type: 'trying', at: NOW + 1, leftover: { callId: 'x@y', routes: ['<sip:a;lr>'] } },
    { trunkId: 'alpha', cli: '+498912345' },
  );
}

function callTests(store: () => Store): void {
  async function accept(name: string, change: Parameters<typeof acceptedPair>[1] = {}): Promise<Call> {
    const { verification, call } = acceptedPair(name, change);
    await store().accept(verification, call, null);
    return call;
  }

  it('keeps each state of a call that is under way', async () => {
    const call = dialling(await accept('a'));
    expect(await store().saveCall(call)).toBe(true);
    expect(await store().call('call_a')).toEqual(call);
    expect(await store().unfinishedCalls()).toEqual([call]);
    expect((await store().verification('ver_a'))?.sealedCode).not.toBeNull();
  });

  it('keeps a call without a verification, and forgets its playlist at its end', async () => {
    const call = createCall({
      id: 'call_p',
      verificationId: null,
      clientId: 'shop',
      to: '+4930123456',
      now: NOW,
      reference: 'order 7',
      wishes: { cli: '+498912345', trunkId: 'alpha', ringTimeoutMs: 20_000 },
      sealedPlaylist: 'c2VhbGVk',
    });
    expect(await store().accept(null, call, null)).toEqual({ kind: 'accepted' });
    expect(await store().call('call_p')).toEqual(call);
    const prepared = markPrepared(call, NOW + 1, SOME_PROMPT);
    expect(await store().saveCall(prepared)).toBe(true);
    expect(await store().call('call_p')).toEqual(prepared);
    const ended = endCall(prepared, NOW + 5, 'busy', 'callee');
    expect(ended.sealedPlaylist).toBeNull();
    await store().finishCall(ended, true, NOW + 5);
    expect(await store().call('call_p')).toEqual(ended);
  });

  it('does not save a call that it never accepted', async () => {
    expect(await store().saveCall(acceptedPair('x').call)).toBe(false);
    expect(await store().call('call_x')).toBeUndefined();
  });

  it('never changes a call that has ended', async () => {
    const call = dialling(await accept('a'));
    const ended = endCall(call, NOW + 5, 'busy', 'callee');
    await store().finishCall(ended, false, NOW + 5);
    expect(await store().saveCall(call)).toBe(false);
    await store().finishCall(endCall(call, NOW + 9, 'failed', 'us'), true, NOW + 9);
    expect(await store().call('call_a')).toEqual(ended);
    expect((await store().verification('ver_a'))?.status).toBe('pending');
    expect(await store().unfinishedCalls()).toEqual([]);
  });

  it('forgets the sealed code with the end of the call, and fails the verification if it is told to', async () => {
    for (const [name, fail, status] of [
      ['a', false, 'pending'],
      ['b', true, 'failed'],
    ] as const) {
      await store().finishCall(endCall(await accept(name), NOW + 5, 'busy', 'callee'), fail, NOW + 5);
      expect(await store().verification(`ver_${name}`)).toMatchObject({ status, sealedCode: null });
    }
  });

  it('does not fail a verification that is final', async () => {
    const call = await accept('a');
    await store().endVerification('ver_a', 'canceled', NOW + 1);
    await store().finishCall(endCall(call, NOW + 5, 'canceled', 'none'), true, NOW + 5);
    expect((await store().verification('ver_a'))?.status).toBe('canceled');
  });

  it('lists calls newest first, by page, client, verification and state', async () => {
    for (let index = 0; index < 7; index += 1) {
      // Two at a time share a millisecond.
      const createdAt = NOW + Math.floor(index / 2);
      await accept(String(index), { createdAt, clientId: index % 2 === 0 ? 'shop' : 'bank' });
    }
    await store().finishCall(
      endCall(acceptedPair('0', { createdAt: NOW }).call, NOW + 9, 'busy', 'callee'),
      false,
      NOW + 9,
    );
    const ids = async (query: Parameters<Store['calls']>[0]): Promise<string> =>
      (await store().calls(query)).map(({ id }) => id.slice('call_'.length)).join('');
    expect(await ids({ limit: 500 })).toBe('6543210');
    expect(await ids({ limit: 3 })).toBe('654');
    expect(await ids({ limit: 3, after: 'call_4' })).toBe('321');
    expect(await ids({ limit: 3, after: 'call_1' })).toBe('0');
    expect(await ids({ limit: 3, after: 'call_0' })).toBe('');
    expect(await ids({ limit: 3, after: 'call_x' })).toBe('');
    expect(await ids({ limit: 9, clientId: 'bank' })).toBe('531');
    expect(await ids({ limit: 9, clientId: 'shop', after: 'call_4' })).toBe('20');
    expect(await ids({ limit: 9, verificationId: 'ver_2' })).toBe('2');
    expect(await ids({ limit: 9, state: 'ended' })).toBe('0');
    expect(await ids({ limit: 9, state: 'queued', clientId: 'shop' })).toBe('642');
    expect(await ids({ limit: 9, clientId: "x' OR '1'='1" })).toBe('');
  });
}

function sweepTests(store: () => Store): void {
  const everything = { verificationsBefore: EXPIRY + 1, callsBefore: EXPIRY + 1, cliUsesBefore: 0 };
  const nothing = { verificationsBefore: 0, callsBefore: 0, cliUsesBefore: 0 };

  async function accept(name: string): Promise<void> {
    const { verification, call } = acceptedPair(name);
    await store().accept(verification, call, {
      key: name,
      fingerprint: 'f',
      reply: '{}',
      expiresAt: NOW + 86_400_000,
    });
  }

  it('turns pending verifications past their time to expired', async () => {
    await accept('a');
    expect(await store().sweep(EXPIRY - 1, nothing)).toBe(0);
    expect((await store().verification('ver_a'))?.status).toBe('pending');
    expect(await store().sweep(EXPIRY, nothing)).toBe(0);
    expect(await store().verification('ver_a')).toMatchObject({
      status: 'expired',
      endedAt: EXPIRY,
      sealedCode: null,
    });
  });

  it('lets nothing live for ever: not even a call that nobody ended', async () => {
    for (let index = 0; index < 1100; index += 1) {
      await accept(String(index));
    }
    const { call } = acceptedPair('0');
    await store().finishCall(endCall(call, NOW + 9, 'busy', 'callee'), true, NOW + 9);
    expect(await store().sweep(NOW + 86_400_000, everything)).toBe(3300);
    expect(await store().calls({ limit: 500 })).toEqual([]);
    expect(await store().verification('ver_0')).toBeUndefined();
    expect(await store().verification('ver_1099')).toBeUndefined();
  });

  it('keeps what is younger, verifications and calls each by their own measure', async () => {
    await accept('a');
    expect(await store().sweep(NOW, everything)).toBe(1);
    expect((await store().verification('ver_a'))?.status).toBe('pending');
    expect(await store().call('call_a')).toBeUndefined();
    await accept('b');
    expect(
      await store().sweep(EXPIRY, { verificationsBefore: EXPIRY + 1, callsBefore: NOW, cliUsesBefore: 0 }),
    ).toBe(2);
    expect(await store().verification('ver_b')).toBeUndefined();
    expect(await store().call('call_b')).toBeDefined();
  });
}
