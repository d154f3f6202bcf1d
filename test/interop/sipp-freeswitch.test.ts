import { describe, expect, it } from 'vitest';
import { describeWithPeer } from '../support/peers.ts';
import { Runs } from '../support/peers-calls.ts';
import { freeswitchEngines } from '../support/peers-engines.ts';
import { describeCalls } from './sipp-calls.ts';
import { describeDeviations } from './sipp-deviations.ts';
import { describeDialogs } from './sipp-dialogs.ts';
import { describeFlash } from './sipp-flash.ts';
import { describeRaces } from './sipp-races.ts';

describeWithPeer(
  ['sipp', 'drachtio', 'freeswitch'],
  'a hundred calls at a time through drachtio and FreeSWITCH to SIPp',
  () => {
    const runs = new Runs(freeswitchEngines());

    // First, since drachtio remembers their transactions for the longest.
    describeDeviations(runs);
    describeCalls(runs);
    describeDialogs(runs);
    describeRaces(runs);

    // They have servers of their own: meanwhile those of the runs forget.
    describe('that flash', () => {
      describeFlash(freeswitchEngines());
    });

    it('leaves nothing behind', async () => {
      expect(await runs.end()).toEqual({ held: {}, open: {} });
    });
  },
);
