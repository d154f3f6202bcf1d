import { carryUntilKilled } from './dying-process.ts';
import { startFreeswitchEngine } from './freeswitch.ts';
import { toldServers } from './freeswitch-dying.ts';

const { drachtio, freeswitch, folder } = toldServers();
const engine = await startFreeswitchEngine(drachtio, freeswitch, { promptFolder: folder });
const originate = engine.originate.bind(engine);
const flash = { ringHoldMs: 20_000, maxRingMs: 30_000, onAnswer: 'hangup' } as const;
engine.originate = (leg, signal) => originate({ ...leg, prompt: null, flash }, signal);
await carryUntilKilled(engine);
