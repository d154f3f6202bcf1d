import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apply } from '../../src/call/apply.ts';
import type { Call } from '../../src/call/call.ts';
import type { DialerOptions } from '../../src/call/dialer.ts';
import { Dialer } from '../../src/call/dialer.ts';
import { CallFeed } from '../../src/call/feed.ts';
import { alone } from '../../src/cluster/alone.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { AppError } from '../../src/errors.ts';
import { NO_MARKS } from '../../src/prompt/delivered.ts';
import type { PreparedPrompt, PromptPort } from '../../src/prompt/prepared-prompt.ts';
import { Secret } from '../../src/secret.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { TrunkResults } from '../../src/trunk/results.ts';
import { Vault } from '../../src/verification/vault.ts';
import { eventually } from './eventually.ts';
import { acceptedPair, SOME_PROMPT, someTrunk } from './records.ts';
import { routed } from './routed.ts';
import type { Step } from './scripted-engine.ts';

export const CODE = '493817';

export const THREE_TRUNKS = [
  someTrunk(),
  someTrunk({ id: 'beta', host: 'beta.example' }),
  someTrunk({ id: 'gamma', host: 'gamma.example' }),
];

/** Ten milliseconds of silence for everything, once it is sure that it is the right code. */
const SHORT_PROMPTS: PromptPort = {
  forCode: async (_prompt, code) => {
    if (code.reveal() !== CODE) {
      throw new Error('another code than the one that was accepted');
    }
    return SHORT_PROMPT;
  },

  forGate: async () => SHORT_PROMPT,
  forConfirmation: async () => ({ ask: SHORT_PROMPT, confirmed: SHORT_PROMPT }),
  forPlaylist: async () => SHORT_PROMPT,
};
const SHORT_PROMPT: PreparedPrompt = {
  speech: { sampleRate: 8000, parts: [80] },
  report: SOME_PROMPT,
  marks: NO_MARKS,
};

/** What a store does that cannot be reached. */
export const unreachable = async (): Promise<never> => {
  throw new AppError('store_unavailable');
};

/** A dialer over a real store in a folder of its own, and what it wrote to its log. */
export class DialerRig {
  readonly store: SqliteStore;
  readonly vault = new Vault(Buffer.alloc(32, 3), randomBytes);
  readonly logged: string[] = [];
  /** Of all its dialers; nobody tells it anything. */
  readonly results = new TrunkResults({ now: Date.now, trunks: () => THREE_TRUNKS });
  readonly #folder: string;
  readonly #dialers: Dialer[] = [];

  private constructor(folder: string) {
    this.#folder = folder;
    this.store = new SqliteStore({ path: join(folder, 'db.sqlite'), synchronous: 'normal' });
  }

  static async open(): Promise<DialerRig> {
    return new DialerRig(await mkdtemp(join(tmpdir(), 'voice-otp-dialer-')));
  }

  async close(): Promise<void> {
    await Promise.all(this.#dialers.map((dialer) => dialer.drain(AbortSignal.abort())));
    await this.store.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  dialer(
    engine: Engine,
    change: Partial<DialerOptions> = {},
    settings: Partial<DialerOptions['settings']> = {},
  ): Dialer {
    const { store, vault } = this;
    const write = (fields: Record<string, unknown>, message: string): void => this.#log(fields, message);
    const dialer = new Dialer({
      store,
      engine,
      vault,
      ...routed(THREE_TRUNKS, this.results),
      feed: this.feed(),
      prompts: SHORT_PROMPTS,
      now: Date.now,
      clockOffsetMs: () => 0,
      peers: alone('here'),
      log: { info: write, warn: write, error: write },
      settings: {
        maxConcurrent: 10,
        maxAttempts: 3,
        deadlineMs: 60_000,
        attemptTimeoutMs: 600_000,
        queueMs: 60_000,
        nextTrunkMs: 500,
        maxCallMs: 60_000,
        lingerMs: 500,
        storePatienceMs: 300,
        asks: 2,
        detection: { decideMs: 4000, toneMs: 30_000 },
        ...settings,
      },
      ...change,
    });
    this.#dialers.push(dialer);
    return dialer;
  }

  feed(): CallFeed {
    return new CallFeed({ load: (id) => this.store.call(id), onListenerError: () => undefined });
  }

  /** A verification with its call, stored and not yet dialled; gives the call's id. */
  async accept(name = 'a', change: Parameters<typeof acceptedPair>[1] = {}): Promise<string> {
    const id = `ver_${name}`;
    const code = new Secret(CODE);
    const { verification, call } = acceptedPair(name, {
      createdAt: Date.now(),
      sealedCode: this.vault.seal(id, code),
      codeDigest: this.vault.digest(id, code),
      ...change,
    });
    await this.store.accept(verification, call, null);
    return call.id;
  }

  /** A call as a process left it that was killed after these steps. */
  async leaveOpen(name: string, ...steps: readonly Step[]): Promise<void> {
    let call = (await this.store.call(await this.accept(name))) as Call;
    for (const step of steps) {
      const event = { ...(step as object), at: Date.now() } as Parameters<typeof apply>[1];
      call = apply(call, event, { trunkId: 'alpha', channel: 'voice', cli: '+1', marks: NO_MARKS });
    }
    await this.store.saveCall(call);
  }

  async endOf(callId: string): Promise<Call> {
    return eventually(async () => {
      const call = await this.store.call(callId);
      if (call?.state !== 'ended') {
        throw new Error(`${callId} has not ended: ${call?.state}`);
      }
      return call;
    });
  }

  async statusOf(name = 'a'): Promise<string | undefined> {
    return (await this.store.verification(`ver_${name}`))?.status;
  }

  /** The store, but some of its methods do what a test says. */
  storeWith(change: Partial<Store>): Store {
    return new Proxy<Store>(this.store, {
      get: (target, name) => {
        const method: unknown = change[name as keyof Store] ?? Reflect.get(target, name, target);
        return typeof method === 'function' ? method.bind(target) : method;
      },
    });
  }

  #log(fields: Record<string, unknown>, message: string): void {
    const { err } = fields;
    this.logged.push(`${message} ${JSON.stringify(fields)} ${err instanceof Error ? err.message : ''}`);
  }
}
