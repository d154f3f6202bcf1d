import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { none, type Verdict } from './verdict.ts';

/** Of the accepted requests every so many has its code checked. */
const ONE_IN = 3;
/** How often it is asked whether the callee has answered, and for how long: nobody knows a code before. */
const LOOK_MS = 3000;
const LOOKS = 20;
const TRY_MS = 2000;
const TRIES = 10;
const PAUSE_MS = 500;

const checkAnswer = z.object({ approved: z.boolean() });
const callAnswer = z.object({ state: z.string() });
const verificationAnswer = z.object({ id: z.string(), status: z.string() });

/** Right codes, each submitted at two nodes at the same time: one of them may say that it approved it. */
export class Checks {
  /** How often somebody was told `approved: true`, by verification. */
  readonly approvals = new Map<string, number>();
  readonly #urls: readonly string[];
  readonly #open: Promise<unknown>[] = [];
  #asked = 0;

  /** @param urls of the nodes */
  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  /** Has the code of some of those that are given checked, once their callee has answered. */
  later(verificationId: string, callId: string, code: string): void {
    const index = this.#asked++;
    if (index % ONE_IN !== 0) return;
    this.#open.push(this.#afterAnswer(index, verificationId, callId, code));
  }

  /** Resolves when all of them were answered, or given up. */
  async over(): Promise<void> {
    await Promise.all(this.#open);
  }

  async #afterAnswer(index: number, id: string, callId: string, code: string): Promise<void> {
    for (let look = 0; look < LOOKS; look++) {
      await sleep(LOOK_MS);
      const state = await this.#stateOf(callId, index + look);
      if (state === 'answered') {
        this.approvals.set(id, 0);
        await Promise.all([this.#submit(index, id, code), this.#submit(index + 1, id, code)]);
      }
      if (state === 'answered' || state === 'ended') return;
    }
  }

  /** Undefined where this node does not say. */
  async #stateOf(callId: string, index: number): Promise<string | undefined> {
    try {
      const url = this.#urls[index % this.#urls.length] ?? '';
      const response = await fetch(`${url}/v1/calls/${callId}`, { signal: AbortSignal.timeout(TRY_MS) });
      return response.status === 200 ? callAnswer.parse(await response.json()).state : undefined;
    } catch {
      return undefined;
    }
  }

  async #submit(from: number, id: string, code: string): Promise<void> {
    for (let i = 0; i < TRIES; i++) {
      const url = this.#urls[(from + i) % this.#urls.length] ?? '';
      try {
        const response = await fetch(`${url}/v1/verifications/${id}/check`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ code }),
          signal: AbortSignal.timeout(TRY_MS),
        });
        const body: unknown = await response.json();
        if (response.status === 200 && checkAnswer.parse(body).approved) {
          this.approvals.set(id, (this.approvals.get(id) ?? 0) + 1);
        }
        // Final already: the other one was first, or the call failed.
        if (response.status === 200 || response.status === 409) return;
      } catch {
        // Nobody there, or nobody who answers: the next one.
      }
      await sleep(PAUSE_MS);
    }
  }
}

/** What a node says of verifications, by id. */
export async function statusesAt(url: string, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const statuses = new Map<string, string>();
  for (const id of ids) {
    const response = await fetch(`${url}/v1/verifications/${id}`, { signal: AbortSignal.timeout(30_000) });
    if (response.status !== 200) continue;
    statuses.set(id, verificationAnswer.parse(await response.json()).status);
  }
  return statuses;
}

/** Nobody is told twice that a code was right, and what somebody was told is what is kept. */
export function judgeChecks(
  approvals: ReadonlyMap<string, number>,
  statuses: ReadonlyMap<string, string>,
): readonly Verdict[] {
  const told = [...approvals];
  const approved = told.filter(([, times]) => times > 0);
  return [
    none(
      'verifications that were approved twice',
      told.filter(([, times]) => times > 1).map(([id]) => id),
      approved.length,
    ),
    none(
      'approvals that are forgotten',
      approved.filter(([id]) => statuses.get(id) !== 'approved').map(([id]) => `${id} ${statuses.get(id)}`),
      approved.length,
    ),
  ];
}
