import { expect } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { describeWithServers } from '../support/freeswitch-given.ts';
import { resultsContract } from './results-contract.ts';

describeWithServers('the table of results, with drachtio and FreeSWITCH', (startServers) => {
  resultsContract(async () => {
    const faults: unknown[] = [];
    const servers = await startServers();
    const engine = await servers.engine({ onFault: (error) => faults.push(error) });
    return {
      engine,
      held: () => {
        const { legs, endpoints, dialogs, files } = engine.held();
        return legs + endpoints + dialogs + files;
      },
      close: async () => {
        await eventually(async () => expect(await servers.channels()).toBe(0));
        await engine.close(AbortSignal.timeout(2000));
        await servers.close();
        expect(faults).toEqual([]);
      },
    };
  });
});
