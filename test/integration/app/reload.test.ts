import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey } from '../../../src/clients/keys.ts';
import { configFrom } from '../../../src/config.ts';
import type { LabCarrier } from '../../../src/lab/carrier.ts';
import { serve } from '../../support/app/process.ts';
import { LAB_TRUNK, type Settings, type Site, startSite, testSettings } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { startCarrier } from '../../support/lab.ts';

interface TrunkJson {
  readonly id: string;
  readonly use: { readonly channels: number | null; readonly inUse: number; readonly waiting: number };
}

const RINGS = '+442079460180';

describe('a service that goes by another configuration', () => {
  let site: Site;
  let other: LabCarrier;
  let otherFaults: unknown[];

  beforeAll(async () => {
    ({ carrier: other, faults: otherFaults } = await startCarrier());
    site = await startSite();
  });
  afterAll(async () => {
    expect([site.faults(), otherFaults]).toEqual([[], []]);
    await site.close();
    await other.close();
  });

  const reload = (trunks: Settings['trunks']) =>
    site.app.reload(configFrom({ ...testSettings(site.folder), trunks }));
  const trunks = async (): Promise<readonly TrunkJson[]> =>
    (await site.client.ask<{ trunks: TrunkJson[] }>('GET', '/v1/trunks')).body.trunks;
  const call = (to: string, more: object = {}) =>
    site.client.start({ to, codeLength: 4, repeat: 1, ...more });
  const hangUp = (callId: string) => site.client.ask('DELETE', `/v1/calls/${callId}`);

  it('ends no call by a trunk that is gone, and begins none', async () => {
    const before = await call('+442079460201');
    await site.phone('+442079460201');
    expect(reload([{ ...LAB_TRUNK, id: 'next', port: other.port }]).applied).toEqual([
      'trunks.lab (gone)',
      'trunks.next (new)',
    ]);
    expect((await trunks()).map(({ id }) => id)).toEqual(['next']);
    const after = await call('+442079460200');
    const refused = await site.client.ask('POST', '/v1/calls', {
      to: '+442079460200',
      carrierId: 'lab',
      playlist: [{ tts: 'Hello' }],
    });
    expect([refused.status, refused.body.error.code]).toEqual([400, 'unknown_carrier']);
    const calls = await Promise.all([before, after].map(({ callId }) => site.client.ended(callId)));
    expect(calls.map(({ attempts }) => attempts.map(({ trunkId }) => trunkId))).toEqual([['lab'], ['next']]);
    expect(calls.map(({ disposition, promptFinished }) => [disposition, promptFinished])).toEqual([
      ['answered', true],
      ['answered', true],
    ]);
    expect([site.carrier.calls.length, other.calls.length]).toEqual([1, 1]);
  });

  it('counts what is in use where a limit is lowered, and lets nobody wait for what is gone', async () => {
    const next = { ...LAB_TRUNK, id: 'next', port: other.port };
    reload([next]);
    const up = [await call(RINGS), await call(RINGS)];
    await eventually(async () => expect((await trunks())[0]?.use.inUse).toBe(2));
    reload([{ ...next, channels: 1 }]);
    const waiting = await call(RINGS);
    const use = async () => (await trunks())[0]?.use;
    await eventually(async () => expect(await use()).toMatchObject({ channels: 1, inUse: 2, waiting: 1 }));
    await hangUp(up[0]?.callId ?? '');
    await eventually(async () => expect(await use()).toMatchObject({ inUse: 1, waiting: 1 }));
    await hangUp(up[1]?.callId ?? '');
    await eventually(async () => expect(await use()).toMatchObject({ inUse: 1, waiting: 0 }));
    const last = await call(RINGS);
    await eventually(async () => expect(await use()).toMatchObject({ inUse: 1, waiting: 1 }));
    reload([{ ...LAB_TRUNK, id: 'third', port: site.carrier.port }]);
    expect(await site.client.ended(last.callId)).toMatchObject({ disposition: 'capacity', attempts: [] });
    expect((await site.client.call(waiting.callId)).state).not.toBe('ended');
    await hangUp(waiting.callId);
    expect(await site.client.ended(waiting.callId)).toMatchObject({ disposition: 'canceled' });
    // It comes back with nothing in use.
    reload([next]);
    expect(await use()).toMatchObject({ channels: null, inUse: 0, waiting: 0 });
  });
});

describe('SIGHUP', () => {
  /** Comes as soon as somebody listens for it: in the middle of the start. */
  const EARLY = `data:text/javascript,${encodeURIComponent(`
    process.once('newListener', function early(name) {
      if (name === 'SIGHUP') setImmediate(() => process.kill(process.pid, 'SIGHUP'));
      else process.once('newListener', early);
    });
  `)}`;
  const [shop, store] = ['shop', 'store'].map((id) => createKey(id, (size) => Buffer.alloc(size, id))) as [
    ReturnType<typeof createKey>,
    ReturnType<typeof createKey>,
  ];

  it('has the file read again, and changes nothing where that cannot be used', {
    timeout: 60_000,
  }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-hup-'));
    const entry = ({ id, hash }: typeof shop) => ({ id, hash });
    const first = {
      ...testSettings(folder),
      api: { port: 0, keys: [entry(shop)] },
      trunks: [{ ...LAB_TRUNK, port: 9 }],
    };
    const served = await serve(folder, first, { preload: [EARLY] });
    const file = join(folder, 'config.yaml');
    const said = (text: string): number => served.output().split(text).length - 1;
    const idsFor = async ({ key }: typeof shop): Promise<readonly string[] | number> => {
      const headers = { authorization: `Bearer ${key}` };
      const answer = await served.client.ask<{ trunks: TrunkJson[] }>(
        'GET',
        '/v1/trunks',
        undefined,
        headers,
      );
      return answer.status === 200 ? answer.body.trunks.map(({ id }) => id) : answer.status;
    };
    try {
      await eventually(() => expect(said('the configuration was read again')).toBe(1));
      expect([await idsFor(shop), await idsFor(store)]).toEqual([['lab'], 401]);

      await writeFile(
        file,
        JSON.stringify({ ...first, trunks: [{ ...LAB_TRUNK, cps: 0, port: 'hunter2' }] }),
      );
      served.child.kill('SIGHUP');
      await eventually(() => expect(said('the configuration cannot be used')).toBe(1));
      expect(served.output()).toMatch(/"problems":\["trunks\.0\.port: [^\]]*trunks\.0\.cps: /);
      expect(await idsFor(shop)).toEqual(['lab']);

      const next = {
        ...first,
        api: {
          port: 0,
          clients: [{ id: store.id, keys: [{ hash: store.hash }], scopes: ['calls' as const] }],
        },
        sip: { ...first.sip, userAgent: 'another' },
        trunks: [...first.trunks, { ...LAB_TRUNK, id: 'second', port: 9 }],
        log: { level: 'warn' },
      };
      await writeFile(file, JSON.stringify(next));
      // One of the two may be all that comes; each is dealt with as a whole.
      served.child.kill('SIGHUP');
      served.child.kill('SIGHUP');
      await eventually(() => expect(said('hold after a restart')).toBeGreaterThanOrEqual(1));
      expect(served.output()).toMatch(/"waiting":\["sip\.userAgent"\]/);
      expect([await idsFor(store), await idsFor(shop)]).toEqual([['lab', 'second'], 401]);
      // At this level nobody hears of requests.
      expect(served.output().trimEnd().split('\n').at(-1)).toMatch(/"level":"warn"/);
      expect(served.output()).not.toContain('hunter2');
      served.child.kill('SIGTERM');
      expect(await served.exited).toEqual({ code: 0, signal: null });
    } finally {
      await served.kill();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
