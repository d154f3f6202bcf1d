import { randomBytes } from 'node:crypto';
import type { Call } from '../../call/call.ts';
import { cdrsOf } from '../../cdr/cdr.ts';
import { AppError } from '../../errors.ts';
import type { RedisClient } from '../../redis/script.ts';
import { runScript } from '../../redis/script.ts';
import { guarded } from '../../redis/unavailable.ts';
import type { Checked, CheckVerdict, Submitted, Verification } from '../../verification/verification.ts';
import { NOTICE_GRACE_MS } from '../../webhooks/notice.ts';
import type { CdrLedger } from '../cdr-ledger.ts';
import { familyOf, familyOfKey } from '../family.ts';
import type {
  Accepted,
  AlsoStored,
  CallMove,
  CallQuery,
  CliRequest,
  CliTaken,
  IdempotentRequest,
  Repeated,
  Store,
} from '../store.ts';
import { ACCEPT, ACCEPT_WITHIN_MS } from './accept-scripts.ts';
import { FINISH_CALL, MOVE_CALL, SAVE_CALL } from './call-scripts.ts';
import { RedisCallLists } from './redis-call-lists.ts';
import { RedisClis } from './redis-clis.ts';
import { keyDigest, RedisKeys } from './redis-keys.ts';
import { RedisLimits } from './redis-limits.ts';
import { noticeFields, RedisNotices } from './redis-notices.ts';
import { callFields, callOf, hashOf, nodeField, verificationFields, verificationOf } from './redis-rows.ts';
import { RedisSweep } from './redis-sweep.ts';
import { CHECK, END_VERIFICATION } from './verification-scripts.ts';

/** Records that nobody could deliver to the ledger are not given up before. */
const OUTBOX_MS = 366 * 86_400_000;
const PING_MS = 60_000;
const RETRY_AFTER_SECONDS = 2;

export interface RedisStoreOptions {
  /** Whoever made it ends it, after the store. */
  readonly client: RedisClient;
  /** What the names of all keys begin with. */
  readonly prefix: string;
  readonly ledger: CdrLedger;
  /** Carries the records of a family from the store to the ledger. */
  readonly outbox: {
    deliver(family: string, now?: number, callId?: string): Promise<void>;
    /** What processes that died have left. */
    deliverAll(): Promise<unknown>;
  };
  /** How long final verifications are kept, and calls from their beginning on; whole numbers. */
  readonly retentionMs: { readonly verifications: number; readonly calls: number };
}

/**
 * The store that several nodes share. Each decision is one script, whose keys have one hash tag: the family of the call
 * (family.ts). Whoever makes the ids has to put a verification, its call and the idempotent request into one family, the
 * request's being `familyOfKey` of its key.
 *
 * Every key has an expiry, so that Redis frees what is past its retention by itself; `sweep` does it by the times of
 * its caller, and counts.
 *
 * Memory, measured with Redis 7.0 (MEMORY USAGE over all keys, ids as services make them): 4.2 KB for a verification
 * with its call as they are accepted, with the idempotent request, which takes 1.1 KB of it and lives for a day. When
 * an answered call has ended it is 5.6 KB, beside its records in the ledger. For ten minutes there are 130 bytes more.
 *
 * All methods: @throws AppError store_unavailable where Redis cannot serve. A decision may have been taken all the same.
 */
export class RedisStore implements Store {
  readonly cdrs: CdrLedger;
  readonly limits: RedisLimits;
  readonly notices: RedisNotices;
  readonly #client: RedisClient;
  readonly #keys: RedisKeys;
  readonly #outbox: RedisStoreOptions['outbox'];
  readonly #retentionMs: RedisStoreOptions['retentionMs'];
  readonly #lists: RedisCallLists;
  readonly #clis: RedisClis;
  readonly #sweep: RedisSweep;
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  constructor({ client, prefix, ledger, outbox, retentionMs }: RedisStoreOptions) {
    this.cdrs = ledger;
    this.#client = client;
    this.#keys = new RedisKeys(prefix);
    this.#outbox = outbox;
    this.#retentionMs = retentionMs;
    this.#lists = new RedisCallLists(client, this.#keys, retentionMs.calls);
    this.#clis = new RedisClis(client, this.#keys, retentionMs.calls);
    this.limits = new RedisLimits(client, this.#keys, (work) => this.#do(work));
    this.notices = new RedisNotices({
      client,
      keys: this.#keys,
      livesMs: noticeLivesMs(retentionMs),
      guard: (work) => this.#do(work),
    });
    this.#sweep = new RedisSweep(client, this.#keys, retentionMs.verifications);
  }

  /** @throws RangeError where the ids are of several families; Error where one of them is taken */
  accept(
    verification: Verification | null,
    call: Call,
    request: IdempotentRequest | null,
    also: AlsoStored = {},
  ): Promise<Accepted> {
    return this.#do(async () => {
      const family = familyOf(call.id);
      assertFamily(family, call.verificationId, verification?.id, verification?.callId, also.notice?.id);
      const texts = [request?.key, also.alias].filter((text) => text !== undefined);
      if (texts.some((text) => familyOfKey(text) !== family)) throw new RangeError(OTHER_FAMILY);
      const entered = await this.#lists.enter(call);
      const about = this.#acceptArgs(verification, call, request);
      const args = [
        ...[onceWord(), entered, ACCEPT_WITHIN_MS, ...about],
        ...this.#alsoArgs(also),
        ...(verification === null ? [] : verificationFields(verification)),
      ];
      const keys = [
        ...this.#acceptKeys(family, verification, call, request),
        ...this.#alsoKeys(family, also),
      ];
      const [kind, reply = '', there] = (await runScript(this.#client, ACCEPT, keys, args)) as string[];
      if (kind === 'late') {
        throw new AppError('store_unavailable', { retryAfterSeconds: RETRY_AFTER_SECONDS });
      }
      if (there === '0') await this.#lists.unenter(call.id, call.clientId);
      if (kind === 'taken')
        throw new Error('a constraint is violated: the id of a call or verification is taken');
      return kind === 'replayed' ? { kind, reply } : { kind: kind as 'accepted' | 'key_reused' };
    });
  }

  earlierAnswer(
    { key, fingerprint }: Pick<IdempotentRequest, 'key' | 'fingerprint'>,
    now: number,
  ): Promise<Repeated | undefined> {
    return this.#do(async () => {
      const row = this.#keys.request(familyOfKey(key), keyDigest(key));
      const [known, reply, expiresAt] = await this.#client.hmget(row, 'fingerprint', 'reply', 'expiresAt');
      if (known == null || Number(expiresAt) <= now) return undefined;
      return known === fingerprint ? { kind: 'replayed', reply: reply ?? '' } : { kind: 'key_reused' };
    });
  }

  verification(id: string): Promise<Verification | undefined> {
    return this.#do(async () =>
      verificationOf(await this.#client.hgetall(this.#keys.verification(familyOf(id), id))),
    );
  }

  latest(alias: string): Promise<string | undefined> {
    return this.#do(async () => {
      const family = familyOfKey(alias);
      const id = await this.#client.get(this.#keys.alias(family, keyDigest(alias)));
      if (id === null) return undefined;
      return (await this.#client.exists(this.#keys.verification(family, id))) === 1 ? id : undefined;
    });
  }

  check(id: string, { by, digest }: Submitted, now: number): Promise<Checked | undefined> {
    return this.#do(async () => {
      const field = by === 'caller_id' ? 'cliDigest' : 'codeDigest';
      const args = [id, field, digest, by, now, this.#retentionMs.verifications];
      const answer = await runScript(this.#client, CHECK, this.#verificationKeys(id), args);
      if (answer === null) return undefined;
      const [verdict, flat] = answer as [CheckVerdict, string[]];
      return { verdict, verification: verificationOf(hashOf(flat)) as Verification };
    });
  }

  endVerification(
    id: string,
    status: 'failed' | 'canceled' | 'expired',
    now: number,
  ): Promise<Verification | undefined> {
    return this.#do(async () => {
      const args = [id, status, now, this.#retentionMs.verifications];
      const flat = await runScript(this.#client, END_VERIFICATION, this.#verificationKeys(id), args);
      return flat === null ? undefined : verificationOf(hashOf(flat as string[]));
    });
  }

  takeCli(request: CliRequest): Promise<CliTaken> {
    return this.#do(() => this.#clis.take(request));
  }

  call(id: string): Promise<Call | undefined> {
    return this.#do(() => this.#lists.call(id));
  }

  calls(query: CallQuery): Promise<readonly Call[]> {
    return this.#do(() => this.#lists.find(query));
  }

  unfinishedCalls(): Promise<readonly Call[]> {
    return this.#do(() => this.#lists.unfinished());
  }

  saveCall(call: Call): Promise<boolean> {
    return this.#do(async () => {
      const row = this.#keys.call(familyOf(call.id), call.id);
      return (await runScript(this.#client, SAVE_CALL, [row], callFields(call))) === 1;
    });
  }

  moveCall(id: string, { from, to, attempt }: CallMove): Promise<Call | undefined> {
    return this.#do(async () => {
      const args = [nodeField(from), to, attempt === 'any' ? 1 : 0, onceWord()];
      const row = this.#keys.call(familyOf(id), id);
      return callOf((await runScript(this.#client, MOVE_CALL, [row], args)) as string | null, to);
    });
  }

  finishCall(call: Call, failVerification: boolean, now: number): Promise<boolean> {
    return this.#do(async () => {
      const { id, verificationId } = call;
      const family = familyOf(id);
      assertFamily(family, verificationId);
      const records = cdrsOf(call).map((content) => JSON.stringify(content));
      const [record, , node] = callFields(call);
      const about = [verificationId ?? '', failVerification ? 1 : 0, now, this.#retentionMs.verifications];
      const keys = this.#keys;
      const written = await runScript(
        this.#client,
        FINISH_CALL,
        [
          keys.call(family, id),
          keys.unfinished(family),
          keys.verification(family, verificationId ?? ''),
          keys.pending(family),
          keys.final(family),
          keys.outbox(family),
        ],
        [id, record, node, ...about, OUTBOX_MS, ...records],
      );
      if (written === 0) return false;
      if (records.length > 0) await this.#outbox.deliver(family, now, id);
      return true;
    });
  }

  sweep(now: number, keepUntil: Parameters<Store['sweep']>[1]): Promise<number> {
    return this.#do(async () => {
      const { verificationsBefore, callsBefore, cliUsesBefore, cdrsBefore } = keepUntil;
      const rows = await this.#sweep.all(now, verificationsBefore);
      const calls = await this.#lists.drop(callsBefore);
      await this.#sweep.notices(this.notices, Math.min(verificationsBefore, callsBefore) - NOTICE_GRACE_MS);
      await this.#clis.sweep(cliUsesBefore, callsBefore);
      const cdrs = cdrsBefore === undefined ? 0 : await this.cdrs.drop(cdrsBefore);
      await this.#outbox.deliverAll();
      return rows + calls + cdrs;
    });
  }

  ping(): Promise<void> {
    return this.#do(async () => {
      await this.#client.set(this.#keys.ping, '1', 'PX', PING_MS);
    });
  }

  /** Waits for what was asked for before. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#running);
  }

  async #do<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new AppError('store_unavailable');
    const running = guarded(work);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  #verificationKeys(id: string): readonly string[] {
    const family = familyOf(id);
    const keys = this.#keys;
    return [keys.verification(family, id), keys.pending(family), keys.final(family)];
  }

  #acceptKeys(
    family: string,
    verification: Verification | null,
    { id, verificationId }: Call,
    request: IdempotentRequest | null,
  ): readonly string[] {
    const keys = this.#keys;
    return [
      keys.call(family, id),
      keys.unfinished(family),
      keys.verification(family, verification?.id ?? ''),
      keys.pending(family),
      keys.final(family),
      keys.callsOfVerification(family, verificationId ?? ''),
      keys.request(family, request === null ? '' : keyDigest(request.key)),
      keys.requests(family),
    ];
  }

  #alsoKeys(family: string, { alias, notice }: AlsoStored): readonly string[] {
    const keys = this.#keys;
    return [
      keys.alias(family, alias === undefined ? '' : keyDigest(alias)),
      keys.notice(family, notice?.id ?? ''),
      keys.openNotices(family),
      keys.dueNotices(family),
    ];
  }

  #alsoArgs({ alias, notice }: AlsoStored): readonly (string | number)[] {
    const named = alias === undefined ? 0 : 1;
    if (notice === undefined) return [named, '', '', '', 0];
    const fields = noticeFields(notice);
    return [named, notice.id, notice.dueAt, noticeLivesMs(this.#retentionMs), fields.length, ...fields];
  }

  /** From the id of the call on, up to how long its verification lives. */
  #acceptArgs(
    verification: Verification | null,
    call: Call,
    request: IdempotentRequest | null,
  ): readonly (string | number)[] {
    const { verifications, calls } = this.#retentionMs;
    const ofCall = [call.id, ...callFields(call), call.createdAt, calls, call.verificationId ?? ''];
    const ofRequest =
      request === null
        ? ['', '', '', '', '']
        : [
            keyDigest(request.key),
            request.fingerprint,
            request.reply,
            request.expiresAt,
            wholeMs(request.expiresAt - call.createdAt),
          ];
    if (verification === null) return [...ofCall, ...ofRequest, '', '', '', ''];
    const { id, status, createdAt, expiresAt, endedAt } = verification;
    const lives = verifications + (status === 'pending' ? wholeMs(expiresAt - createdAt) : 0);
    return [...ofCall, ...ofRequest, id, status, endedAt ?? expiresAt, lives];
  }
}

const OTHER_FAMILY = 'a constraint is violated: a verification, its call and their request are of one family';

function assertFamily(family: string, ...ids: readonly (string | null | undefined)[]): void {
  if (ids.some((id) => id != null && familyOf(id) !== family)) throw new RangeError(OTHER_FAMILY);
}

function noticeLivesMs({ verifications, calls }: RedisStoreOptions['retentionMs']): number {
  return Math.max(verifications, calls) + NOTICE_GRACE_MS;
}

/** What marks one command among all, for whom a client sends it twice: a cluster's does where a server goes away. */
function onceWord(): string {
  return randomBytes(9).toString('base64url');
}

/** As keys expire: of what is over, in a moment. */
function wholeMs(duration: number): number {
  return Math.max(1, Math.ceil(duration));
}
