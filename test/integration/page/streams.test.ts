import type { IncomingMessage } from 'node:http';
import { Agent, get } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import { fastify } from 'fastify';
import { describe, expect, it } from 'vitest';
import { PartStreams } from '../../../src/api/try-stream.ts';

/** A connection that nobody asks on any more is kept for this long: a server that waits for it is late. */
const KEPT_MS = 20_000;
const PATIENCE_MS = 5000;

/** A server with streams of pages, and a browser that has one connection to it, which it keeps. */
class Rig {
  readonly api = fastify({ keepAliveTimeout: KEPT_MS, return503OnClosing: false });
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly subscribing = new Gate();
  readonly subscribed = new Gate();
  readonly closing = new Gate();
  readonly mayClose = new Gate();
  #url = '';

  constructor({ isSlow }: { readonly isSlow: boolean }) {
    const streams = new PartStreams(this.api);
    if (isSlow) {
      this.api.addHook('preClose', async () => {
        this.closing.open();
        await this.mayClose.isOpen;
      });
    }
    const watch = async (): Promise<() => void> => {
      this.subscribing.open();
      await this.subscribed.isOpen;
      return () => {};
    };
    this.api.get('/', async () => 'a page');
    this.api.get('/events', async (_request, reply: FastifyReply) =>
      streams.answer(reply, { everyMs: 50, look: async () => ({ parts: [], isOver: false }), watch }),
    );
  }

  async listen(): Promise<void> {
    this.#url = await this.api.listen({ host: '127.0.0.1', port: 0 });
  }

  /** Resolves with what there is of an answer, when its head is there. */
  ask(path: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      get(this.#url + path, { agent: this.#agent }, resolve).on('error', reject);
    });
  }

  /** Whether the server closes in time. */
  async closes(): Promise<boolean> {
    const inTime = new AbortController();
    const late = sleep(PATIENCE_MS, false, { signal: inTime.signal }).catch(() => false);
    const closed = await Promise.race([this.api.close().then(() => true), late]);
    inTime.abort();
    this.#agent.destroy();
    return closed;
  }
}

/** Something that is waited for. */
class Gate {
  open: () => void = () => {};
  readonly isOpen = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

describe('a server with event streams of pages', () => {
  async function started({ isSlow }: { readonly isSlow: boolean }): Promise<Rig> {
    const rig = new Rig({ isSlow });
    await rig.listen();
    return rig;
  }

  it('closes though a browser keeps the connection of one', async () => {
    const rig = await started({ isSlow: false });
    rig.subscribed.open();
    (await rig.ask('/events')).resume();
    expect(await rig.closes()).toBe(true);
  });

  it('closes though one is about to begin', async () => {
    const rig = await started({ isSlow: true });
    const asked = rig.ask('/events');
    await rig.subscribing.isOpen;
    const closes = rig.closes();
    await rig.closing.isOpen;
    rig.subscribed.open();
    (await asked).resume();
    rig.mayClose.open();
    expect(await closes).toBe(true);
  });

  it('closes though one is asked for meanwhile', async () => {
    const rig = await started({ isSlow: true });
    rig.subscribed.open();
    await text(await rig.ask('/'));
    const closes = rig.closes();
    await rig.closing.isOpen;
    (await rig.ask('/events')).resume();
    rig.mayClose.open();
    expect(await closes).toBe(true);
  });
});
