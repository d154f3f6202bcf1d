import type { IncomingMessage } from 'node:http';
import { get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callEventStream } from '../../../src/api/call-events.ts';
import type { Call } from '../../../src/call/call.ts';
import { createCall } from '../../../src/call/call.ts';
import { CallFeed } from '../../../src/call/feed.ts';
import { eventually } from '../../support/eventually.ts';
import type { ScriptedLeg } from './scripted-engine.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

let service: Service;
let port: number;
async function start(): Promise<{ callId: string; leg: ScriptedLeg }> {
  const before = service.engine.legs.length;
  const reply = await service.api.inject({
    method: 'POST',
    url: '/v1/verifications',
    payload: { to: '+4930123456' },
  });
  const leg = await eventually(() => {
    const found = service.engine.legs[before];
    expect(found).toBeDefined();
    return found as ScriptedLeg;
  });
  return { callId: reply.json<{ callId: string }>().callId, leg };
}

interface Stream {
  readonly response: IncomingMessage;
  /** What has come so far. */
  readonly text: () => string;
  readonly ended: Promise<void>;
}

function follow(callId: string, headers: Record<string, string> = {}): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const request = get({
      host: '127.0.0.1',
      port,
      path: `/v1/calls/${callId}/events`,
      headers,
      agent: false,
    });
    request.once('error', reject);
    request.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      const ended = new Promise<void>((done) => {
        response.once('close', done);
      });
      response.on('error', () => undefined);
      resolve({ response, text: () => text, ended });
    });
  });
}

interface Event {
  readonly id: number;
  readonly event: string;
  readonly data: {
    readonly index: number;
    readonly type: string;
    readonly attempt: number;
    readonly at: string;
  };
}

function eventsIn(text: string): Event[] {
  return text
    .split('\n\n')
    .filter((frame) => frame.startsWith('id: '))
    .map((frame) => {
      const lines = Object.fromEntries(frame.split('\n').map((line) => line.split(/: (.*)/s, 2)));
      return {
        id: Number(lines['id']),
        event: String(lines['event']),
        data: JSON.parse(String(lines['data'])),
      };
    });
}

describe('GET /v1/calls/:id/events', () => {
  beforeEach(async () => {
    service = await startService();
    await service.api.listen({ host: '127.0.0.1', port: 0 });
    port = (service.api.server.address() as AddressInfo).port;
  });
  afterEach(() => service.close());

  it('tells what was, then what happens, and ends with the call', async () => {
    const { callId, leg } = await start();
    leg.ring();
    const stream = await follow(callId);
    expect(stream.response.statusCode).toBe(200);
    expect(stream.response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    });
    await eventually(() => expect(eventsIn(stream.text()).at(-1)?.event).toBe('ringing'));
    leg.answer();
    await eventually(() => expect(eventsIn(stream.text()).at(-1)?.event).toBe('answered'));
    leg.finishPrompt();
    await stream.ended;
    const events = eventsIn(stream.text());
    expect(events.map(({ event, data }) => `${event} ${data.attempt}`)).toEqual([
      'queued 0',
      'prepared 0',
      'trying 1',
      'ringing 1',
      'answered 1',
      'prompt_finished 1',
      'ended 1',
      'ended 0',
    ]);
    expect(events.map(({ id }) => id)).toEqual([...events.keys()]);
    for (const { id, event, data } of events) {
      expect(data).toMatchObject({ index: id, type: event, at: expect.stringMatching(/Z$/) });
    }
  });

  it('goes on after Last-Event-ID, and says when there is no more', async () => {
    const { callId, leg } = await start();
    leg.ring().answer().finishPrompt();
    const whole = await follow(callId);
    await whole.ended;
    const all = eventsIn(whole.text());
    const rest = await follow(callId, { 'last-event-id': '4' });
    await rest.ended;
    expect(eventsIn(rest.text())).toEqual(all.slice(5));
    const nothing = await follow(callId, { 'last-event-id': String(all.length - 1) });
    expect(nothing.response.statusCode).toBe(204);
  });

  it('ends for a client that claims to have seen what has not happened', async () => {
    const { callId, leg } = await start();
    const stream = await follow(callId, { 'last-event-id': '99' });
    leg.ring().answer().finishPrompt();
    await stream.ended;
    expect(eventsIn(stream.text()).at(-1)).toMatchObject({ event: 'ended', data: { attempt: 0 } });
  });

  it.each(['-1', '1.5', 'x', '12345678'])('refuses the Last-Event-ID %s', async (id) => {
    const { callId } = await start();
    expect((await follow(callId, { 'last-event-id': id })).response.statusCode).toBe(400);
  });

  it('tells every listener', async () => {
    const { callId, leg } = await start();
    const streams = await Promise.all(Array.from({ length: 20 }, () => follow(callId)));
    leg.ring().end({ kind: 'rejected', sip: { status: 486, reason: 'Busy Here' } });
    await Promise.all(streams.map(({ ended }) => ended));
    const [first, ...others] = streams.map((stream) => eventsIn(stream.text()));
    expect(first?.at(-1)).toMatchObject({ event: 'ended', data: { attempt: 0 } });
    for (const events of others) {
      expect(events).toEqual(first);
    }
  });

  it('lets go of the call when a client leaves, and the call goes on', async () => {
    const { callId, leg } = await start();
    const socket = connect(port, '127.0.0.1');
    socket.write(`GET /v1/calls/${callId}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await new Promise((resolve) => {
      socket.once('data', resolve);
    });
    socket.resetAndDestroy();
    await eventually(async () => expect(await connections(service)).toBe(0));
    leg.ring().answer().finishPrompt();
    await eventually(() => expect(service.dialer.active()).toBe(0));
    expect(service.faults()).toEqual([]);
  });

  it('ends when the server closes, and the call goes on', async () => {
    const { callId } = await start();
    const stream = await follow(callId);
    await service.api.close();
    await stream.ended;
    expect(eventsIn(stream.text()).at(-1)?.event).toBe('trying');
    expect(service.dialer.active()).toBe(1);
  });
});

function connections(of: Service): Promise<number> {
  return new Promise((resolve, reject) => {
    of.api.server.getConnections((error, count) => {
      if (error) {
        reject(error);
      } else {
        resolve(count);
      }
    });
  });
}

function feedOf(call: Call): { feed: CallFeed; listeners: () => number } {
  let open = 0;
  class CountingFeed extends CallFeed {
    override async subscribe(...args: Parameters<CallFeed['subscribe']>): Promise<() => void> {
      const unsubscribe = await super.subscribe(...args);
      open += 1;
      let counted = true;
      return () => {
        open -= counted ? 1 : 0;
        counted = false;
        unsubscribe();
      };
    }
  }
  const feed = new CountingFeed({ load: async () => call, onListenerError: () => undefined });
  return { feed, listeners: () => open };
}

describe('callEventStream', () => {
  const idle = createCall({
    id: 'call_1',
    verificationId: 'ver_1',
    clientId: null,
    to: '+4930123456',
    now: 0,
  });

  it('keeps an idle connection alive', async () => {
    const { feed, listeners } = feedOf(idle);
    const abort = new AbortController();
    const stream = await callEventStream(feed, idle.id, { from: 0, signal: abort.signal, heartbeatMs: 5 });
    let text = '';
    for await (const chunk of stream) {
      text += String(chunk);
      if (text.split(': still there\n\n').length > 3) {
        abort.abort();
      }
    }
    expect(text).toMatch(/^: call events\n\nid: 0\nevent: queued\ndata: .*\n\n(: still there\n\n){3,}$/);
    expect(listeners()).toBe(0);
  });

  it('makes nothing ahead of a reader who does not read, but what has happened', async () => {
    const { feed, listeners } = feedOf(idle);
    const abort = new AbortController();
    const stream = await callEventStream(feed, idle.id, { from: 0, signal: abort.signal, heartbeatMs: 0 });
    stream.read(0);
    await eventually(() => expect(stream.readableLength).toBeGreaterThanOrEqual(16_384));
    const ahead = stream.readableLength;
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    expect(stream.readableLength).toBe(ahead);
    expect(ahead).toBeLessThan(17_000);
    stream.destroy();
    await eventually(() => expect(listeners()).toBe(0));
  });

  it('lets go at once when it is destroyed while it waits', async () => {
    const { feed, listeners } = feedOf(idle);
    const stream = await callEventStream(feed, idle.id, { from: 0, signal: new AbortController().signal });
    stream.resume();
    await eventually(() => expect(listeners()).toBe(1));
    stream.destroy();
    await eventually(() => expect(listeners()).toBe(0), { timeoutMs: 500 });
  });
});
