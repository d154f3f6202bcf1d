import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { GateTerms } from '../../../src/engine/engine.ts';
import { Secret } from '../../../src/secret.ts';
import { eventually } from '../../support/eventually.ts';
import { FaultRig, type RunningLeg, START_MS, timed } from '../../support/fault-rig.ts';
import type { TestServer } from '../../support/freeswitch-servers.ts';
import { endOf, type LegOverrides, tone } from '../../support/legs.ts';
import { allNotes, melody, notesIn } from '../../support/melody.ts';
import { describeWithPeer } from '../../support/peers.ts';

const HUNG_UP = { kind: 'hung_up', by: 'us', why: 'prompt_finished' } as const;
/** The note `z`, which no short melody has. */
const Z_HZ = 2900;
const PROMPT_MS = 600;

/** A gate, and a prompt that is a `z` unless told. */
function gated(keys: string, terms: Partial<GateTerms> = {}, overrides: LegOverrides = {}): LegOverrides {
  const gate: GateTerms = {
    keys: new Secret(keys),
    ask: melody(2),
    asks: 1,
    waitMs: 8000,
    ...terms,
  };
  return { prompt: tone(PROMPT_MS, Z_HZ), gate, ...overrides };
}

describeWithPeer(['drachtio', 'freeswitch'], 'a gate when FreeSWITCH fails', () => {
  let rig: FaultRig;

  beforeAll(async () => {
    rig = await FaultRig.start({ freeswitch: 2 });
  }, START_MS);
  afterAll(async () => {
    await rig.close();
  });
  beforeEach(() => rig.allConnected(), START_MS);
  afterEach(() => {
    expect(rig.faults).toEqual([]);
  });

  /** Kills the one that carries this leg. */
  async function killUsed({ events }: RunningLeg): Promise<{ used: TestServer; other: TestServer }> {
    const [trying] = events;
    const leftover = trying?.type === 'trying' ? trying.leftover : {};
    const { server } = leftover['channel'] as { server: string };
    const [a, b] = [rig.freeswitch(0), rig.freeswitch(1)];
    const [used, other] = server.endsWith(`:${a.port}`) ? [a, b] : [b, a];
    await used.process.kill();
    return { used, other };
  }

  it('writes what it may say in two files that tell nothing, for us alone, and removes both', async () => {
    const call = rig.call('231', gated('1'));
    await call.reached('answered');
    const names = await readdir(rig.site.folder);
    expect(names).toHaveLength(2);
    for (const name of names) {
      expect(name).toMatch(/^otp-[0-9a-f]{12}-\d+-[0-9a-f]{32}\.wav$/);
      expect((await stat(join(rig.site.folder, name))).mode & 0o777).toBe(0o600);
    }
    expect(await call.over).toEqual(HUNG_UP);
    await rig.expectNothingHeld();
  });

  it('asks again from the beginning on another one when it is killed while it asks', async () => {
    const call = rig.call('254', gated('0', { ask: melody(24) }));
    const phone = await call.speaking(30);
    const { used, other } = await killUsed(call);
    expect(await call.over).toEqual(HUNG_UP);
    expect(notesIn(phone.heard)).toMatch(/^ab.*abc.*z$/);
    expect(call.events.filter(({ type }) => type === 'gate_opened')).toHaveLength(1);
    expect(endOf(call.events).media).toMatchObject({ promptSentMs: PROMPT_MS });
    await rig.expectNothingHeld([other]);
    await used.restart();
  });

  it('hears the key on another one when it is killed while nothing is said, and does not ask again', async () => {
    const call = rig.call('254', gated('0'));
    // 1, which is the wrong one, long after the question.
    await call.reached('dtmf');
    const { used, other } = await killUsed(call);
    expect(await call.over).toEqual(HUNG_UP);
    expect(notesIn((await call.phone()).heard)).toBe('abz');
    await rig.expectNothingHeld([other]);
    await used.restart();
  });

  it('says the prompt again from the beginning when it is killed while it says it', async () => {
    const notes = 10;
    const call = rig.call('231', gated('1', { ask: tone(300, Z_HZ) }, { prompt: melody(notes) }));
    await call.reached('gate_opened');
    const phone = await call.phone();
    await eventually(() => expect(notesIn(phone.heard)).toMatch(/^zab/));
    const { used, other } = await killUsed(call);
    expect(await call.over).toEqual(HUNG_UP);
    expect(notesIn(phone.heard)).toMatch(new RegExp(`^zab.*${allNotes(notes)}$`));
    expect(endOf(call.events).media).toMatchObject({ promptSentMs: notes * 250 });
    await rig.expectNothingHeld([other]);
    await used.restart();
  });

  it('takes a call for done when it is killed in the silence after the prompt', async () => {
    const timeouts = { lingerMs: 800 };
    const call = rig.call('231', gated('1', {}, { timeouts, repeat: { key: '9', times: 1 } }));
    await call.reached('prompt_finished');
    const { used, other } = await killUsed(call);
    expect(await call.over).toEqual(HUNG_UP);
    expect(notesIn((await call.phone()).heard)).toBe('abz');
    expect(endOf(call.events).media).toMatchObject({ promptSentMs: PROMPT_MS });
    await rig.expectNothingHeld([other]);
    await used.restart();
  });

  it('hangs up, and says nothing of the prompt, when it is killed while it asks and no other is there', async () => {
    const call = rig.call('231', gated('1', { ask: melody(24) }));
    const phone = await call.speaking();
    const [end, ms] = await timed(
      Promise.all(rig.site.freeswitch.map((server) => server.process.kill())).then(() => call.over),
    );
    expect(end).toEqual({ kind: 'failed', detail: expect.any(String) as string });
    expect(ms).toBeLessThan(3000);
    expect(phone.record.end).toBe('they_hung_up');
    expect(endOf(call.events).media).toMatchObject({ promptSentMs: 0 });
    expect(notesIn(phone.heard)).not.toContain('z');
    await rig.expectNothingHeld([]);
    await Promise.all(rig.site.freeswitch.map((server) => server.restart()));
    await rig.expectCallWorks();
  });
});
