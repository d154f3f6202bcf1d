import { createSocket } from 'node:dgram';
import { afterEach, expect, it } from 'vitest';
import type { LabCarrier } from '../../../src/lab/carrier.ts';
import { eventually } from '../../support/eventually.ts';
import { startCarrier } from '../../support/lab.ts';

const RINGS = '+442079460180';
const BUSY = '+442079460486';

const socket = createSocket('udp4');
let carrier: LabCarrier;

afterEach(async () => {
  await carrier.close();
  socket.close();
});

function call(number: string, id: number): void {
  const head = [
    `INVITE sip:${number}@127.0.0.1:${carrier.port} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:${socket.address().port};branch=z9hG4bK${id};rport`,
    'From: <sip:+442079460999@127.0.0.1>;tag=a',
    `To: <sip:${number}@127.0.0.1>`,
    `Call-ID: ${id}`,
    'CSeq: 1 INVITE',
    `Contact: <sip:127.0.0.1:${socket.address().port}>`,
    'Content-Length: 0',
  ];
  socket.send(`${head.join('\r\n')}\r\n\r\n`, carrier.port, '127.0.0.1');
}

it('forgets calls that are over, the oldest first, and none that is not', async () => {
  const over: string[] = [];
  const started = await startCarrier({
    keptCalls: 3,
    onCall: ({ callId, phone }) => void phone.over.then(() => over.push(callId)),
  });
  ({ carrier } = started);
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  call(RINGS, 1);
  await eventually(() => expect(carrier.calls[0]?.phone.record.ringingAt).toBeTypeOf('number'));
  for (const id of [2, 3, 4, 5]) {
    call(BUSY, id);
    await eventually(() => expect(over).toContain(String(id)));
  }
  expect(carrier.calls.map(({ callId }) => callId)).toEqual(['1', '4', '5']);
  expect(started.faults).toEqual([]);
});
