import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallEvent, SrtpPolicy, TlsTerms } from '../../../src/engine/engine.ts';
import type { FreeswitchEngine } from '../../../src/engine/freeswitch/freeswitch-engine.ts';
import type { LabCarrier, LabCarrierOptions } from '../../../src/lab/carrier.ts';
import { Secret } from '../../../src/secret.ts';
import type { TlsCertificate } from '../../../src/sip/tls-trust.ts';
import type { WireMessage } from '../../../src/sip/transport.ts';
import { Authority, selfSigned, sha256 } from '../../support/certificates.ts';
import { startEmbedded } from '../../support/embedded.ts';
import { eventually } from '../../support/eventually.ts';
import { START_MS } from '../../support/fault-rig.ts';
import { startFreeswitchEngine } from '../../support/freeswitch.ts';
import { drachtioTlsFiles, type FarEndWishes, withFarEndOf } from '../../support/freeswitch-secure.ts';
import {
  channelsOf,
  endChannels,
  startDrachtio,
  startFreeswitch,
  type TestServer,
} from '../../support/freeswitch-servers.ts';
import { startCarrier } from '../../support/lab.ts';
import { courseOf, endOf, eventsOf, gistOf, type LegOverrides, legTo, tone } from '../../support/legs.ts';
import { allNotes, melody, notesIn } from '../../support/melody.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { Baresip } from '../../support/peers-baresip.ts';

const SUITE = 'AES_CM_128_HMAC_SHA1_80';
/** A far end of its own in FreeSWITCH: answers with SRTP or not at all, and says back what it hears. */
const ECHO = `<extension name="echo"><condition field="destination_number" expression="^4930echo$">
  <action application="set" data="rtp_secure_media=mandatory"/>
  <action application="answer"/><action application="echo"/>
</condition></extension>`;

const authority = new Authority();
const clients = new Authority('Clients');
const good = authority.issue({ names: ['ip:127.0.0.1'] });
const tls: TlsTerms = { ca: authority.cert };
const faults: unknown[] = [];
const changes: string[] = [];
const engines: FreeswitchEngine[] = [];
let folder: string;
let drachtio: TestServer;
let credulous: TestServer;
let freeswitch: TestServer;
let engine: FreeswitchEngine;

describeWithPeer(['drachtio', 'freeswitch'], 'the freeswitch engine over TLS and with SRTP', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-secure-'));
    const ours = clients.issue({ names: ['dns:voice-otp.example'] });
    const files = await drachtioTlsFiles(folder, ours, authority.cert);
    drachtio = await startDrachtio({ tls: { ...files, verifies: true } });
    credulous = await startDrachtio({ tls: { ...files, verifies: false } });
    freeswitch = await startFreeswitch({ extensions: ECHO });
    engine = await startEngine(drachtio);
  }, START_MS);
  afterAll(async () => {
    await eventually(async () => expect(await channelsOf(freeswitch)).toBe(0));
    for (const one of engines) {
      expect(one.held()).toEqual({ legs: 0, endpoints: 0, dialogs: 0, files: 0 });
      await one.close(AbortSignal.timeout(2000));
    }
    await Promise.all([drachtio, credulous, freeswitch].map((server) => server.stop()));
    await rm(folder, { recursive: true, force: true });
    expect(faults).toEqual([]);
  });

  describe.concurrent('a call over TLS', () => {
    callsOverTls();
  });
  describe.concurrent('a server that is not the one', () => {
    strangers();
  });
  describe.concurrent('terms that drachtio does not hold', () => {
    terms();
  });
  describe.concurrent('a call with SRTP', () => {
    callsWithSrtp();
  });
  describe.concurrent('other peers', () => {
    otherPeers();
  });
  describe('a channel that goes while it encrypts', () => {
    losses();
  });
});

async function startEngine(server: TestServer, ca: string | null = authority.cert) {
  const started = await startFreeswitchEngine([server], [freeswitch], {
    // An engine takes the files of another one of the same process for its own that are left over.
    promptFolder: join(folder, `prompts-${engines.length}`),
    onFault: (error) => faults.push(error),
    onChange: (change) => changes.push(change),
    ...(ca === null ? {} : { tls: { ca } }),
  });
  engines.push(started);
  return started;
}

interface Far {
  readonly carrier: LabCarrier;
  readonly wire: WireMessage[];
}

async function withCarrier<T>(options: Partial<LabCarrierOptions>, body: (far: Far) => Promise<T>) {
  const wire: WireMessage[] = [];
  const onWire = (message: WireMessage): void => void wire.push(message);
  const { carrier, faults: theirs } = await startCarrier({
    tls: { port: 0, certificate: good },
    onWire,
    ...options,
  });
  try {
    return await body({ carrier, wire });
  } finally {
    await carrier.close();
    expect(theirs).toEqual([]);
  }
}

/** A far end by hand, with the good certificate. */
function withFarEnd(options: FarEndWishes, body: Parameters<typeof withFarEndOf>[1]): Promise<void> {
  return withFarEndOf({ ...options, certificate: good, onFault: (error) => faults.push(error) }, body);
}

function call(
  { carrier }: Far,
  { number = '4930000200', by = engine, ...more }: LegOverrides & { number?: string; by?: FreeswitchEngine },
): Promise<CallEvent[]> {
  return eventsOf(by, legTo(carrier.tlsPort, number, { transport: 'tls', tls, ...more }));
}

function failureOf(events: readonly CallEvent[]): string {
  const { end } = endOf(events);
  expect(events.map(({ type }) => type)).toEqual(['trying', 'ended']);
  expect(end.kind).toBe('failed');
  return end.kind === 'failed' ? end.detail : '';
}

function callsOverTls(): void {
  it('goes all its way over one connection', () =>
    withCarrier({}, async (far) => {
      const events = await call(far, {});
      expect(gistOf(events)).toBe('hung_up by us: prompt_finished');
      expect(courseOf(events)).toBe('trying ringing answered prompt_finished ended');
      expect(new Set(far.wire.map(({ peer }) => `${peer.transport} ${peer.port}`)).size).toBe(1);
      const words = far.wire.filter(({ direction }) => direction === 'in').map(({ text }) => text);
      expect(words.map((text) => text.split(' ')[0])).toEqual(['INVITE', 'ACK', 'BYE']);
      expect(words[0]).toMatch(/^Via: SIP\/2\.0\/TLS 127\.0\.0\.1:/m);
      expect(words[0]).toMatch(/^INVITE sip:/);
      expect(words[0]).not.toContain('a=crypto');
    }));

  it('takes a BYE of the far end, over the connection that is there', () =>
    withFarEnd({ hangsUp: true }, async ({ tlsPort }, words) => {
      const leg = legTo(tlsPort, '4930000200', { transport: 'tls', tls, prompt: tone(3000) });
      expect(gistOf(await eventsOf(engine, leg))).toBe('hung_up by callee: peer');
      expect(words).toEqual([
        'in INVITE tls',
        'out SIP/2.0 tls',
        'in ACK tls',
        'out BYE tls',
        'in SIP/2.0 tls',
      ]);
    }));

  it.each(['', ';transport=udp', ';transport=tcp'])('stays on TLS where the Contact has %j', (parameter) =>
    withFarEnd({ parameter }, async ({ tlsPort }, words) => {
      const leg = legTo(tlsPort, '4930000200', { transport: 'tls', tls, prompt: tone(100) });
      expect(gistOf(await eventsOf(engine, leg))).toBe('hung_up by us: prompt_finished');
      const came = words.filter((word) => word.startsWith('in '));
      expect(came).toEqual(['in INVITE tls', 'in ACK tls', 'in BYE tls']);
    }),
  );

  it('is ended by a later process', () =>
    withCarrier({}, async (far) => {
      const later = await startEngine(drachtio);
      const ended: Promise<boolean>[] = [];
      const leg = legTo(far.carrier.tlsPort, '4930000180', { transport: 'tls', tls });
      const events = await eventsOf(engine, leg, {
        on: (event) => {
          if (event.type !== 'ringing') return;
          ended.push(later.endLeftover(JSON.parse(JSON.stringify(event.leftover))));
        },
      });
      expect(gistOf(events)).toBe('rejected 487');
      expect(await Promise.all(ended)).toEqual([true]);
    }));

  it('shows the certificate of drachtio to who wants one', () =>
    withCarrier({ tls: { port: 0, certificate: good, clientCa: clients.cert } }, async (far) => {
      expect(gistOf(await call(far, { prompt: tone(100) }))).toBe('hung_up by us: prompt_finished');
    }));
}

function strangers(): void {
  it.each<[string, TlsCertificate]>([
    ['has expired', authority.issue({ names: ['ip:127.0.0.1'], validFrom: -9, validTo: -2 })],
    ['is not valid yet', authority.issue({ names: ['ip:127.0.0.1'], validFrom: 2 })],
    ['has an unknown authority', new Authority('Other').issue({ names: ['ip:127.0.0.1'] })],
    ['is signed by itself', selfSigned({ names: ['ip:127.0.0.1'] })],
  ])('hears nothing where its certificate %s', (_, certificate) =>
    withCarrier({ tls: { port: 0, certificate } }, async (far) => {
      // drachtio does not tell that it refused the other side: it is as if nobody answered.
      const events = await call(far, { timeouts: { setupMs: 1000 } });
      expect(gistOf(events)).toBe('setup_timeout');
      expect(far.wire).toEqual([]);
    }),
  );

  it('hears nothing where it does not know our certificate', () =>
    withCarrier(
      { tls: { port: 0, certificate: good, clientCa: new Authority('Stranger').cert } },
      async (far) => {
        const events = await call(far, { timeouts: { setupMs: 3000 } });
        expect(gistOf(events)).toMatch(/^(unreachable|setup_timeout)$/);
        expect(far.wire).toEqual([]);
      },
    ));

  it('is not told from another of the same authority: `names: unchecked` says so', () =>
    withCarrier(
      { tls: { port: 0, certificate: authority.issue({ names: ['dns:other.example'] }) } },
      async (far) => {
        expect(gistOf(await call(far, { prompt: tone(100) }))).toBe('hung_up by us: prompt_finished');
      },
    ));
}

function terms(): void {
  it.each<[string, TlsTerms, RegExp]>([
    ['a pin', { ...tls, pins: [sha256(Buffer.from('pin'))] }, /cannot pin/],
    ['another name', { ...tls, serverName: 'carrier.example' }, /does not compare the name/],
    ['a certificate of ours', { ...tls, certificate: good }, /one certificate to all trunks/],
    ['another authority', { ca: clients.cert }, /other authorities/],
    ['one authority more', { ca: authority.cert + clients.cert }, /other authorities/],
  ])('are refused: %s', (_, wanted, reason) =>
    withCarrier({}, async (far) => {
      expect(failureOf(await call(far, { tls: wanted }))).toMatch(reason);
      expect(far.wire).toEqual([]);
    }),
  );

  it('are refused where nobody said whom drachtio believes', () =>
    withCarrier({}, async (far) => {
      const by = await startEngine(drachtio, null);
      expect(failureOf(await call(far, { by }))).toMatch(/nobody has said/);
      expect(far.wire).toEqual([]);
    }));

  it('are refused where drachtio believes everybody, which is found out', () =>
    withCarrier({}, async (far) => {
      const by = await startEngine(credulous);
      expect(failureOf(await call(far, { by }))).toMatch(/believes any certificate/);
      const uri = `sip:lab@127.0.0.1:${far.carrier.tlsPort}`;
      const nextHop = { host: '127.0.0.1', port: far.carrier.tlsPort, transport: 'tls' } as const;
      const ping = { method: 'OPTIONS', requestUri: uri, to: uri, from: uri, nextHop, tls } as const;
      expect(await by.request(ping, AbortSignal.timeout(5000))).toMatchObject({
        kind: 'failed',
        detail: expect.stringMatching(/believes any certificate/),
      });
      expect(far.wire).toEqual([]);
      expect(changes.filter((change) => change.includes('believes any certificate'))).toHaveLength(1);
    }));

  it('let a request outside of calls pass', () =>
    withCarrier({}, async (far) => {
      const uri = `sip:lab@127.0.0.1:${far.carrier.tlsPort}`;
      const nextHop = { host: '127.0.0.1', port: far.carrier.tlsPort, transport: 'tls' } as const;
      const ping = { method: 'OPTIONS', requestUri: uri, to: uri, from: uri, nextHop, tls } as const;
      const answer = await engine.request(ping, AbortSignal.timeout(5000));
      expect(answer).toMatchObject({ kind: 'response', sip: { status: 200 } });
    }));
}

function callsWithSrtp(): void {
  it('brings the prompt to the ear of the phone', () =>
    withCarrier({ srtp: 'required' }, async (far) => {
      const events = await call(far, { srtp: 'required', prompt: melody(6) });
      expect(gistOf(events)).toBe('hung_up by us: prompt_finished');
      const phone = far.carrier.calls[0]?.phone;
      expect(phone?.record).toMatchObject({ srtp: SUITE, srtpDropped: 0, earlyPackets: 0 });
      expect(phone === undefined ? '' : notesIn(phone.heard)).toBe(allNotes(6));
      expect(endOf(events).media).toMatchObject({ srtp: SUITE });
      expect(endOf(events).media?.packetsReceived).toBeGreaterThan(50);
      expect(endOf(events).media?.packetsSent).toBe(phone?.record.packets);
    }));

  it.each<[SrtpPolicy, SrtpPolicy, string, string | null, number]>([
    ['off', 'required', 'rejected 488', null, 1],
    // FreeSWITCH encrypts on a channel always or never: the phone is told of another one.
    ['optional', 'off', 'hung_up by us: prompt_finished', null, 2],
    ['optional', 'optional', 'hung_up by us: prompt_finished', SUITE, 1],
    ['optional', 'required', 'hung_up by us: prompt_finished', SUITE, 1],
    ['required', 'off', 'rejected 488', null, 1],
    ['required', 'optional', 'hung_up by us: prompt_finished', SUITE, 1],
  ])('with %s here and %s there: %s', (ours, theirs, gist, suite, invites) =>
    withCarrier({ srtp: theirs }, async (far) => {
      const events = await call(far, { number: '4930000210', srtp: ours, prompt: tone(200) });
      expect(gistOf(events)).toBe(gist);
      const record = far.carrier.calls[0]?.phone.record;
      expect([record?.srtp ?? null, endOf(events).media?.srtp ?? null]).toEqual([suite, suite]);
      if (gist.startsWith('hung_up')) expect(record?.packets).toBe(10);
      expect(far.wire.filter(({ text }) => text.startsWith('INVITE')).length).toBe(invites);
    }),
  );

  it('takes the other codec', () =>
    withCarrier({ srtp: 'required', codecs: ['PCMA'] }, async (far) => {
      const events = await call(far, { srtp: 'required', prompt: melody(4) });
      expect(events.find(({ type }) => type === 'answered')).toMatchObject({ codec: 'PCMA' });
      const [one] = far.carrier.calls;
      expect(one === undefined ? '' : notesIn(one.phone.heard)).toBe(allNotes(4));
    }));

  it('goes on encrypted after a hold', () =>
    withCarrier({ srtp: 'required' }, async (far) => {
      const events = await call(far, { number: '4930000241', srtp: 'required', prompt: tone(3600) });
      expect(courseOf(events)).toBe('trying ringing answered dtmf prompt_finished ended');
      expect(far.carrier.calls[0]?.phone.record).toMatchObject({ srtp: SUITE, srtpDropped: 0 });
      expect(endOf(events).media).toMatchObject({ srtp: SUITE, promptSentMs: 3600 });
    }));

  it.each<SrtpPolicy>(['required', 'off'])('hears keys of a phone with SRTP %s', (theirs) =>
    withCarrier({ srtp: theirs }, async (far) => {
      const gate = { keys: new Secret('1'), ask: tone(300, 600), asks: 1, waitMs: 4000 };
      const events = await call(far, { number: '4930000231', srtp: 'optional', gate });
      expect(courseOf(events)).toBe('trying ringing answered dtmf gate_opened prompt_finished ended');
    }),
  );

  it('is a flash call too', () =>
    withCarrier({ srtp: 'required' }, async (far) => {
      const flash = { ringHoldMs: 100, maxRingMs: 4000, onAnswer: 'hangup' } as const;
      const events = await call(far, { number: '4930000180', srtp: 'required', flash, prompt: null });
      expect(gistOf(events)).toBe('rang');
      expect(far.wire[0]?.text).toMatch(/m=audio 65534 RTP\/SAVP [\s\S]*a=crypto:1 /);
    }));

  it.each([
    ['has no key', 'm=audio 4000 RTP/AVP 0', /no key for SRTP/],
    ['has no key in RTP/SAVP', 'm=audio 4000 RTP/SAVP 0', /no key for SRTP/],
    [
      'has one that does not fit',
      'm=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0',
      /does not fit the offer/,
    ],
  ])('is hung up, with nothing said, where the answer %s', (_, media, reason) =>
    withFarEnd({ media }, async ({ port }) => {
      const events = await eventsOf(engine, legTo(port, '4930000200', { srtp: 'required' }));
      expect(events.find(({ type }) => type === 'answered')).toMatchObject({ codec: null });
      const { end, media: stats } = endOf(events);
      expect(end).toMatchObject({ kind: 'media_rejected', detail: expect.stringMatching(reason) });
      expect(stats).toMatchObject({ packetsSent: 0 });
      expect(JSON.stringify(events)).not.toContain('c2VjcmV0');
    }),
  );
}

function otherPeers(): void {
  describeWithPeer('baresip', 'baresip', () => {
    it('hears the prompt over TLS with SRTP', async () => {
      const phone = await Baresip.start(undefined, { certificate: good, mediaEncryption: 'srtp-mand' });
      try {
        const prompt = melody(6);
        const leg = legTo(phone.tlsPort, 'phone', { transport: 'tls', tls, srtp: 'required', prompt });
        const events = await eventsOf(engine, leg);
        expect(gistOf(events), phone.output).toBe('hung_up by us: prompt_finished');
        expect(endOf(events).media).toMatchObject({ srtp: SUITE });
        const recording = await eventually(() => phone.recording());
        expect(notesIn(recording)).toBe(allNotes(6));
      } finally {
        await phone.stop();
      }
    });
  });

  it('FreeSWITCH has SRTP with the embedded engine', async () => {
    const embedded = await startEmbedded({ t1Ms: 500, onFault: (error) => faults.push(error) });
    try {
      const leg = legTo(freeswitch.sipPort, '4930echo', { srtp: 'required', prompt: tone(600) });
      const events = await eventsOf(embedded, leg);
      expect(gistOf(events)).toBe('hung_up by us: prompt_finished');
      const { media } = endOf(events);
      expect(media).toMatchObject({ srtpDropped: 0 });
      expect(media?.srtp).toMatch(/^AES_/);
      // What comes back was decrypted and encrypted again.
      expect(media?.packetsReceived).toBeGreaterThan(20);
    } finally {
      await embedded.close(AbortSignal.timeout(2000));
    }
  });
}

function losses(): void {
  it('is followed by another one with a key of its own', () =>
    withCarrier({ srtp: 'required' }, async (far) => {
      const leg = legTo(far.carrier.tlsPort, '4930000210', {
        ...{ transport: 'tls', tls, srtp: 'required', prompt: melody(8) },
      } as const);
      const heard = (): string => far.carrier.calls.map(({ phone }) => notesIn(phone.heard)).join('');
      const events = await eventsOf(engine, leg, {
        on: ({ type }) => {
          if (type === 'answered')
            void eventually(() => expect(heard()).toContain('b'))
              .then(() => endChannels(freeswitch))
              .catch((error: unknown) => faults.push(error));
        },
      });
      expect(gistOf(events)).toBe('hung_up by us: prompt_finished');
      const offers = far.wire.filter(
        ({ direction, text }) => direction === 'in' && text.startsWith('INVITE'),
      );
      const keys = offers.map(({ text }) => /m=audio \d+ RTP\/SAVP [\s\S]*inline:(\S+)/.exec(text)?.[1]);
      expect(new Set(keys).size).toBe(2);
      expect(keys).not.toContain(undefined);
      expect(far.carrier.calls[0]?.phone.record).toMatchObject({ srtp: SUITE, srtpDropped: 0 });
      // From its beginning again.
      expect(heard()).toMatch(new RegExp(`^ab.*${allNotes(8)}$`));
      expect(endOf(events).media).toMatchObject({ srtp: SUITE, promptSentMs: 2000 });
    }));

  it('ends the call where a new key could leave in the clear', () => {
    const key = Buffer.alloc(30, 7).toString('base64');
    const media = `m=audio 9 RTP/SAVP 0\r\na=crypto:1 ${SUITE} inline:${key}`;
    return withFarEnd({ media }, async ({ tlsPort }, words) => {
      const leg = legTo(tlsPort, '4930000200', {
        transport: 'tls',
        tls,
        srtp: 'required',
        prompt: tone(3000),
      });
      const events = await eventsOf(engine, leg, {
        on: ({ type }) => {
          if (type === 'answered') endChannels(freeswitch).catch((error: unknown) => faults.push(error));
        },
      });
      expect(endOf(events).end).toEqual({
        kind: 'failed',
        detail: expect.stringMatching(/keys are not sent there/),
      });
      expect(words.filter((word) => word.startsWith('in '))).toEqual([
        'in INVITE tls',
        'in ACK tls',
        'in BYE tls',
      ]);
    });
  });
}
