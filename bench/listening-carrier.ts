/**
 * In a process of its own: a lab carrier whose phones listen. First line: the SIP port; then a line of JSON for each
 * call when it is over: its number, when its INVITE came and what the phone saw.
 */
import { LabCarrier } from '../src/lab/carrier.ts';
import { Secret } from '../src/secret.ts';

const carrier = new LabCarrier({
  host: '127.0.0.1',
  port: 0,
  codecs: ['PCMU'],
  username: 'lab',
  password: new Secret('lab-secret'),
  onFault: (error) => process.stderr.write(`${String(error)}\n`),
  onCall: ({ number, phone }) => {
    const invitedAt = performance.timeOrigin + performance.now();
    void phone.over.then(() => {
      process.stdout.write(`${JSON.stringify({ number, invitedAt, ...phone.record })}\n`);
    });
  },
});
await carrier.start();
process.stdout.write(`${carrier.port}\n`);
