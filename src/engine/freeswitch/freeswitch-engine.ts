import type { WireMessage } from '../../sip/transport.ts';
import type {
  CallEvent,
  DigestCredentials,
  Engine,
  Leftover,
  Leg,
  LegWire,
  PlainAnswer,
  PlainRequest,
  TextLeg,
} from '../engine.ts';
import { carryLeg, endLegs } from '../leg/carry-leg.ts';
import { carryText } from '../leg/carry-text.ts';
import { RegistrationSeries } from '../leg/request-series.ts';
import type { ServerAddress } from './drachtio-connection.ts';
import { endLeftover, leftChannel, leftFiles } from './leftover.ts';
import { LegRun } from './leg-run.ts';
import { ListenFolder } from './listen-folder.ts';
import { PromptFolder } from './prompt-folder.ts';
import { plainRequest } from './request.ts';
import {
  type DrachtioServer,
  drachtioServer,
  type MediaServer,
  mediaServer,
  type SeenFolders,
} from './servers.ts';
import { openText } from './text-sender.ts';
import type { DrachtioTls } from './tls-terms.ts';
import { DrachtioWire } from './wire.ts';

export interface FreeswitchEngineOptions {
  readonly drachtioServers: readonly (Omit<ServerAddress, 'tls'> & { readonly weight: number })[];
  /** Whom the drachtio servers believe over TLS; without it no trunk is reached over TLS. */
  readonly tls?: DrachtioTls | undefined;
  readonly mediaServers: readonly (ServerAddress & SeenFolders & { readonly weight: number })[];
  /** The SIP profile of FreeSWITCH that drachtio reaches. */
  readonly profile: string;
  /** Where FreeSWITCH connects to us: port 0 is any free one, else each media server has one, from `port` on. */
  readonly callback: {
    readonly host: string;
    readonly port: number;
    readonly advertisedAddress?: string | undefined;
  };
  readonly promptFolder: string;
  /** Where FreeSWITCH writes what it hears in calls with detection; that of the prompts, if not given. */
  readonly listenFolder?: string | undefined;
  /** Mode 0640 for prompts and 0660 for what is heard, instead of 0600. */
  readonly groupReadable: boolean;
  /** See `SharedFolderOptions`: what an earlier process of that name left in the folders goes at the start. */
  readonly instance?: string | undefined;
  readonly userAgent: string;
  /** A bug, or a peer that says nonsense; the engine goes on. */
  readonly onFault: (error: unknown) => void;
  /** A server was connected or lost, or calls are carried without detection. */
  readonly onChange: (text: string) => void;
  /** The SIP between drachtio and the trunks, as far as drachtio tells it (see `DrachtioWire`). */
  readonly onWire?: (message: WireMessage) => void;
}

/** Files of other hosts that are older than any call are left over. */
const FILE_MAX_AGE_MS = 30 * 60_000;
const SWEEP_INTERVAL_MS = 300_000;
/** How long an end of an earlier leg waits for its drachtio server. */
const LEFTOVER_PATIENCE_MS = 10_000;

/** SIP by drachtio-server and sound by FreeSWITCH; several of both. */
export class FreeswitchEngine implements Engine {
  readonly name = 'freeswitch';
  readonly #options: FreeswitchEngineOptions;
  readonly #drachtioServers: readonly DrachtioServer[];
  readonly #mediaServers: readonly MediaServer[];
  readonly #folder: PromptFolder;
  readonly #listenFolder: ListenFolder;
  readonly #runs = new Set<LegRun>();
  readonly #series = new RegistrationSeries();
  /** Aborted, text messages under way are given up. */
  readonly #closing = new AbortController();
  #sweeping: NodeJS.Timeout | undefined;
  #started = false;

  constructor(options: FreeswitchEngineOptions) {
    this.#options = options;
    const { callback, profile, promptFolder, listenFolder, groupReadable, instance, onWire } = options;
    const wire = onWire === undefined ? undefined : new DrachtioWire(onWire);
    this.#drachtioServers = options.drachtioServers.map((one) =>
      drachtioServer({ ...one, tls: options.tls }, options, wire),
    );
    this.#mediaServers = options.mediaServers.map((one, index) => {
      const port = callback.port === 0 ? 0 : callback.port + index;
      const seen = listenFolder === undefined ? { ...one, listenFolder: one.promptFolder } : one;
      return mediaServer(seen, { profile, callback: { ...callback, port } }, options);
    });
    this.#folder = new PromptFolder({
      folder: promptFolder,
      groupReadable,
      instance,
      maxAgeMs: FILE_MAX_AGE_MS,
      onFault: options.onFault,
    });
    this.#listenFolder = new ListenFolder({
      folder: listenFolder ?? promptFolder,
      groupWritable: groupReadable,
      instance,
      maxAgeMs: FILE_MAX_AGE_MS,
      onChange: options.onChange,
    });
  }

  /** What is held at the moment; all zero when no call is up. */
  held(): { legs: number; endpoints: number; dialogs: number; files: number } {
    const sum = (counts: number[]): number => counts.reduce((total, one) => total + one, 0);
    return {
      legs: this.#runs.size,
      endpoints: sum(this.#mediaServers.map(({ load }) => load)),
      dialogs: sum(this.#drachtioServers.map(({ standing }) => standing.current?.dialogs ?? 0)),
      files: this.#folder.held() + this.#listenFolder.held(),
    };
  }

  /** Rejects when prompts cannot be written. Servers that cannot be reached are tried again and again. */
  async start(): Promise<void> {
    await this.#folder.open();
    await this.#listenFolder.open();
    this.#sweeping = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS);
    const servers = [...this.#drachtioServers, ...this.#mediaServers];
    await Promise.all(servers.map(({ standing }) => standing.start()));
    this.#started = true;
  }

  missing(): readonly string[] {
    const missing: string[] = [];
    const none = (servers: readonly { standing: { current: unknown } }[]) =>
      servers.every(({ standing }) => standing.current === undefined);
    if (!this.#started || none(this.#drachtioServers)) missing.push('drachtio');
    if (!this.#started || none(this.#mediaServers)) missing.push('freeswitch');
    return missing;
  }

  originate(leg: Leg, signal: AbortSignal, wire?: LegWire): AsyncGenerator<CallEvent, void, undefined> {
    const run = new LegRun(leg, {
      drachtioServers: this.#drachtioServers,
      mediaServers: this.#mediaServers,
      folder: this.#folder,
      listenFolder: this.#listenFolder,
      userAgent: this.#options.userAgent,
      wire,
    });
    return carryLeg(run, this.#runs, signal);
  }

  message(text: TextLeg, signal: AbortSignal, wire?: LegWire): AsyncGenerator<CallEvent, void, undefined> {
    const given = AbortSignal.any([signal, this.#closing.signal]);
    const open = () => openText(text, this.#drachtioServers, given);
    return carryText(text, this.#options.userAgent, open, given, wire);
  }

  async request(request: PlainRequest, signal: AbortSignal): Promise<PlainAnswer> {
    const { userAgent } = this.#options;
    const around = { drachtioServers: this.#drachtioServers, series: this.#series, userAgent };
    return plainRequest(request, around, signal);
  }

  async endLeftover(leftover: Leftover, credentials?: DigestCredentials): Promise<boolean> {
    const connect = async (name: string) =>
      this.#drachtioServers
        .find(({ standing }) => standing.name === name)
        ?.standing.within(LEFTOVER_PATIENCE_MS);
    try {
      await this.#endChannel(leftover);
      // They hold the code, and the node that wrote them may not be back for long.
      for (const name of leftFiles(leftover)) await this.#folder.removeLeft(name);
      return await endLeftover(leftover, connect, credentials);
    } catch (error) {
      this.#options.onFault(error);
      return false;
    }
  }

  #sweep(): void {
    void this.#folder.sweep();
    void this.#listenFolder.sweep();
  }

  /** FreeSWITCH ends the channel of a process that is gone, but only when the file has been played. */
  async #endChannel(leftover: Leftover): Promise<void> {
    const channel = leftChannel(leftover);
    const server = this.#mediaServers.find(({ standing }) => standing.name === channel?.server);
    if (channel !== undefined) await server?.standing.current?.kill(channel.uuid).catch(() => undefined);
  }

  async close(signal: AbortSignal): Promise<void> {
    this.#started = false;
    this.#closing.abort();
    clearInterval(this.#sweeping);
    await endLegs(this.#runs, signal);
    for (const { standing } of [...this.#drachtioServers, ...this.#mediaServers]) standing.close();
  }
}
