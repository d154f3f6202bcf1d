import type { PeerMessage, Peers } from '../../src/cluster/peers.ts';

interface Member {
  alive: boolean;
  trusted: boolean;
  readonly heard: PeerMessage[];
  told: (message: PeerMessage) => void;
}

/** Processes that know of each other what a test says. */
export class PeerCircle {
  readonly #members = new Map<string, Member>();

  /** One of them; `told` hears what others send to it. */
  join(token: string, told: (message: PeerMessage) => void = () => undefined): Peers {
    this.#members.set(token, { alive: true, trusted: true, heard: [], told });
    return {
      token,
      isAlive: (other) => this.#members.get(other)?.alive ?? false,
      isTrusted: () => this.#of(token).trusted,
      send: async (other, message) => {
        const member = this.#members.get(other);
        if (member?.alive !== true) return false;
        member.heard.push(message);
        member.told(message);
        return true;
      },
      publish: () => undefined,
      follow: () => () => undefined,
    };
  }

  listen(token: string, told: (message: PeerMessage) => void): void {
    this.#of(token).told = told;
  }

  die(token: string): void {
    this.#of(token).alive = false;
  }

  trust(token: string, trusted: boolean): void {
    this.#of(token).trusted = trusted;
  }

  heard(token: string): readonly PeerMessage[] {
    return this.#of(token).heard;
  }

  #of(token: string): Member {
    const member = this.#members.get(token);
    if (member === undefined) throw new Error(`${token} has not joined`);
    return member;
  }
}
