import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { RedisClient } from '../redis/script.ts';
import type { ClusterLog } from './membership.ts';
import type { PeerMessage } from './peers.ts';
import type { Subscriptions } from './subscriptions.ts';

/** Longer than this, whoever asks does not wait: a process that stands still takes nothing. */
const ANSWER_MS = 1000;
const MAX_TEXT = 10_000;

const message = z.strictObject({
  kind: z.enum(['hang_up', 'settle', 'moved']),
  callId: z.string().min(1).max(200),
});

const envelope = z.union([
  z.strictObject({ id: z.uuid(), from: z.string().min(1).max(500), message }),
  z.strictObject({ taken: z.uuid() }),
]);

export interface MessagesOptions {
  /** Publishes. */
  readonly client: RedisClient;
  readonly subscriptions: Subscriptions;
  readonly prefix: string;
  readonly answerMs?: number;
  readonly log: ClusterLog;
}

/**
 * What processes tell each other: each listens on a channel of its own, and answers what it has taken. How many
 * connections a publication reached would not do instead: one process of a Redis Cluster counts its own alone, and a
 * process that stands still keeps its connection. A message may have been taken though its answer was lost.
 */
export class Messages {
  readonly #options: MessagesOptions;
  readonly #waiting = new Map<string, (taken: boolean) => void>();
  #token = '';
  #listener: ((told: PeerMessage) => void) | undefined;
  #unlisten: (() => void) | undefined;

  constructor(options: MessagesOptions) {
    this.#options = options;
  }

  /** Who takes what we are told; until there is somebody, nothing is taken. */
  onMessage(listener: (told: PeerMessage) => void): void {
    this.#listener = listener;
  }

  /** Listens to what is told to this token, and to no other one any more. */
  listenAs(token: string): void {
    this.#unlisten?.();
    this.#token = token;
    this.#unlisten = this.#options.subscriptions.listen(this.#channel(token), (text) => this.#hear(text));
  }

  /** False where nobody has said within a second that it took it. Never rejects. */
  async send(token: string, told: PeerMessage): Promise<boolean> {
    const { client, answerMs = ANSWER_MS } = this.#options;
    if (client.status !== 'ready') return false;
    const id = randomUUID();
    const taken = new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), answerMs);
      this.#waiting.set(id, (value) => {
        clearTimeout(timer);
        resolve(value);
      });
    });
    try {
      const heard = client.publish(
        this.#channel(token),
        JSON.stringify({ id, from: this.#token, message: told }),
      );
      heard.then(
        (count) => {
          if (count === 0 && !client.isCluster) this.#waiting.get(id)?.(false);
        },
        () => this.#waiting.get(id)?.(false),
      );
      return await taken;
    } finally {
      this.#waiting.delete(id);
    }
  }

  close(): void {
    this.#unlisten?.();
    this.#unlisten = undefined;
    for (const settle of [...this.#waiting.values()]) settle(false);
  }

  #channel(token: string): string {
    return `${this.#options.prefix}:node:${token}`;
  }

  #hear(text: string): void {
    const { client, log } = this.#options;
    const got = envelope.safeParse(parsed(text)).data;
    if (got === undefined) {
      log.warn({ length: text.length }, 'what another node says cannot be understood, and is dropped');
      return;
    }
    if ('taken' in got) {
      this.#waiting.get(got.taken)?.(true);
      return;
    }
    if (this.#listener === undefined) return;
    try {
      this.#listener(got.message);
    } catch (err) {
      log.error({ err, kind: got.message.kind }, 'what another node asks for failed');
      return;
    }
    client.publish(this.#channel(got.from), JSON.stringify({ taken: got.id })).catch(() => undefined);
  }
}

function parsed(text: string): unknown {
  if (text.length > MAX_TEXT) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
