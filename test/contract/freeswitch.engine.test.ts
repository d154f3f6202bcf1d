import { describe, expect } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startServers } from '../support/freeswitch.ts';
import { tellDying } from '../support/freeswitch-dying.ts';
import { channelsOf } from '../support/freeswitch-servers.ts';
import { describeWithPeer } from '../support/peers.ts';
import { engineContract } from './engine-contract.ts';

describeWithPeer(['drachtio', 'freeswitch'], 'drachtio and FreeSWITCH', () => {
  describe('freeswitch engine', () => {
    engineContract(async () => {
      const faults: unknown[] = [];
      const site = await startServers();
      const engine = await site.engine({ onFault: (error) => faults.push(error) });
      tellDying(site);
      return {
        engine,
        held: () => {
          const { legs, endpoints, dialogs, files } = engine.held();
          return legs + endpoints + dialogs + files;
        },
        close: async () => {
          const [freeswitch] = site.freeswitch;
          if (freeswitch !== undefined)
            await eventually(async () => expect(await channelsOf(freeswitch)).toBe(0));
          await engine.close(AbortSignal.timeout(2000));
          await site.close();
          expect(faults).toEqual([]);
        },
      };
    }, './freeswitch-dying-process.ts');
  });
});
