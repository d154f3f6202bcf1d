import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { eventually } from '../eventually.ts';
import type { CallJson, Client } from './client.ts';

/** A number of its own for each call of a burst; the last three digits are what the lab phone does. */
export function callee(prefix: string, index: number, suffix: string): string {
  return `${prefix}${String(index).padStart(2, '0')}${suffix}`;
}

/** Has a call accepted and answers its id. */
type Place = (client: Client, to: string) => Promise<string>;

/** A call that says two digits. */
const saying: Place = async (client, to) => {
  const answer = await client.ask('POST', '/v1/calls', { to, playlist: [{ digits: '12' }] });
  if (answer.status !== 201) throw new Error(`${answer.status} instead of 201: ${answer.text}`);
  return answer.body.id;
};

/** A call that only rings. */
export const flashing: Place = async (client, to) => (await client.start({ to, channel: 'flash' })).callId;

/** So many calls, one accepted after the other, to numbers of their own. */
export async function burst(
  client: Client,
  prefix: string,
  suffixes: readonly string[],
  place: Place = saying,
): Promise<{ readonly ids: string[]; readonly numbers: readonly string[] }> {
  const ids: string[] = [];
  const numbers = suffixes.map((suffix, i) => callee(prefix, i, suffix));
  for (const to of numbers) ids.push(await place(client, to));
  return { ids, numbers };
}

/** All of these calls, once they have ended. */
export async function allEnded(
  client: Client,
  ids: readonly string[],
  timeoutMs: number,
): Promise<readonly CallJson[]> {
  return eventually(
    async () => {
      const calls = await Promise.all(ids.map((id) => client.call(id)));
      expect(calls.filter(({ state }) => state !== 'ended').map(({ to, state }) => `${to} ${state}`)).toEqual(
        [],
      );
      return calls;
    },
    { timeoutMs, intervalMs: 100 },
  );
}

/** Hangs up the calls to numbers that end so, each as soon as its INVITE has come to the carrier. */
export async function hangUpOnceInvited(
  client: Client,
  { ids, numbers }: { readonly ids: readonly string[]; readonly numbers: readonly string[] },
  suffixes: readonly string[],
  invited: (number: string) => boolean,
  timeoutMs: number,
): Promise<void> {
  await Promise.all(
    numbers.map(async (number, i) => {
      if (!suffixes.includes(number.slice(-3))) return;
      await eventually(() => expect(invited(number)).toBe(true), { timeoutMs });
      await client.ask('DELETE', `/v1/calls/${ids[i]}`);
    }),
  );
}

/** Stops a process for a while, wherever it is, and lets it go on. */
export async function suspended(
  { pid }: { readonly pid?: number | undefined },
  forMs: number,
): Promise<void> {
  if (pid === undefined) throw new Error('a process that does not run');
  process.kill(pid, 'SIGSTOP');
  await sleep(forMs);
  process.kill(pid, 'SIGCONT');
}

interface TrunkUse {
  readonly id: string;
  readonly use: { readonly inUse: number; readonly waiting: number };
}

/** What `GET /v1/trunks` says of a trunk. */
export async function useOf(client: Client, trunkId: string): Promise<TrunkUse['use']> {
  const { body } = await client.ask<{ trunks: readonly TrunkUse[] }>('GET', '/v1/trunks');
  const found = body.trunks.find(({ id }) => id === trunkId);
  if (found === undefined) throw new Error(`no trunk ${trunkId}`);
  return found.use;
}
