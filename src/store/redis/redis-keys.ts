import { createHash } from 'node:crypto';

/**
 * What keys are called: `<prefix>:{<tag>}:<what>:<id>`. Redis Cluster keeps keys of one tag on one server, so that a
 * script may use several of them. The tag of verifications, calls and idempotent requests is their family.
 */
export class RedisKeys {
  /** Every call by its beginning; so is what one client asked for, in a list of its own. */
  readonly calls: string;
  /** Calls whose acceptance may still be under way, by Redis's time. */
  readonly fresh: string;
  /** Lists of calling numbers, by their last use. */
  readonly pools: string;
  /** Callees of flash calls, by the oldest number that each was shown. */
  readonly callees: string;
  readonly ping: string;
  readonly #prefix: string;

  /** @throws RangeError where braces of the prefix would be taken for a tag */
  constructor(prefix: string) {
    if (/[{}]/.test(prefix)) throw new RangeError('a prefix of keys has no braces');
    this.#prefix = prefix;
    this.calls = `${prefix}:{calls}:all`;
    this.fresh = `${prefix}:{calls}:fresh`;
    this.pools = `${prefix}:{cli}:pools`;
    this.callees = `${prefix}:{cli}:callees`;
    this.ping = `${prefix}:{ping}:beat`;
  }

  callsOfClient(clientId: string): string {
    return `${this.#prefix}:{calls}:client:${clientId}`;
  }

  /** A hash. */
  verification(family: string, id: string): string {
    return this.#of(family, `verification:${id}`);
  }

  /** A hash. */
  call(family: string, id: string): string {
    return this.#of(family, `call:${id}`);
  }

  /** A hash. Clients choose the keys of their requests: any text, of any length. */
  request(family: string, digest: string): string {
    return this.#of(family, `request:${digest}`);
  }

  /** Pending verifications of a family by the end of their time: a sorted set. */
  pending(family: string): string {
    return this.#of(family, 'pending');
  }

  /** Final verifications of a family by their end: a sorted set. */
  final(family: string): string {
    return this.#of(family, 'final');
  }

  /** Calls of a family that have not ended, by their beginning: a sorted set. */
  unfinished(family: string): string {
    return this.#of(family, 'unfinished');
  }

  /** Idempotent requests of a family by the end of their time: a sorted set. */
  requests(family: string): string {
    return this.#of(family, 'requests');
  }

  /** Calls of a verification by their beginning: a sorted set. */
  callsOfVerification(family: string, id: string): string {
    return this.#of(family, `calls:${id}`);
  }

  /** Call detail records that are not in the ledger yet: a list of JSON texts. */
  outbox(family: string): string {
    return this.#of(family, 'outbox');
  }

  /** How a list of calling numbers was used: a hash. */
  pool(digest: string): string {
    return `${this.#prefix}:{cli}:pool:${digest}`;
  }

  /** What a callee was shown, by when: a sorted set. */
  shown(callee: string): string {
    return `${this.#prefix}:{cli}:shown:${callee}`;
  }

  /** A hash. */
  notice(family: string, id: string): string {
    return this.#of(family, `notice:${id}`);
  }

  /** Open notices of a family by when the next one may claim them: a sorted set. */
  dueNotices(family: string): string {
    return this.#of(family, 'notices:due');
  }

  /** The same by their beginning. */
  openNotices(family: string): string {
    return this.#of(family, 'notices:open');
  }

  /** Notices of a family that were given up, of all or of one client, by their beginning: a sorted set. */
  deadNotices(family: string, clientId?: string): string {
    return this.#of(family, clientId === undefined ? 'notices:dead' : `notices:dead:${clientId}`);
  }

  /** The id of a verification. Clients choose what it is found under: any text, of any length. */
  alias(family: string, digest: string): string {
    return this.#of(family, `alias:${digest}`);
  }

  /** What was counted of something within its window: a text. */
  limitCount(key: string): string {
    return `${this.#prefix}:{limits}:count:${key}`;
  }

  /** How often something was to be followed by a pause: a text. */
  limitPause(key: string): string {
    return `${this.#prefix}:{limits}:pause:${key}`;
  }

  #of(family: string, what: string): string {
    return `${this.#prefix}:{${family}}:${what}`;
  }
}

/** What stands for a text in the name of a key. */
export function keyDigest(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('base64url');
}
