import { expect } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { ScriptedLeg } from './scripted-engine.ts';
import type { Service } from './service.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Record<string, unknown>;
}

/** Asks for calls that say something, and looks at what becomes of them. */
export class CallsClient {
  readonly #service: Service;

  constructor(service: Service) {
    this.#service = service;
  }

  async post(body: object | undefined, headers: Record<string, string> = {}): Promise<Answer> {
    const reply = await this.#service.api.inject({
      method: 'POST',
      url: '/v1/calls',
      headers,
      ...(body === undefined ? {} : { payload: body }),
    });
    return { status: reply.statusCode, headers: reply.headers, body: reply.json<Record<string, unknown>>() };
  }

  async read(callId: unknown): Promise<Record<string, unknown>> {
    return (await this.#service.api.inject(`/v1/calls/${String(callId)}`)).json<Record<string, unknown>>();
  }

  async ended(callId: unknown): Promise<Record<string, unknown>> {
    return eventually(async () => {
      const call = await this.read(callId);
      expect(call['state']).toBe('ended');
      return call;
    });
  }

  /** The last one that was dialled. */
  async leg(): Promise<ScriptedLeg> {
    return eventually(() => {
      const last = this.#service.engine.legs.at(-1);
      expect(last).toBeDefined();
      return last as ScriptedLeg;
    });
  }
}
