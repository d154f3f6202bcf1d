import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LabCarrier } from '../../../src/lab/carrier.ts';
import { header, parseMessage } from '../../../src/sip/message.ts';
import { type Served, serve } from '../../support/app/process.ts';
import { LAB_TRUNK, type Settings, testSettings } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { freePorts } from '../../support/free-ports.ts';
import { startCarrier } from '../../support/lab.ts';

const SILENT = '+442079460000';

let folder: string;
let carrier: LabCarrier;
let settings: Settings;
/** Call-IDs of the MESSAGEs that came. */
const seen = new Set<string | undefined>();
const running: Served[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-kill-text-'));
  ({ carrier } = await startCarrier({
    onWire: ({ direction, text }) => {
      const message = parseMessage(Buffer.from(text));
      if (direction === 'in' && message.kind === 'request' && message.method === 'MESSAGE')
        seen.add(header(message, 'Call-ID'));
    },
  }));
  const defaults = testSettings(folder);
  settings = {
    ...defaults,
    sip: { ...defaults.sip, port: await freePorts(1) },
    log: { level: 'info' },
    trunks: ['lab', 'second'].map((id) => ({ ...LAB_TRUNK, id, port: carrier.port, sms: {} })),
  };
});

afterAll(async () => {
  await Promise.all(running.map((served) => served.kill()));
  await carrier.close();
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<Served> {
  const served = await serve(folder, settings);
  running.push(served);
  return served;
}

describe('kill -9 with a text message under way', () => {
  it('sends it no second time, and lets its code still be approved', async () => {
    const first = await start();
    const { id, callId } = await first.client.start({ to: SILENT, channel: 'sms', code: '493817' });
    await eventually(() => expect(seen.size).toBe(1));
    await first.kill();

    const { client } = await start();
    const call = await eventually(async () => {
      const found = await client.call(callId);
      expect(found.state).toBe('ended');
      return found;
    });
    expect(call).toMatchObject({ disposition: 'interrupted', blame: 'us', attempts: [{ channel: 'sms' }] });
    expect((await client.check(id, '493817')).body).toMatchObject({ approved: true });

    // The service goes on: one more text comes, and the first does not.
    const next = await client.start({ to: '+442079460200', channel: 'sms', code: '7382' });
    await eventually(async () => expect((await client.call(next.callId)).disposition).toBe('sent'));
    expect(carrier.texts.map(({ text }) => text)).toEqual(['7382 is your code.']);
    expect(seen.size).toBe(2);
  });
});
