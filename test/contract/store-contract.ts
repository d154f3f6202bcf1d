import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endCall } from '../../src/call/apply.ts';
import { familyOfKey } from '../../src/store/family.ts';
import type { IdempotentRequest, Store } from '../../src/store/store.ts';
import { acceptedPair, NOW } from '../support/records.ts';
import { callTests, dialling, ownershipTests } from './store-call-contract.ts';
import { cdrTests } from './store-cdr-contract.ts';
import { checkTests } from './store-check-contract.ts';
import { cliTests } from './store-cli-contract.ts';
import { limitTests } from './store-limit-contract.ts';
import { noticeTests } from './store-notice-contract.ts';

/** A store and a way to come back to what it holds, as a later process would. */
export interface StoreUnderTest {
  readonly store: Store;
  /** A second store over the same data, while the first one is open. */
  beside(): Promise<Store>;
  /** Closes everything and removes the data. */
  remove(): Promise<void>;
}

const EXPIRY = NOW + 600_000;

type Pair = ReturnType<typeof acceptedPair>;

/** A verification and its call, of the family of the request that asks for them. */
function pairFor(key: string, name: string, change: Parameters<typeof acceptedPair>[1] = {}): Pair {
  return acceptedPair(`${name}_${familyOfKey(key)}`, change);
}

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
    describe('calls of several nodes', () => {
      ownershipTests(
        () => store,
        () => subject.beside(),
      );
    });
    describe('call detail records', () => {
      cdrTests(
        () => store,
        () => subject.beside(),
      );
    });
    describe('sweeping', () => {
      sweepTests(() => store);
    });

    describe('limits', () => {
      limitTests(
        () => store,
        () => subject.beside(),
      );
    });

    describe('calling numbers for flash calls', () => {
      cliTests(
        () => store,
        () => subject.beside(),
      );
    });

    describe('notices', () => {
      noticeTests(
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
    const first = pairFor(request.key, 'a');
    await store().accept(first.verification, first.call, null);
    const second = pairFor(request.key, 'b');
    await expect(store().accept(second.verification, first.call, request)).rejects.toThrow(/constraint/i);
    await expect(store().accept(first.verification, second.call, request)).rejects.toThrow(/constraint/i);
    expect(await store().verification(second.verification.id)).toBeUndefined();
    expect(await store().call(second.call.id)).toBeUndefined();
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
    const first = pairFor(request.key, 'a');
    const second = pairFor(request.key, 'b');
    await store().accept(first.verification, first.call, request);
    const again = { ...request, reply: '{"id":"ver_b"}' };
    expect(await store().accept(second.verification, second.call, again)).toEqual({
      kind: 'replayed',
      reply: '{"id":"ver_a"}',
    });
    const other = { ...request, fingerprint: 'f2' };
    expect(await store().accept(second.verification, second.call, other)).toEqual({ kind: 'key_reused' });
    expect(await store().verification(second.verification.id)).toBeUndefined();
  });

  it('tells the answer to a repeated request beforehand, and stores nothing', async () => {
    const { verification, call } = pairFor(request.key, 'a');
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
        const { verification, call } = pairFor(request.key, String(index));
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
    const first = pairFor(request.key, 'a');
    await store().accept(first.verification, first.call, request);
    const later = pairFor(request.key, 'b', { createdAt: request.expiresAt });
    const fresh = { ...request, fingerprint: 'f2', expiresAt: request.expiresAt + 1 };
    expect(await store().accept(later.verification, later.call, fresh)).toEqual({ kind: 'accepted' });
  });
}

function sweepTests(store: () => Store): void {
  const everything = { verificationsBefore: EXPIRY + 1, callsBefore: EXPIRY + 1, cliUsesBefore: 0 };
  const nothing = { verificationsBefore: 0, callsBefore: 0, cliUsesBefore: 0 };

  async function accept(name: string): Promise<Pair> {
    const { verification, call } = pairFor(name, name);
    await store().accept({ ...verification, sealedCli: 'sealed' }, call, {
      key: name,
      fingerprint: 'f',
      reply: '{}',
      expiresAt: NOW + 86_400_000,
    });
    return { verification, call };
  }

  it('turns pending verifications past their time to expired', async () => {
    const { id } = (await accept('a')).verification;
    expect(await store().sweep(EXPIRY - 1, nothing)).toBe(0);
    expect((await store().verification(id))?.status).toBe('pending');
    expect(await store().sweep(EXPIRY, nothing)).toBe(0);
    expect(await store().verification(id)).toMatchObject({
      status: 'expired',
      endedAt: EXPIRY,
      sealedCode: null,
      sealedCli: null,
    });
  });

  it('lets nothing live for ever: not even a call that nobody ended', async () => {
    const pairs: Pair[] = [];
    for (let index = 0; index < 1100; index += 1) {
      pairs.push(await accept(String(index)));
    }
    const [{ call }] = pairs as [Pair];
    await store().finishCall(endCall(call, NOW + 9, 'busy', 'callee'), true, NOW + 9);
    expect(await store().sweep(NOW + 86_400_000, everything)).toBe(3300);
    expect(await store().calls({ limit: 500 })).toEqual([]);
    for (const { verification } of [pairs[0], pairs[1099]] as Pair[]) {
      expect(await store().verification(verification.id)).toBeUndefined();
    }
  });

  it('keeps what is younger, verifications and calls each by their own measure', async () => {
    const a = await accept('a');
    expect(await store().sweep(NOW, everything)).toBe(1);
    expect((await store().verification(a.verification.id))?.status).toBe('pending');
    expect(await store().call(a.call.id)).toBeUndefined();
    const b = await accept('b');
    expect(
      await store().sweep(EXPIRY, { verificationsBefore: EXPIRY + 1, callsBefore: NOW, cliUsesBefore: 0 }),
    ).toBe(2);
    expect(await store().verification(b.verification.id)).toBeUndefined();
    expect(await store().call(b.call.id)).toBeDefined();
  });
}
