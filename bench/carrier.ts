/**
 * In a process of its own: a lab carrier whose phones send all media to a sink, and tell when each INVITE came.
 * Argument: port of the sink. First line: the SIP port; then a line for each call, `number milliseconds`.
 */
import { LabCarrier } from '../src/lab/carrier.ts';
import { Secret } from '../src/secret.ts';

const carrier = new LabCarrier({
  host: '127.0.0.1',
  port: 0,
  codecs: ['PCMU'],
  username: 'lab',
  password: new Secret('lab-secret'),
  mediaSink: { address: '127.0.0.1', port: Number(process.argv[2]) },
  onFault: (error) => process.stderr.write(`${String(error)}\n`),
  onCall: ({ number }) => {
    process.stdout.write(`${number} ${performance.timeOrigin + performance.now()}\n`);
  },
});
await carrier.start();
process.stdout.write(`${carrier.port}\n`);
