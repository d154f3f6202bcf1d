import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Site, startSite } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';

const number = (suffix: string): string => `+442079460${suffix}`;

const sites: Site[] = [];
/** The site whose RTP worker is to crash. It is the first one, so that the worker is known. */
let crashing: Site;
let worker: Worker;

beforeAll(async () => {
  process.once('worker', (made: Worker) => {
    worker = made;
  });
  crashing = await newSite();
});

afterAll(async () => {
  await Promise.all(sites.map((site) => site.close()));
});

async function newSite(options: Parameters<typeof startSite>[0] = {}): Promise<Site> {
  const site = await startSite(options);
  sites.push(site);
  return site;
}

/** A call that is answered and speaks for some seconds. */
async function speaking(site: Site, suffix = '200') {
  const verification = await site.client.start({ to: number(suffix), codeLength: 4, repeat: 2 });
  const call = await site.phone(number(suffix));
  await eventually(() => expect(call.phone.record.packets).toBeGreaterThan(10));
  return { verification, call };
}

async function expectReady(site: Site): Promise<void> {
  await eventually(async () => expect((await site.client.ask('GET', '/readyz')).status).toBe(200));
}

/** A call from end to end. */
async function expectCallsWork(site: Site): Promise<void> {
  const { callId } = await site.client.start({ to: number('486') });
  expect((await site.client.ended(callId)).disposition).toBe('busy');
}

describe.concurrent('the RTP worker', () => {
  it('that crashes takes its calls with it, and nothing else', async () => {
    const site = crashing;
    const { verification, call } = await speaking(site);
    const ringing = await site.client.start({ to: number('180') });
    const other = await site.phone(number('180'));
    await eventually(() => expect(other.phone.record.ringingAt).not.toBeNull());

    await worker.terminate();
    const failed = await site.client.ended(verification.callId);
    expect(failed.attempts.map(({ disposition }) => disposition)).toEqual(['failed']);
    expect([failed.disposition, failed.blame]).toEqual(['failed', 'us']);
    await eventually(() => expect(call.phone.record.end).toBe('they_hung_up'));
    expect((await site.client.verification(verification.id)).status).toBe('pending');
    expect(await site.client.ended(ringing.callId)).toMatchObject({ disposition: 'failed', blame: 'us' });
    await eventually(() => expect(other.phone.record.end).toBe('canceled'));
    expect((await site.client.verification(ringing.id)).status).toBe('failed');

    await expectReady(site);
    const next = await speaking(site, '407');
    const heard = await site.client.ended(next.verification.callId);
    expect([heard.disposition, heard.promptFinished]).toEqual(['answered', true]);
    expect(site.heard(next.call).map(({ length }) => length)).toContain(4);
    expect(site.faults().every((line) => line.includes('The RTP worker has crashed'))).toBe(true);
  });
});

/** Four ports in a row that were free, from an even one on. */
async function takenPorts(): Promise<{ portMin: number; taken: Socket[] }> {
  const taken: Socket[] = [];
  const portMin = 30_000 + 2 * Math.floor(Math.random() * 1000);
  try {
    for (let port = portMin; port < portMin + 4; port++) {
      const socket = createSocket('udp4');
      socket.bind(port, '127.0.0.1');
      await once(socket, 'listening');
      taken.push(socket);
    }
    return { portMin, taken };
  } catch {
    // Somebody else has one of them.
    for (const socket of taken) socket.close();
    return takenPorts();
  }
}

describe.concurrent('a range of RTP ports', () => {
  it('that is used up fails the call, says so, and serves again when ports are free', async () => {
    const { portMin, taken } = await takenPorts();
    const site = await newSite({
      settings: { rtp: { portMin, portMax: portMin + 3, drainMs: 0 }, calls: { maxConcurrent: 2 } },
    });
    const { id, callId } = await site.client.start({ to: number('200') });
    const call = await site.client.ended(callId);
    expect([call.disposition, call.blame]).toEqual(['failed', 'us']);
    expect(JSON.stringify(call.timeline)).toContain('All RTP ports of the configured range are in use');
    expect((await site.client.verification(id)).status).toBe('failed');
    expect(site.carrier.calls).toEqual([]);
    await Promise.all(taken.map((socket) => once(socket.close(), 'close')));
    await expectCallsWork(site);
  });
});

describe.concurrent('the store', () => {
  it('that another process has locked: no call is taken, those under way go on, and all is written in the end', async () => {
    const site = await newSite();
    const { verification, call } = await speaking(site);
    const other = new Database(join(site.folder, 'store.db'));
    other.exec('BEGIN IMMEDIATE');
    const refused = await site.client.ask('POST', '/v1/verifications', { to: number('200') });
    expect([refused.status, refused.body.error.code]).toEqual([503, 'store_unavailable']);
    expect((await site.client.ask('GET', '/readyz')).status).toBe(503);
    await eventually(() => expect(call.phone.record.end).toBe('they_hung_up'), { timeoutMs: 10_000 });
    expect((await site.client.call(verification.callId)).state).toBe('answered');
    other.exec('ROLLBACK');
    other.close();
    const ended = await site.client.ended(verification.callId);
    expect([ended.disposition, ended.promptFinished]).toEqual(['answered', true]);
    const code = site.heard(call).find(({ length }) => length === 4) ?? '';
    expect((await site.client.check(verification.id, code)).body.status).toBe('approved');
    await expectReady(site);
    await expectCallsWork(site);
  });

  it('whose file was taken away: no call is taken that would be lost, until it is back', async () => {
    const site = await newSite();
    const { verification } = await speaking(site);
    const path = join(site.folder, 'store.db');
    await rename(path, `${path}.moved`);
    const refused = await site.client.ask('POST', '/v1/verifications', { to: number('200') });
    expect([refused.status, refused.body.error.code]).toEqual([503, 'store_unavailable']);
    expect((await site.client.ask('GET', '/readyz')).status).toBe(503);
    await rename(`${path}.moved`, path);
    expect((await site.client.ended(verification.callId)).promptFinished).toBe(true);
    await expectReady(site);
    await expectCallsWork(site);
  });
});

describe.concurrent('clients that send slowly or too much', () => {
  it('do not keep others from being served', async () => {
    const site = await newSite();
    const { port } = new URL(site.client.url);
    const slow = await Promise.all(
      Array.from({ length: 300 }, async () => {
        const socket = connect(Number(port), '127.0.0.1');
        socket.on('error', () => undefined);
        await once(socket, 'connect');
        socket.write(
          'POST /v1/verifications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n',
        );
        return socket;
      }),
    );
    const drip = setInterval(() => {
      for (const socket of slow) socket.write('X-A: b\r\n');
    }, 50);
    try {
      const huge = { to: number('200'), reference: 'x'.repeat(1_000_000) };
      const refused = await Promise.all(
        Array.from({ length: 20 }, () => site.client.ask('POST', '/v1/verifications', huge)),
      );
      expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([413]));
      const at = performance.now();
      await expectCallsWork(site);
      expect(performance.now() - at).toBeLessThan(2000);
    } finally {
      clearInterval(drip);
      for (const socket of slow) socket.destroy();
    }
    expect(site.faults()).toEqual([]);
  });
});
