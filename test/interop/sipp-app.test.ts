import { join } from 'node:path';
import Database from 'libsql';
import { expect, it } from 'vitest';
import { startSite } from '../support/app/site.ts';
import { eventually } from '../support/eventually.ts';
import { describeWithPeer } from '../support/peers.ts';
import { Ear } from '../support/peers-audio.ts';
import { CALLS, openSince, resources } from '../support/peers-calls.ts';
import { embeddedFooting, type Footing, freeswitchFooting, heldBy } from '../support/peers-services.ts';
import { Sipp } from '../support/peers-sipp.ts';

/** All are up at once: each takes some five seconds. */
const CALLS_PER_SECOND = 33;

describeWithPeer('sipp', 'the whole service with SIPp as its trunk', () => {
  describeHundred(embeddedFooting);
});

describeWithPeer(
  ['sipp', 'drachtio', 'freeswitch'],
  'the whole service on drachtio and FreeSWITCH with SIPp as its trunk',
  () => {
    describeHundred(freeswitchFooting);
  },
);

function describeHundred(footingOf: () => Promise<Footing>): void {
  it('carries a hundred verifications to their end and leaves nothing behind', async () => {
    const before = resources();
    const footing = await footingOf();
    const ear = await Ear.open();
    const sipp = await Sipp.start({ scenario: 'answers', calls: CALLS, mediaPort: ear.port });
    const site = await startSite({
      settings: { sip: { t1Ms: 200 }, ...footing.settings() },
      trunks: () => [{ id: 'sipp', host: '127.0.0.1', port: sipp.port, cli: '+442079460999' }],
    });
    try {
      const start = performance.now();
      const calls = Array.from({ length: CALLS }, async (_, i) => {
        await eventually(() => {
          if (performance.now() < start + (i * 1000) / CALLS_PER_SECOND) throw new Error('not yet');
        });
        const to = `+44207946${1000 + i}`;
        const { callId } = await site.client.start({ to, codeLength: 4, repeat: 1 });
        return site.client.ended(callId);
      });
      for (const call of await Promise.all(calls)) {
        expect(call).toMatchObject({
          state: 'ended',
          disposition: 'answered',
          blame: 'none',
          promptFinished: true,
        });
      }
      const result = await sipp.result();
      expect(result, result.errors).toMatchObject({ code: 0, successful: CALLS, failed: 0 });
      expect(ear.streams.length).toBe(CALLS);
      // Four digits alone are longer than two seconds.
      for (const { length } of ear.streams) expect(length).toBeGreaterThan(100);
      expect(rowsOf(join(site.folder, 'store.db'))).toMatchObject({ calls: CALLS, unfinished: 0, sealed: 0 });
      await eventually(() => expect(heldBy(site)).toEqual({}), { timeoutMs: 20_000 });
      await eventually(async () => expect(await footing.channels()).toBe(0));
      expect(site.faults()).toEqual([]);
    } finally {
      await site.close();
      await sipp.stop();
      await ear.close();
      await footing.close();
    }
    expect(await openSince(before)).toEqual({});
  });
}

function rowsOf(path: string): unknown {
  const database = new Database(path);
  try {
    return database
      .prepare(
        `SELECT (SELECT count(*) FROM calls) AS calls,
                (SELECT count(*) FROM calls WHERE state <> 'ended') AS unfinished,
                (SELECT count(*) FROM verifications WHERE sealed_code IS NOT NULL) AS sealed`,
      )
      .get();
  } finally {
    database.close();
  }
}
