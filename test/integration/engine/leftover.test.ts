import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { LabCall } from '../../../src/lab/carrier.ts';
import { topVia } from '../../../src/sip/header.ts';
import { leaveBehind } from '../../support/dying-process.ts';
import { startEmbedded } from '../../support/embedded.ts';
import { eventually } from '../../support/eventually.ts';
import { startCarrier } from '../../support/lab.ts';

/** The phone's 200 goes out again 100, 300, 700, 1500 and 3100 ms after the first. */
const PHONE_T1_MS = 100;
const BETWEEN_TWO_MS = 1700;

it('a leg whose phone answered when nobody was there is hung up when its 200 comes again, however late', async () => {
  const { carrier } = await startCarrier({ t1Ms: PHONE_T1_MS });
  const { leftover, process } = await leaveBehind('./embedded-dying.ts', carrier.port, '201', 'trying');
  const { phone, invite } = await eventually(() => {
    const call: LabCall | undefined = carrier.calls.at(-1);
    expect(call?.phone.record.ringingAt ?? null).not.toBeNull();
    return call as LabCall;
  });
  await process.kill();
  await eventually(() => expect(phone.record.answeredAt).not.toBeNull());
  await sleep(BETWEEN_TWO_MS);
  // The far end answers to where the INVITE came from.
  const engine = await startEmbedded({ port: topVia(invite)?.port ?? 0 });
  try {
    await engine.endLeftover(leftover());
    await phone.over;
    expect(phone.record.end).toBe('they_hung_up');
  } finally {
    await engine.close(AbortSignal.abort());
    await carrier.close();
  }
});
