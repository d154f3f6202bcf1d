/**
 * In a process of its own: two carriers, whose phones do what their numbers say and send all media to where nobody
 * listens. Arguments: the file that every SIP message is written to, a line of JSON each (see wire.ts), and the names
 * of the trunks. First line of its output: the SIP ports, as JSON.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { openSync, writeSync } from 'node:fs';
import { LabCarrier } from '../../src/lab/carrier.ts';
import { Secret } from '../../src/secret.ts';
import { parseMessage } from '../../src/sip/message.ts';
import { behaviours } from './fate.ts';
import { wireEntry } from './wire.ts';

const [file = '', ...trunks] = process.argv.slice(2);
const log = openSync(file, 'a');
const sink = createSocket('udp4').bind(0, '127.0.0.1');
await once(sink, 'listening');

const carriers = trunks.map(
  (trunkId, index) =>
    new LabCarrier({
      host: '127.0.0.1',
      port: 0,
      codecs: ['PCMU'],
      username: 'lab',
      password: new Secret('lab-secret'),
      mediaSink: { address: '127.0.0.1', port: sink.address().port },
      behaviours: behaviours(index),
      onFault: (error) => process.stderr.write(`${String(error)}\n`),
      onWire: ({ direction, peer, text }) => {
        const at = performance.timeOrigin + performance.now();
        const message = parseMessage(Buffer.from(text));
        if (message.kind !== 'request' && message.kind !== 'response') return;
        const entry = wireEntry(message, { at, trunkId, direction, peerPort: peer.port });
        writeSync(log, `${JSON.stringify(entry)}\n`);
      },
    }),
);
for (const carrier of carriers) await carrier.start();
process.stdout.write(`${JSON.stringify(carriers.map(({ port }) => port))}\n`);
