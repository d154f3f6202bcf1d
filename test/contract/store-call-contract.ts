import { expect, it } from 'vitest';
import { apply, endCall, markPrepared } from '../../src/call/apply.ts';
import type { Call } from '../../src/call/call.ts';
import { createCall } from '../../src/call/call.ts';
import { NO_MARKS } from '../../src/prompt/delivered.ts';
import type { Store } from '../../src/store/store.ts';
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

/** A call whose INVITE is on its way. */
export function dialling(call: Call): Call {
  return apply(
    call,
    { type: 'trying', at: NOW + 1, leftover: { callId: 'x@y', routes: ['<sip:a;lr>'] } },
    { trunkId: 'alpha', channel: 'voice', cli: '+498912345', marks: NO_MARKS },
  );
}
