import { carryUntilKilled } from './dying-process.ts';
import { startFreeswitchEngine } from './freeswitch.ts';
import { toldServers } from './freeswitch-dying.ts';

const { drachtio, freeswitch, folder } = toldServers();
const engine = await startFreeswitchEngine(drachtio, freeswitch, { promptFolder: folder });
const originate = engine.originate.bind(engine);
const detection = { onMachine: 'speak', decideMs: 9000, toneMs: 9000 } as const;
engine.originate = (leg, signal) => originate({ ...leg, detection }, signal);
await carryUntilKilled(engine);
