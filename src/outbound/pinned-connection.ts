import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { buildConnector } from 'undici';
import type { Target } from './url-guard.ts';

/** Of several addresses each gets so long, the last one all the time that is left. */
const ATTEMPT_MS = 1000;

export interface ConnectionOptions {
  /** Those that were checked: no other one is ever connected to, and no name is looked up again. */
  readonly addresses: readonly string[];
  /** Certificate authorities in PEM, in place of those that Node trusts. */
  readonly ca?: string | undefined;
  /** Ends the connection, in whatever state it is. */
  readonly signal: AbortSignal;
}

/** Connects undici to addresses that are known; a certificate is still checked against the name in the URL. */
export function pinnedConnector(target: Target, options: ConnectionOptions): buildConnector.connector {
  return (_wanted, callback) => {
    let settled = false;
    const settle = (tell: () => void): void => {
      if (!settled) tell();
      settled = true;
    };
    // Listened to for good: TLS may report an end more than once, and undici hears only of its own socket.
    const fail = (error: Error): void => settle(() => callback(error, null));
    const tcp = dial(target, options).on('error', fail);
    tcp.once('connect', () => {
      if (target.url.protocol === 'http:') return settle(() => callback(null, tcp));
      // Not before: with several addresses the socket gets a new handle for each, under which TLS breaks the process.
      const tls = secure(tcp, target, options).on('error', fail);
      tcp.on('error', (error) => tls.destroy(error));
      tls.once('secureConnect', () => settle(() => callback(null, tls)));
    });
  };
}

function secure(socket: Socket, { host }: Target, { ca }: ConnectionOptions): TLSSocket {
  const name = isIP(host) === 0 ? { servername: host } : {};
  return connectTls({ socket, host, ca, ALPNProtocols: ['http/1.1'], ...name });
}

function dial({ url, host, internal }: Target, { addresses, signal }: ConnectionOptions): Socket {
  const lookup: LookupFunction = (_host, { all }, done) => {
    const found = addresses.map((address) => ({ address, family: isIP(address) }));
    const [first] = found;
    if (first === undefined) done(new Error('there is no address to connect to'), []);
    else if (all === true) done(null, found);
    else done(null, first.address, first.family);
  };
  return connectTcp({
    // An address is connected to without a look-up.
    host: isIP(host) === 0 ? host : (addresses[0] ?? host),
    port: internal?.port ?? (Number(url.port) || (url.protocol === 'https:' ? 443 : 80)),
    lookup,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ATTEMPT_MS,
    noDelay: true,
    signal,
  });
}
