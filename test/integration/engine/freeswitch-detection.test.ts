import { mkdir, mkdtemp, readdir, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DetectionTerms } from '../../../src/engine/engine.ts';
import type { FreeswitchEngine } from '../../../src/engine/freeswitch/freeswitch-engine.ts';
import { leaveBehind } from '../../support/dying-process.ts';
import { eventually } from '../../support/eventually.ts';
import { FaultRig, type RunningLeg, START_MS, timed } from '../../support/fault-rig.ts';
import { tellDying } from '../../support/freeswitch-dying.ts';
import type { TestServer } from '../../support/freeswitch-servers.ts';
import { courseOf, type LegOverrides, tone } from '../../support/legs.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { mayMount, mountSmall, unmountSmall } from '../../support/small-disk.ts';

const SAID = { kind: 'hung_up', by: 'us', why: 'prompt_finished' } as const;
const MACHINE = { kind: 'hung_up', by: 'us', why: 'machine' } as const;
/** More than the seconds that a file may hold. */
const MOST_BYTES = 120_000;

describeWithPeer(['drachtio', 'freeswitch'], 'who answered, heard by FreeSWITCH', () => {
  let rig: FaultRig;

  beforeAll(async () => {
    rig = await FaultRig.start({ freeswitch: 2 });
    tellDying(rig.site);
  }, START_MS);
  afterAll(async () => {
    await rig.close();
  });
  beforeEach(() => rig.allConnected(), START_MS);
  afterEach(() => {
    expect(rig.faults).toEqual([]);
  });

  const listening = (
    onMachine: DetectionTerms['onMachine'],
    {
      detection,
      ...overrides
    }: Omit<LegOverrides, 'detection'> & { detection?: Partial<DetectionTerms> } = {},
  ): LegOverrides => ({
    detection: { onMachine, decideMs: 9000, toneMs: 9000, ...detection },
    ...overrides,
  });
  const verdictsOf = ({ events }: RunningLeg): string[] =>
    events.flatMap((event) => (event.type === 'detected' ? [`${event.verdict} ${event.reason}`] : []));
  /** The FreeSWITCH that carries this leg, and the other one. */
  const usedBy = ({ events }: RunningLeg): { used: TestServer; other: TestServer } => {
    const [trying] = events;
    const leftover = trying?.type === 'trying' ? trying.leftover : {};
    const { server } = leftover['channel'] as { server: string };
    const [a, b] = [rig.freeswitch(0), rig.freeswitch(1)];
    return server.endsWith(`:${a.port}`) ? { used: a, other: b } : { used: b, other: a };
  };
  const troubles = (): string[] => rig.changes.filter((text) => text.includes('listened to'));

  it('is written to a file for us alone that has no name, and stays small', async () => {
    const call = rig.call('261', listening('wait_for_tone'));
    await call.reached('answered');
    expect((await readdir(rig.site.folder)).map((name) => name.replace(/^.*\./, ''))).toEqual(['wav']);
    expect(rig.engine.held()).toMatchObject({ legs: 1, endpoints: 1, files: 2 });
    const [file = '', ...others] = await recordedBy(usedBy(call).used.process.pid);
    expect(others).toEqual([]);
    expect(await stat(file)).toMatchObject({ nlink: 0, mode: 0o100600 });
    await call.reached('tone_heard');
    const { size, blocks } = await stat(file);
    expect(blocks * 512).toBeLessThan(MOST_BYTES);
    // What was cut off was written all the same.
    expect(size).toBeGreaterThan(MOST_BYTES);
    expect(await call.over).toEqual(SAID);
    await rig.expectNothingHeld();
    expect(await recordedBy(process.pid)).toEqual([]);
    expect(troubles()).toEqual([]);
  });

  it('takes no file where nobody wants to know', async () => {
    const call = rig.call('200', { prompt: tone(300) });
    await call.reached('answered');
    expect(rig.engine.held()).toMatchObject({ files: 1 });
    expect(await recordedBy(usedBy(call).used.process.pid)).toEqual([]);
    expect(await call.over).toEqual(SAID);
    await rig.expectNothingHeld();
  });

  it('is listened to no longer than it is wanted', async () => {
    const call = rig.call('260', listening('speak', { prompt: tone(12_000) }));
    await call.reached('detected');
    expect(verdictsOf(call)).toEqual(['human short_greeting']);
    const { used } = usedBy(call);
    await eventually(async () => expect(await recordedBy(used.process.pid)).toEqual([]), {
      timeoutMs: 12_000,
    });
    expect(call.events.at(-1)?.type).toBe('detected');
    expect(rig.engine.held()).toMatchObject({ legs: 1, files: 1 });
    expect(await call.over).toEqual(SAID);
    await rig.expectNothingHeld();
  }, 30_000);

  it('is not taken for lost on hold, nor after it', async () => {
    const call = rig.call('240', listening('speak', { prompt: tone(5000), detection: { decideMs: 6500 } }));
    expect(await call.over).toEqual(SAID);
    expect(verdictsOf(call)).toEqual(['unknown undecided']);
    expect(troubles()).toEqual([]);
    await rig.expectNothingHeld();
  }, 20_000);

  it.each([
    ['ringing', '180'],
    ['answered', '261'],
  ] as const)(
    'leaves nothing behind where this process is killed after `%s`',
    async (type, suffix) => {
      const script = './freeswitch-dying-detection-process.ts';
      const { leftover, process: dying } = await leaveBehind(script, rig.carrier.port, suffix, type);
      await dying.kill();
      const folder = `${rig.site.folder}-dying`;
      const [ended] = await timed(rig.engine.endLeftover(leftover()));
      expect(ended).toBe(true);
      const engine = await rig.site.engine({ promptFolder: folder });
      expect(await readdir(folder)).toEqual([]);
      await engine.close(AbortSignal.timeout(1000));
      await rig.expectNothingHeld();
    },
    20_000,
  );

  describe('when FreeSWITCH is killed', () => {
    it.each([
      ['answered', 'before the verdict'],
      ['detected', 'while a tone is waited for'],
    ] as const)(
      'is heard on by another one (after `%s`: %s)',
      async (type, _when) => {
        const call = rig.call('261', listening('wait_for_tone', { prompt: tone(600, 1500) }));
        await call.reached(type);
        const { used, other } = usedBy(call);
        await used.process.kill();
        expect(await call.over).toEqual(SAID);
        expect(courseOf(call.events)).toBe(
          'trying ringing answered detected tone_heard prompt_finished ended',
        );
        expect(verdictsOf(call)).toEqual(['machine long_greeting']);
        await rig.expectNothingHeld([other]);
        expect(troubles()).toEqual([]);
        await used.restart();
      },
      30_000,
    );

    it('and no other is there, the call fails as any other, and holds nothing', async () => {
      const call = rig.call('261', listening('hangup'));
      await call.reached('answered');
      await Promise.all(rig.site.freeswitch.map((server) => server.process.kill()));
      expect(await call.over).toEqual({ kind: 'failed', detail: expect.any(String) as string });
      await rig.expectNothingHeld([]);
      await Promise.all(rig.site.freeswitch.map((server) => server.restart()));
      await rig.expectCallWorks();
    }, 60_000);
  });

  describe('where it cannot be', () => {
    let base: string;
    let changes: string[];
    const onChange = (text: string): void => {
      if (text.includes('listened to')) changes.push(text);
    };

    beforeEach(async () => {
      base = await mkdtemp(join(tmpdir(), 'voice-otp-deaf-'));
      changes = [];
    });
    afterEach(async () => {
      await rm(base, { recursive: true });
    });

    /** Two calls that are told `unknown` and get their prompt soon; one warning. */
    const expectDeaf = async (engine: FreeswitchEngine, soonMs: number): Promise<void> => {
      for (let i = 0; i < 2; i++) {
        const call = rig.call('261', listening('hangup'), { engine });
        await call.reached('answered');
        const [, ms] = await timed(call.reached('detected'));
        expect(ms).toBeLessThan(soonMs);
        expect(await call.over).toEqual(SAID);
        expect(verdictsOf(call)).toEqual(['unknown silence']);
      }
      expect(changes).toEqual([expect.stringMatching(/^answers cannot be listened to: /)]);
    };
    const expectHears = async (engine: FreeswitchEngine): Promise<void> => {
      const call = rig.call('261', listening('hangup'), { engine });
      expect(await call.over).toEqual(MACHINE);
      expect(changes.slice(1)).toEqual(['answers are listened to again']);
    };

    it('since its folder is none, calls go on with `unknown`, and are told of once', async () => {
      const listenFolder = join(base, 'with a blank');
      await writeFile(listenFolder, '');
      const engine = await rig.site.engine({ listenFolder, onChange });
      await expectDeaf(engine, 500);
      await rm(listenFolder);
      await expectHears(engine);
      expect(await readdir(listenFolder)).toEqual([]);
      await engine.close(AbortSignal.timeout(1000));
      await rig.expectNothingHeld();
    }, 30_000);

    it('since FreeSWITCH finds the folder nowhere, calls go on with `unknown`', async () => {
      const nowhere = join(base, 'file');
      await writeFile(nowhere, '');
      await mkdir(join(base, 'listen'));
      const mediaServers = rig.site.freeswitch.map(({ host, port, secret }) => {
        return { host, port, secret, weight: 1, listenFolder: join(nowhere, 'below') };
      });
      const engine = await rig.site.engine({ listenFolder: join(base, 'listen'), mediaServers, onChange });
      await expectDeaf(engine, 500);
      expect(await readdir(join(base, 'listen'))).toEqual([]);
      await engine.close(AbortSignal.timeout(1000));
      await rig.expectNothingHeld();
    }, 30_000);

    it.skipIf(!mayMount())(
      'since its disk is full (root only: a small one is mounted)',
      async () => {
        const small = join(base, 'small');
        await mkdir(small);
        mountSmall(small);
        try {
          const engine = await rig.site.engine({ listenFolder: small, onChange });
          await writeFile(join(small, 'ballast'), Buffer.alloc(64 * 1024)).catch(() => undefined);
          await expectDeaf(engine, 4000);
          await rm(join(small, 'ballast'));
          await expectHears(engine);
          expect(await readdir(small)).toEqual([]);
          await engine.close(AbortSignal.timeout(1000));
          await rig.expectNothingHeld();
        } finally {
          unmountSmall(small);
        }
      },
      40_000,
    );
  });
});

/** The files without a name that a process has open for a recording. */
async function recordedBy(pid: number | undefined): Promise<string[]> {
  const folder = `/proc/${pid}/fd`;
  const files: string[] = [];
  for (const fd of await readdir(folder)) {
    const target = await readlink(join(folder, fd)).catch(() => '');
    if (target.endsWith('.r8 (deleted)')) files.push(join(folder, fd));
  }
  return files;
}
