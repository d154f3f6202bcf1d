import { expect } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { tellDying } from '../support/freeswitch-dying.ts';
import { describeWithServers } from '../support/freeswitch-given.ts';
import { engineContract } from './engine-contract.ts';

describeWithServers('freeswitch engine', (startServers) => {
  engineContract(async () => {
    const faults: unknown[] = [];
    const servers = await startServers();
    const engine = await servers.engine({ onFault: (error) => faults.push(error) });
    tellDying(servers);
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
  }, './freeswitch-dying-process.ts');
});
