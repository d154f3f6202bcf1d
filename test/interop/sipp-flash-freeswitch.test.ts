import { describeWithPeer } from '../support/peers.ts';
import { freeswitchEngines } from '../support/peers-engines.ts';
import { describeFlash } from './sipp-flash.ts';

describeWithPeer(
  ['sipp', 'drachtio', 'freeswitch'],
  'flash calls through drachtio and FreeSWITCH to SIPp',
  () => {
    describeFlash(freeswitchEngines());
  },
);
