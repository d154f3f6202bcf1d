import { expect } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { Service } from './service.ts';

export const HOST = 'rcml.shop.example';
export const URL = `http://${HOST}/start.xml`;

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly json: () => Record<string, unknown>;
}

type Fields = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What a program that was written for Restcomm asks. */
export class RestcommClient {
  readonly #service: Service;
  readonly #account: string;
  readonly #headers: Readonly<Record<string, string>>;

  /** @param key none where the API runs without keys */
  constructor(service: Service, account: string, key?: string) {
    this.#service = service;
    this.#account = account;
    const basic = Buffer.from(`${account}:${key ?? ''}`).toString('base64');
    this.#headers = key === undefined ? {} : { authorization: `Basic ${basic}` };
  }

  /** @param path below `/Calls`, such as `.json` */
  async ask(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    fields?: Fields | string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const reply = await this.#service.api.inject({
      method,
      url: `/restcomm/2012-04-24/Accounts/${this.#account}/Calls${path}`,
      headers: {
        ...(fields === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        ...this.#headers,
        ...headers,
      },
      ...(fields === undefined ? {} : { payload: typeof fields === 'string' ? fields : formOf(fields) }),
    });
    return {
      status: reply.statusCode,
      type: String(reply.headers['content-type']),
      headers: reply.headers,
      text: reply.body,
      json: () => reply.json<Record<string, unknown>>(),
    };
  }

  /** The seed's flash call, changed; a field that is undefined is left out. */
  call(change: Fields = {}, path = '.json'): Promise<Answer> {
    return this.ask('POST', path, {
      From: '447418340465',
      To: '447911123456',
      Url: URL,
      Timeout: '10',
      ...change,
    });
  }

  /** The SID of a call that has to be accepted. */
  async started(change: Fields = {}): Promise<string> {
    const { status, text, json } = await this.call(change);
    if (status !== 200) throw new Error(`${status} instead of 200: ${text}`);
    return String(json()['sid']);
  }

  async read(sid: string): Promise<Record<string, unknown>> {
    return (await this.ask('GET', `/${sid}.json`)).json();
  }

  /** Waits until the call is like this. */
  async becomes(sid: string, expected: object): Promise<Record<string, unknown>> {
    return eventually(async () => {
      const now = await this.read(sid);
      expect(now).toMatchObject(expected);
      return now;
    });
  }
}

function formOf(fields: Fields): string {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const one of [value ?? []].flat()) form.append(name, one);
  }
  return form.toString();
}
