import { describe, expect } from 'vitest';
import { startEmbedded } from '../support/embedded.ts';
import { resultsContract } from './results-contract.ts';

describe('the table of results, with the embedded engine', () => {
  resultsContract(async () => {
    const faults: unknown[] = [];
    const engine = await startEmbedded({ onFault: (error) => faults.push(error) });
    return {
      engine,
      held: () => {
        const { legs, streams, dialogs } = engine.held();
        return legs + streams + dialogs;
      },
      close: async () => {
        await engine.close(AbortSignal.timeout(2000));
        expect(faults).toEqual([]);
      },
    };
  });
});
