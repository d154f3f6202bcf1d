import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CallEvent, Engine, TextLeg } from '../../src/engine/engine.ts';
import { Secret } from '../../src/secret.ts';
import { verifyAnswer } from '../../src/sip/digest.ts';
import { header, parseMessage, type SipRequest } from '../../src/sip/message.ts';
import { startEmbedded } from '../support/embedded.ts';
import { startServers } from '../support/freeswitch.ts';
import { describeWithPeer } from '../support/peers.ts';
import { Sipp } from '../support/peers-sipp.ts';

const CREDENTIALS = { username: 'sipp', password: new Secret('sipp-secret') };
const BODY = '493817 ist Ihr Code – 😀';

interface Running {
  readonly engine: Engine;
  /** RFC 3261 T1. */
  readonly t1Ms: number;
  /** What servers of ours have written into their logs. */
  readonly log: () => string;
  readonly close: () => Promise<void>;
}

describeWithPeer('sipp', 'a text message to SIPp', () => {
  describeTexts(async () => {
    const engine = await startEmbedded({ t1Ms: 200 });
    return { engine, t1Ms: 200, log: () => '', close: () => engine.close(AbortSignal.timeout(1000)) };
  });
});

describeWithPeer(['sipp', 'drachtio'], 'a text message by drachtio to SIPp', () => {
  describeTexts(async () => {
    const servers = await startServers({ freeswitch: 0 });
    const engine = await servers.engine();
    return {
      engine,
      t1Ms: 500,
      log: () => servers.drachtio.map(({ process }) => process.output).join('\n'),
      close: async () => {
        await engine.close(AbortSignal.timeout(1000));
        await servers.close();
      },
    };
  });
});

function describeTexts(start: () => Promise<Running>): void {
  let running: Running;

  beforeAll(async () => {
    running = await start();
  });
  afterAll(() => running.close());

  /** Sends one text to SIPp, and tells what became of it on both sides. */
  async function sent(scenario: string, timeoutMs = 5000, pauseMs = 0) {
    const sipp = await Sipp.start({
      scenario,
      calls: 1,
      mediaPort: 9,
      trace: true,
      pauseMs,
      withoutRetransmission: true,
    });
    try {
      const events: CallEvent[] = [];
      const signal = new AbortController().signal;
      for await (const event of running.engine.message(textTo(sipp.port, timeoutMs), signal))
        events.push(event);
      const last = events.at(-1);
      const end = last?.type === 'ended' ? last.end : undefined;
      const result = await sipp.result();
      const messages = (await sipp.messages()).filter(({ direction }) => direction === 'in');
      return { end, result, messages, types: events.map(({ type }) => type) };
    } finally {
      await sipp.stop();
    }
  }

  it.each([
    ['text-200', 'taken', 200],
    ['text-202', 'taken', 202],
    ['text-404', 'rejected', 404],
  ])('that does %s is %s', async (scenario, kind, status) => {
    const { end, result, messages } = await sent(scenario);
    expect(end).toMatchObject({ kind, sip: { status } });
    expect(result, result.errors).toMatchObject({ code: 0, successful: 1, failed: 0 });
    expect(messages).toHaveLength(1);
    // SIPp's trace is read byte by byte.
    expect(Buffer.from(messages[0]?.text ?? '', 'latin1').toString()).toContain(`\r\n\r\n${BODY}`);
  });

  it('that asks who we are is told so, once', async () => {
    const { end, result, messages, types } = await sent('text-407');
    expect([types, end]).toMatchObject([
      ['trying', 'again', 'ended'],
      { kind: 'taken', sip: { status: 200 } },
    ]);
    expect(result, result.errors).toMatchObject({ code: 0, successful: 1 });
    const second = parseMessage(Buffer.from(messages[1]?.text ?? '', 'latin1')) as SipRequest;
    const challenge = {
      realm: 'sipp',
      nonce: '47ebe028cda119c35d4877b383027d28',
      algorithm: 'MD5',
      qop: 'auth',
      opaque: undefined,
      stale: false,
    } as const;
    const answer = header(second, 'Proxy-Authorization') ?? '';
    const { uri, body } = second;
    expect(verifyAnswer(answer, challenge, { ...CREDENTIALS, method: 'MESSAGE', uri, body })).toBe(true);
  });

  it('that says nothing gets the same one again by Timer E, and is given up', async () => {
    const { t1Ms } = running;
    const { end, result, messages } = await sent('text-silence', 9 * t1Ms, 10 * t1Ms);
    expect(end?.kind).toBe('setup_timeout');
    expect(result, result.errors).toMatchObject({ code: 0, successful: 1 });
    expect(new Set(messages.map(({ text }) => text)).size).toBe(1);
    const [first = 0, ...later] = messages.map(({ at }) => at);
    const waits = later.map((at, i) => at - (later[i - 1] ?? first));
    // Twice as long each time (RFC 3261 §17.1.2.2); drachtio begins with 2 × T1.
    expect(waits.length).toBeGreaterThanOrEqual(2);
    for (const [i, wait] of waits.entries()) {
      expect(wait).toBeGreaterThan(t1Ms * 2 ** i - 50);
      expect(wait).toBeLessThan(t1Ms * 2 ** (i + 1) + 150);
    }
  });

  it('is not in the log of whoever sends it', () => {
    expect(running.log()).not.toMatch(/493817|ist Ihr Code/);
  });
}

function textTo(port: number, timeoutMs: number): TextLeg {
  return {
    callId: 'call_sipp',
    requestUri: `sip:+442079460200@127.0.0.1:${port}`,
    nextHop: { host: '127.0.0.1', port, transport: 'udp' },
    from: { uri: 'sip:Code@127.0.0.1' },
    headers: [],
    credentials: CREDENTIALS,
    body: new Secret(BODY),
    timeoutMs,
  };
}
