import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CheckReport } from '../../../src/commands/sounds-check.ts';
import type { Pcm } from '../../../src/media/pcm.ts';
import { formatWav } from '../../../src/media/wav.ts';
import { amplified, OURS, ours, run } from './sounds-run.ts';

let into: string;
beforeEach(async () => {
  into = await mkdtemp(join(tmpdir(), 'sounds-check-'));
});
afterEach(() => rm(into, { recursive: true }));

describe('check', () => {
  it('finds nothing to complain of in our own sets', async () => {
    const { code, text } = await run('check', '--json');
    const report = JSON.parse(text) as CheckReport;
    expect(code).toBe(0);
    expect(report.usable).toBe(true);
    expect(report.sets).toHaveLength(8);
    for (const { set, findings, lacking } of report.sets) {
      expect({ set, findings, lacking }).toEqual({
        set,
        findings: [],
        lacking: { required: [], optional: [] },
      });
    }
  });

  it('tells what is wrong with each clip', async () => {
    const folder = join(into, 'en-GB/jo');
    await cp(join(OURS, 'en-GB/espeak'), folder, { recursive: true });
    const write = (name: string, pcm: Pcm): Promise<void> =>
      writeFile(join(folder, `${name}.wav`), formatWav(pcm));
    const five = await ours('5');
    await write('1', amplified(await ours('1'), 0.3, 0));
    await write('2', amplified(await ours('2'), 1.8, 0));
    await write('3', {
      ...five,
      samples: five.samples.map((sample) => Math.max(-32_768, Math.min(32_767, sample * 50))),
    });
    await write('4', { ...five, samples: five.samples.subarray(4000, 7000) });
    await write('6', await ours('7'));
    await write('8', await ours('greeting'));
    await writeFile(join(folder, '9.wav'), 'not a sound');
    await rm(join(folder, 'again.wav'));
    await rm(join(folder, 'x.wav'));
    const { code, text } = await run('check', into, '--json');
    const [set] = (JSON.parse(text) as CheckReport).sets;
    expect(code).toBe(1);
    expect(set?.lacking).toEqual({ required: ['9', 'again'], optional: ['x'] });
    const found = set?.findings.map(({ clip, problem }) => `${clip} ${problem}`);
    const expected = [
      '1 quiet',
      '2 loud',
      '3 clipped',
      '4 short',
      '6 alike',
      '7 alike',
      '8 long',
      '9 broken',
    ];
    expect(found).toEqual(expect.arrayContaining(expected));
    expect(found).not.toEqual(expect.arrayContaining([expect.stringMatching(/^(0|greeting|a|z) /)]));
    const shown = await run('check', into);
    expect(shown.text).toMatch(/en-GB\/jo: 39 clips; lacks 9, again/);
    expect(shown.text).toMatch(/6: alike, sounds like 7: correlation 1/);
  });

  it('looks at sets only, and says where there are none', async () => {
    await mkdir(join(into, 'custom/it'), { recursive: true });
    await writeFile(join(into, 'custom/it/0.wav'), 'not a sound');
    const { code, text } = await run('check', into);
    expect(code).toBe(1);
    expect(text).toMatch(/no sets/);
  });
});
