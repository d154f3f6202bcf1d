import { expect } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { tellDying } from '../support/freeswitch-dying.ts';
import { describeWithServers, type Servers } from '../support/freeswitch-given.ts';
import { detectionContract } from './detection-contract.ts';
import { type EngineUnderTest, engineContract } from './engine-contract.ts';
import { flashContract } from './flash-contract.ts';
import { gateContract } from './gate-contract.ts';
import { paceContract } from './pace-contract.ts';
import { requestContract } from './request-contract.ts';
import { textContract } from './text-contract.ts';

describeWithServers('freeswitch engine', (startServers) => {
  engineContract(() => start(startServers), './freeswitch-dying-process.ts');
});

describeWithServers('freeswitch engine: flash calls', (startServers) => {
  flashContract(() => start(startServers));
});

describeWithServers('freeswitch engine: a gate before the prompt', (startServers) => {
  gateContract(() => start(startServers));
});

describeWithServers('freeswitch engine: who answered', (startServers) => {
  detectionContract(() => start(startServers));
});

describeWithServers('freeswitch engine: when INVITEs leave', (startServers) => {
  paceContract(() => start(startServers));
});

describeWithServers('freeswitch engine: requests outside of calls', (startServers) => {
  requestContract(() => start(startServers));
});

describeWithServers('freeswitch engine: text messages', (startServers) => {
  textContract(() => start(startServers));
});

async function start(startServers: () => Promise<Servers>): Promise<EngineUnderTest> {
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
}
