import { expect, it } from 'vitest';
import { apply, endCall, markPrepared } from '../../src/call/apply.ts';
import type { Attempt, Call } from '../../src/call/call.ts';
import { createCall } from '../../src/call/call.ts';
import { NO_MARKS } from '../../src/prompt/delivered.ts';
import type { Store } from '../../src/store/store.ts';
import { endedCall } from '../support/cdr-calls.ts';
import { acceptedPair, NOW, SOME_PROMPT } from '../support/records.ts';

/** What every store promises of calls under way and ended. */
export function callTests(store: () => Store): void {
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
      const call = await accept(name, { sealedCli: 'c2VhbGVk' });
      await store().finishCall(endCall(call, NOW + 5, 'busy', 'callee'), fail, NOW + 5);
      const forgotten = { status, sealedCode: null, sealedCli: null };
      expect(await store().verification(`ver_${name}`)).toMatchObject(forgotten);
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

/** What every store promises of calls that several nodes may carry. */
export function ownershipTests(store: () => Store, beside: () => Promise<Store>): void {
  async function accept(change: Partial<Call> = {}): Promise<Call> {
    const { verification, call } = acceptedPair('a');
    const owned = { ...call, node: 'a.1', ...change };
    await store().accept(verification, owned, null);
    return owned;
  }

  const rows = async (): Promise<number> => (await store().cdrs.ends()).head.seq;

  it('gives a call that waits from one node to another, once', async () => {
    const call = await accept();
    const other = await beside();
    const moves = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const to = `b.${index}`;
        const on = index % 2 === 0 ? store() : other;
        return { to, moved: await on.moveCall('call_a', { from: 'a.1', to, attempt: 'none' }) };
      }),
    );
    const [won, ...more] = moves.filter(({ moved }) => moved !== undefined);
    expect(more).toEqual([]);
    expect(won?.moved).toEqual({ ...call, node: won?.to });
    expect(await store().call('call_a')).toEqual(won?.moved);
    expect(await store().unfinishedCalls()).toEqual([won?.moved]);
  });

  it('gives a call of no node to a node', async () => {
    const call = await accept({ node: null });
    expect(await store().moveCall('call_a', { from: 'a.1', to: 'b.2', attempt: 'any' })).toBeUndefined();
    const move = { from: null, to: 'b.2', attempt: 'none' } as const;
    expect(await store().moveCall('call_a', move)).toEqual({ ...call, node: 'b.2' });
    expect(await store().moveCall('call_a', move)).toBeUndefined();
  });

  it('moves a call in the middle of an attempt only where that is asked for', async () => {
    const call = dialling(await accept());
    await store().saveCall(call);
    const move = { from: 'a.1', to: 'b.2' };
    expect(await store().moveCall('call_a', { ...move, attempt: 'none' })).toBeUndefined();
    const [attempt] = call.attempts as [Attempt];
    const between = { ...call, attempts: [{ ...attempt, endedAt: NOW + 2 }] };
    await store().saveCall(between);
    const moved = { ...between, node: 'b.2' };
    expect(await store().moveCall('call_a', { ...move, attempt: 'none' })).toEqual(moved);
    const again = { ...moved, attempts: [...between.attempts, attempt] };
    expect(await store().saveCall(again)).toBe(true);
    const back = { from: 'b.2', to: 'a.1' };
    expect(await store().moveCall('call_a', { ...back, attempt: 'none' })).toBeUndefined();
    expect(await store().moveCall('call_a', { ...back, attempt: 'any' })).toEqual({ ...again, node: 'a.1' });
  });

  it('moves no call that has ended, and none that is not there', async () => {
    const call = await accept();
    await store().finishCall(endCall(call, NOW + 5, 'canceled', 'none'), false, NOW + 5);
    const move = { from: 'a.1', to: 'b.2', attempt: 'any' } as const;
    expect(await store().moveCall('call_a', move)).toBeUndefined();
    expect(await store().moveCall('call_x', move)).toBeUndefined();
    expect((await store().call('call_a'))?.node).toBe('a.1');
  });

  it('takes nothing from a node that does not carry the call any more', async () => {
    const call = dialling(await accept());
    await store().saveCall(call);
    const moved = await store().moveCall('call_a', { from: 'a.1', to: 'b.2', attempt: 'any' });
    expect(await store().saveCall(call)).toBe(false);
    expect(await store().saveCall({ ...call, node: null })).toBe(false);
    const ended = { ...endedCall('a'), verificationId: 'ver_a', node: 'a.1' };
    expect(await store().finishCall(ended, true, NOW + 70_000)).toBe(false);
    expect(await store().call('call_a')).toEqual(moved);
    expect(await store().verification('ver_a')).toMatchObject({ status: 'pending', sealedCode: 'c2VhbGVk' });
    expect(await rows()).toBe(0);
    expect(await store().finishCall({ ...ended, node: 'b.2' }, true, NOW + 70_000)).toBe(true);
    expect(await store().call('call_a')).toEqual({ ...ended, node: 'b.2' });
    expect(await rows()).toBe(2);
  });

  it('ends a call once, and answers whoever ended it in the same way again', async () => {
    await accept();
    const ended = { ...endedCall('a'), verificationId: 'ver_a', node: 'a.1' };
    expect(await store().finishCall(ended, true, NOW + 70_000)).toBe(true);
    const later = await beside();
    for (const on of [store(), later]) {
      // As it comes back from a file.
      const same = JSON.parse(JSON.stringify(ended)) as Call;
      expect(await on.finishCall(same, true, NOW + 80_000)).toBe(true);
      expect(await on.finishCall({ ...ended, node: 'b.2' }, true, NOW + 80_000)).toBe(false);
      const otherwise = { ...ended, disposition: 'busy', endedAt: NOW + 80_000 } as const;
      expect(await on.finishCall(otherwise, true, NOW + 80_000)).toBe(false);
      expect(await on.saveCall(ended)).toBe(false);
    }
    expect(await store().call('call_a')).toEqual(ended);
    expect(await store().verification('ver_a')).toMatchObject({ status: 'failed', endedAt: NOW + 70_000 });
    expect(await rows()).toBe(2);
  });

  it('says of a call that was never accepted that nothing was written', async () => {
    expect(await store().finishCall({ ...endedCall('x'), node: 'a.1' }, false, NOW)).toBe(false);
    expect(await store().call('call_x')).toBeUndefined();
    expect(await rows()).toBe(0);
  });
}

/** A call whose INVITE is on its way. */
export function dialling(call: Call): Call {
  return apply(
    call,
    { type: 'trying', at: NOW + 1, leftover: { callId: 'x@y', routes: ['<sip:a;lr>'] } },
    { trunkId: 'alpha', channel: 'voice', cli: '+498912345', marks: NO_MARKS },
  );
}
