import { expect, it } from 'vitest';
import { Recogniser } from '../../src/lab/recogniser.ts';
import type { CallJson } from '../support/app/client.ts';
import { type Site, startSite } from '../support/app/site.ts';
import { eventually } from '../support/eventually.ts';
import { describeWithPeer } from '../support/peers.ts';
import { Baresip } from '../support/peers-baresip.ts';

const CODE = '493817';

describeWithPeer('baresip', 'a call from the whole service to baresip', () => {
  it.concurrent('brings the code to its ear, twice', () =>
    withPhone({ fullSounds: true }, async (site, phone) => {
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
    withPhone({ codecs: ['PCMA/8000/1'] }, async (site, phone) => {
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
    withPhone({}, async (site, phone) => {
      const { callId } = await site.client.start({ to: phone.target, code: CODE });
      await eventually(() => expect(site.wire.some(({ text }) => text.startsWith('ACK '))).toBe(true));
      await phone.hangUp();
      const call = await site.client.ended(callId);
      expect(call, phone.output).toMatchObject({ promptFinished: false, hungUpBy: 'callee' });
    }));
});

/** A phone and a service that may call it; afterwards the service has nothing left of the call. */
async function withPhone(
  options: { readonly codecs?: readonly string[]; readonly fullSounds?: boolean },
  body: (site: Site, phone: Baresip) => Promise<void>,
): Promise<void> {
  const phone = await Baresip.start(options.codecs);
  const site = await startSite({
    fullSounds: options.fullSounds === true,
    settings: { sip: { t1Ms: 50 }, verification: { sipTargets: ['127.0.0.1'] } },
  });
  try {
    await body(site, phone);
    const nothing = { legs: 0, streams: 0, clients: 0, servers: 0, dialogs: 0 };
    await eventually(() => expect(site.engine.held()).toEqual(nothing), { timeoutMs: 10_000 });
    expect(site.faults()).toEqual([]);
  } finally {
    await site.close();
    await phone.stop();
  }
}

/** The digits in baresip's own recording: an entry for each time that they were said. */
async function heard(site: Site, phone: Baresip): Promise<readonly string[]> {
  const recording = await eventually(() => phone.recording());
  return new Recogniser(site.app.library.clips('en-US', 8000)).recognise(recording).groups;
}

function codecOf(call: CallJson): unknown {
  return call.timeline.find(({ type }) => type === 'answered')?.detail['codec'];
}
