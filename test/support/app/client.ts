import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

/** The API as a client of a test uses it: over HTTP, with every answer kept. */

export interface Answer<Body = Json> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
  readonly text: string;
}

/** What the tests read of the API's objects; the schemas have tests of their own. */
export interface Json {
  readonly id: string;
  readonly status: string;
  readonly callId: string;
  readonly checks: number;
  readonly checksLeft: number;
  readonly approved: boolean;
  readonly error: { readonly code: string; readonly message: string };
}

export interface AttemptJson {
  readonly trunkId: string;
  readonly startedAt: string;
  readonly ringingAt: string | null;
  readonly answeredAt: string | null;
  readonly endedAt: string | null;
  readonly disposition: string | null;
  readonly sipStatus: number | null;
  readonly promptFinished: boolean;
}

export interface TimelineJson {
  readonly index: number;
  readonly at: string;
  readonly attempt: number;
  readonly type: string;
  readonly detail: Readonly<Record<string, string | number | boolean>>;
}

export interface CallJson {
  readonly id: string;
  readonly verificationId: string | null;
  readonly to: string;
  readonly state: string;
  readonly disposition: string | null;
  readonly blame: string | null;
  readonly sipStatus: number | null;
  readonly hungUpBy: string | null;
  readonly promptFinished: boolean;
  readonly durations: {
    readonly pddMs: number | null;
    readonly ringMs: number | null;
    readonly talkMs: number | null;
  };
  readonly createdAt: string;
  readonly endedAt: string | null;
  readonly attempts: readonly AttemptJson[];
  readonly timeline: readonly TimelineJson[];
}

export class Client {
  readonly url: string;
  /** Bodies and headers of all answers so far, as text. */
  readonly answers: string[] = [];

  constructor(url: string) {
    this.url = url;
  }

  async ask<Body = Json>(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer<Body>> {
    const response = await fetch(this.url + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    this.answers.push(`${JSON.stringify([...response.headers])}\n${text}`);
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
    return {
      status: response.status,
      headers: response.headers,
      body: (isJson ? JSON.parse(text) : {}) as Body,
      text,
    };
  }

  /** Asks for a verification that has to be accepted. */
  async start(body: Readonly<Record<string, unknown>>): Promise<Json> {
    const answer = await this.ask('POST', '/v1/verifications', body);
    if (answer.status !== 201) throw new Error(`${answer.status} instead of 201: ${answer.text}`);
    return answer.body;
  }

  /** As `start`, of a node whose Redis a busy machine may keep waiting: after a 503 it asks again, for 5 s at most. */
  async insist(body: Readonly<Record<string, unknown>>): Promise<Json> {
    const key = { 'idempotency-key': randomUUID() };
    const until = Date.now() + 5000;
    for (;;) {
      const answer = await this.ask('POST', '/v1/verifications', body, key);
      if (answer.status < 300) return answer.body;
      if (answer.status !== 503 || Date.now() >= until) throw new Error(`${answer.status}: ${answer.text}`);
      await sleep(500);
    }
  }

  check(id: string, code: string): Promise<Answer> {
    return this.ask('POST', `/v1/verifications/${id}/check`, { code });
  }

  async verification(id: string): Promise<Json> {
    return (await this.ask('GET', `/v1/verifications/${id}`)).body;
  }

  async call(id: string): Promise<CallJson> {
    return (await this.ask<CallJson>('GET', `/v1/calls/${id}`)).body;
  }

  /** The call once it is over: follows its events to their end. */
  async ended(callId: string): Promise<CallJson> {
    await this.events(callId);
    const call = await this.call(callId);
    if (call.state !== 'ended') throw new Error(`the events of ${callId} ended before the call did`);
    return call;
  }

  /** All server-sent events of a call, until the server ends the stream. */
  async events(callId: string): Promise<readonly TimelineJson[]> {
    const { text } = await this.ask('GET', `/v1/calls/${callId}/events`);
    return text
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .map((line) => JSON.parse(line.slice('data: '.length)) as TimelineJson);
  }
}
