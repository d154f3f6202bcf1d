import type { QueueCapacityOptions } from '../../src/dispatch/queue-capacity.ts';
import type { TrunkLimits } from '../../src/trunk/capacity.ts';
import { DispatchNode, Site } from './dispatch-node.ts';
import { RedisServer } from './redis-server.ts';

/** The nodes of one test after the other over one Redis, each time with a site and with keys of their own. */
export class DispatchNodes {
  readonly server: RedisServer;
  #nodes: readonly DispatchNode[] = [];
  #prefixes = 0;

  private constructor(server: RedisServer) {
    this.server = server;
  }

  static async open(): Promise<DispatchNodes> {
    return new DispatchNodes(await RedisServer.start());
  }

  get first(): DispatchNode | undefined {
    return this.#nodes[0];
  }

  /** @param limits of the only trunk, `alpha` */
  start(
    count: number,
    limits: Omit<TrunkLimits, 'id'>,
    options: Partial<QueueCapacityOptions> = {},
  ): readonly DispatchNode[] {
    const site = new Site();
    this.#prefixes += 1;
    const own = { prefix: `p${this.#prefixes}`, ...options };
    this.#nodes = Array.from(
      { length: count },
      () => new DispatchNode(this.server.port, site, [{ id: 'alpha', ...limits }], own),
    );
    return this.#nodes;
  }

  /** Closes those of the last test. */
  async close(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.close()));
    this.#nodes = [];
  }

  remove(): Promise<void> {
    return this.server.remove();
  }
}
