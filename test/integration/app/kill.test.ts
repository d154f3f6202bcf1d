import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LabCall, LabCarrier } from '../../../src/lab/carrier.ts';
import { Recogniser } from '../../../src/lab/recogniser.ts';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import type { CallJson, Client, Json } from '../../support/app/client.ts';
import { type Served, serve } from '../../support/app/process.ts';
import { shortSounds } from '../../support/app/short-sounds.ts';
import { LAB_TRUNK, type Settings, testSettings } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { freePorts } from '../../support/free-ports.ts';
import { startCarrier } from '../../support/lab.ts';

const number = (suffix: string): string => `+442079460${suffix}`;

let sounds: string;
let recogniser: Recogniser;
const open: (() => Promise<void>)[] = [];

beforeAll(async () => {
  sounds = await shortSounds();
  recogniser = new Recogniser((await PromptLibrary.load(sounds)).clips('en-US'));
});

afterAll(async () => {
  for (const close of open) await close();
  await rm(sounds, { recursive: true, force: true });
});

/** A carrier, and a place from which one service after the other is started. */
interface Home {
  readonly carrier: LabCarrier;
  readonly start: () => Promise<Served>;
  /** The only call of a lab number. */
  readonly phoneOf: (suffix: string) => LabCall;
}

async function prepare(): Promise<Home> {
  const folder = await mkdtemp(join(tmpdir(), 'voice-otp-kill-'));
  const { carrier } = await startCarrier();
  const defaults = testSettings(folder);
  const settings: Settings = {
    ...defaults,
    sip: { ...defaults.sip, port: await freePorts(1) },
    log: { level: 'info' },
    sounds: { folder: sounds },
    trunks: [{ ...LAB_TRUNK, port: carrier.port }],
  };
  const running: Served[] = [];
  open.push(async () => {
    await Promise.all(running.map((served) => served.kill()));
    await carrier.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    carrier,
    start: async () => {
      const served = await serve(folder, settings);
      running.push(served);
      return served;
    },
    phoneOf: (suffix) => {
      const calls = carrier.calls.filter((call) => call.number === number(suffix));
      expect(calls.length, `calls of ${suffix}`).toBe(1);
      return calls[0] as LabCall;
    },
  };
}

async function callsOf(client: Client, started: readonly Json[]): Promise<CallJson[]> {
  return Promise.all(started.map(({ callId }) => client.call(callId)));
}

/** A machine under load, as these tests make it, may tear a digit: of what was said twice one is whole. */
function codeHeardBy(call: LabCall): string {
  const { groups } = recogniser.recognise(call.phone.heard);
  return groups.find(({ length }) => length === 4) ?? groups.join();
}

describe.concurrent('kill -9 with calls under way', () => {
  it('closes every call as interrupted, ends it at its phone, and lets what was heard still be approved', async () => {
    const { phoneOf, start } = await prepare();
    const first = await start();
    const answered = ['183', '199', '200', '401', '407'];
    const ringing = ['180', '181', '185', '487'];
    const suffixes = [...answered, ...ringing, '000', '100'];
    const started = new Map<string, Json>();
    const place = async (suffix: string): Promise<void> => {
      // Said five times: the call is in the middle of its prompt for a quarter of a minute.
      const body = { to: number(suffix), codeLength: 4, repeat: 5 };
      started.set(suffix, await first.client.start(body));
    };
    const spoken = (ms: number): void => {
      for (const suffix of answered) expect(phoneOf(suffix).phone.record.packets).toBeGreaterThan(ms / 20);
    };
    await Promise.all(answered.map(place));
    await eventually(() => spoken(4000), { timeoutMs: 10_000 });
    // Only now, since they wait for some seconds only.
    await Promise.all([...ringing, '000', '100'].map(place));
    await eventually(
      () => {
        for (const suffix of ringing) expect(phoneOf(suffix).phone.record.ringingAt).toBeTypeOf('number');
        spoken(7000);
      },
      { timeoutMs: 8000 },
    );
    await first.kill();
    const second = await start();

    await eventually(() => {
      for (const suffix of suffixes.filter((one) => one !== '000')) {
        const { end } = phoneOf(suffix).phone.record;
        // This phone answers although it was canceled, and gets its BYE.
        const wanted = answered.includes(suffix) || suffix === '487' ? 'they_hung_up' : 'canceled';
        expect([suffix, end]).toEqual([suffix, wanted]);
      }
    });
    for (const suffix of suffixes) {
      const { id, callId } = started.get(suffix) as Json;
      const call = await eventually(async () => {
        const one = await second.client.call(callId);
        expect(one.state).toBe('ended');
        return one;
      });
      expect([suffix, call.disposition, call.blame]).toEqual([suffix, 'interrupted', 'us']);
      expect(call.attempts.map(({ disposition }) => disposition)).toEqual(['interrupted']);
      const { status } = await second.client.verification(id);
      expect([suffix, status]).toEqual([suffix, answered.includes(suffix) ? 'pending' : 'failed']);
    }
    for (const suffix of answered) {
      const code = codeHeardBy(phoneOf(suffix));
      const { body } = await second.client.check(started.get(suffix)?.id ?? '', code);
      expect([suffix, code.length, body.status]).toEqual([suffix, 4, 'approved']);
    }
    // New calls work at once.
    const { callId } = await second.client.start({ to: number('486') });
    expect((await second.client.ended(callId)).disposition).toBe('busy');
  });

  it('loses nothing that was accepted, with fifty calls up and more coming in at that moment', async () => {
    const { carrier, start } = await prepare();
    const first = await start();
    const behaviours = ['180', '200', '185', '407'];
    const up = await Promise.all(
      Array.from({ length: 50 }, (_, i) => first.client.start({ to: number(behaviours[i % 4] as string) })),
    );
    await eventually(() => {
      expect(carrier.calls.length).toBe(50);
      expect(carrier.calls.filter(({ phone }) => phone.record.packets > 10).length).toBeGreaterThanOrEqual(
        25,
      );
    });
    const accepted: Json[] = [];
    // Each goes on asking until nobody answers.
    const asked = Promise.allSettled(
      behaviours.map(async (behaviour) => {
        for (;;) accepted.push(await first.client.start({ to: number(behaviour) }));
      }),
    );
    await eventually(() => expect(accepted.length).toBeGreaterThanOrEqual(3), { intervalMs: 1 });
    await first.kill();
    const outcomes = await asked;
    expect(outcomes.map(({ status }) => status)).toEqual(behaviours.map(() => 'rejected'));
    const dialled = carrier.calls.length;
    const second = await start();

    await eventually(async () => {
      const calls = await callsOf(second.client, [...up, ...accepted]);
      expect(new Set(calls.map(({ state, disposition }) => `${state} ${disposition}`))).toEqual(
        new Set(['ended interrupted']),
      );
    });
    // A phone that answered while nobody was there gets its BYE when it sends its 200 again: after T2, 4 s, at most.
    await eventually(
      () => {
        expect(
          carrier.calls.filter(({ phone }) => phone.record.end === null).map(({ number: to }) => to),
        ).toEqual([]);
      },
      { timeoutMs: 12_000 },
    );
    // A call that was stored and not yet dialled is not dialled by the next process.
    expect(carrier.calls.length).toBe(dialled);
    const queued = await second.client.ask<{ calls: unknown[] }>('GET', '/v1/calls?state=queued');
    expect(queued.body.calls).toEqual([]);
  });
});

describe.concurrent('SIGTERM', () => {
  it('lets a running prompt come to its end, takes no more calls, and ends with 0', async () => {
    const { phoneOf, start } = await prepare();
    const served = await start();
    const verification = await served.client.start({ to: number('200'), codeLength: 4, repeat: 2 });
    await eventually(() => expect(phoneOf('200').phone.record.packets).toBeGreaterThan(10));
    const stopped = Date.now();
    served.child.kill('SIGTERM');
    await eventually(() => expect(served.output()).toContain('"msg":"stopping'));
    const refused = await served.client.ask('POST', '/v1/verifications', { to: number('200') });
    expect([refused.status, refused.body.error.code]).toEqual([503, 'capacity']);
    expect(refused.headers.get('retry-after')).not.toBeNull();
    // What is known can still be asked for.
    expect((await served.client.verification(verification.id)).status).toBe('pending');
    expect(await served.exited).toEqual({ code: 0, signal: null });
    expect(Date.now() - stopped).toBeGreaterThan(2000);
    const call = phoneOf('200');
    expect(call.phone.record.end).toBe('they_hung_up');

    const next = await start();
    const stored = await next.client.call(verification.callId);
    expect([stored.disposition, stored.promptFinished]).toEqual(['answered', true]);
    expect((await next.client.check(verification.id, codeHeardBy(call))).body.status).toBe('approved');
  });

  it('ends at once when it comes a second time, whichever signal that is; the next start hangs up', async () => {
    const { carrier, start } = await prepare();
    for (const [i, second] of (['SIGTERM', 'SIGINT'] as const).entries()) {
      const served = await start();
      const { callId } = await served.client.start({ to: number('180') });
      await eventually(() => expect(carrier.calls[i]?.phone.record.ringingAt).toBeTypeOf('number'));
      served.child.kill('SIGTERM');
      await eventually(() => expect(served.output()).toContain('"msg":"stopping'));
      const at = Date.now();
      served.child.kill(second);
      expect(await served.exited).toEqual({ code: 1, signal: null });
      expect(Date.now() - at).toBeLessThan(1000);
      const next = await start();
      await eventually(() => expect(carrier.calls[i]?.phone.record.end).toBe('canceled'));
      expect((await next.client.call(callId)).disposition).toBe('interrupted');
      await next.kill();
    }
  });
});
