import { describe, expect, it } from 'vitest';
import { describeWithPeer } from '../support/peers.ts';
import { Runs } from '../support/peers-calls.ts';
import { embeddedEngines } from '../support/peers-engines.ts';
import { describeCalls } from './sipp-calls.ts';
import { describeDialogs } from './sipp-dialogs.ts';
import { describeFlash } from './sipp-flash.ts';
import { describeRaces } from './sipp-races.ts';

describeWithPeer('sipp', 'a hundred calls to SIPp at a time', () => {
  const runs = new Runs();

  describeCalls(runs);
  describeDialogs(runs);
  describeRaces(runs);

  // They have engines of their own: meanwhile those of the runs forget.
  describe('that flash', () => {
    describeFlash(embeddedEngines());
  });

  // Last, and once for all: a transaction of the engine is remembered for 64 × T1.
  it('leaves nothing behind', async () => {
    expect(await runs.end()).toEqual({ held: {}, open: {} });
  });
});
