import { createInterface } from 'node:readline';
import type { Permit } from '../../src/trunk/capacity.ts';
import { DispatchNode, Site } from './dispatch-node.ts';

/**
 * A node in a process of its own; its arguments: port of Redis, prefix, channels of the trunk. It does what lines say:
 * `acquire <call>`, `release <call>`, `close`; and answers each with a line. It takes calls of others from `take` on, and
 * says so: `taken <call>`.
 */
const [port, prefix = '', channels] = process.argv.slice(2);
const trunks = [{ id: 'alpha', channels: Number(channels) }];
const site = new Site();
const node = new DispatchNode(Number(port), site, trunks, { prefix });
node.room = 0;
node.onOffer = async ({ callId, from }) => {
  site.carriedBy.set(callId, from);
  return undefined;
};
node.onTaken = ({ callId }) => void process.stdout.write(`taken ${callId}\n`);
const permits = new Map<string, Permit>();
const lines = createInterface({ input: process.stdin });

lines.on('line', (line) => {
  const [what, callId = ''] = line.split(' ');
  if (what === 'acquire') void acquire(callId);
  else if (what === 'take') node.room = Number.POSITIVE_INFINITY;
  else if (what === 'release') permits.get(callId)?.release();
  else void node.close().then(() => lines.close());
});
process.stdout.write('ready\n');

async function acquire(callId: string): Promise<void> {
  const answer = await node.acquire(callId);
  if (answer.kind === 'permit') permits.set(callId, answer.permit);
  process.stdout.write(`${answer.kind} ${callId}\n`);
}
