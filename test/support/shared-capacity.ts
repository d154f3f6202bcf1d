import type { CapacityAnswer, CapacityWish, Permit } from '../../src/trunk/capacity.ts';
import { freePermit } from '../../src/trunk/free-permit.ts';
import { LocalCapacity } from '../../src/trunk/local-capacity.ts';

/** Room that others may get first (`theirs`), that there never is (`full`), and permits that tell how many are held. */
export class SharedCapacity extends LocalCapacity {
  override readonly shared: boolean = true;
  readonly wishes: CapacityWish[] = [];
  theirs: readonly string[] = [];
  full: readonly string[] = [];
  held = 0;
  moment: Promise<void> = Promise.resolve();
  moments = 0;

  constructor() {
    super([], { elapsed: () => performance.now() });
  }

  override async acquire(wish: CapacityWish, signal: AbortSignal): Promise<CapacityAnswer> {
    this.wishes.push(wish);
    if (this.theirs.includes(wish.trunkId)) return { kind: 'moved' };
    if (!this.full.includes(wish.trunkId)) return { kind: 'permit', permit: this.permit(wish.trunkId) };
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    return { kind: 'refused', why: 'aborted' };
  }

  permit(trunkId: string): Permit {
    this.held += 1;
    let held = true;
    return {
      ...freePermit(trunkId),
      moment: () => {
        this.moments += 1;
        return this.moment;
      },
      release: () => {
        if (held) this.held -= 1;
        held = false;
      },
    };
  }
}
