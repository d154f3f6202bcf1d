import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** They start drachtio and FreeSWITCH, and let them fail. */
const ON_SERVERS = ['test/contract/freeswitch.*.test.ts', 'test/integration/**/freeswitch*.test.ts'];

const layer = (name: string, testTimeout: number, more: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout, hookTimeout: 30_000, ...more },
});

export default defineConfig({
  test: {
    // Most tests wait for packets, not for the processor.
    maxWorkers: Math.max(3, Math.floor(availableParallelism() / 2)),
    projects: [
      layer('unit', 10_000),
      layer('contract', 60_000, { exclude: ON_SERVERS }),
      layer('integration', 60_000, { exclude: ON_SERVERS }),
      // After those, and two files at a time: servers need some of the processor, and mostly wait.
      layer('servers', 60_000, { include: ON_SERVERS, maxWorkers: 2, sequence: { groupOrder: 1 } }),
      // Alone, and one file after the other: hundreds of calls at a time need all of it.
      layer('interop', 120_000, { maxWorkers: 1, sequence: { groupOrder: 2 } }),
    ],
    coverage: { provider: 'v8', include: ['src/**'] },
  },
});
