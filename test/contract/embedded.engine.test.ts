import { describe, expect } from 'vitest';
import { startEmbedded } from '../support/embedded.ts';
import { detectionContract } from './detection-contract.ts';
import { type EngineUnderTest, engineContract } from './engine-contract.ts';
import { flashContract } from './flash-contract.ts';
import { gateContract } from './gate-contract.ts';
import { paceContract } from './pace-contract.ts';
import { requestContract } from './request-contract.ts';
import { textContract } from './text-contract.ts';

describe('embedded engine', () => {
  engineContract(start, './embedded-dying.ts');
});

describe('embedded engine: flash calls', () => {
  flashContract(start);
});

describe('embedded engine: a gate before the prompt', () => {
  gateContract(start);
});

describe('embedded engine: who answered', () => {
  detectionContract(start);
});

describe('embedded engine: when INVITEs leave', () => {
  paceContract(start);
});

describe('embedded engine: requests outside of calls', () => {
  requestContract(start);
});

describe('embedded engine: text messages', () => {
  textContract(start);
});

async function start(): Promise<EngineUnderTest> {
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
}
