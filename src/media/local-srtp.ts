import { randomBytes } from 'node:crypto';
import type { SrtpPolicy } from '../engine/engine.ts';
import type { LocalSrtp } from './sdp.ts';
import { SRTP_SUITES, srtpMasterBytes } from './srtp-suite.ts';

/** New keys of ours, one for each suite, for a call as long as it lasts; undefined where there is to be no SRTP. */
export function newLocalSrtp(policy: SrtpPolicy): LocalSrtp | undefined {
  if (policy === 'off') return undefined;
  const keys = SRTP_SUITES.map((suite) => ({ suite, keyAndSalt: randomBytes(srtpMasterBytes(suite)) }));
  return { required: policy === 'required', keys };
}
