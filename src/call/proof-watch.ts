import type { Store } from '../store/store.ts';
import type { TrunkResults } from '../trunk/results.ts';
import { provenBy } from '../trunk/results.ts';
import type { CallLog } from './log.ts';

export interface ProofWatchPorts {
  readonly store: Pick<Store, 'call' | 'verification'>;
  readonly results: Pick<TrunkResults, 'verification'>;
  readonly log: CallLog;
}

/** Tells the results of trunks what became of verifications, so that a trunk is known by what its calls prove. */
export class ProofWatch {
  readonly #ports: ProofWatchPorts;

  constructor(ports: ProofWatchPorts) {
    this.#ports = ports;
  }

  /** To be told when a call has ended, and when a verification became final. Returns at once and never throws. */
  look(verificationId: string | null): void {
    if (verificationId !== null) void this.#tell(verificationId);
  }

  async #tell(id: string): Promise<void> {
    const { store, results, log } = this.#ports;
    try {
      const verification = await store.verification(id);
      const call = verification === undefined ? undefined : await store.call(verification.callId);
      if (verification !== undefined && call !== undefined) {
        results.verification(id, provenBy(call, verification));
      }
    } catch (error) {
      log.warn({ err: error }, 'a verification does not count for its trunk');
    }
  }
}
