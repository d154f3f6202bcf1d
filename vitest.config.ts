import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** They start drachtio and FreeSWITCH, and let them fail. */
const ON_SERVERS = ['test/contract/freeswitch.*.test.ts', 'test/integration/**/freeswitch*.test.ts'];
/** It looks at times too, and takes as long as those. */
const ON_TIME = ['test/contract/embedded.engine.test.ts'];
/** It recognises speech, and waits for nothing. */
const ONLY_COMPUTES = ['test/contract/sound-sets.test.ts'];
/** They place calls by the hundred, and look at the times. */
const BY_THE_HUNDRED = ['test/interop/sipp*.test.ts'];

/** These take a minute and more, and mostly wait: whoever begins last, ends last. */
const LONGEST = [
  'contract/freeswitch.engine',
  'contract/embedded.engine',
  'engine/freeswitch-detection',
  'cluster/nodes',
  'dispatch/outages',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((name) => moduleId.includes(name));
      return at < 0 ? LONGEST.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

// Most tests wait for packets, not for the processor; those that look at times get more of it.
const WAITING = Math.max(4, Math.floor(availableParallelism() / 2));

const layer = (name: string, testTimeout: number, more: object = {}) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout,
    hookTimeout: 30_000,
    // A process loads our code once, not once a file: half of the time of short files was that.
    isolate: false,
    ...more,
  },
});

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      layer('unit', 60_000, { include: ['test/unit/**/*.test.ts', ...ONLY_COMPUTES], maxWorkers: WAITING }),
      layer('contract', 60_000, {
        exclude: [...ON_SERVERS, ...ON_TIME, ...ONLY_COMPUTES],
        maxWorkers: WAITING,
      }),
      layer('integration', 60_000, { exclude: ON_SERVERS, maxWorkers: WAITING }),
      // After those: servers need some of the processor, and mostly wait.
      layer('servers', 60_000, {
        include: [...ON_SERVERS, ...ON_TIME],
        maxWorkers: 3,
        sequence: { groupOrder: 1 },
      }),
      layer('interop', 120_000, {
        exclude: BY_THE_HUNDRED,
        maxWorkers: 3,
        sequence: { groupOrder: 1 },
      }),
      // Alone, and one file after the other: they need all of it.
      layer('load', 120_000, {
        include: BY_THE_HUNDRED,
        maxWorkers: 1,
        sequence: { groupOrder: 2 },
      }),
    ],
    coverage: { provider: 'v8', include: ['src/**'] },
  },
});
