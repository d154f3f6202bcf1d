import { expect } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { Answer } from './calls-client.ts';
import type { ScriptedLeg } from './scripted-engine.ts';
import type { Service } from './service.ts';

/** Asks for verifications, checks them, and looks at their calls. */
export class VerificationsClient {
  /** All bodies and headers that came back so far, as text. */
  answers = '';
  readonly #service: Service;

  constructor(service: Service) {
    this.#service = service;
  }

  async ask(
    method: 'GET' | 'POST' | 'DELETE',
    url: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const reply = await this.#service.api.inject({
      method,
      url,
      headers,
      ...(body === undefined ? {} : { payload: body }),
    });
    this.answers += `${JSON.stringify(reply.headers)}\n${reply.body}\n`;
    const isJson = String(reply.headers['content-type']).startsWith('application/json');
    return {
      status: reply.statusCode,
      headers: reply.headers,
      body: isJson ? reply.json<Record<string, unknown>>() : {},
    };
  }

  post(body: object, headers: Record<string, string> = {}): Promise<Answer> {
    return this.ask('POST', '/v1/verifications', body, headers);
  }

  /** One that has to be accepted. */
  async start(body: object, headers: Record<string, string> = {}): Promise<Record<string, unknown>> {
    const answer = await this.post(body, headers);
    expect(answer.status, JSON.stringify(answer.body)).toBe(201);
    return answer.body;
  }

  async read({ id }: Record<string, unknown>): Promise<Record<string, unknown>> {
    return (await this.ask('GET', `/v1/verifications/${String(id)}`)).body;
  }

  check({ id }: Record<string, unknown>, submission: object): Promise<Answer> {
    return this.ask('POST', `/v1/verifications/${String(id)}/check`, submission);
  }

  /** The leg with this place among all that were dialled, from 0. */
  leg(place = 0): Promise<ScriptedLeg> {
    return eventually(() => {
      const leg = this.#service.engine.legs[place];
      expect(leg, `leg ${place}`).toBeDefined();
      return leg as ScriptedLeg;
    });
  }

  /** The number that a leg shows. */
  async shownBy(place = 0): Promise<string> {
    return /^sip:([^@]+)@/.exec((await this.leg(place)).leg.from.uri)?.[1] ?? '';
  }

  /** The call of a verification, once it is over. */
  ended({ callId }: Record<string, unknown>): Promise<Record<string, unknown>> {
    return eventually(async () => {
      const { body } = await this.ask('GET', `/v1/calls/${String(callId)}`);
      expect(body['state']).toBe('ended');
      return body;
    });
  }
}
