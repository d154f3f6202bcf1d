import { describeWithPeer } from '../support/peers.ts';
import { embeddedEngines } from '../support/peers-engines.ts';
import { describeFlash } from './sipp-flash.ts';

describeWithPeer('sipp', 'flash calls to SIPp', () => {
  describeFlash(embeddedEngines());
});
