import type { Peers } from './peers.ts';

/** A process that shares its store with none: all others are no more, and nobody listens. */
export function alone(token: string): Peers {
  return {
    token,
    isAlive: (other) => other === token,
    isTrusted: () => true,
    send: async () => false,
    publish: () => undefined,
    follow: () => () => undefined,
  };
}
