import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from './eventually.ts';

/** Programs that are not ours, and where each comes from. */
const INSTALL = {
  sipp: 'apt-get install sip-tester',
  baresip: 'apt-get install baresip-core',
  sox: 'apt-get install sox',
  sngrep: 'apt-get install sngrep',
  tshark: 'apt-get install tshark, and be root or of the group wireshark',
  drachtio: 'install drachtio-server into the PATH (deploy/README.md)',
  freeswitch: 'install FreeSWITCH into the PATH (deploy/README.md)',
  'redis-server': 'apt-get install redis-server',
  haproxy: 'apt-get install haproxy',
  chromium: 'apt-get install chromium',
  curl: 'apt-get install curl',
} as const;

export type PeerName = keyof typeof INSTALL;

const READY_MS = 25_000;
const STOP_MS = 3000;
/** What is kept of a peer's output; the end of it says why it failed. */
const OUTPUT_CHARS = 20_000;

/**
 * A suite that needs a foreign program. Without it, the suite is skipped and says how to install it; where the
 * environment variable REQUIRE_PEERS (names with commas between them) names it, that is a failure instead.
 */
export function describeWithPeer(
  peer: PeerName | readonly PeerName[],
  title: string,
  suite: () => void,
): void {
  const missing = [peer].flat().find((name) => !inPath(name) || (name === 'tshark' && !mayCapture()));
  if (missing === undefined) return void describe(title, suite);
  const reason = `${missing} cannot be used; to run this: ${INSTALL[missing]}`;
  const required = (process.env['REQUIRE_PEERS'] ?? '').split(',').map((name) => name.trim());
  if (!required.includes(missing)) {
    process.stderr.write(`skipped: ${title}: ${reason}\n`);
    return void describe.skip(`${title} (${reason})`, suite);
  }
  describe(title, () => {
    it(`finds ${missing}`, () => expect.fail(`REQUIRE_PEERS names ${missing}, and ${reason}`));
  });
}

/** Whether this user may see what passes on loopback. */
function mayCapture(): boolean {
  return spawnSync('dumpcap', ['-L', '-i', 'lo'], { stdio: 'ignore' }).status === 0;
}

/** Where the system can do it, the program goes when we go: a run that is killed leaves no server behind. */
export function mortal(command: readonly string[]): readonly string[] {
  return inPath('setpriv') ? ['setpriv', '--pdeathsig', 'KILL', ...command] : command;
}

function inPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** How a peer went. */
export interface PeerExit {
  /** Null where a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A foreign program that runs as a child of this process. */
export class PeerProcess {
  readonly exited: Promise<PeerExit>;
  readonly #child: ChildProcess;
  #output = '';
  #gone = false;

  private constructor(child: ChildProcess) {
    this.#child = child;
    const collect = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_CHARS);
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    this.exited = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#output += String(error);
        this.#gone = true;
        resolve({ code: null, signal: null });
      });
      child.once('close', (code, signal) => {
        this.#gone = true;
        resolve({ code, signal });
      });
    });
  }

  /**
   * Starts a program and waits until `ready` does not throw.
   *
   * @throws where the program ends before that, or takes far too long, with what it wrote
   */
  static async start(
    program: PeerName,
    args: readonly string[],
    options: {
      readonly cwd: string;
      readonly env?: Readonly<Record<string, string>>;
      readonly ready: (peer: PeerProcess) => void | Promise<void>;
    },
  ): Promise<PeerProcess> {
    const env = { ...process.env, ...options.env };
    const [command = program, ...rest] = mortal([program, ...args]);
    const child = spawn(command, rest, { cwd: options.cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const peer = new PeerProcess(child);
    try {
      await eventually(() => (peer.#gone ? undefined : options.ready(peer)), { timeoutMs: READY_MS });
    } catch (error) {
      await peer.stop();
      throw new Error(`${program} does not get ready:\n${peer.output}`, { cause: error });
    }
    if (peer.#gone) throw new PeerGone(`${program} ended at once:\n${peer.output}`);
    return peer;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The end of what it wrote to both of its outputs. */
  get output(): string {
    return this.#output;
  }

  /** Sends a signal, such as SIGSTOP to a peer that is to go silent. */
  signal(name: NodeJS.Signals): void {
    if (!this.#gone) this.#child.kill(name);
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<PeerExit> {
    this.signal('SIGKILL');
    return this.exited;
  }

  /** Ends it, by force where it does not go by itself; may be called again. */
  async stop(): Promise<PeerExit> {
    if (!this.#gone) this.#child.kill('SIGTERM');
    const force = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    const exit = await this.exited;
    clearTimeout(force);
    return exit;
  }
}

/** A peer that ended before it was ready: its port was taken in the meantime, say. */
export class PeerGone extends Error {}

/**
 * Throws unless somebody has bound the port. Asked of the system's tables (proc(5)): to try it oneself would
 * take the port away from the peer that is just starting.
 */
export async function assertBound(protocol: 'udp' | 'tcp', port: number): Promise<void> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = (await readFile(`/proc/net/${protocol}`, 'utf8')).split('\n');
  // The columns: number, local address, remote address, state (07: an unconnected UDP socket, 0A: listening).
  const bound = rows.some((row) => {
    const [, local = '', , state] = row.trim().split(/\s+/);
    return local.endsWith(suffix) && (state === '07' || state === '0A');
  });
  if (!bound) throw new Error(`nobody has bound ${protocol} port ${port}`);
}
