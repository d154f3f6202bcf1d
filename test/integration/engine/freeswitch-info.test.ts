import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Secret } from '../../../src/secret.ts';
import { header, parseMessage, type SipRequest } from '../../../src/sip/message.ts';
import { eventually } from '../../support/eventually.ts';
import { START_MS } from '../../support/fault-rig.ts';
import { type ServerSite, startServers } from '../../support/freeswitch.ts';
import { endOf, eventsOf, legTo, tone } from '../../support/legs.ts';
import { describeWithPeer } from '../../support/peers.ts';

const ANSWER = [
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=-',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=audio 65534 RTP/AVP 0',
  '',
].join('\r\n');

/** A phone that answers everything with 200 and says in INFO whatever it is told to. */
class InfoPhone {
  readonly responses: string[] = [];
  readonly #socket: Socket = createSocket('udp4');
  #ack: SipRequest | undefined;
  #cseq = 0;
  #server = { address: '', port: 0 };

  async open(): Promise<number> {
    this.#socket.on('message', (bytes, { address, port }) => {
      const message = parseMessage(bytes);
      this.#server = { address, port };
      if (message.kind === 'response') this.responses.push(bytes.toString());
      else if (message.kind === 'request' && message.method === 'ACK') this.#ack = message;
      else if (message.kind === 'request') this.#accept(message);
    });
    this.#socket.bind(0, '127.0.0.1');
    await once(this.#socket, 'listening');
    return this.#socket.address().port;
  }

  close(): void {
    this.#socket.close();
  }

  /** Sends an INFO in the dialog, once it stands, and gives the response. */
  async inform(headers: readonly string[], body: string): Promise<string> {
    const ack = await eventually(() => {
      if (this.#ack === undefined) throw new Error('no ACK has come');
      return this.#ack;
    });
    const cseq = ++this.#cseq;
    const { address, port } = this.#server;
    this.#send([
      `INFO sip:${address}:${port} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${this.#socket.address().port};branch=z9hG4bKinfo${cseq}`,
      'Max-Forwards: 70',
      `From: ${header(ack, 'To')}`,
      `To: ${header(ack, 'From')}`,
      `Call-ID: ${header(ack, 'Call-ID')}`,
      `CSeq: ${cseq} INFO`,
      ...headers,
      `Content-Length: ${body.length}`,
      '',
      body,
    ]);
    return eventually(() => {
      const response = this.responses.find((text) => text.includes(`CSeq: ${cseq} INFO`));
      if (response === undefined) throw new Error('no response has come');
      return response;
    });
  }

  #accept(request: SipRequest): void {
    const body = request.method === 'INVITE' ? ANSWER : '';
    const to = header(request, 'To') ?? '';
    const copied = request.headers.filter(([name]) => ['Via', 'From', 'Call-ID', 'CSeq'].includes(name));
    this.#send([
      'SIP/2.0 200 OK',
      ...copied.map(([name, value]) => `${name}: ${value}`),
      `To: ${to}${to.includes(';tag=') ? '' : ';tag=phone'}`,
      `Contact: <sip:phone@127.0.0.1:${this.#socket.address().port}>`,
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${body.length}`,
      '',
      body,
    ]);
  }

  #send(lines: readonly string[]): void {
    this.#socket.send(lines.join('\r\n'), this.#server.port, this.#server.address);
  }
}

describeWithPeer(['drachtio', 'freeswitch'], 'SIP INFO of a phone, by drachtio', () => {
  let site: ServerSite;
  const phone = new InfoPhone();

  beforeAll(async () => {
    site = await startServers();
  }, START_MS);
  afterAll(async () => {
    phone.close();
    await site.close();
  });

  it('is answered by what it holds, and tells keys', async () => {
    const faults: unknown[] = [];
    const engine = await site.engine({ onFault: (error) => faults.push(error) });
    const gate = { keys: new Secret('*#'), ask: tone(4000), asks: 1, waitMs: 4000 };
    const leg = legTo(await phone.open(), '+442079460200', { gate });
    const call = eventsOf(engine, leg);
    const type = (name: string): string => `Content-Type: ${name}`;
    // drachtio-srf does not know this status, and would throw on it where nobody catches.
    const unknown = await phone.inform(['Info-Package: foo', type('application/foo')], 'x');
    expect(unknown).toMatch(/^SIP\/2\.0 469 Bad Info Package\r\n/);
    expect(unknown).toMatch(/^Recv-Info:/m);
    const other = await phone.inform([type('application/media_control+xml')], '<x/>');
    expect(other).toMatch(/^SIP\/2\.0 415 /);
    expect(other).toMatch(/^Accept: application\/dtmf-relay, ?application\/dtmf\r$/m);
    expect(await phone.inform([], '')).toMatch(/^SIP\/2\.0 200 /);
    const star = await phone.inform([type('application/dtmf-relay')], 'Signal=*\r\nDuration=160\r\n');
    expect(star).toMatch(/^SIP\/2\.0 200 /);
    expect(await phone.inform([type('application/dtmf')], '#')).toMatch(/^SIP\/2\.0 200 /);
    const events = await call;
    expect(events.filter((event) => event.type === 'dtmf')).toMatchObject([
      { digit: '*', durationMs: 160 },
      { digit: '#', durationMs: 0 },
    ]);
    expect(endOf(events).end).toEqual({ kind: 'hung_up', by: 'us', why: 'prompt_finished' });
    await engine.close(AbortSignal.timeout(2000));
    expect(faults).toEqual([]);
  });
});
