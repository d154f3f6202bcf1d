import { carryUntilKilled } from './dying-process.ts';
import { startEmbedded } from './embedded.ts';

await carryUntilKilled(await startEmbedded());
