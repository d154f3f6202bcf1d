import type { AttemptChannel } from '../call/call.ts';
import type { Secret } from '../secret.ts';
import { fits } from '../sms/message.ts';
import type { Trunk } from './definition.ts';
import { mayShow } from './definition.ts';
import { servedPrefix } from './prefix.ts';
import type { TrunkResults } from './results.ts';
import type { Route } from './route.ts';
import { route } from './route.ts';
import type { TrunkStates } from './trunk-states.ts';

/** What a call wants of its way. */
export interface RouteWish {
  /** E.164 with plus, or a `sip:` address. */
  readonly to: string;
  /** The only trunk that may be used; null: any. */
  readonly carrierId: string | null;
  /** Calling number that has to be shown; null: the trunk's own. */
  readonly cli: string | null;
  /** What is to prove the number: approvals by it alone count. `voice` unless told. */
  readonly channel?: AttemptChannel;
}

export interface RoutingPorts {
  readonly states: Pick<TrunkStates, 'of'>;
  readonly results: Pick<TrunkResults, 'approvals'>;
  /** 0, inclusive, to 1, exclusive. */
  readonly random: () => number;
}

/** The trunks as they are configured now, and the way that a call takes through them. */
export class Routing {
  readonly #ports: RoutingPorts;
  #trunks: readonly Trunk[];

  constructor(trunks: readonly Trunk[], ports: RoutingPorts) {
    this.#trunks = trunks;
    this.#ports = ports;
  }

  /** In the order of the configuration. */
  get trunks(): readonly Trunk[] {
    return this.#trunks;
  }

  /** Calls that are under way keep the definition with which they began. */
  replace(trunks: readonly Trunk[]): void {
    this.#trunks = trunks;
  }

  /** Every trunk with its place, or why it has none. */
  find({ to, carrierId, cli, channel }: RouteWish): Route {
    const { states, results, random } = this.#ports;
    const approvals = results.approvals(to, channel);
    return route({
      to,
      carrierId,
      cli,
      channel,
      trunks: this.#trunks,
      stateOf: (id) => states.of(id),
      approvalsOf: approvals,
      random,
    });
  }

  /**
   * Whether any trunk is configured to carry a text message to this number, whatever its state is.
   *
   * @param carrierId the only trunk that may be used; null: any
   * @param more who is to be shown as its sender, and what it says: a trunk may allow less, or only shorter texts
   */
  carriesTexts(
    to: string,
    carrierId: string | null = null,
    { cli = null, text }: { readonly cli?: string | null; readonly text?: Secret } = {},
  ): boolean {
    return this.#trunks.some((trunk) => {
      const { sms } = trunk;
      const isOnTheWay = carrierId === null ? servedPrefix(trunk, to) !== undefined : trunk.id === carrierId;
      if (sms === undefined || !isOnTheWay) return false;
      return (cli === null || mayShow(trunk, cli)) && (text === undefined || fits(text, sms.maxSegments));
    });
  }
}
