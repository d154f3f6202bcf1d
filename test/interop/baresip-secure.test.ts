import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EmbeddedEngine } from '../../src/engine/embedded/embedded-engine.ts';
import { Recogniser } from '../../src/lab/recogniser.ts';
import { PromptLibrary } from '../../src/prompt/library.ts';
import type { WireMessage } from '../../src/sip/transport.ts';
import { Authority } from '../support/certificates.ts';
import { startEmbedded } from '../support/embedded.ts';
import { eventually } from '../support/eventually.ts';
import { endOf, eventsOf, gistOf, type LegOverrides, legTo } from '../support/legs.ts';
import { describeWithPeer } from '../support/peers.ts';
import { Baresip } from '../support/peers-baresip.ts';
import { recordedPrompts } from '../support/recorded-prompt.ts';

const authority = new Authority();
const certificate = authority.issue({ names: ['ip:127.0.0.1'] });
const SUITE = /a=crypto:(\d+) (\w+) inline:/;

describeWithPeer('baresip', 'a call to baresip over TLS with SRTP', () => {
  let engine: EmbeddedEngine;
  let library: PromptLibrary;
  let wire: WireMessage[] = [];
  const faults: unknown[] = [];
  beforeAll(async () => {
    library = await PromptLibrary.load(join(import.meta.dirname, '../../sounds'));
    engine = await startEmbedded({
      t1Ms: 500,
      onFault: (error) => faults.push(error),
      onWire: (message) => wire.push(message),
    });
  });
  afterAll(async () => {
    await engine.close(AbortSignal.timeout(5000));
    expect(faults).toEqual([]);
  });

  async function withPhone(
    mediaEncryption: 'srtp' | 'srtp-mand' | undefined,
    body: (phone: Baresip, leg: (overrides: LegOverrides) => ReturnType<typeof legTo>) => Promise<void>,
  ): Promise<void> {
    wire = [];
    const phone = await Baresip.start(undefined, {
      certificate,
      ...(mediaEncryption === undefined ? {} : { mediaEncryption }),
    });
    const secure = { transport: 'tls', tls: { ca: authority.cert } } as const;
    try {
      await body(phone, (overrides) => legTo(phone.tlsPort, 'phone', { ...secure, ...overrides }));
    } finally {
      await phone.stop();
    }
  }

  it.each([
    ['required', 'srtp-mand'],
    ['optional', 'srtp'],
  ] as const)('with SRTP %s here and %s there brings the code to its ear', (srtp, theirs) =>
    withPhone(theirs, async (phone, leg) => {
      const prompt = (await recordedPrompts(library))('493817', 1);
      const events = await eventsOf(engine, leg({ srtp, prompt }));
      expect(gistOf(events), phone.output).toBe('hung_up by us: prompt_finished');
      const recording = await eventually(() => phone.recording());
      expect(new Recogniser(library.clips('en-US')).recognise(recording).groups).toEqual(['493817']);
      expect(endOf(events).media).toMatchObject({ srtpDropped: 0 });
      expect(endOf(events).media?.packetsReceived).toBeGreaterThan(50);
      const answer = wire.find(({ direction, text }) => direction === 'in' && SUITE.test(text));
      expect(SUITE.exec(answer?.text ?? '')?.slice(1)).toEqual(['1', 'AES_CM_128_HMAC_SHA1_80']);
      expect(new Set(wire.map(({ peer }) => `${peer.transport} ${peer.port}`)).size).toBe(1);
    }),
  );

  it('takes its BYE over the same connection', () =>
    withPhone('srtp-mand', async (phone, leg) => {
      const events = await eventsOf(
        engine,
        leg({ srtp: 'required', prompt: (await recordedPrompts(library))('493817') }),
        {
          on: ({ type }) => void (type === 'answered' && phone.hangUp().catch((error) => faults.push(error))),
        },
      );
      expect(gistOf(events), phone.output).toBe('hung_up by callee: peer');
    }));

  it('is not carried on where it has no SRTP and that is required', () =>
    withPhone(undefined, async (phone, leg) => {
      const events = await eventsOf(engine, leg({ srtp: 'required' }));
      expect(gistOf(events), phone.output).toMatch(/^(rejected 488|media_rejected)$/);
    }));

  it('does not begin where its certificate is of an unknown authority', () =>
    withPhone('srtp-mand', async (_phone, leg) => {
      const events = await eventsOf(engine, leg({ tls: { ca: new Authority().cert }, srtp: 'required' }));
      expect(endOf(events).end).toMatchObject({
        kind: 'unreachable',
        detail: expect.stringContaining('unknown authority'),
      });
    }));
});
