import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { eventually } from '../../support/eventually.ts';
import { SECRET } from '../../support/notice-rig.ts';
import { stalls, takes, WebhookReceiver } from '../../support/webhook-receiver.ts';

const SCRIPT = fileURLToPath(new URL('../../support/webhook-process.ts', import.meta.url));
const CALLS = 20;

let folder: string;
let path: string;
let receiver: WebhookReceiver;
const children: ChildProcessWithoutNullStreams[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-killed-'));
  path = join(folder, 'db.sqlite');
  receiver = await WebhookReceiver.start();
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await receiver.stop();
  await rm(folder, { recursive: true, force: true });
});

function start(calls: number): { readonly child: ChildProcessWithoutNullStreams; lines(): string[] } {
  const args = ['--import', 'tsx', SCRIPT, path, String(receiver.port), String(calls)];
  const child = spawn(process.execPath, args);
  children.push(child);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += String(chunk);
  });
  child.stderr.on('data', (chunk) => process.stderr.write(chunk));
  return { child, lines: () => output.split('\n').slice(0, -1) };
}

async function kill(child: ChildProcessWithoutNullStreams): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** Events of each notice in the order in which they came: `v0`, `c0` …; all of them signed. */
function eventsOf(taken: WebhookReceiver['received']): ReadonlyMap<string, readonly string[]> {
  const all = new Map<string, string[]>();
  for (const { body, headers } of taken) {
    const { id } = new Webhook(SECRET).verify(body, headers as Record<string, string>) as { id: string };
    const [, call = '', event = ''] = /^evt_([0-9a-f]+)_(\w+)$/.exec(id) ?? [];
    all.set(`ntc_${call}`, [...(all.get(`ntc_${call}`) ?? []), event]);
  }
  return all;
}

const HALF_WAY = ['v0', 'c0'];
const WHOLE_WAY = ['v0', 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'v1'];

/** What came more than once came in a row: nothing is told after what follows it. */
function expectInOrder(events: readonly string[] | undefined, whole: readonly string[]): void {
  const once_ = (events ?? []).filter((event, index) => event !== events?.[index - 1]);
  expect(once_).toEqual(whole);
}

it('a process that is killed between acceptance and delivery loses nothing and reorders nothing', {
  timeout: 30_000,
}, async () => {
  receiver.behaviour = stalls;
  const first = start(CALLS);
  await eventually(() => expect(first.lines()).toContain('ready'), { timeoutMs: 15_000 });
  await kill(first.child);
  const ids = first.lines().slice(0, CALLS);
  // The second is killed in the middle of it.
  receiver.received.splice(0);
  receiver.behaviour = (response, received) => {
    if (receiver.received.length <= 25) takes(response, received);
  };
  const second = start(0);
  await eventually(() => expect(receiver.received.length).toBeGreaterThan(25), { timeoutMs: 15_000 });
  await kill(second.child);
  receiver.behaviour = takes;
  start(0);
  const store = new SqliteStore({ path, synchronous: 'normal' });
  try {
    await eventually(
      async () => {
        const told = eventsOf(receiver.received);
        for (const [index, id] of ids.entries()) {
          // Some come more than once.
          expect(new Set(told.get(id)).size).toBe((index % 2 === 0 ? WHOLE_WAY : HALF_WAY).length);
        }
      },
      { timeoutMs: 15_000 },
    );
  } finally {
    await store.close();
  }
  const told = eventsOf(receiver.received);
  expect([...told.keys()].toSorted()).toEqual(ids.toSorted());
  for (const [index, id] of ids.entries())
    expectInOrder(told.get(id), index % 2 === 0 ? WHOLE_WAY : HALF_WAY);
});
