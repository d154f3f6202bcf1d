import { describe, expect } from 'vitest';
import { startEmbedded } from '../support/embedded.ts';
import { engineContract } from './engine-contract.ts';

describe('embedded engine', () => {
  engineContract(async () => {
    const faults: unknown[] = [];
    const engine = await startEmbedded({ onFault: (error) => faults.push(error) });
    return {
      engine,
      // Transactions linger for as long as the RFC has them; legs, streams and dialogs must not.
      held: () => {
        const { legs, streams, dialogs } = engine.held();
        return legs + streams + dialogs;
      },
      close: async () => {
        await engine.close(AbortSignal.timeout(2000));
        expect(faults).toEqual([]);
      },
    };
  }, './embedded-dying.ts');
});
