import { setPriority } from 'node:os';
import { platform } from 'node:process';
import { parentPort, workerData } from 'node:worker_threads';
import type { Pcm } from '../media/pcm.ts';
import type { FromListener, ToListener } from './listener.ts';
import { Recogniser } from './recogniser.ts';

/** Nice value: calls go first. */
const PRIORITY = 10;

if (parentPort === null) throw new Error('This file runs as a worker thread.');
const port = parentPort;
// On Linux a nice value is the thread's own; elsewhere the whole process would step back.
if (platform === 'linux') setPriority(PRIORITY);

const recogniser = new Recogniser(workerData as ReadonlyMap<string, Pcm>);
port.on('message', ({ id, heard }: ToListener) => {
  const answer: FromListener = { id, groups: recogniser.recognise(heard).groups };
  port.postMessage(answer);
});
