import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type ChaosCode, nextCode } from './codes.ts';
import { type Fate, nextNumber, seeded } from './fate.ts';
import type { AcceptedRequest } from './judge-records.ts';

export interface LoadTerms {
  /** How many are to be accepted. */
  readonly calls: number;
  readonly ratePerSecond: number;
  readonly seed: number;
  /** Of the nodes. */
  readonly urls: readonly string[];
  /** Of all calls; a mixture without it. */
  readonly fate?: Fate;
  /** Hears of each verification, with the code that its callee is told. */
  readonly onAccepted?: (verificationId: string, callId: string, code: string) => void;
}

/** A request with what became of it. */
export interface Answered extends AcceptedRequest {
  /** Epoch milliseconds: of the first try, and of the answer. */
  readonly askedAt: number;
  readonly answeredAt: number;
  /** By the node's clock: epoch milliseconds. */
  readonly createdAt: number;
  readonly tries: number;
}

/** A node does not answer in this time: the next one is asked. */
const TRY_MS = 2000;
/** Whoever was not accepted after this time gives up. */
const PATIENCE_MS = 45_000;
const PAUSE_MS = 250;
/** Of as many as are wanted: with more of them the load ends. */
const MOST_GIVEN_UP = 0.25;

const accepted = z.object({ id: z.string(), callId: z.string(), to: z.string(), createdAt: z.string() });

interface ChaosRequest extends ChaosCode {
  readonly to: string;
  readonly repeat: number;
}

type Try =
  | { readonly kind: 'accepted'; readonly body: unknown }
  | { readonly kind: 'again'; readonly why: string };

/**
 * Asks for calls at a steady pace, each of a new number with a code of its own and an `Idempotency-Key`, of one node
 * after the other, as a load balancer does: whoever refuses the connection, answers 503 or takes too long, is not
 * asked again until all others were.
 */
export class Load {
  readonly accepted: Answered[] = [];
  /** Numbers of requests that nobody accepted in time: each may have been called once all the same. */
  readonly givenUp: string[] = [];
  /** Why tries failed, and how often. */
  readonly failures = new Map<string, number>();
  /** Milliseconds that answers 503 took. */
  readonly refusedAfterMs: number[] = [];
  /** Answers 503 without `Retry-After`. */
  withoutRetryAfter = 0;
  readonly codes = new Set<string>();
  readonly numbers = new Set<string>();
  readonly #terms: LoadTerms;
  readonly #marks: {
    readonly at: number;
    readonly reached: () => void;
    readonly missed: (error: Error) => void;
  }[] = [];

  constructor(terms: LoadTerms) {
    this.#terms = terms;
  }

  /** Resolves when this share of the requests has been accepted; rejects where it never was. */
  reached(share: number): Promise<void> {
    return new Promise((reached, missed) => {
      this.#marks.push({ at: Math.ceil(share * this.#terms.calls), reached, missed });
    });
  }

  /** Resolves when as many as wanted were accepted, or too many gave up. */
  async run(): Promise<void> {
    const { calls, ratePerSecond, seed, fate } = this.#terms;
    const random = seeded(seed);
    const open = new Set<Promise<void>>();
    const start = performance.now();
    for (let index = 0; this.accepted.length + open.size < calls || open.size > 0; index++) {
      if (this.givenUp.length > calls * MOST_GIVEN_UP) break;
      await sleep(Math.max(0, start + (index * 1000) / ratePerSecond - performance.now()));
      // Those that are open may all be accepted: more are asked for only where one was given up.
      if (this.accepted.length + open.size >= calls) {
        if (open.size > 0) await Promise.race(open);
        index--;
        continue;
      }
      const number = nextNumber(index, random, fate);
      const code = nextCode(index, random, Date.now(), this.codes);
      this.numbers.add(number);
      const asking = this.#ask(index, { to: number, repeat: 1, ...code }).finally(() => open.delete(asking));
      open.add(asking);
    }
    await Promise.all(open);
    // Those that were reached have been settled before.
    for (const { missed } of this.#marks) missed(new Error('the load ended before that'));
  }

  async #ask(index: number, request: ChaosRequest): Promise<void> {
    const { urls, seed } = this.#terms;
    const askedAt = Date.now();
    const body = JSON.stringify(request);
    for (let tries = 1; Date.now() - askedAt < PATIENCE_MS; tries++) {
      const url = urls[(index + tries - 1) % urls.length] ?? '';
      const answer = await this.#try(url, `chaos-${seed}-${index}`, body);
      if (answer.kind === 'accepted') {
        const { id, callId, to, createdAt } = accepted.parse(answer.body);
        if (to !== request.to) throw new Error(`${request.to} was asked for, ${to} was answered`);
        this.accepted.push({
          ...{ number: to, verificationId: id, callId, askedAt, answeredAt: Date.now(), tries },
          createdAt: Date.parse(createdAt),
        });
        this.#terms.onAccepted?.(id, callId, request.code);
        for (const { at, reached } of this.#marks) if (this.accepted.length >= at) reached();
        return;
      }
      this.failures.set(answer.why, (this.failures.get(answer.why) ?? 0) + 1);
      if (tries % urls.length === 0) await sleep(PAUSE_MS);
    }
    this.givenUp.push(request.to);
  }

  async #try(url: string, key: string, body: string): Promise<Try> {
    const begun = performance.now();
    try {
      const response = await fetch(`${url}/v1/verifications`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        body,
        signal: AbortSignal.timeout(TRY_MS),
      });
      const answer: unknown = await response.json();
      if (response.status === 201) return { kind: 'accepted', body: answer };
      if (response.status === 503) {
        this.refusedAfterMs.push(performance.now() - begun);
        if (response.headers.get('retry-after') === null) this.withoutRetryAfter += 1;
      }
      const { code } = (answer as { readonly error?: { readonly code?: string } }).error ?? {};
      return { kind: 'again', why: `${response.status} ${code ?? ''}` };
    } catch (error) {
      return { kind: 'again', why: reasonOf(error) };
    }
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : error.name;
}
