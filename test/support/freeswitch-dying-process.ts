import { carryUntilKilled } from './dying-process.ts';
import { startFreeswitchEngine } from './freeswitch.ts';
import { toldServers } from './freeswitch-dying.ts';

const { drachtio, freeswitch, folder } = toldServers();
await carryUntilKilled(await startFreeswitchEngine(drachtio, freeswitch, { promptFolder: folder }));
