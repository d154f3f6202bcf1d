/**
 * In a process of its own: a lab carrier. Argument: port of a sink to which its phones send all media; without it
 * they listen themselves. First line: the SIP port; then a line of JSON for each call, with its number and when its
 * INVITE came; where phones listen, when it is over, with what they saw.
 */
import { LabCarrier } from '../src/lab/carrier.ts';
import { Secret } from '../src/secret.ts';

const sinkPort = process.argv[2];
const tell = (call: object): void => void process.stdout.write(`${JSON.stringify(call)}\n`);

const carrier = new LabCarrier({
  host: '127.0.0.1',
  port: 0,
  codecs: ['PCMU'],
  username: 'lab',
  password: new Secret('lab-secret'),
  ...(sinkPort === undefined ? {} : { mediaSink: { address: '127.0.0.1', port: Number(sinkPort) } }),
  onFault: (error) => process.stderr.write(`${String(error)}\n`),
  onCall: ({ number, phone }) => {
    const invitedAt = performance.timeOrigin + performance.now();
    if (sinkPort !== undefined) tell({ number, invitedAt });
    else void phone.over.then(() => tell({ number, invitedAt, ...phone.record }));
  },
});
await carrier.start();
process.stdout.write(`${carrier.port}\n`);
