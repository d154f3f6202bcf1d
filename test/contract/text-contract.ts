import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CallEvent, TextLeg } from '../../src/engine/engine.ts';
import type { LabCarrier } from '../../src/lab/carrier.ts';
import { Secret } from '../../src/secret.ts';
import { header, parseMessage, type SipRequest } from '../../src/sip/message.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/free-ports.ts';
import { LAB_CREDENTIALS, startCarrier } from '../support/lab.ts';
import type { EngineUnderTest } from './engine-contract.ts';

const NUMBER = '+442079460';
const BODY = '493817 is your code.';

/** What every engine does with text messages; each adapter has one visible file that runs this. */
export function textContract(start: () => Promise<EngineUnderTest>): void {
  let under: EngineUnderTest;
  let carrier: LabCarrier;
  let faults: unknown[];
  /** Every MESSAGE that reached the carrier in a test, each as often as it came. */
  let seen: SipRequest[] = [];
  /** Call-IDs of the tests before: drachtio goes on with what nobody waits for. */
  const earlier = new Set<string | undefined>();
  /** What became of it on the wire. */
  let wire: string[];

  const textTo = (suffix: string, change: Partial<TextLeg> = {}): TextLeg => ({
    callId: 'call_text',
    requestUri: `sip:${NUMBER}${suffix}@127.0.0.1:${carrier.port}`,
    nextHop: { host: '127.0.0.1', port: carrier.port, transport: 'udp' },
    from: { uri: 'sip:+442079460999@127.0.0.1' },
    headers: [],
    credentials: LAB_CREDENTIALS,
    body: new Secret(BODY),
    timeoutMs: 5000,
    ...change,
  });
  const eventsOf = async (text: TextLeg, signal = new AbortController().signal): Promise<CallEvent[]> => {
    const events: CallEvent[] = [];
    const watched = { sent: () => wire.push('sent'), over: () => wire.push('over') };
    for await (const event of under.engine.message(text, signal, watched)) events.push(event);
    return events;
  };
  const gistOf = (events: readonly CallEvent[]): string => {
    const last = events.at(-1);
    if (last?.type !== 'ended') return 'no end';
    const status = 'sip' in last.end ? ` ${last.end.sip?.status}` : '';
    return `${events.map(({ type }) => type).join(' ')}: ${last.end.kind}${status}`;
  };
  const messages = (): readonly SipRequest[] => {
    const branches = new Map(seen.map((one) => [header(one, 'Via'), one]));
    return [...branches.values()];
  };

  beforeAll(async () => {
    under = await start();
    ({ carrier, faults } = await startCarrier({
      t1Ms: 100,
      onWire: ({ direction, text }) => {
        const message = parseMessage(Buffer.from(text));
        if (direction !== 'in' || message.kind !== 'request') return;
        if (!earlier.has(header(message, 'Call-ID'))) seen.push(message);
      },
    }));
  });
  beforeEach(() => {
    for (const one of seen) earlier.add(header(one, 'Call-ID'));
    seen = [];
    wire = [];
  });
  afterEach(() => {
    expect(under.held()).toBe(0);
    expect(faults).toEqual([]);
  });
  afterAll(async () => {
    await under.close();
    await carrier.close();
  });

  describe.each(['udp', 'tcp'] as const)('over %s', (transport) => {
    it('is one MESSAGE with the text, and taken', async () => {
      const text = textTo('200');
      const events = await eventsOf({ ...text, nextHop: { ...text.nextHop, transport } });
      expect(gistOf(events)).toBe('trying ended: taken 200');
      await eventually(() => expect(wire).toEqual(['sent', 'over']));
      expect(carrier.texts.at(-1)).toMatchObject({
        number: `${NUMBER}200`,
        from: '+442079460999',
        text: BODY,
      });
      const [message] = messages() as [SipRequest];
      expect(seen).toHaveLength(1);
      expect(message.method).toBe('MESSAGE');
      expect(message.uri).toBe(text.requestUri);
      expect(header(message, 'To')).toBe(`<${text.requestUri}>`);
      expect(header(message, 'Content-Type')).toBe('text/plain;charset=UTF-8');
      expect(header(message, 'Max-Forwards')).toBe('70');
      expect(header(message, 'CSeq')).toMatch(/ MESSAGE$/);
      expect(header(message, 'Via')).toContain(`/${transport.toUpperCase()} `);
      // RFC 3428 §4.
      expect(header(message, 'Contact')).toBeUndefined();
    });
  });

  it('names its SIP Call-ID before it leaves', async () => {
    const [trying] = await eventsOf(textTo('200'));
    expect(trying).toMatchObject({ type: 'trying', sipCallId: header(seen[0] as SipRequest, 'Call-ID') });
  });

  it('leaves only when the event after trying is asked for', async () => {
    const before = carrier.texts.length;
    const events = under.engine.message(textTo('200'), new AbortController().signal);
    expect((await events.next()).value).toMatchObject({ type: 'trying' });
    await under.engine.request(optionsTo(carrier.port), new AbortController().signal);
    expect(carrier.texts.length).toBe(before);
    expect((await events.next()).value).toMatchObject({ type: 'ended', end: { kind: 'taken' } });
    expect((await events.next()).done).toBe(true);
  });

  it.each([
    ['emoji and other letters', 'Код 493817 – “ваш” 😀👍🏽 €'],
    ['lines', 'Your code is\n493817\n\n@app.example #493817'],
    ['what looks like SIP', '493817\r\n\r\nBYE sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n|#'],
  ])('carries %s to the letter', async (_name, body) => {
    expect(gistOf(await eventsOf(textTo('200', { body: new Secret(body) })))).toBe('trying ended: taken 200');
    expect(carrier.texts.at(-1)?.text).toBe(body);
  });

  it('shows a sender with letters, a name, and what its trunk wants to see', async () => {
    const text = textTo('200', {
      from: { uri: 'sip:Code@127.0.0.1', displayName: 'Example Bank' },
      headers: [['P-Asserted-Identity', '<sip:Code@127.0.0.1>']],
    });
    expect(gistOf(await eventsOf(text))).toBe('trying ended: taken 200');
    expect(carrier.texts.at(-1)?.from).toBe('Code');
    const [message] = seen as [SipRequest];
    expect(header(message, 'From')).toMatch(/^"?Example Bank"? <sip:Code@127\.0\.0\.1>;tag=\S+$/);
    expect(header(message, 'P-Asserted-Identity')).toBe('<sip:Code@127.0.0.1>');
  });

  it.each([
    ['202', 'taken 202'],
    ['302', 'rejected 302'],
    ['404', 'rejected 404'],
    ['480', 'rejected 480'],
    ['486', 'rejected 486'],
    ['503', 'rejected 503'],
    ['603', 'rejected 603'],
  ])('tells what %s gets: %s', async (suffix, gist) => {
    expect(gistOf(await eventsOf(textTo(suffix)))).toBe(`trying ended: ${gist}`);
    expect(messages()).toHaveLength(1);
    await eventually(() => expect(wire).toEqual(['sent', 'over']));
  });

  it('tells the cause and the rest that a refusal asks for', async () => {
    const [end404, end503] = [await eventsOf(textTo('404')), await eventsOf(textTo('503'))];
    expect(end404.at(-1)).toMatchObject({ end: { sip: { status: 404, q850: 1 } } });
    expect(end503.at(-1)).toMatchObject({ end: { sip: { status: 503, retryAfterSeconds: 5 } } });
  });

  it.each([
    ['401', 'SHA-256'],
    ['407', 'MD5'],
  ])('answers a %s once (%s), when the event after again is asked for', async (suffix) => {
    const before = carrier.texts.length;
    const events = under.engine.message(textTo(suffix), new AbortController().signal);
    const types = [(await events.next()).value?.type, (await events.next()).value?.type];
    expect(types).toEqual(['trying', 'again']);
    expect(messages()).toHaveLength(1);
    expect((await events.next()).value).toMatchObject({ type: 'ended', end: { kind: 'taken' } });
    expect((await events.next()).done).toBe(true);
    expect(carrier.texts.length).toBe(before + 1);
    const [first, second, ...more] = messages();
    expect(more).toEqual([]);
    expect(header(second as SipRequest, 'Call-ID')).toBe(header(first as SipRequest, 'Call-ID'));
    expect(header(second as SipRequest, 'CSeq')).not.toBe(header(first as SipRequest, 'CSeq'));
    expect((second as SipRequest).body).toBe(BODY);
  });

  it('shows a wrong password once', async () => {
    const credentials = { ...LAB_CREDENTIALS, password: new Secret('another') };
    expect(gistOf(await eventsOf(textTo('407', { credentials })))).toBe('trying again ended: rejected 407');
    expect(messages()).toHaveLength(2);
  });

  it('has nothing to answer a challenge with without a password', async () => {
    const { credentials: _, ...text } = textTo('407');
    expect(gistOf(await eventsOf(text))).toBe('trying ended: rejected 407');
    expect(messages()).toHaveLength(1);
  });

  it.each(['000', '100'])('waits for %s as long as its time is, and sends no other one', async (suffix) => {
    expect(gistOf(await eventsOf(textTo(suffix, { timeoutMs: 700 })))).toBe('trying ended: setup_timeout');
    // Timer E sends it again, as what it is.
    expect(seen.length).toBeGreaterThan(0);
    expect(messages()).toHaveLength(1);
    expect(wire).toContain('sent');
  });

  it('does not leave where nobody wants it any more', async () => {
    expect(gistOf(await eventsOf(textTo('200'), AbortSignal.abort()))).toBe('trying ended: canceled');
    expect(seen).toEqual([]);
    await eventually(() => expect(wire).toEqual(['over']));
  });

  it('is given up when nobody wants to wait any longer', async () => {
    const abort = new AbortController();
    const events = eventsOf(textTo('000'), abort.signal);
    await eventually(() => expect(seen.length).toBeGreaterThan(0));
    abort.abort();
    expect(gistOf(await events)).toBe('trying ended: canceled');
  });

  it('cannot be sent where nobody listens', async () => {
    const nextHop = { host: '127.0.0.1', port: await freePorts(1), transport: 'tcp' } as const;
    expect(gistOf(await eventsOf(textTo('200', { nextHop })))).toBe('trying ended: unreachable');
    await eventually(() => expect(wire).toContain('over'));
  });

  it('is not sent where it is longer than any link may be asked to carry', async () => {
    const body = new Secret('x'.repeat(1200));
    const events = await eventsOf(textTo('200', { body }));
    expect(gistOf(events)).toBe('trying ended: failed');
    expect(JSON.stringify(events)).not.toContain('xxx');
    expect(seen).toEqual([]);
  });

  it('is sent many times at once', async () => {
    const before = carrier.texts.length;
    const gists = await Promise.all(
      Array.from({ length: 20 }, async () => gistOf(await eventsOf(textTo('200')))),
    );
    expect(new Set(gists)).toEqual(new Set(['trying ended: taken 200']));
    expect(carrier.texts.length).toBe(before + 20);
  });

  it('says nothing of its text in its events', async () => {
    for (const suffix of ['200', '404', '407']) {
      expect(JSON.stringify(await eventsOf(textTo(suffix)))).not.toContain('493817');
    }
  });
}

function optionsTo(port: number) {
  const uri = `sip:127.0.0.1:${port}`;
  return {
    method: 'OPTIONS',
    requestUri: uri,
    to: uri,
    from: 'sip:voice-otp@127.0.0.1',
    nextHop: { host: '127.0.0.1', port, transport: 'udp' },
  } as const;
}
