import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const layer = (name: string, testTimeout: number) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout, hookTimeout: 30_000 },
});

export default defineConfig({
  test: {
    // Most tests wait for packets, not for the processor.
    maxWorkers: Math.max(2, Math.floor(availableParallelism() / 2)),
    projects: [
      layer('unit', 10_000),
      layer('contract', 60_000),
      layer('integration', 60_000),
      layer('interop', 120_000),
    ],
    coverage: { provider: 'v8', include: ['src/**'] },
  },
});
