/** What we use of packages, or parts of them, that have no types of their own. */
declare module 'drachtio-srf/lib/sip-parser/message.js' {
  /** Throws where it cannot be parsed. */
  const SipMessage: new (raw: string) => object;
  export default SipMessage;
}

declare module 'drachtio-srf/lib/wire-protocol.js' {
  import type { Socket } from 'node:net';

  /** One connection to a drachtio server. */
  export default class WireProtocol {
    /** Called once for each socket, before it is connected. */
    installListeners: (this: WireProtocol, socket: Socket) => void;
  }
}

declare module 'drachtio-modesl' {
  import type { EventEmitter } from 'node:events';
  import type { Socket } from 'node:net';

  export interface EslEvent {
    getHeader(name: string): string | undefined;
    getBody(): string;
  }

  export class Connection extends EventEmitter {
    constructor(host: string, port: number, password: string, ready: () => void);
    /** Null once it is closed. */
    socket: Socket | null;
    /** Set: a connection that goes is not made again. */
    closing?: boolean;
    parser: { readonly buffer: Buffer; _onData(data: Buffer): void };
    getInfo(): EslEvent | null;
    api(command: string, args: string | string[], callback: (event: EslEvent) => void): void;
    api(command: string, callback: (event: EslEvent) => void): void;
    execute(application: string, argument: string): void;
    disconnect(): void;
  }

  const esl: { readonly Connection: typeof Connection };
  export default esl;
}

declare module 'drachtio-fsmrf/lib/mediaserver.js' {
  import type { EventEmitter } from 'node:events';
  import type { Connection, EslEvent } from 'drachtio-modesl';

  export class Endpoint extends EventEmitter {
    readonly uuid: string;
    readonly connected: boolean;
    readonly local: { readonly sdp: string };
    readonly conn: Connection | null;
    readonly dialog: unknown;
    api(command: string, args: string[]): Promise<EslEvent>;
    execute(application: string, argument: string): Promise<EslEvent>;
    destroy(): Promise<void>;
  }

  export default class MediaServer extends EventEmitter {
    constructor(
      connection: Connection,
      mrf: { readonly srf: unknown; readonly customEvents: readonly string[] },
      listenAddress: string,
      listenPort: number,
      advertisedAddress: string,
      advertisedPort: number | undefined,
      profile: string,
    );
    /** The server that FreeSWITCH connects to; undefined until `connect`. */
    readonly _server?: EventEmitter;
    /** Endpoints whose channel or dialog is not there yet, by the uuid of their User-Agent. */
    readonly pendingConnections: ReadonlyMap<string, unknown>;
    _onNewCall(caller: Connection, id: string): void;
    createEndpoint(options: { headers: Record<string, string> }): Promise<Endpoint>;
    disconnect(): void;
  }
}
