import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from './free-ports.ts';
import { assertBound, PeerGone, PeerProcess } from './peers.ts';

const SCENARIOS = fileURLToPath(new URL('../interop/sipp/', import.meta.url));
/** How often another port is tried where somebody else took the one that was free. */
const TRIES = 3;
const ERROR_CHARS = 4000;
const TRACE = 'messages.log';
/** The head of a message in the trace: day, time, microseconds, way and length. */
const TRACED =
  /^-+ (\d{4}-\d\d-\d\d)\s(\d\d:\d\d:\d\d)\.(\d{6})\n\w+ message (received|sent) [[(](\d+)[\])]? bytes\)? ?:\n\n/gm;

export interface SippOptions {
  /** The scenario's file name without its ending. */
  readonly scenario: string;
  readonly calls: number;
  readonly transport?: 'udp' | 'tcp';
  /** Where its SDP wants the audio: a UDP port on loopback. */
  readonly mediaPort: number;
  /** The port of its Contact, where the way to it leads through something else. */
  readonly contactPort?: number;
  /** The length of the scenario's pauses that name none. */
  readonly pauseMs?: number;
  /** Keeps every message, for `received()`. */
  readonly trace?: boolean;
  /** Neither sends again nor recognises what is sent again: the scenario says all. */
  readonly withoutRetransmission?: boolean;
}

/** SIPp's own judgement of the calls it took. */
export interface SippResult {
  readonly code: number | null;
  readonly successful: number;
  readonly failed: number;
  /** What it did not expect. */
  readonly errors: string;
}

/** A message as SIPp saw it. */
export interface TracedMessage {
  readonly direction: 'in' | 'out';
  /** Epoch milliseconds, with a fraction. */
  readonly at: number;
  readonly text: string;
}

/** One run of a scenario as the called side. */
export class Sipp {
  readonly port: number;
  readonly #process: PeerProcess;
  readonly #folder: string;

  private constructor(port: number, process: PeerProcess, folder: string) {
    this.port = port;
    this.#process = process;
    this.#folder = folder;
  }

  static async start(options: SippOptions): Promise<Sipp> {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-sipp-'));
    for (let tries = 1; ; tries++) {
      // SIP, remote control, and audio and video on two even ports.
      const port = await freePorts(5);
      try {
        const process = await PeerProcess.start('sipp', argumentsOf(options, port), {
          cwd: folder,
          ready: () => bothBound(options.transport ?? 'udp', port),
        });
        return new Sipp(port, process, folder);
      } catch (error) {
        if (error instanceof PeerGone && tries < TRIES) continue;
        await rm(folder, { recursive: true, force: true });
        throw error;
      }
    }
  }

  /** Waits until all calls are over, as SIPp sees them. */
  async result(): Promise<SippResult> {
    const { code } = await this.#process.exited;
    const [successful, failed] = await this.#counts();
    return { code, successful, failed, errors: (await this.#text('errors.log')).slice(0, ERROR_CHARS) };
  }

  /** What it has received so far, where it keeps a trace: each as often as it came. */
  async received(): Promise<readonly string[]> {
    return (await this.messages()).filter(({ direction }) => direction === 'in').map(({ text }) => text);
  }

  /** What it has sent and received so far, by its own clock, where it keeps a trace. */
  async messages(): Promise<readonly TracedMessage[]> {
    const trace = await readFile(join(this.#folder, TRACE), 'latin1').catch(() => '');
    return [...trace.matchAll(TRACED)].map((found) => {
      const [head, day, time = '', micros = '', way, bytes] = found;
      const start = found.index + head.length;
      return {
        direction: way === 'received' ? 'in' : 'out',
        at: Date.parse(`${day}T${time}`) + Number(micros) / 1000,
        text: trace.slice(start, start + Number(bytes)),
      };
    });
  }

  /** Ends it where it still runs, and forgets what it wrote. */
  async stop(): Promise<void> {
    await this.#process.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #counts(): Promise<[successful: number, failed: number]> {
    const rows = (await this.#text('stat.csv')).trim().split('\n');
    const names = rows[0]?.split(';') ?? [];
    const last = rows.at(-1)?.split(';') ?? [];
    const count = (name: string): number => Number(last[names.indexOf(name)]);
    return [count('SuccessfulCall(C)'), count('FailedCall(C)')];
  }

  async #text(file: string): Promise<string> {
    return readFile(join(this.#folder, file), 'utf8').catch(() => '');
  }
}

function argumentsOf(options: SippOptions, port: number): string[] {
  const { scenario, calls, transport, mediaPort, contactPort, pauseMs, withoutRetransmission } = options;
  const { trace } = options;
  return [
    ...['-sf', join(SCENARIOS, `${scenario}.xml`), '-m', String(calls)],
    ...['-i', '127.0.0.1', '-p', String(port), '-t', transport === 'tcp' ? 't1' : 'u1'],
    ...['-ci', '127.0.0.1', '-cp', String(port + 1), '-mi', '127.0.0.1', '-mp', String(port + 2)],
    ...['-key', 'ear', String(mediaPort), '-nostdin', '-timeout', '30s', '-timeout_error'],
    ...['-trace_stat', '-stf', 'stat.csv', '-trace_err', '-error_file', 'errors.log'],
    ...['-key', 'contact_port', String(contactPort ?? port), '-max_retrans', '30', '-pause_msg_ign'],
    ...(pauseMs === undefined ? [] : ['-d', String(pauseMs)]),
    ...(withoutRetransmission === true ? ['-nr'] : []),
    ...(trace === true ? ['-trace_msg', '-message_file', TRACE, '-message_overwrite', 'true'] : []),
  ];
}

async function bothBound(transport: 'udp' | 'tcp', port: number): Promise<void> {
  await assertBound(transport, port);
  await assertBound('udp', port + 1);
}
