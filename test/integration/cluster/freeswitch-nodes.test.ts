import { readdir, rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { LabCall } from '../../../src/lab/carrier.ts';
import { Recogniser } from '../../../src/lab/recogniser.ts';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import type { CallJson, Client, Json } from '../../support/app/client.ts';
import { LEASE_MS, Nodes } from '../../support/app/nodes.ts';
import type { Served } from '../../support/app/process.ts';
import { shortSounds } from '../../support/app/short-sounds.ts';
import { LAB_TRUNK } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { type ServerSite, startServers } from '../../support/freeswitch.ts';
import { channelsOf, endChannels, type TestServer } from '../../support/freeswitch-servers.ts';
import { describeWithPeer } from '../../support/peers.ts';

const number = (suffix: string): string => `+442079460${suffix}`;
/** Until a node is given up, and its calls are closed. */
const GIVEN_UP = { timeoutMs: LEASE_MS * 10 };
/** Digits of a code that is not said to its end five times before another node has started. */
const LONG = 10;
const SOON = { timeoutMs: 15_000 };
/** To recognise digits takes the processor that those who say them need too. */
const HEARING = { timeoutMs: 20_000, intervalMs: 1000 };

describeWithPeer(
  ['redis-server', 'drachtio', 'freeswitch'],
  'nodes that share drachtio and FreeSWITCH',
  () => {
    let sounds: string;
    let recogniser: Recogniser;
    let servers: ServerSite;
    let nodes: Nodes | undefined;

    beforeAll(async () => {
      sounds = await shortSounds();
      recogniser = new Recogniser((await PromptLibrary.load(sounds)).clips('en-US'));
      servers = await startServers();
    });

    afterAll(async () => {
      await servers.close();
      await rm(sounds, { recursive: true, force: true });
    });

    afterEach(async () => {
      await nodes?.close();
      nodes = undefined;
      // Of a test that failed.
      await endChannels(freeswitch());
    });

    const freeswitch = () => servers.freeswitch[0] as TestServer;
    const prompts = () => readdir(servers.folder);

    async function prepared(change: Parameters<typeof Nodes.prepare>[1] = {}): Promise<Nodes> {
      const reference = ({ host, port, secret }: TestServer) => ({ host, port, secret: secret.reveal() });
      nodes = await Nodes.prepare(sounds, {
        engine: 'freeswitch',
        freeswitch: {
          drachtioServers: servers.drachtio.map(reference),
          mediaServers: servers.freeswitch.map(reference),
          callback: { host: '127.0.0.1' },
          promptFolder: servers.folder,
        },
        ...change,
      });
      return nodes;
    }

    /** The processes whose prompts are in the folder that all share. */
    async function speakers(): Promise<readonly number[]> {
      const pids = (await prompts()).map((name) => Number(/^otp-[0-9a-f]{12}-(\d+)-/.exec(name)?.[1]));
      return pids.toSorted((a, b) => a - b);
    }

    async function state(client: Client, { callId }: Json, wanted: string): Promise<void> {
      await eventually(async () => expect((await client.call(callId)).state).toBe(wanted), SOON);
    }

    /** The same as `ended`, but asked again and again: whoever carries the call may be gone. */
    async function closed(client: Client, { callId }: Json): Promise<CallJson> {
      return eventually(async () => {
        const call = await client.call(callId);
        expect(call.state).toBe('ended');
        return call;
      }, GIVEN_UP);
    }

    function codeHeardBy(call: LabCall, digits: number): string {
      const { groups } = recogniser.recognise(call.phone.heard);
      return groups.find(({ length }) => length === digits) ?? groups.join();
    }

    async function nothingIsLeft(): Promise<void> {
      await eventually(async () => {
        expect(await channelsOf(freeswitch())).toBe(0);
        expect(await prompts()).toEqual([]);
      }, SOON);
    }

    async function records(client: Client): Promise<readonly string[]> {
      const { text } = await client.ask('GET', '/v1/cdrs?format=ndjson');
      const lines = text.split('\n').filter((line) => line !== '');
      return lines.map((line) => (JSON.parse(line) as { callId: string }).callId).sort();
    }

    /**
     * One node that speaks to one phone, lets another one ring, and waits for room with two calls; and one that has
     * joined since and has nothing.
     */
    async function burdened() {
      const home = await prepared({ trunks: [{ ...LAB_TRUNK, channels: 2 }] });
      const one = await home.start('one');
      const up = await one.client.start({ to: number('200'), codeLength: LONG, repeat: 5 });
      const ringing = await one.client.start({ to: number('180') });
      await state(one.client, up, 'answered');
      await state(one.client, ringing, 'ringing');
      const two = await home.start('two');
      // The folder was swept, and what another process of this host speaks from is not litter.
      expect(await speakers()).toEqual([one.pid, one.pid]);
      const waiting = [
        await one.client.start({ to: number('486') }),
        await one.client.start({ to: number('486') }),
      ];
      const phone = await home.phone(number('200'));
      const rung = await home.phone(number('180'));
      await eventually(() => expect(codeHeardBy(phone, LONG)).toHaveLength(LONG), HEARING);
      expect(home.phones(number('486'))).toEqual([]);
      expect(await channelsOf(freeswitch())).toBe(2);
      return { home, one, two, up, ringing, waiting, phone, rung };
    }

    type Burdened = Awaited<ReturnType<typeof burdened>>;

    /** What the other node makes of it all once `one` is silent. */
    async function seenTo({ home, two, up, ringing, waiting, phone, rung }: Burdened): Promise<void> {
      await eventually(() => expect(phone.phone.record.end).toBe('they_hung_up'), GIVEN_UP);
      await eventually(() => expect(rung.phone.record.end).toBe('canceled'), GIVEN_UP);
      for (const call of [up, ringing])
        expect(await closed(two.client, call)).toMatchObject({ disposition: 'interrupted', blame: 'us' });
      for (const call of waiting) expect((await closed(two.client, call)).disposition).toBe('busy');
      expect(home.phones(number('486'))).toHaveLength(2);
      await nothingIsLeft();
      expect((await two.client.check(up.id, codeHeardBy(phone, LONG))).body.approved).toBe(true);
    }

    function faults(...served: readonly Served[]): readonly string[] {
      return served.flatMap((one) =>
        one
          .output()
          .split('\n')
          .filter((line) => /"level":"(error|fatal)"/.test(line)),
      );
    }

    it('carry a call each, and hang up those of the other', async () => {
      // Whoever took one call has no room for another one's.
      const home = await prepared({ calls: { maxConcurrent: 1 } });
      const [one, two] = await Promise.all([home.start('one'), home.start('two')]);
      for (const [asked, other] of [
        [one, two],
        [two, one],
      ] as const) {
        const start = (body: Readonly<Record<string, unknown>>) =>
          // The first call may have moved to the other node: then there is room at its own.
          eventually(() => asked.client.start(body).catch(() => other.client.start(body)), SOON);
        const ringing = await start({ to: number('180') });
        const up = await start({ to: number('200'), code: '4711', repeat: 5 });
        await state(other.client, ringing, 'ringing');
        await state(asked.client, up, 'answered');
        expect(await speakers()).toEqual([one.pid, two.pid].toSorted((a, b) => a - b));
        const phone = await home.phone(number('200'));
        await eventually(() => expect(codeHeardBy(phone, 4)).toHaveLength(4), HEARING);
        // One of them is the other node's.
        expect((await asked.client.ask('DELETE', `/v1/calls/${ringing.callId}`)).status).toBe(202);
        expect((await asked.client.ask('DELETE', `/v1/calls/${up.callId}`)).status).toBe(202);
        expect((await closed(asked.client, ringing)).disposition).toBe('canceled');
        expect((await closed(other.client, up)).hungUpBy).toBe('us');
        const rung = await home.phone(number('180'));
        await Promise.all([phone.phone.over, rung.phone.over]);
        expect([phone.phone.record.end, rung.phone.record.end]).toEqual(['they_hung_up', 'canceled']);
        await nothingIsLeft();
        expect((await asked.client.check(up.id, '4711')).body.approved).toBe(true);
      }
      expect(home.phones(number('180'))).toHaveLength(2);
      expect(home.phones(number('200'))).toHaveLength(2);
      expect(faults(one, two)).toEqual([]);
    });

    it('end at drachtio, FreeSWITCH and in the folder what a killed one left up, and dial what waited', async () => {
      const all = await burdened();
      const { home, one, two, up, ringing, waiting } = all;
      await one.kill();
      await seenTo(all);
      const calls = [up, ringing, ...waiting].map(({ callId }) => callId);
      expect(await records(two.client)).toEqual(calls.sort());
      expect(home.carrier.calls).toHaveLength(4);
      expect(faults(two)).toEqual([]);
    });

    it('do so with one that stands still, which sends no INVITE when it goes on, and takes part again', async () => {
      const all = await burdened();
      const { home, one, two, up, ringing, waiting } = all;
      process.kill(one.pid, 'SIGSTOP');
      await seenTo(all);
      process.kill(one.pid, 'SIGCONT');
      await eventually(() => expect(one.output()).toMatch(/gave it up/), GIVEN_UP);
      // It lets go of what it held: a call that only it can carry finds room there. Its servers did not answer while it
      // stood still, or so it seemed.
      await two.kill();
      await eventually(async () => expect((await one.client.ask('GET', '/readyz')).status).toBe(200), SOON);
      const next = await one.client.start({ to: number('200'), codeLength: 4 });
      expect(await closed(one.client, next)).toMatchObject({ disposition: 'answered', promptFinished: true });
      await nothingIsLeft();
      for (const call of [up, ringing])
        expect((await one.client.call(call.callId)).disposition).toBe('interrupted');
      const calls = [up, ringing, ...waiting, next].map(({ callId }) => callId);
      expect(await records(one.client)).toEqual(calls.sort());
      expect(home.carrier.calls).toHaveLength(5);
      expect(faults(one, two)).toEqual([]);
    });
  },
);
