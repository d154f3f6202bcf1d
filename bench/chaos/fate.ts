import type { Behaviour } from '../../src/lab/behaviour.ts';

/** What becomes of a call, decided when its number is made, and written in the number. */
export type Fate = 'answers' | 'busy' | 'declines' | 'fails_at_first' | 'rings_out' | 'slow';

/** How many calls of a hundred. */
const SHARES: readonly (readonly [Fate, number])[] = [
  ['answers', 62],
  ['busy', 12],
  ['declines', 6],
  ['fails_at_first', 8],
  ['rings_out', 5],
  ['slow', 7],
];
const FATES = SHARES.map(([fate]) => fate);
const RING = { afterMs: 50, status: 180 };
const FASTEST_MS = 200;
const SLOWEST_MS = 3000;

/** Numbers from 0 to 1, exclusive, the same ones for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A possible German number that no other call of a run has; its last three digits say its fate and its answering time. */
export function nextNumber(index: number, random: () => number, fate?: Fate): string {
  let left = random() * 100;
  const drawn = SHARES.findIndex(([, share]) => (left -= share) < 0);
  const kind = fate === undefined ? drawn : FATES.indexOf(fate);
  const part = Math.floor(random() * 100);
  return `+4930${String(index).padStart(5, '0')}${Math.max(0, kind) + 1}${String(part).padStart(2, '0')}`;
}

export function fateOf(number: string): Fate {
  return FATES[Number(number.at(-3)) - 1] ?? 'answers';
}

/**
 * What the phones of one carrier do.
 *
 * @param trunk its place among the trunks, from 0
 */
export function behaviours(trunk: number): (number: string) => Behaviour {
  /** Numbers whose first INVITE was lost: it is sent again after T1 (RFC 3261 §17.1.1.2). */
  const lost = new Set<string>();
  return (number) => {
    const fate = fateOf(number);
    const part = Number(number.slice(-2)) / 99;
    const answered: Behaviour = {
      what: 'rings and answers',
      provisionals: [RING],
      final: { afterMs: FASTEST_MS + part * (SLOWEST_MS - FASTEST_MS), status: 200 },
    };
    switch (fate) {
      case 'answers':
        return answered;
      case 'busy':
        return refusing(486, 17, 50 + 500 * part);
      case 'declines':
        return refusing(603, 21, 300 + 1000 * part);
      case 'fails_at_first':
        return trunk === 0 ? refusing(503, 34, 20) : answered;
      case 'rings_out':
        return { what: 'rings for ever', provisionals: [RING], final: 'never' };
      case 'slow':
        if (lost.has(number)) return answered;
        lost.add(number);
        return { what: 'the first INVITE is lost', silent: true, provisionals: [], final: 'never' };
    }
  };
}

function refusing(status: number, q850: number, afterMs: number): Behaviour {
  const headers = [['Reason', `Q.850;cause=${q850}`]] as const;
  return { what: `answers ${status}`, provisionals: [], final: { afterMs, status, headers } };
}
