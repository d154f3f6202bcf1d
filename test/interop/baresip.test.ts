import { afterAll, beforeAll, expect, it } from 'vitest';
import { Recogniser } from '../../src/lab/recogniser.ts';
import type { CallJson } from '../support/app/client.ts';
import { type Site, startSite } from '../support/app/site.ts';
import { eventually } from '../support/eventually.ts';
import { describeWithPeer } from '../support/peers.ts';
import { Baresip } from '../support/peers-baresip.ts';
import { embeddedFooting, type Footing, freeswitchFooting, heldBy } from '../support/peers-services.ts';

const CODE = '493817';

describeWithPeer('baresip', 'a call from the whole service to baresip', () => {
  describeCalls(embeddedFooting);
});

describeWithPeer(
  ['baresip', 'drachtio', 'freeswitch'],
  'a call from the whole service on drachtio and FreeSWITCH to baresip',
  () => {
    describeCalls(freeswitchFooting);
  },
);

function describeCalls(footingOf: () => Promise<Footing>): void {
  let footing: Footing;
  beforeAll(async () => {
    footing = await footingOf();
  });
  afterAll(async () => {
    await eventually(async () => expect(await footing.channels()).toBe(0));
    await footing.close();
  });

  it.concurrent('brings the code to its ear, twice', () =>
    withPhone(footing, { fullSounds: true }, async (site, phone) => {
      const { callId } = await site.client.start({ to: phone.target, code: CODE });
      const call = await site.client.ended(callId);
      expect(call, phone.output).toMatchObject({
        disposition: 'answered',
        promptFinished: true,
        hungUpBy: 'us',
      });
      expect(codecOf(call)).toBe('PCMU');
      expect(await heard(site, phone)).toEqual([CODE, CODE]);
    }));

  it.concurrent('speaks PCMA to a phone that has nothing else', () =>
    withPhone(footing, { codecs: ['PCMA/8000/1'] }, async (site, phone) => {
      const { callId } = await site.client.start({ to: phone.target, code: '2604' });
      const call = await site.client.ended(callId);
      expect(call, phone.output).toMatchObject({
        disposition: 'answered',
        promptFinished: true,
        hungUpBy: 'us',
      });
      expect(codecOf(call)).toBe('PCMA');
      expect(await heard(site, phone)).toEqual(['2604', '2604']);
    }));

  it.concurrent('ends when the phone hangs up in mid-prompt', () =>
    withPhone(footing, {}, async (site, phone) => {
      const { callId } = await site.client.start({ to: phone.target, code: CODE });
      await eventually(async () => expect((await site.client.call(callId)).state).toBe('answered'));
      await phone.hangUp();
      const call = await site.client.ended(callId);
      expect(call, phone.output).toMatchObject({ promptFinished: false, hungUpBy: 'callee' });
    }));
}

/** A phone and a service that may call it; afterwards the service has nothing left of the call. */
async function withPhone(
  footing: Footing,
  options: { readonly codecs?: readonly string[]; readonly fullSounds?: boolean },
  body: (site: Site, phone: Baresip) => Promise<void>,
): Promise<void> {
  const phone = await Baresip.start(options.codecs);
  const site = await startSite({
    fullSounds: options.fullSounds === true,
    settings: { sip: { t1Ms: 50 }, verification: { sipTargets: ['127.0.0.1'] }, ...footing.settings() },
  });
  try {
    await body(site, phone);
    await eventually(() => expect(heldBy(site)).toEqual({}), { timeoutMs: 10_000 });
    expect(site.faults()).toEqual([]);
  } finally {
    await site.close();
    await phone.stop();
  }
}

/** The digits in baresip's own recording: an entry for each time that they were said. */
async function heard(site: Site, phone: Baresip): Promise<readonly string[]> {
  const recording = await eventually(() => phone.recording());
  return new Recogniser(site.app.library.clips('en-US')).recognise(recording).groups;
}

function codecOf(call: CallJson): unknown {
  return call.timeline.find(({ type }) => type === 'answered')?.detail['codec'];
}
