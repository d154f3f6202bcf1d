import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pcm } from '../../src/media/pcm.ts';
import { parseWav } from '../../src/media/wav.ts';
import type { TlsCertificate } from '../../src/sip/tls-trust.ts';
import { freePorts } from './free-ports.ts';
import { PeerGone, PeerProcess } from './peers.ts';

const TRIES = 3;
/** SIP over UDP and TCP, SIP over TLS on the next port, remote control, and two for RTP and RTCP of a call. */
const PORTS = 6;

export interface BaresipSecurity {
  /** What it shows over TLS; on the port after its own. */
  readonly certificate: TlsCertificate;
  /** As baresip names it; without it there is no SRTP. */
  readonly mediaEncryption?: 'srtp' | 'srtp-mand';
}

/** A phone that answers at once, plays to nobody, and writes what it hears to a file. */
export class Baresip {
  /** What to call. */
  readonly target: string;
  /** Where it takes SIP over TLS, with a certificate. */
  readonly tlsPort: number;
  readonly #process: PeerProcess;
  readonly #folder: string;
  readonly #controlPort: number;

  private constructor(process: PeerProcess, folder: string, port: number) {
    this.#process = process;
    this.#folder = folder;
    this.#controlPort = port + 2;
    this.tlsPort = port + 1;
    this.target = `sip:phone@127.0.0.1:${port}`;
  }

  /** @param codecs as baresip writes them, such as `PCMA/8000/1`; in order of preference */
  static async start(
    codecs: readonly string[] = ['PCMU/8000/1', 'PCMA/8000/1'],
    security?: BaresipSecurity,
  ): Promise<Baresip> {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-baresip-'));
    for (let tries = 1; ; tries++) {
      const port = await freePorts(PORTS);
      await configure(folder, port, codecs, security);
      try {
        const process = await PeerProcess.start('baresip', ['-f', folder], {
          cwd: folder,
          ready: (peer) => {
            if (!peer.output.includes('baresip is ready')) throw new Error('not ready');
          },
        });
        return new Baresip(process, folder, port);
      } catch (error) {
        if (error instanceof PeerGone && tries < TRIES) continue;
        await rm(folder, { recursive: true, force: true });
        throw error;
      }
    }
  }

  /** All that it has written; the end of it. */
  get output(): string {
    return this.#process.output;
  }

  /** What it heard in its only call so far, once that is over. Throws before that. */
  async recording(): Promise<Pcm> {
    // The module finishes the header of the file when the call ends.
    if (!/(terminated|closed)/.test(this.output)) throw new Error(`the call is not over:\n${this.output}`);
    const names = (await readdir(join(this.#folder, 'heard'))).filter((name) => name.endsWith('-dec.wav'));
    const [name] = names;
    if (name === undefined || names.length > 1) throw new Error(`${names.length} recordings`);
    return parseWav(await readFile(join(this.#folder, 'heard', name)));
  }

  /** Hangs up, as the person at the phone would; resolves when baresip says that it did. */
  async hangUp(): Promise<void> {
    const command = JSON.stringify({ command: 'hangup', params: '', token: 'hangup' });
    const socket = connect(this.#controlPort, '127.0.0.1');
    await once(socket, 'connect');
    // A netstring: length, colon, text, comma.
    socket.write(`${command.length}:${command},`);
    let answer = '';
    for await (const chunk of socket) {
      answer += String(chunk);
      if (/"token":"hangup"/.test(answer)) break;
    }
    socket.destroy();
    if (!/"ok":true/.test(answer)) throw new Error(`baresip does not hang up: ${answer}`);
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function configure(
  folder: string,
  port: number,
  codecs: readonly string[],
  security: BaresipSecurity | undefined,
): Promise<void> {
  await mkdir(join(folder, 'heard'), { recursive: true });
  const { certificate, mediaEncryption } = security ?? {};
  const encryption = mediaEncryption === undefined ? '' : `;mediaenc=${mediaEncryption}`;
  const account = `<sip:phone@127.0.0.1>;regint=0;answermode=auto${encryption};audio_codecs=${codecs.join(',')}\n`;
  await writeFile(join(folder, 'accounts'), account);
  const certificateFile = join(folder, 'certificate.pem');
  if (certificate !== undefined)
    await writeFile(certificateFile, `${certificate.cert}${certificate.key.reveal()}`, { mode: 0o600 });
  await writeFile(join(folder, 'contacts'), '');
  const config = [
    `sip_listen 127.0.0.1:${port}`,
    ...(certificate === undefined ? [] : [`sip_certificate ${certificateFile}`]),
    `ctrl_tcp_listen 127.0.0.1:${port + 2}`,
    `rtp_ports ${port + 4}-${port + 5}`,
    // There is no sound card: what is heard goes back as what is said.
    'audio_source aubridge,loop',
    'audio_player aubridge,loop',
    'audio_alert aubridge,alert',
    `snd_path ${join(folder, 'heard')}`,
    'module_path /usr/lib/baresip/modules',
    ...['g711', 'aubridge', 'sndfile', ...(mediaEncryption === undefined ? [] : ['srtp'])].map(
      (name) => `module ${name}.so`,
    ),
    ...['account', 'menu', 'ctrl_tcp'].map((name) => `module_app ${name}.so`),
  ];
  await writeFile(join(folder, 'config'), `${config.join('\n')}\n`);
}
