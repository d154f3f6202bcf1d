import { expect, it } from 'vitest';
import { familyOfKey } from '../../src/store/family.ts';
import type { Store } from '../../src/store/store.ts';
import type { Notice } from '../../src/webhooks/notice.ts';
import { createNotice, NOTICE_GRACE_MS } from '../../src/webhooks/notice.ts';
import { acceptedPair, NOW } from '../support/records.ts';

const MINUTE_MS = 60_000;
const NOTHING = { verificationsBefore: 0, callsBefore: 0, cliUsesBefore: 0 };

const TARGET = {
  format: 'restcomm',
  url: 'https://shop.example/told?größe=☎',
  method: 'GET',
  events: [],
  fields: { AccountSid: 'AC1' },
} as const;

interface About {
  readonly now?: number;
  readonly clientId?: string | null;
}

/** What every store promises of what clients are told, and of what verifications are found under. */
export function noticeTests(store: () => Store, beside: () => Promise<Store>): void {
  /** Accepts a call with its notice. */
  async function accepted(name: string, { now = NOW, clientId = 'shop' }: About = {}): Promise<Notice> {
    const { verification, call } = acceptedPair(name, { createdAt: now, clientId });
    const notice = noticeOf(call, { now, clientId });
    await store().accept(verification, call, null, { notice });
    return notice;
  }

  /** Accepts a call whose notice is dead. */
  async function dead(name: string, about: About = {}): Promise<Notice> {
    const notice = await accepted(name, about);
    const { notices } = store();
    const at = notice.createdAt;
    await notices.claim(notice.id, name, at, at + MINUTE_MS);
    const given = { ...notice, state: 'dead', tries: 7, triedSince: at, lastError: 'timeout: no' } as const;
    expect(await notices.put(given, name)).toBe('kept');
    return given;
  }

  it('come with their call, or not at all', async () => {
    const notice = await accepted('a');
    expect(await store().notices.get('ntc_a')).toEqual(notice);
    expect(await (await beside()).notices.get('ntc_a')).toEqual(notice);
    const again = acceptedPair('b');
    const taken = { notice: { ...notice, callId: again.call.id } };
    await expect(store().accept(again.verification, again.call, null, taken)).rejects.toThrow(/constraint/i);
    expect(await store().call(again.call.id)).toBeUndefined();
    await expect(
      store().accept(acceptedPair('a').verification, again.call, null, {
        notice: noticeOf(again.call),
      }),
    ).rejects.toThrow(/constraint/i);
    expect(await store().notices.get('ntc_b')).toBeUndefined();
  });

  it('do not come where a request is repeated', async () => {
    const name = `r_${familyOfKey('key')}`;
    const request = { key: 'key', fingerprint: 'f', reply: '{}', expiresAt: NOW + MINUTE_MS };
    const first = acceptedPair(name);
    await store().accept(first.verification, first.call, request, { alias: 'key' });
    const second = acceptedPair(`s${name}`);
    const also = { notice: noticeOf(second.call), alias: 'key' };
    expect(await store().accept(second.verification, second.call, request, also)).toMatchObject({
      kind: 'replayed',
    });
    expect(await store().notices.get(also.notice.id)).toBeUndefined();
    expect(await store().latest('key')).toBe(first.verification.id);
  });

  it('finds the verification that was accepted last under an alias', async () => {
    const alias = 'shop / +4930123456 / "größe"';
    const family = familyOfKey(alias);
    expect(await store().latest(alias)).toBeUndefined();
    for (const name of ['a', 'b']) {
      const { verification, call } = acceptedPair(`${name}_${family}`);
      await store().accept(verification, call, null, { alias });
      expect(await store().latest(alias)).toBe(verification.id);
    }
    expect(await (await beside()).latest(alias)).toBe(`ver_b_${family}`);
    expect(await store().latest('shop')).toBeUndefined();
    // It goes with the verification.
    const end = NOW + 600_000;
    await store().sweep(end, { ...NOTHING, verificationsBefore: end + 1 });
    expect(await store().latest(alias)).toBeUndefined();
  });

  it('are due in the order of their time, until somebody claims them', async () => {
    await accepted('late', { now: NOW + 2 });
    await accepted('early');
    await accepted('middle', { now: NOW + 1 });
    const { notices } = store();
    expect(await notices.due(NOW - 1, 9)).toEqual([]);
    expect(await notices.due(NOW + 1, 9)).toEqual(['ntc_early', 'ntc_middle']);
    expect(await notices.due(NOW + 9, 2)).toEqual(['ntc_early', 'ntc_middle']);
    expect(await notices.claim('ntc_late', 'me', NOW + 1, NOW + 9)).toBeUndefined();
    await notices.claim('ntc_early', 'me', NOW + 3, NOW + 9);
    expect(await notices.due(NOW + 3, 9)).toEqual(['ntc_middle', 'ntc_late']);
    expect(await notices.claim('ntc_none', 'me', NOW + 9, NOW + 99)).toBeUndefined();
  });

  it('are due as many as are asked for, where a family has more of them than others', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `${index}`.padStart(30, '0').concat('a7'));
    for (const name of names) await accepted(name);
    expect(await store().notices.due(NOW, 1000)).toHaveLength(names.length);
  });

  it('are claimed by one of many at once', async () => {
    const other = await beside();
    const names = ['a', 'b', 'c'];
    for (const name of names) await accepted(name);
    const claims = await Promise.all(
      names.flatMap((name) =>
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? store() : other).notices.claim(
            `ntc_${name}`,
            `${name}${index}`,
            NOW,
            NOW + MINUTE_MS,
          ),
        ),
      ),
    );
    expect(
      claims
        .filter((one) => one !== undefined)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(names.map((name) => `ntc_${name}`));
  });

  it('are kept as far as they have come, while they are claimed and after', async () => {
    const notice = await accepted('a');
    const { notices } = store();
    await notices.claim(notice.id, 'me', NOW, NOW + 10);
    const further = { ...notice, toldOfCall: 2, toldOfVerification: 1, delivered: 3 };
    expect(await notices.progress(further, 'me', NOW + 20)).toBe(true);
    expect(await notices.get(notice.id)).toEqual(further);
    expect(await notices.claim(notice.id, 'other', NOW + 19, NOW + 99)).toBeUndefined();
    const failed = { ...further, tries: 1, triedSince: NOW, lastError: 'status 500', dueAt: NOW + 50 };
    expect(await notices.put(failed, 'me')).toBe('kept');
    expect(await notices.get(notice.id)).toEqual(failed);
    expect(await notices.claim(notice.id, 'me', NOW + 49, NOW + 99)).toBeUndefined();
    expect(await notices.claim(notice.id, 'me2', NOW + 50, NOW + 99)).toEqual(failed);
    const told = { ...failed, tries: 0, triedSince: null, lastError: null, dueAt: NOW + 60 };
    expect(await notices.put(told, 'me2')).toBe('kept');
    expect(await notices.get(notice.id)).toEqual(told);
  });

  it('are lost to the next one who claims them when a claim has run out', async () => {
    const notice = await accepted('a');
    const { notices } = store();
    const other = (await beside()).notices;
    await notices.claim(notice.id, 'me', NOW, NOW + 10);
    expect(await other.due(NOW + 9, 9)).toEqual([]);
    expect(await other.due(NOW + 10, 9)).toEqual([notice.id]);
    // Nobody else has it yet.
    expect(await notices.progress(notice, 'me', NOW + 20)).toBe(true);
    expect(await other.claim(notice.id, 'other', NOW + 20, NOW + 30)).toEqual(notice);
    const further = { ...notice, delivered: 9 };
    expect(await notices.progress(further, 'me', NOW + 99)).toBe(false);
    expect(await notices.put(further, 'me')).toBe('lost');
    expect(await notices.finish(notice.id, 'me')).toBe('lost');
    expect(await other.get(notice.id)).toEqual(notice);
    expect(await other.finish(notice.id, 'other')).toBe('kept');
    expect(await other.get(notice.id)).toBeUndefined();
    expect(await other.put(notice, 'other')).toBe('lost');
    expect(await notices.counts()).toEqual({ open: 0, dead: 0, oldestOpenAt: null });
  });

  it('are due when something happens, and whoever works on them looks once more', async () => {
    const notice = await accepted('a');
    const { notices } = store();
    await notices.claim(notice.id, 'me', NOW, NOW + 100);
    const later = { ...notice, dueAt: NOW + 1000 };
    expect(await (await beside()).notices.wake(notice.id, NOW + 1)).toBe(false);
    await notices.wake(notice.id, NOW + 2);
    expect(await notices.progress(later, 'me', NOW + 100)).toBe(true);
    expect(await notices.put(later, 'me')).toBe('again');
    // It is still claimed.
    expect(await notices.claim(notice.id, 'other', NOW + 99, NOW + 200)).toBeUndefined();
    await notices.wake(notice.id, NOW + 3);
    expect(await notices.finish(notice.id, 'me')).toBe('again');
    expect(await notices.put(later, 'me')).toBe('kept');
    expect(await notices.due(NOW + 999, 9)).toEqual([]);
    expect(await notices.wake(notice.id, NOW + 4)).toBe(true);
    expect(await notices.wake(notice.id, NOW + 5)).toBe(true);
    expect(await notices.due(NOW + 4, 9)).toEqual([notice.id]);
    expect(await notices.claim(notice.id, 'me', NOW + 4, NOW + 100)).toMatchObject({ dueAt: NOW + 4 });
    expect(await notices.put(later, 'me')).toBe('kept');
    expect(await notices.wake('ntc_none', NOW)).toBe(false);
  });

  it('wait for their next attempt, whatever happens', async () => {
    const notice = await accepted('a');
    const { notices } = store();
    await notices.claim(notice.id, 'me', NOW, NOW + 100);
    await notices.wake(notice.id, NOW + 1);
    const failed = { ...notice, tries: 1, triedSince: NOW, dueAt: NOW + 1000 };
    expect(await notices.put(failed, 'me')).toBe('kept');
    expect(await notices.wake(notice.id, NOW + 2)).toBe(false);
    expect(await notices.due(NOW + 999, 9)).toEqual([]);
    expect(await notices.get(notice.id)).toEqual(failed);
  });

  it('are found when they are dead, the newest first, and opened again', async () => {
    const all: Notice[] = [];
    for (const [index, name] of ['a', 'b', 'c', 'd'].entries()) {
      all.unshift(
        await dead(name, { now: NOW + (index === 3 ? 2 : index), clientId: index === 1 ? null : 'shop' }),
      );
    }
    const { notices } = store();
    const ids = async (query: Parameters<typeof notices.dead>[0]): Promise<readonly string[]> =>
      (await notices.dead(query)).map(({ id }) => id);
    expect(await notices.dead({ limit: 9 })).toEqual(all);
    expect(await ids({ limit: 9, clientId: 'shop' })).toEqual(['ntc_d', 'ntc_c', 'ntc_a']);
    expect(await ids({ limit: 9, clientId: 'other' })).toEqual([]);
    expect(await ids({ limit: 1 })).toEqual(['ntc_d']);
    expect(await ids({ limit: 2, after: 'ntc_d' })).toEqual(['ntc_c', 'ntc_b']);
    expect(await ids({ limit: 9, clientId: 'shop', after: 'ntc_c' })).toEqual(['ntc_a']);
    expect(await notices.due(NOW * 2, 9)).toEqual([]);
    expect(await notices.claim('ntc_a', 'me', NOW * 2, NOW * 3)).toBeUndefined();
    await notices.wake('ntc_a', NOW);
    expect(await notices.counts()).toEqual({ open: 0, dead: 4, oldestOpenAt: null });

    expect(await notices.revive('ntc_a', NOW + 50)).toBe(true);
    expect(await notices.revive('ntc_a', NOW + 50)).toBe(false);
    expect(await notices.revive('ntc_none', NOW)).toBe(false);
    expect(await ids({ limit: 9, clientId: 'shop' })).toEqual(['ntc_d', 'ntc_c']);
    expect(await notices.due(NOW + 50, 9)).toEqual(['ntc_a']);
    expect(await notices.claim('ntc_a', 'me', NOW + 50, NOW + 99)).toMatchObject({
      state: 'open',
      tries: 0,
      triedSince: null,
      dueAt: NOW + 50,
    });
    expect(await notices.counts()).toEqual({ open: 1, dead: 3, oldestOpenAt: NOW });
    expect(await notices.finish('ntc_a', 'me')).toBe('kept');
  });

  it('do not stay for ever', async () => {
    await accepted('a');
    await dead('b');
    const { notices } = store();
    const before = NOW + NOTICE_GRACE_MS;
    await store().sweep(NOW, { ...NOTHING, verificationsBefore: before, callsBefore: before });
    expect(await notices.counts()).toEqual({ open: 1, dead: 1, oldestOpenAt: NOW });
    await store().sweep(NOW, { ...NOTHING, verificationsBefore: before + 1, callsBefore: before + 1 });
    expect(await notices.counts()).toEqual({ open: 0, dead: 0, oldestOpenAt: null });
    expect(await notices.get('ntc_a')).toBeUndefined();
    expect(await notices.dead({ limit: 9 })).toEqual([]);
    expect(await notices.due(NOW * 2, 9)).toEqual([]);
  });
}

function noticeOf(
  { id, verificationId }: { readonly id: string; readonly verificationId: string | null },
  { now = NOW, clientId = 'shop' }: About = {},
): Notice {
  return createNotice({ clientId, callId: id, verificationId, target: TARGET, now });
}
