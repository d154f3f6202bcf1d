import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const layer = (name: string, testTimeout: number, more: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout, hookTimeout: 30_000, ...more },
});

export default defineConfig({
  test: {
    // Most tests wait for packets, not for the processor.
    maxWorkers: Math.max(2, Math.floor(availableParallelism() / 2)),
    projects: [
      layer('unit', 10_000),
      layer('contract', 60_000),
      layer('integration', 60_000),
      // Alone, and one file after the other: hundreds of calls at a time need the whole processor.
      layer('interop', 120_000, { maxWorkers: 1, sequence: { groupOrder: 1 } }),
    ],
    coverage: { provider: 'v8', include: ['src/**'] },
  },
});
