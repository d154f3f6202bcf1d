import type { AdmissionPort, NoticePort } from '../../src/call/acceptance.ts';
import type { ClientPermits } from '../../src/verification/preparation.ts';

/** For tests of what comes after it: everybody may ask for anything, as often as they like, and nobody is told. */
export const OPEN_ENTRANCE: {
  readonly permits: ClientPermits;
  readonly gate: AdmissionPort;
  readonly notices: NoticePort;
} = {
  permits: { cli: () => true, template: () => true },
  gate: {
    admit: async () => ({ giveBack: async () => {} }),
    admitOnce: async () => ({ giveBack: async () => {} }),
  },
  notices: { noticeOf: () => undefined },
};
