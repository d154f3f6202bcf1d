import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EmbeddedEngine } from '../../../src/engine/embedded/embedded-engine.ts';
import type { SrtpPolicy } from '../../../src/engine/engine.ts';
import type { LabCarrierOptions } from '../../../src/lab/carrier.ts';
import { Recogniser } from '../../../src/lab/recogniser.ts';
import { maskSip } from '../../../src/log.ts';
import { SRTP_SUITES } from '../../../src/media/srtp-suite.ts';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import { Secret } from '../../../src/secret.ts';
import { responseTo } from '../../../src/sip/response.ts';
import type { WireMessage } from '../../../src/sip/transport.ts';
import { Authority } from '../../support/certificates.ts';
import { startEmbedded } from '../../support/embedded.ts';
import { eventually } from '../../support/eventually.ts';
import { startCarrier } from '../../support/lab.ts';
import { courseOf, endOf, eventsOf, gistOf, type LegOverrides, legTo, tone } from '../../support/legs.ts';
import { recordedPrompts } from '../../support/recorded-prompt.ts';
import { startAnswering } from '../../support/sip/answering-endpoint.ts';

const SOUNDS = join(import.meta.dirname, '../../../sounds');
const authority = new Authority();
const certificate = authority.issue({ names: ['ip:127.0.0.1'] });
const tls = { ca: authority.cert };
const closing: (() => Promise<void>)[] = [];
const faults: unknown[] = [];
let engine: EmbeddedEngine;
let library: PromptLibrary;
let wire: WireMessage[] = [];

beforeAll(async () => {
  library = await PromptLibrary.load(SOUNDS);
  engine = await startEmbedded({
    onFault: (error) => faults.push(error),
    onWire: (message) => wire.push(message),
  });
});
afterAll(() => engine.close(AbortSignal.timeout(2000)));
afterEach(async () => {
  await eventually(() => expect(engine.held()).toMatchObject({ legs: 0, streams: 0, dialogs: 0 }));
  for (const close of closing.splice(0)) await close();
  expect(faults).toEqual([]);
  wire = [];
});

async function carrierWith(options: Partial<LabCarrierOptions>) {
  const lab = await startCarrier({ tls: { port: 0, certificate }, ...options });
  closing.push(async () => {
    await lab.carrier.close();
    expect(lab.faults).toEqual([]);
  });
  return lab.carrier;
}

/** A call to a phone of this policy, and what the phone has of it afterwards. */
async function call(ours: SrtpPolicy, theirs: SrtpPolicy, number: string, more: LegOverrides = {}) {
  const carrier = await carrierWith({ srtp: theirs });
  const leg = legTo(carrier.tlsPort, number, { transport: 'tls', tls, srtp: ours, ...more });
  const events = await eventsOf(engine, leg);
  return { events, phone: carrier.calls[0]?.phone };
}

describe('a call over TLS with SRTP', () => {
  it('brings the code to the ear of the phone', async () => {
    const prompt = (await recordedPrompts(library))('493817', 1);
    const { events, phone } = await call('required', 'required', '4930000200', { prompt });
    expect(gistOf(events)).toBe('hung_up by us: prompt_finished');
    expect(phone?.record).toMatchObject({ srtp: 'AES_CM_128_HMAC_SHA1_80', srtpDropped: 0, earlyPackets: 0 });
    const heard = phone?.heard ?? { sampleRate: 8000, samples: new Int16Array(0) };
    expect(new Recogniser(library.clips('en-US')).recognise(heard).groups).toEqual(['493817']);
    const { media } = endOf(events);
    expect(media?.packetsReceived).toBeGreaterThan(50);
    expect(media).toMatchObject({ srtp: 'AES_CM_128_HMAC_SHA1_80', srtpDropped: 0, packetsIgnored: 0 });
  });

  it('shows its keys to nobody who reads a masked trace', async () => {
    await call('optional', 'optional', '4930000210');
    const keys = wire.flatMap(({ text }) => [...text.matchAll(/inline:(\S+)/g)].map(([, key = '']) => key));
    // Ours for each suite, and theirs.
    expect(keys.length).toBe(SRTP_SUITES.length + 1);
    for (const { text } of wire) {
      const masked = maskSip(text);
      for (const key of keys) expect(masked).not.toContain(key);
    }
    expect(wire.map(({ text }) => maskSip(text)).join('')).toContain('a=crypto:[redacted]');
  });

  it('goes on encrypted after a hold, with the same keys', async () => {
    const { events, phone } = await call('required', 'required', '4930000241', { prompt: tone(3600) });
    expect(courseOf(events)).toBe('trying ringing answered dtmf prompt_finished ended');
    expect(phone?.record.srtp).not.toBeNull();
    expect(phone?.record.srtpDropped).toBe(0);
    const offers = wire.filter(({ text }) => text.startsWith('INVITE'));
    expect(offers.map(({ direction }) => direction)).toEqual(['out', 'in', 'in']);
    expect(endOf(events).media).toMatchObject({ srtpDropped: 0 });
  });

  it('hears keys', async () => {
    const gate = { keys: new Secret('1'), ask: tone(300, 600), asks: 1, waitMs: 4000 };
    const { events } = await call('required', 'optional', '4930000231', { gate });
    expect(courseOf(events)).toBe('trying ringing answered dtmf gate_opened prompt_finished ended');
  });

  it('is a flash call too', async () => {
    const flash = { ringHoldMs: 100, maxRingMs: 2000, onAnswer: 'hangup' } as const;
    const { events } = await call('required', 'required', '4930000180', { flash, prompt: null });
    expect(gistOf(events)).toBe('rang');
    expect(wire[0]?.text).toMatch(/m=audio 65534 RTP\/SAVP [\s\S]*a=crypto:1 /);
  });
});

describe('who has no SRTP', () => {
  it.each<[SrtpPolicy, SrtpPolicy, string, string | null]>([
    ['off', 'off', 'hung_up by us: prompt_finished', null],
    ['off', 'optional', 'hung_up by us: prompt_finished', null],
    ['off', 'required', 'rejected 488', null],
    ['optional', 'off', 'hung_up by us: prompt_finished', null],
    ['optional', 'optional', 'hung_up by us: prompt_finished', 'AES_CM_128_HMAC_SHA1_80'],
    ['optional', 'required', 'hung_up by us: prompt_finished', 'AES_CM_128_HMAC_SHA1_80'],
    ['required', 'off', 'rejected 488', null],
    ['required', 'optional', 'hung_up by us: prompt_finished', 'AES_CM_128_HMAC_SHA1_80'],
  ])('with %s here and %s there: %s', async (ours, theirs, gist, suite) => {
    const { events, phone } = await call(ours, theirs, '4930000210', { prompt: tone(100) });
    expect(gistOf(events)).toBe(gist);
    expect([phone?.record.srtp ?? null, endOf(events).media?.srtp ?? null]).toEqual([suite, suite]);
    expect(wire.filter(({ text }) => text.startsWith('INVITE')).length).toBe(1);
  });

  it.each([
    ['takes the call without a key', 'm=audio 4000 RTP/AVP 0', /no key for SRTP/],
    [
      'gives a key that does not fit',
      'm=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0',
      /does not fit the offer/,
    ],
  ])('and %s is hung up where it is required', async (_, media, reason) => {
    const body = `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n${media}\r\n`;
    let port = 0;
    const headers = () => [
      ['Contact', `<sip:phone@127.0.0.1:${port}>`] as const,
      ['Content-Type', 'application/sdp'] as const,
    ];
    const { endpoint } = await startAnswering({
      answer: (handle) => {
        const { method } = handle.request;
        handle.respond(
          responseTo(handle.request, 200, {
            toTag: 't',
            ...(method === 'INVITE' ? { headers: headers(), body } : {}),
          }),
        );
      },
    });
    closing.push(() => endpoint.close());
    port = endpoint.port;
    const leg = legTo(endpoint.port, '4930000200', { srtp: 'required' });
    const events = await eventsOf(engine, leg);
    expect(events.find(({ type }) => type === 'answered')).toMatchObject({ codec: null });
    const { end } = endOf(events);
    expect(end).toMatchObject({ kind: 'media_rejected', detail: expect.stringMatching(reason) });
    expect(JSON.stringify(events)).not.toContain('c2VjcmV0');
  });
});
