import { randomBytes } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Secret } from '../../src/secret.ts';
import { freePorts, freeRtpPorts } from './free-ports.ts';
import { PeerGone, PeerProcess } from './peers.ts';

const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));
/** What drachtio is started with where a test brings nothing of its own. */
export const DRACHTIO_CONFIG = join(DEPLOY, 'drachtio/drachtio.conf.xml');
const HOST = '127.0.0.1';
/** Two for each call of a test, RTP and RTCP. */
const RTP_PORTS = 400;

/** A drachtio server or a FreeSWITCH of the test's own, on ports of its own. */
export interface TestServer {
  readonly host: string;
  /** Of drachtio's admin port, or of FreeSWITCH's event socket. */
  readonly port: number;
  /** Where it takes SIP over UDP and TCP. */
  readonly sipPort: number;
  readonly secret: Secret;
  readonly process: PeerProcess;
  /** Of a FreeSWITCH: configuration, logs and databases; null for drachtio, which writes to its output alone. */
  readonly folder: string | null;
  /** Starts it again on the same ports, after it was killed. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** SIP over TLS for drachtio, by files. */
export interface DrachtioTlsFiles {
  /** Its own certificate, and the key of that. */
  readonly certificate: string;
  readonly key: string;
  /** The authorities that it believes. */
  readonly ca: string;
  /** Whether it verifies certificates; it does not unless told. */
  readonly verifies: boolean;
}

/** Starts drachtio with the configuration of deploy/. */
export async function startDrachtio(
  options: { logLevel?: string; config?: string; tls?: DrachtioTlsFiles } = {},
): Promise<TestServer> {
  const secret = randomBytes(12).toString('hex');
  const { tls } = options;
  for (;;) {
    const [port, sipPort] = [await freePorts(1), await freePorts(1)];
    const secured =
      tls === undefined
        ? []
        : [
            ...['--contact', `sips:${HOST}:${await freePorts(1)};transport=tls`],
            ...['--cert-file', tls.certificate, '--key-file', tls.key, '--chain-file', tls.ca],
          ];
    const args = [
      ...['--file', options.config ?? DRACHTIO_CONFIG],
      ...['--address', HOST, '--port', String(port)],
      ...['--contact', `sip:${HOST}:${sipPort};transport=udp,tcp`],
      ...secured,
      ...['--loglevel', options.logLevel ?? 'notice'],
    ];
    const start = () =>
      PeerProcess.start('drachtio', args, {
        cwd: tmpdir(),
        env: {
          DRACHTIO_SECRET: secret,
          ...(tls?.verifies === true ? { DRACHTIO_TLS_VERIFY_CLIENT_CERT: '1' } : {}),
        },
        ready: () => assertListens(port),
      });
    try {
      return serverOf({ port, sipPort }, secret, await start(), start);
    } catch (error) {
      if (!(error instanceof PeerGone)) throw error;
    }
  }
}

/** Starts FreeSWITCH with the configuration of deploy/, except vars.xml, which is what differs between machines. */
export async function startFreeswitch(
  options: {
    rtpPorts?: number;
    logLevel?: string;
    /** Extensions of the dialplan for calls that are not the engine's, as XML. */
    extensions?: string;
  } = {},
): Promise<TestServer> {
  const secret = randomBytes(12).toString('hex');
  const folder = await mkdtemp(join(tmpdir(), 'voice-otp-freeswitch-'));
  await cp(join(DEPLOY, 'freeswitch'), join(folder, 'conf'), { recursive: true });
  for (const name of ['log', 'db', 'run', 'cache', 'storage', 'recordings', 'certs'])
    await mkdir(join(folder, name));
  if (options.extensions !== undefined) await extendDialplan(join(folder, 'conf'), options.extensions);
  for (;;) {
    const rtpPorts = options.rtpPorts ?? RTP_PORTS;
    const [port, sipPort] = [await freePorts(1), await freePorts(1)];
    const first = await freeRtpPorts(rtpPorts);
    await writeFile(
      join(folder, 'conf/vars.xml'),
      variables({
        event_socket_ip: HOST,
        event_socket_port: port,
        event_socket_password: secret,
        sip_ip: HOST,
        sip_port: sipPort,
        rtp_ip: HOST,
        ext_rtp_ip: HOST,
        rtp_start_port: first,
        rtp_end_port: first + rtpPorts - 2,
        allowed_network: `${HOST}/32`,
        max_sessions: 2000,
        sessions_per_second: 300,
        log_level: options.logLevel ?? 'warning',
        media_timeout: 600_000,
        rtp_secure_media: 'forbidden',
      }),
    );
    const places = ['log', 'db', 'run', 'cache', 'storage', 'recordings', 'certs'].flatMap((name) => [
      `-${name}`,
      join(folder, name),
    ]);
    const args = ['-nf', '-nc', '-nonat', '-np', '-conf', join(folder, 'conf'), ...places];
    const start = () =>
      PeerProcess.start('freeswitch', args, { cwd: folder, ready: () => assertProfileRuns(port, secret) });
    try {
      return serverOf({ port, sipPort }, secret, await start(), start, folder);
    } catch (error) {
      if (error instanceof PeerGone) continue;
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }
}

function serverOf(
  ports: Pick<TestServer, 'port' | 'sipPort'>,
  secret: string,
  first: PeerProcess,
  start: () => Promise<PeerProcess>,
  folder?: string,
): TestServer {
  let current = first;
  return {
    host: HOST,
    ...ports,
    secret: new Secret(secret),
    folder: folder ?? null,
    get process() {
      return current;
    },
    restart: async () => {
      await current.kill();
      current = await start();
    },
    stop: async () => {
      await current.kill();
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

async function extendDialplan(conf: string, extensions: string): Promise<void> {
  const file = join(conf, 'dialplan/drachtio.xml');
  const context = '<context name="drachtio">';
  await writeFile(file, (await readFile(file, 'utf8')).replace(context, `${context}\n${extensions}`));
}

function variables(values: Readonly<Record<string, string | number>>): string {
  const lines = Object.entries(values).map(
    ([name, value]) => `  <X-PRE-PROCESS cmd="set" data="${name}=${value}"/>`,
  );
  return `<include>\n${lines.join('\n')}\n</include>\n`;
}

async function assertListens(port: number): Promise<void> {
  const socket = connect(port, HOST);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  }).finally(() => socket.destroy());
}

/** Asks over the event socket, by hand: what is tested uses another client. */
async function assertProfileRuns(port: number, secret: string): Promise<void> {
  const status = await eventSocket(port, secret, 'sofia status');
  if (!/drachtio_mrf\s+profile\s.*RUNNING/.test(status)) throw new Error('the SIP profile does not run yet');
}

/** One API command, and what FreeSWITCH says to it. */
async function eventSocket(port: number, secret: string, command: string, host = HOST): Promise<string> {
  const socket = connect(port, host);
  let text = '';
  try {
    return await new Promise<string>((resolve, reject) => {
      socket.setTimeout(2000, () => reject(new Error('the event socket is silent')));
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('the event socket was closed')));
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.startsWith('Content-Type: auth/request\n\n')) {
          text = '';
          socket.write(`auth ${secret}\n\napi ${command}\n\n`);
        }
        const reply = /Content-Type: api\/response\nContent-Length: (\d+)\n\n/.exec(text);
        const body = reply === null ? '' : text.slice(reply.index + reply[0].length);
        if (reply !== null && body.length >= Number(reply[1])) resolve(body);
      });
    });
  } finally {
    socket.destroy();
  }
}

/** Ends all channels, as if FreeSWITCH had ended them of its own. */
export async function endChannels({
  host,
  port,
  secret,
}: Pick<TestServer, 'host' | 'port' | 'secret'>): Promise<void> {
  await eventSocket(port, secret.reveal(), 'hupall', host);
}

/** Channels that FreeSWITCH has up. */
export async function channelsOf({
  host,
  port,
  secret,
}: Pick<TestServer, 'host' | 'port' | 'secret'>): Promise<number> {
  const answer = await eventSocket(port, secret.reveal(), 'show channels count', host);
  return Number(/(\d+) total/.exec(answer)?.[1]);
}
