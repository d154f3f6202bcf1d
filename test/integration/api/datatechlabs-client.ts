import type { Service } from './service.ts';

/** Trunks of which one has the id that the article's bodies name. */
export const TRUNKS = [
  { id: 'carrier', host: 'sip.carrier.example', cli: '+493098765432' },
  { id: '74445609', host: 'sip.other.example', cli: '+12125550100', allowedClis: ['+12125550101'] },
];

/** The bodies of the article "Two factor authentication API with phone call", character by character. */
export const TTS_BODY = `{
"to": "12125551212",
"from": "me",
"playlist":
[
{
"play": "Your code is 123456",
"type": "tts",
"options":
{
"language": "en-US",
"gender": "female",
"say-as": "digits"
}
},
{
"play": "Your code is 123456",
"type": "tts",
"options":
{
"language": "en-US",
"gender": "female",
"say-as": "digits"
}
}
],
"carrier_id": "74445609"
}`;
export const WAV_BODY = `{
"to": "12125551212",
"from": "me",
"playlist":
[
{
"play": "http://server.domain.com/voices/your-code-is.wav"
},
{
"play": "http://server.domain.com/voices/1.wav"
},
{
"play": "http://server.domain.com/voices/2.wav"
},
{
"play": "http://server.domain.com/voices/3.wav"
},
{
"play": "http://server.domain.com/voices/4.wav"
},
{
"play": "http://server.domain.com/voices/5.wav"
},
{
"play": "http://server.domain.com/voices/6.wav"
},
{
"play": "http://server.domain.com/voices/your-code-is.wav"
},
{
"play": "http://server.domain.com/voices/1.wav"
},
{
"play": "http://server.domain.com/voices/2.wav"
},
{
"play": "http://server.domain.com/voices/3.wav"
},
{
"play": "http://server.domain.com/voices/4.wav"
},
{
"play": "http://server.domain.com/voices/5.wav"
},
{
"play": "http://server.domain.com/voices/6.wav"
}
],
"carrier_id": "74445609"
}`;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Record<string, unknown>;
}

/** What a program that was written for DataTechLabs asks. */
export class DataTechLabsClient {
  readonly #service: Service;

  constructor(service: Service) {
    this.#service = service;
  }

  /** @param payload a text is sent as it is, as JSON */
  async ask(
    method: 'GET' | 'POST' | 'PUT',
    url: string,
    payload?: string | object,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const reply = await this.#service.api.inject({
      method,
      url,
      headers: { ...(typeof payload === 'string' ? { 'content-type': 'application/json' } : {}), ...headers },
      ...(payload === undefined ? {} : { payload }),
    });
    return { status: reply.statusCode, headers: reply.headers, body: reply.json<Record<string, unknown>>() };
  }

  play(payload: string | object, headers: Record<string, string> = {}): Promise<Answer> {
    return this.ask('POST', '/voice/call/play', payload, headers);
  }

  /** The data of a status. */
  async status(requestId: unknown): Promise<Record<string, unknown>> {
    const { body } = await this.ask('GET', `/voice/call/status/${String(requestId)}`);
    if (body['code'] !== 0 || body['status'] !== 200) {
      throw new Error(`no status of ${String(requestId)}: ${JSON.stringify(body)}`);
    }
    return body['data'] as Record<string, unknown>;
  }
}
