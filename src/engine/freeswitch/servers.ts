import { leastLoaded } from './choice.ts';
import type { ServerAddress } from './drachtio-connection.ts';
import { DrachtioConnection } from './drachtio-connection.ts';
import { type ChannelWishes, MediaConnection, type MediaConnectionOptions } from './media-connection.ts';
import type { MediaEndpoint, MediaListener } from './media-endpoint.ts';
import { type Losable, StandingConnection } from './standing-connection.ts';
import type { DrachtioWire } from './wire.ts';

/** A server among several, with what it carries at the moment. */
export class Server<C extends Losable> {
  readonly weight: number;
  readonly standing: StandingConnection<C>;
  /** Legs, or endpoints. */
  load = 0;

  constructor(weight: number, standing: StandingConnection<C>) {
    this.weight = weight;
    this.standing = standing;
  }

  /** Takes a place, and gives back what frees it; to be called once. */
  take(): () => void {
    this.load++;
    return () => {
      this.load--;
    };
  }
}

interface Watch {
  readonly onFault: (error: unknown) => void;
  readonly onChange: (text: string) => void;
}

export type DrachtioServer = Server<DrachtioConnection>;

export function drachtioServer(
  address: ServerAddress & { readonly weight: number },
  watch: Watch,
  wire?: DrachtioWire,
): DrachtioServer {
  const name = `drachtio ${address.host}:${address.port}`;
  const standing = new StandingConnection({
    name,
    open: async () => {
      const connection = await DrachtioConnection.open(address, watch.onFault, wire);
      if (address.tls !== undefined) void tellDistrust(name, connection, watch);
      return connection;
    },
    onChange: watch.onChange,
  });
  return new Server(address.weight, standing);
}

/** Before the first call finds out. */
async function tellDistrust(name: string, connection: DrachtioConnection, watch: Watch): Promise<void> {
  const fault = await connection.tlsFault();
  if (fault !== undefined && !connection.lost.aborted) watch.onChange(`${name}: no TLS, ${fault}`);
}

/** Where a FreeSWITCH sees our folders, if elsewhere than we do: the prompts, and what it hears. */
export interface SeenFolders {
  readonly promptFolder?: string | undefined;
  readonly listenFolder?: string | undefined;
}

/** A FreeSWITCH, and where it finds the files that we make. */
export class MediaServer extends Server<MediaConnection> {
  readonly promptFolder: string | undefined;
  readonly listenFolder: string | undefined;

  constructor(
    weight: number,
    standing: StandingConnection<MediaConnection>,
    { promptFolder, listenFolder }: SeenFolders,
  ) {
    super(weight, standing);
    this.promptFolder = promptFolder;
    this.listenFolder = listenFolder;
  }
}

export function mediaServer(
  address: ServerAddress & SeenFolders & { readonly weight: number },
  options: Pick<MediaConnectionOptions, 'profile' | 'callback'>,
  watch: Watch,
): MediaServer {
  const standing = new StandingConnection({
    name: `FreeSWITCH ${address.host}:${address.port}`,
    open: () => MediaConnection.open({ ...options, server: address, onFault: watch.onFault }),
    onChange: watch.onChange,
  });
  return new MediaServer(address.weight, standing, address);
}

interface Choosable {
  readonly weight: number;
  readonly load: number;
  readonly standing: { readonly current: Losable | undefined };
}

/** The server to take for one more call, among those that are connected; undefined when none is. */
export function choose<S extends Choosable>(servers: readonly S[], without?: ReadonlySet<S>): S | undefined {
  const able = servers.filter((one) => one.standing.current !== undefined && without?.has(one) !== true);
  return leastLoaded(able, Math.random);
}

export interface Allocated {
  readonly server: MediaServer;
  readonly endpoint: MediaEndpoint;
}

/**
 * An endpoint on the media server that has most room; where it gives none, on another one.
 *
 * @throws Error that says why none can take the call
 */
export async function allocate(
  servers: readonly MediaServer[],
  via: DrachtioConnection,
  wishes: ChannelWishes,
  listener: MediaListener,
): Promise<Allocated> {
  const tried = new Set<MediaServer>();
  let last: unknown;
  for (let server = choose(servers, tried); server !== undefined; server = choose(servers, tried)) {
    tried.add(server);
    const free = server.take();
    try {
      const connection = server.standing.current;
      if (connection === undefined) throw new Error('the connection is lost');
      const endpoint = await connection.allocate(via, wishes, listener);
      endpoint.released.finally(free).catch(() => undefined);
      return { server, endpoint };
    } catch (error) {
      free();
      last = error;
    }
    // Two of two seconds: nobody waits longer for the INVITE.
    if (tried.size >= 2 || via.lost.aborted) break;
  }
  const why = last instanceof Error ? last.message : 'no media server is connected';
  throw new Error(`no media endpoint: ${why}`, { cause: last });
}
