import { expect, it } from 'vitest';
import type { LegEnd } from '../../src/engine/engine.ts';
import { describeWithPeer } from '../support/peers.ts';
import { assertAll, type Run, Runs } from '../support/peers-calls.ts';

const FINISHED: LegEnd = { kind: 'hung_up', by: 'us', why: 'prompt_finished' };
const SAID = 'answered prompt_finished ended';

const rejected = (sip: Extract<LegEnd, { kind: 'rejected' }>['sip']): LegEnd => ({ kind: 'rejected', sip });

interface Row extends Run {
  readonly types: string;
  readonly end: LegEnd;
}

const ROWS: readonly Row[] = [
  { scenario: 'answers', types: `trying ringing ${SAID}`, end: FINISHED },
  { scenario: 'answers', transport: 'tcp', types: `trying ringing ${SAID}`, end: FINISHED },
  { scenario: '183-then-180', types: `trying early_media ringing ${SAID}`, end: FINISHED },
  { scenario: '183-then-180', transport: 'tcp', types: `trying early_media ringing ${SAID}`, end: FINISHED },
  {
    scenario: '486',
    types: 'trying ended',
    end: rejected({ status: 486, reason: 'Busy Here', q850: 17, reasonText: 'User busy' }),
  },
  {
    scenario: '486',
    transport: 'tcp',
    types: 'trying ended',
    end: rejected({ status: 486, reason: 'Busy Here', q850: 17, reasonText: 'User busy' }),
  },
  {
    scenario: '503',
    types: 'trying ended',
    end: rejected({ status: 503, reason: 'Service Unavailable', retryAfterSeconds: 30 }),
  },
  { scenario: '302', types: 'trying ended', end: rejected({ status: 302, reason: 'Moved Temporarily' }) },
];

describeWithPeer('sipp', 'calls to SIPp', () => {
  const runs = new Runs();
  it.each(ROWS)('$scenario over $transport', async (row) => {
    const result = await runs.run(row);
    assertAll(result, row.types, row.end);
  });

  it('leaves nothing behind', () => runs.assertNothingLeft());
});
